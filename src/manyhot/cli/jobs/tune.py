"""`manyhot tune`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from manyhot.cli.command_line import CURRENT_WORDS
from manyhot.cli.config_flags import FLAG_NAMES, parse_settings
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.origin import record_origin
from manyhot.cli.jobs.outputs import refuse_other_file
from manyhot.cli.jobs.read_options import prepare_reading
from manyhot.cli.jobs.train import describe_samples
from manyhot.data.readers import read
from manyhot.errors import InputError
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.read_options import saved_options
from manyhot.estimators.search import tune
from manyhot.evaluation.charts import check_plot_path
from manyhot.files import check_target

OWN_FLAGS = ("--output", "-o", "--trials", "--minutes", "--metric", "--space", "--nested", "--journal", "--plot")
"""Flags with a value that `manyhot train` does not have, or has another value for."""
OWN_SWITCHES = ("--json", "--quiet")


def run(
    file: Path,
    read_flags: Mapping[str, Any],
    output: Path | None,
    trials: int,
    minutes: float | None,
    metric: str,
    space: list[str] | None,
    nested: int,
    journal: Path | None,
    settings: Mapping[str, Any],
    plot: Path | None,
    as_json: bool,
) -> None:
    """Read, search, save the best model, print the trials and the command that trains it."""
    check_plot_path(plot)
    if output is not None:
        check_target(Path(os.path.realpath(output)))  # before a long search
    classifier = MultiLabelClassifier(**settings)
    chosen_space = None if space is None else parse_space_flags(space)
    outputs = {"--output": output, "--plot": plot, "--journal": journal}
    read_flags, options = prepare_reading(file, read_flags, outputs, [settings], on_bad_image=classifier.on_bad_image)
    refuse_other_file(output)
    samples = read(file, options, needed_by="a search")
    print_notes([f"{file}: {describe_samples(samples)}", *samples.notes], settings.get("verbose", 1) == 0)
    found = tune(
        classifier,
        samples,
        metric=metric,
        space=chosen_space,
        trials=trials,
        minutes=minutes,
        nested=nested,
        journal=journal,
    )
    parts = [found.to_text()]
    document: dict[str, Any] = {"file": str(file), **found.to_dict()}
    command = train_command(found.best_settings, output)
    if command is not None:
        document["command"] = command
        parts.append(f"To train it again:\n{command}")
    if output is not None:
        found.classifier.read_options_ = saved_options(read_flags)
        record_origin(found.classifier.model_, file)
        found.classifier.save(output)
        document["model"] = str(output)
        parts.append(f"saved {output}\nnext: manyhot predict {output} FILE -o predictions.csv")
    if plot is not None:
        found.plot(plot)
        parts.append(f"saved {plot}")
    print_result(document, "\n\n".join(parts), as_json)


def parse_space_flags(pairs: Sequence[str]) -> dict[str, Any]:
    """`NAME=LOW..HIGH` and `NAME=VALUE/VALUE` texts -> what `tune` takes.

    Raises:
        InputError: A text of another form, or a name that is no setting.
    """
    space: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name, text = name.strip().replace("-", "_"), text.strip()
        if not equals or not name or not text:
            raise InputError(
                f"got {pair!r}, expected NAME=LOW..HIGH such as learning_rate=1e-4..1e-2, or NAME=VALUE/VALUE such as "
                "dropout=0.1/0.3",
                argument="--space",
            )
        low, is_range, high = text.partition("..")
        if is_range:
            space[name] = (_number(low, pair), _number(high, pair))
            if not space[name][0] < space[name][1]:
                raise InputError(f"got {pair!r}, expected the lower number first", argument="--space")
        elif "." in name:
            space[name] = [_scalar(value) for value in text.split("/")]
        else:
            space[name] = [_setting_value(name, value) for value in text.split("/")]
    return space


def _setting_value(name: str, text: str) -> Any:
    try:
        return parse_settings([f"{name}={text}"], "--space")[name]
    except InputError as error:
        hint = "; a range is LOW..HIGH, choices are VALUE/VALUE"
        raise InputError(f"{error.message}{hint}", argument=error.argument) from None


def _number(text: str, pair: str) -> float:
    value = _scalar(text.strip())
    if isinstance(value, str):
        raise InputError(f"got {pair!r}, expected numbers on both sides of ..", argument="--space")
    return value


def _scalar(text: str) -> Any:
    for number_type in (int, float):
        with suppress(ValueError):
            return number_type(text)
    return text


def train_command(settings: Mapping[str, Any], output: Path | None) -> str | None:
    """The command that trains with some settings what this command searched; None outside of `manyhot`."""
    words = CURRENT_WORDS.get()
    if words is None:
        return None
    names = [flag for name in settings for flag in FLAG_NAMES.get(name, (_flag(name),))]
    negated = [f"--no-{name[2:]}" for name in names]
    words_left = ["manyhot", "train"]
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        flag, equals, _ = word.partition("=")
        if flag in OWN_SWITCHES or flag in negated:
            continue
        if flag in OWN_FLAGS or flag in names:
            if not equals and rest:
                rest.pop(0)
            continue
        words_left.append(word)
    for name, value in settings.items():
        words_left += (
            [_flag(name), _text(value)] if not isinstance(value, bool) else [_flag(name) if value else _no(name)]
        )
    return shlex.join([*words_left, "-o", "best.manyhot" if output is None else str(output)])


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _no(name: str) -> str:
    return f"--no-{name.replace('_', '-')}"


def _text(value: Any) -> str:
    """A setting as one types it, with all its digits."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_text(inner)}" for name, inner in value.items())
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    return repr(value) if isinstance(value, float) else str(value)
