"""The reference of the command line, from what `--help` shows."""

from typing import Any

import typer

from extensions.markdown import escape
from manyhot.cli import app


def to_markdown() -> str:
    """A section for each command, with its arguments, and its options by panel."""
    commands = typer.main.get_command(app).commands
    return "\n\n".join(_command(name, command) for name, command in commands.items())


def _command(name: str, command: Any) -> str:
    context = command.make_context(f"manyhot {name}", [], resilient_parsing=True)
    usage = " ".join(command.get_usage(context).removeprefix("Usage:").split())
    parts = [f"## {name}", escape(" ".join((command.help or "").split())), f"```text\n{usage}\n```"]
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None:  # a hidden one
            continue
        kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
        panel = getattr(parameter, "rich_help_panel", None) or kind
        panels.setdefault(panel, []).append(_entry(*record))
    for panel, entries in panels.items():
        parts += [f"### {panel}", *entries]
    if command.epilog:
        _, _, example = command.epilog.partition(": ")
        parts.append(f"**Example**\n\n```text\n{example or command.epilog}\n```")
    return "\n\n".join(parts)


def _entry(flags: str, help_text: str) -> str:
    return f"`{flags}`\n: {escape(' '.join(help_text.split()))}"
