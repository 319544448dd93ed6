"""The console script: runs a command, turns what goes wrong into one line on standard error and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

# Commands register themselves in this order, which is that of `--help`.
from manyhot.cli import training_commands  # isort: split

from manyhot.cli import model_commands
from manyhot.cli.app import app
from manyhot.cli.command_line import words_of_command
from manyhot.cli.signals import StoppedError, ended_by_signals
from manyhot.cli.standard_output import checked_output, silence_output
from manyhot.errors import InputError, ManyhotError, panics_become

__all__ = ["app", "main", "model_commands", "training_commands"]


def main(args: Sequence[str] | None = None) -> None:
    """Run `manyhot` and exit with 0 (done), 1 (failed), 2 (wrong usage or input) or 128 + the number of a signal."""
    with ended_by_signals():
        _run(args)


def _run(args: Sequence[str] | None) -> None:
    try:
        words = list(sys.argv[1:] if args is None else args)
        with words_of_command(words), panics_become(InputError), checked_output():
            app(args=words, prog_name="manyhot")
    except ManyhotError as error:
        _print_error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt as interrupt:  # before or after a job
        stopped = StoppedError(interrupt)
        _print_error(str(stopped))
        sys.exit(stopped.exit_code)
    except BrokenPipeError:
        # who reads our output has enough; nothing more can be said to them
        silence_output()
        sys.exit(0)
    except Exception as error:  # the last door: a person gets one line, a developer the rest
        first_line = str(error).splitlines()[0] if str(error) else "no message"
        _print_error(f"unexpected error: {type(error).__name__}: {first_line} (set MANYHOT_DEBUG=1 for the traceback)")
        sys.exit(1)


def _print_error(message: str) -> None:
    if os.environ.get("MANYHOT_DEBUG"):
        traceback.print_exc()
    print(f"manyhot: {message}", file=sys.stderr)
