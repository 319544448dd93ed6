"""The app, and how a command runs its job; imports nothing heavy, for `--help`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from manyhot.cli.config_flags import expand_flags
from manyhot.cli.help_pages import MAX_WIDTH, HelpCommand, HelpGroup
from manyhot.cli.signals import StoppedError, describe_written
from manyhot.files import cache_folder, noted_writes
from manyhot.gc_pause import pause_gc
from manyhot.version import __version__

app = typer.Typer(
    cls=HelpGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # errors are plain lines; `help_pages.py` draws the rest
    help="Multi-label classification with neural networks: train, evaluate, predict, from one safe file.",
    epilog="Begin with: manyhot demo",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": MAX_WIDTH},
)


def command(
    name: str | None = None, *, epilog: str, excluded: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a signature and a help text; all arguments go to `run` of the job that is called like it."""

    def declare(declared: Callable[..., None]) -> Callable[..., None]:
        def run(**arguments: Any) -> None:
            with pause_gc():  # JAX and Keras are imported only now
                job = importlib.import_module(f"manyhot.cli.jobs.{declared.__name__}")
            with noted_writes() as noted:
                try:
                    job.run(**arguments)
                except KeyboardInterrupt as interrupt:  # of which Typer would say nothing
                    own_folders = {cache_folder(), arguments.get("checkpoint")}
                    outputs = [path for path in noted if own_folders.isdisjoint(path.parents)]
                    raise StoppedError(interrupt, describe_written(outputs)) from None

        app.command(name, cls=HelpCommand, epilog=epilog)(expand_flags(declared, run, excluded))
        return declared

    return declare


def _version(ctx: typer.Context, is_requested: bool) -> None:
    if is_requested and not ctx.resilient_parsing:  # as while Tab is answered
        print(f"manyhot {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Multi-label classification with neural networks: train, evaluate, predict, from one safe file."""
