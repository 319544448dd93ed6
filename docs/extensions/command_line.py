"""The reference of the command line, from what `--help` shows."""

from typing import Any

import typer

from extensions.markdown import escape
from manyhot.cli import app
from manyhot.cli.help_pages import MAX_COMMAND_HELP, parameter_groups

FOLDER = "commands"  # beside the page with the table


def index() -> str:
    """A table of the commands, and their pages for the navigation."""
    rows = [
        # the id keeps links alive that were made when all commands stood on one page
        f'| <span id="{name}"></span>[{name}]({FOLDER}/{name}.md) '
        f"| {escape(command.get_short_help_str(MAX_COMMAND_HELP))} |"
        for name, command in commands().items()
    ]
    pages = "\n".join(f"{FOLDER}/{name}" for name in commands())
    return "\n".join(
        ["| command | what it does |", "|---|---|", *rows, "", "```{toctree}", ":hidden:", "", pages, "```"]
    )


def page(name: str) -> str:
    """What stands on the page of a command: its arguments, and its options by group."""
    command = commands()[name]
    context = command.make_context(f"manyhot {name}", [], resilient_parsing=True)
    usage = " ".join(command.get_usage(context).removeprefix("Usage:").split())
    parts = [escape(" ".join((command.help or "").split())), f"```text\n{usage}\n```"]
    for heading, rows in parameter_groups(command.params).items():
        parts += [f"## {heading}", *(_entry(*row) for row in rows)]
    if command.epilog:
        _, _, example = command.epilog.partition(": ")
        parts.append(f"**Example**\n\n```text\n{example or command.epilog}\n```")
    return "\n\n".join(parts)


def commands() -> dict[str, Any]:
    """The commands by name, as `manyhot --help` lists them."""
    return typer.main.get_command(app).commands


def _entry(flags: str, help_text: str) -> str:
    return f"`{flags}`\n: {escape(' '.join(help_text.split()))}"
