"""The app, and what every command does: gather its flags and run its job; imports nothing heavy, for `--help`."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from manyhot.cli.config_flags import parse_column_types
from manyhot.gc_pause import pause_gc
from manyhot.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Multi-label classification with neural networks: train, evaluate, predict, from one safe file.",
    epilog="Begin with: manyhot demo",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run_job(name: str, **options: Any) -> None:
    """Run a command's work; its module, and with it JAX and Keras, is imported only now."""
    with pause_gc():
        module = importlib.import_module(f"manyhot.cli.jobs.{name}")
    module.run(**options)


def collect_read_flags(
    columns: str | None = None, column_type: list[str] | None = None, **flags: Any
) -> dict[str, Any]:
    """The fields of `ReadOptions` that flags set."""
    names = None if columns is None else [name.strip() for name in columns.split(",")]
    return {**flags, "column_names": names, "column_types": parse_column_types(column_type)}


def _version(is_requested: bool) -> None:
    if is_requested:
        print(f"manyhot {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Multi-label classification with neural networks: train, evaluate, predict, from one safe file."""
