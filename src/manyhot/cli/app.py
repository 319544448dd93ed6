"""The app, and what every command does: gather its flags and run its job. Nothing heavy is imported here: `--help` must
stay quick."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from manyhot.cli.config_flags import kinds_of
from manyhot.gc_pause import paused
from manyhot.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Multi-label classification with neural networks: train, evaluate, predict, from one safe file.",
    epilog="Begin with: manyhot demo",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def job(name: str, **options: Any) -> None:
    """Run a command's work; its module, and with it JAX and Keras, is imported only now."""
    with paused():
        job = importlib.import_module(f"manyhot.cli.jobs.{name}")
    job.run(**options)


def reading_of(columns: str | None = None, kind: list[str] | None = None, **flags: Any) -> dict[str, Any]:
    """How a file is read, as the fields of `ReadOptions` that flags tell."""
    names = None if columns is None else [name.strip() for name in columns.split(",")]
    return {**flags, "column_names": names, "kinds": kinds_of(kind)}


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"manyhot {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Multi-label classification with neural networks: train, evaluate, predict, from one safe file."""
