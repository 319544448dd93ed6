"""`manyhot cv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import refuse_overwriting, training_inputs
from manyhot.cli.jobs.read_options import options_of
from manyhot.cli.jobs.train import described
from manyhot.data.readers import read
from manyhot.data.readers.input_files import images_with
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.cross_validation import cross_validate
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.charts import check_picture, save, spread
from manyhot.validation import did_you_mean


def run(
    file: Path,
    reading: Mapping[str, Any],
    folds: int,
    repeats: int,
    stratify: bool,
    groups: str | None,
    measures: Sequence[str] | None,
    against: Mapping[str, Any],
    picture: Path | None,
    settings: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Read, cross-validate one setting or two, tell, draw."""
    quiet = bool(settings.get("quiet"))
    check_picture(picture)
    options = options_of(reading)
    read_too = (one for setting in (settings, against) for one in training_inputs(file, options, setting))
    refuse_overwriting({"--picture": picture}, read_too, images_with(file, options))
    classifier = MultiLabelClassifier(**settings)
    samples, by_group = read_grouped(file, reading, groups, classifier.on_bad_image)
    print_notes([f"{file}: {described(samples)}", *samples.notes], quiet)
    told: dict[str, Any] = {"folds": folds, "repeats": repeats, "stratify": stratify, "measures": measures}
    result = cross_validate(classifier, samples, groups=by_group, **told)
    document, text = {"file": str(file), **result.to_dict()}, str(result)
    drawn = {"": document}
    if against:
        other = cross_validate(classifier, samples, groups=by_group, **told, **against)
        comparison = result.compare(other)
        words = ", ".join(f"{name}={value}" for name, value in against.items())
        document |= {"against": {"settings": dict(against), **other.to_dict()}, "comparison": comparison.to_dict()}
        text += f"\n\nAgainst {words} on the same folds\n{other}\n\nThis minus {words}\n{comparison}"
        drawn = {"as told": document, words: document["against"]}
    if picture is not None:
        save(spread(drawn), picture)
        text += f"\n\nsaved {picture}"
    print_result(document, text, as_json)


def read_grouped(
    file: Path, reading: Mapping[str, Any], groups: str | None, on_bad_image: str = "error"
) -> tuple[Samples, list[Any] | None]:
    """The rows, and the values of the column that groups them, which then is no feature."""
    if groups is None:
        return read(file, options_of(reading, on_bad_image=on_bad_image), needed_by="cross-validation"), None
    kinds = {**reading["kinds"], groups: "ignored"}
    try:
        options = options_of({**reading, "kinds": kinds}, on_bad_image=on_bad_image)
        samples = read(file, options, needed_by="cross-validation")
    except InputError as error:
        if error.argument != "kinds" or groups not in str(error):
            raise
        raise InputError(f"there is no column {groups!r} to group by", file=file, argument="--groups") from None
    if samples.is_sparse or groups not in samples.features.columns:
        hint = did_you_mean(groups, samples.feature_names)
        raise InputError(f"there is no column {groups!r} to group by{hint}", file=file, argument="--groups")
    return samples, samples.features[groups].to_list()
