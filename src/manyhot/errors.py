"""What manyhot raises, and what a person reads when it does.

Every error that a user can cause derives from `ManyhotError`, names the place
(file, row, column or argument), says what was expected and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ManyhotError(Exception):
    """Base of all errors that manyhot raises on purpose.

    Attributes:
        exit_code: What the command line exits with (1: it failed, 2: wrong input).
    """

    exit_code = 1


class InputError(ManyhotError, ValueError):
    """Something that was handed in cannot be used as it is.

    Args:
        message: What was got, what was expected, and what to do.
        file: The file it was found in.
        row: The row, counted from 1 as a person would, header not counted.
        column: The column's name.
        argument: The argument's name.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        row: int | None = None,
        column: str | None = None,
        argument: str | None = None,
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.row = row
        self.column = column
        self.argument = argument
        locations = [
            self.file,
            None if row is None else f"row {row}",
            None if column is None else f"column {column!r}",
            None if argument is None else f"argument {argument!r}",
        ]
        location = ", ".join(part for part in locations if part is not None)
        super().__init__(f"{location}: {message}" if location else message)


class BundleError(InputError):
    """A file is not a bundle that this version can open safely."""


class OutputError(ManyhotError, OSError):
    """A result could not be written; what stood there before is untouched."""

    exit_code = 2


class TrainingError(ManyhotError, RuntimeError):
    """Training could not produce a usable network."""


class ManyhotWarning(UserWarning):
    """Category of all warnings that manyhot gives, so that they can be filtered apart from those of other libraries."""


def how_to_install(extra: str) -> str:
    """What to type for an extra, after "install it with: "; in a clone the name alone would be looked for elsewhere."""
    return f"pip install '.[{extra}]' in a clone of manyhot, else pip install 'manyhot[{extra}]'"


@contextmanager
def panics_become(error_class: type[Exception]) -> Iterator[None]:
    """Run the body; a panic of a library written in Rust (tokenizers, polars) becomes an error of this class.

    Such a panic is no `Exception`, so that it would pass every door that answers with an error.
    """
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
        lines = str(error).splitlines() or ["no message"]
        raise error_class(f"a library could not cope with the data ({lines[0][:200]}); leave out what is odd") from None


def is_panic(error: BaseException) -> bool:
    """Return whether an exception is the panic of a library written in Rust."""
    return type(error).__name__ == "PanicException" and not isinstance(error, Exception)
