"""Help pages: short descriptions, options in groups, values and defaults as one types them, lines that fit."""

import io
import re
import sys
from contextlib import redirect_stdout
from dataclasses import fields

import pytest
import typer

from manyhot.cli import app, main
from manyhot.cli.config_flags import FLAG_NAMES, IN_PYTHON_ONLY, SETTINGS
from manyhot.cli.help_pages import ARGUMENTS, MAX_COMMAND_HELP, OPTIONS, parameter_groups
from manyhot.config.fields import ChoiceField, describe_fields, summarize_fields
from manyhot.config.groups import GROUPS, SETTING_GROUPS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig

PROGRAM = typer.main.get_command(app)
COMMANDS = PROGRAM.commands


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def shown(*words, output=None):
    output = io.StringIO() if output is None else output
    with redirect_stdout(output), pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert not stop.value.code
    return output.getvalue()


def rows(command):
    """Names -> help text of every parameter of a command."""
    return {names: text for group in parameter_groups(COMMANDS[command].params).values() for names, text in group}


def uncoloured(page):
    return re.sub(r"\x1b\[[\d;]*m", "", page)


def text_of(page):
    return " ".join(page.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_description_in_the_list_is_a_short_sentence(command):
    description = COMMANDS[command].get_short_help_str(MAX_COMMAND_HELP)
    assert "..." not in description
    assert 0 < len(description) <= MAX_COMMAND_HELP == 45
    assert re.search(rf"\n  {command}\s+{re.escape(description)}\n", shown())
    assert text_of(shown(command)).count(text_of(COMMANDS[command].help)) == 1


def test_every_setting_is_in_one_group():
    grouped = [name for names in SETTING_GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(
        field.name for config in (TrainingConfig, RuntimeConfig) for field in fields(config)
    )
    assert set(SETTING_GROUPS) <= set(GROUPS)


@pytest.mark.parametrize("command", COMMANDS)
def test_groups_come_in_their_order_and_hold_every_option(command):
    groups = parameter_groups(COMMANDS[command].params)
    order = [heading for heading in (ARGUMENTS, *GROUPS) if heading in groups]
    assert list(groups) == order  # no option is without a group
    headings = re.findall(r"^(\w+):$", shown(command), flags=re.M)
    assert headings == order
    assert OPTIONS not in headings
    assert sum(map(len, groups.values())) == len(COMMANDS[command].params)


def test_a_setting_stands_in_its_group():
    groups = parameter_groups(COMMANDS["train"].params)
    for group, names in SETTING_GROUPS.items():
        text = " ".join(row for row, _ in groups[group])
        for name in names:
            assert FLAG_NAMES.get(name, (f"--{name.replace('_', '-')}",))[0] in text, (group, name)


def test_defaults_are_shown_as_one_types_them():
    train = rows("train")
    for names, default in {
        "--n-folds INTEGER": "8",
        "--epochs INTEGER|auto": "auto",
        "--hidden-layer-sizes INTEGER,...|none": "256,256",
        "--learning-rate NUMBER": "0.002",
        "--early-stopping/--no-early-stopping": "off",
        "--fast-layers/--no-fast-layers": "on",
        "--evidence/--no-evidence": "on",
        "--max-labels INTEGER|none": "none",
        "--schedule constant|cosine|linear": "cosine",
        "--stream/--no-stream": "on if the file does not fit",
        "--checkpoint-every SECONDS": "60",
    }.items():
        assert train[names].endswith(f" [default: {default}]")
    for names in ("--implies LABEL>LABEL,...", "--loss-params NAME=VALUE,...", "--json", "--quiet", "--xml FILE"):
        assert "default" not in train[names]
    assert train["FILE"].endswith("[required]")
    assert train["-o, --output FILE"].endswith("[required]")
    for command in COMMANDS:
        assert not re.search(r"default: ?(\(|None|True|False|\])", shown(command))


@pytest.mark.parametrize("command", COMMANDS)
def test_values_are_named_by_what_they_are(command):
    for parameter in COMMANDS[command].params:
        if parameter.param_type_name == "option" and not parameter.is_flag:
            assert parameter.metavar, parameter.name
            assert not re.search(r"[\s<]|^str|\[", parameter.metavar.replace("LABEL>LABEL", ""))
    assert "<" not in shown(command)


def test_every_choice_is_named():
    for name, field in SETTINGS.items():
        setting = field.metadata["setting"]
        if isinstance(setting, ChoiceField):
            row, text = next(item for item in rows("train").items() if f"--{name.replace('_', '-')} " in item[0])
            assert [word for word in setting.choices if word not in f"{row} {text}"] == [
                word for word in setting.choices if word in IN_PYTHON_ONLY and word not in text
            ], name


@pytest.mark.parametrize("config", [TrainingConfig, RuntimeConfig])
def test_the_help_of_a_setting_is_the_first_sentence_of_its_description(config):
    summaries, descriptions = summarize_fields(config), describe_fields(config)
    assert list(summaries) == list(descriptions) == [field.name for field in fields(config)]
    for name, summary in summaries.items():
        assert descriptions[name].startswith(summary)
        assert summary.endswith(".")
        assert len(summary) <= 280, name
    train = text_of(shown("train"))
    for flag, text in {"--schedule": "Learning rate over --epochs:", "--top-k": "by `--decision top_k`, 1"}.items():
        assert flag in train
        assert text in train
    assert '="' not in train


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_lines_fit_and_nothing_is_cut(command, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    words = [] if command is None else [command]
    for page in (shown(*words), shown(*words, output=Terminal())):
        plain = uncoloured(page)
        assert max(map(len, plain.splitlines())) <= width
        assert "\N{HORIZONTAL ELLIPSIS}" not in plain
        text = text_of(re.sub("[\N{BOX DRAWINGS LIGHT VERTICAL}]", " ", plain))
        for names, help_text in (rows(command) if command else {}).items():
            assert text_of(f"{names} {help_text}") in text
        if command:
            assert text_of(COMMANDS[command].epilog) in text


def test_pages_are_plain_through_a_pipe_and_framed_in_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert shown("train").isascii()
    page = shown("train", output=Terminal())
    assert all(f" {heading} " in uncoloured(page) for heading in (ARGUMENTS, *GROUPS))
    assert "\x1b[36m--epochs" in page
    monkeypatch.setenv("NO_COLOR", "1")
    page = shown("train", output=Terminal())
    assert not re.search(r"\x1b\[[\d;]*3\d", page)
    assert "\N{BOX DRAWINGS LIGHT VERTICAL} --epochs INTEGER|auto" in uncoloured(page)


def test_a_page_through_a_pipe_does_without_rich(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    shown("train")
    assert "rich" not in sys.modules


@pytest.mark.parametrize(
    ("words", "message"),
    {
        ("train", "a.csv", "--loss"): "Option '--loss' requires an argument.",
        ("predikt",): "No such command 'predikt'. Did you mean 'predict'?",
        ("check", "--odd"): "No such option",
    }.items(),
)
def test_errors_stay_plain_lines(manyhot, words, message):
    done = manyhot(*words)
    assert done.code == 2
    assert f"Error: {message}" in done.err
    assert done.err.isascii()
    assert "Usage: manyhot" in done.err or "Error: Option" in done.err
