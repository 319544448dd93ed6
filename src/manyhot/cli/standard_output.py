"""Standard output of a command: what cannot be written there is an error like that of any other output."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from manyhot.errors import OutputError
from manyhot.files import describe_os_error


class StandardOutput:
    """A stream that raises `OutputError` where it cannot be written to; a pipe that nobody reads is no error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OutputError | None = None  # the first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        with self._checked():
            return self._stream.write(text)

    def flush(self) -> None:
        """Hand over what is still here."""
        with self._checked():
            self._stream.flush()

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except (BrokenPipeError, io.UnsupportedOperation):
            raise
        except OSError as error:
            message = f"standard output could not be written: {describe_os_error(error)}"
            self.error = self.error or OutputError(message)
            raise self.error from None


@contextmanager
def checked_output() -> Iterator[None]:
    """Let everything that the body prints go through `StandardOutput`, to its end."""
    output = StandardOutput(sys.stdout)
    try:
        with redirect_stdout(cast(TextIO, output)):
            try:
                yield
            except SystemExit:  # with which a command ends
                output.flush()
                raise
            output.flush()
    finally:
        if output.error is not None:
            silence_output()
    if output.error is not None:
        raise output.error


def silence_output() -> None:
    """Let nothing be said about standard output when the process ends."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    os.close(descriptor)
