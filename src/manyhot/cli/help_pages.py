"""Help pages: options in groups; plain text, and panels in a terminal."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from manyhot.config.groups import GROUPS

ARGUMENTS, OPTIONS, COMMANDS = "Arguments", "Options", "Commands"
MAX_COMMAND_HELP = 45
"""Characters of a command's line in the list of commands, at most."""
MAX_WIDTH = 100
_NAMES_WIDTH = 26  # of the left column, at most; longer names have a line of their own
_INDENT, _FRAME = 2, 4
_HARD_SPACE = "\N{NO-BREAK SPACE}"
Row = tuple[str, str]
UsageError: Any = typer.BadParameter.__base__  # what every wrong usage is, whichever Click Typer brings


class HelpCommand(TyperCommand):
    """A command whose help page has its options in groups."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name: [OPTIONS] FILE."""
        arguments = [parameter for parameter in self.params if parameter.param_type_name == "argument"]
        return ["[OPTIONS]", *(_argument_name(argument, in_usage=True) for argument in arguments)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        _write_page(self, ctx, formatter, parameter_groups(self.params))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of a command; what is wrong is said in our words where the library's are hard to read."""
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            error.message = usage_message(error.message, getattr(error, "param", None), words)
            raise


class HelpGroup(TyperGroup):
    """The program itself, whose help page has its options and commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        rows = [(name, command.get_short_help_str(MAX_COMMAND_HELP)) for name, command in self.commands.items()]
        _write_page(self, ctx, formatter, {**parameter_groups(self.get_params(ctx)), COMMANDS: rows})


def usage_message(message: str, parameter: Any, words: list[str]) -> str:
    """What is wrong with the words of a command: what was got, and what was expected."""
    if message.startswith("Input should be") and parameter is not None:
        flags = [flag for flag in parameter.opts if flag in words]
        value = words[words.index(flags[0]) + 1 :][:1] if flags else []
        kind = "a whole number" if "integer" in message else "a number" if "number" in message else ""
        if kind and value:
            return f"got {value[0]!r}, expected {kind}"
    if "unexpected extra argument" in message and "--labels" in words:
        return f"{message}. Names of several labels are one word, with commas: --labels sad,happy"
    return message


def parameter_groups(parameters: Iterable[Any]) -> dict[str, list[Row]]:
    """The rows of a page.

    Args:
        parameters: Arguments and options of a command.

    Returns:
        Heading -> (names, help text) of its parameters, in the order of a page; no group is empty.
    """
    groups: dict[str, list[Row]] = {heading: [] for heading in (ARGUMENTS, *GROUPS, OPTIONS)}
    for parameter in parameters:
        is_argument = parameter.param_type_name == "argument"
        heading = ARGUMENTS if is_argument else getattr(parameter, "rich_help_panel", None) or OPTIONS
        names = _argument_name(parameter) if is_argument else _option_names(parameter)
        groups[heading].append((names, _help_text(parameter)))
    return {heading: rows for heading, rows in groups.items() if rows}


def _argument_name(argument: Any, in_usage: bool = False) -> str:
    name = (argument.metavar or argument.name).upper()
    name += "..." if argument.nargs == -1 else ""
    return f"[{name}]" if in_usage and not argument.required else name


def _option_names(option: Any) -> str:
    flags = sorted(option.opts, key=lambda flag: flag.startswith("--"))
    names = "/".join([", ".join(flags), *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar}"


def _help_text(parameter: Any) -> str:
    text = parameter.help or ""
    default = "" if parameter.required else _default_text(parameter)
    note = "[required]" if parameter.required else f"[default: {default}]" if default else ""
    return f"{text} {note}".strip()


def _default_text(parameter: Any) -> str:
    """The default as one would type it; flags that are off, and no value, have none."""
    if isinstance(parameter.show_default, str):
        return str(parameter.show_default)
    default = parameter.default
    if not parameter.show_default or default is None or callable(default):
        return ""
    if isinstance(default, bool):
        return ("on" if default else "off") if getattr(parameter, "secondary_opts", None) else ""
    return str(default)


def _write_page(command: Any, ctx: Any, formatter: Any, groups: dict[str, list[Row]]) -> None:
    width = min(formatter.width + 2, MAX_WIDTH)  # of which a formatter leaves two columns free
    is_terminal = sys.stdout.isatty()
    frame = _FRAME if is_terminal else _INDENT
    usage = " ".join(command.get_usage(ctx).split())
    paragraphs = [_wrap(usage, width, 0, 7), _wrap(" ".join((command.help or "").split()), width, _INDENT, _INDENT)]
    column = min(max(len(names) for rows in groups.values() for names, _ in rows), _NAMES_WIDTH) + 2
    blocks = {heading: "\n".join(_row_lines(rows, width - frame, column)) for heading, rows in groups.items()}
    epilog = [_wrap(line, width, _INDENT, _INDENT + 2) for line in (command.epilog or "").splitlines()]
    if is_terminal:
        formatter.write(_styled(paragraphs, blocks, epilog, width))
    else:
        indented = [f"{heading}:\n{textwrap.indent(block, ' ' * _INDENT)}" for heading, block in blocks.items()]
        formatter.write("\n\n".join([*paragraphs, *indented, *epilog]) + "\n")


def _row_lines(rows: list[Row], width: int, column: int) -> list[str]:
    lines = []
    for names, text in rows:
        wrapped = _wrap(text, width, column, column).splitlines() or [""]
        if len(names) <= column - 2:
            wrapped[0] = f"{names:{column}}{wrapped[0].lstrip()}"
            lines += wrapped
        else:
            lines += [*_wrap(names, width, 0, 4).splitlines(), *wrapped]
    return [line.rstrip() for line in lines]


def _wrap(text: str, width: int, first: int, later: int) -> str:
    """Lines of a text; a short default is not cut by the end of a line."""
    joined = re.sub(r"\[default: .{1,16}\]$", lambda found: found[0].replace(" ", _HARD_SPACE), text)
    lines = textwrap.fill(
        joined,
        width,
        initial_indent=" " * first,
        subsequent_indent=" " * later,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return lines.replace(_HARD_SPACE, " ")


def _styled(paragraphs: list[str], blocks: dict[str, str], epilog: list[str], width: int) -> str:
    """The page with a panel for each group, in the colours that the terminal has."""
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.text import Text

    panels = []
    for heading, block in blocks.items():
        text = Text(block)
        if heading == COMMANDS:
            text.highlight_regex(r"(?m)^\S+", "bold cyan")
        text.highlight_regex(r"(?<![\w-])--?[A-Za-z][\w-]*", "cyan")
        text.highlight_regex(r"\[(default|required)[^\]]*\]", "dim")
        panels.append(Panel(text, title=f"[bold]{heading}", title_align="left", border_style="dim", width=width))
    console = Console(width=width, highlight=False)
    with console.capture() as page:
        before = Text("\n\n".join(paragraphs))
        before.highlight_regex(r"^Usage:", "bold")
        console.print(Group(before, Text(), *panels, *([Text("\n\n".join(epilog))] if epilog else [])))
    return page.get()
