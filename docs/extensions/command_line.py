"""The reference of the command line, from what `--help` shows."""

from typing import Any

import typer

from extensions.markdown import escape
from manyhot.cli import app
from manyhot.cli.help_pages import parameter_groups


def to_markdown() -> str:
    """A section for each command, with its arguments, and its options by group."""
    commands = typer.main.get_command(app).commands
    return "\n\n".join(_command(name, command) for name, command in commands.items())


def _command(name: str, command: Any) -> str:
    context = command.make_context(f"manyhot {name}", [], resilient_parsing=True)
    usage = " ".join(command.get_usage(context).removeprefix("Usage:").split())
    parts = [f"## {name}", escape(" ".join((command.help or "").split())), f"```text\n{usage}\n```"]
    for heading, rows in parameter_groups(command.params).items():
        parts += [f"### {heading}", *(_entry(*row) for row in rows)]
    if command.epilog:
        _, _, example = command.epilog.partition(": ")
        parts.append(f"**Example**\n\n```text\n{example or command.epilog}\n```")
    return "\n\n".join(parts)


def _entry(flags: str, help_text: str) -> str:
    return f"`{flags}`\n: {escape(' '.join(help_text.split()))}"
