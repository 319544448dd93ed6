"""What a reader needs to be told: where the labels are, and what else the file does not say itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from manyhot import validation
from manyhot.data.label_cells import whole_number
from manyhot.data.labels import UNKNOWN_LABELS, UnknownLabels
from manyhot.data.number_cells import NumberFormat
from manyhot.data.samples import COLUMN_TYPES, ColumnKind
from manyhot.errors import InputError

# The same words as `config.images.ON_BAD_IMAGE`; readers know no settings of training
OnBadImage = Literal["error", "skip"]
MAX_VALUE = 65535  # The highest number that a mask holds


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file; one object serves every format, which takes from it what concerns it.

    Args:
        labels: The indicator columns: names and globs with commas between (`mood_*,sad`), a name with a comma in
            quotes; or the one column that holds label sets. A name that is a column is no glob. None for formats that
            carry their labels, or when `known_labels` names the columns.
        sep: What stands between two names in a column of label sets; None for JSON lists.
        xml: The Mulan XML that names the labels of an ARFF file, when it does not lie beside it.
        id_column: The column that names the rows; None lets inspection find one.
        column_types: Column name -> kind, where inspection would guess wrong, or the kinds that training used.
        number_formats: Column name -> how its numbers are written, as a trained model has it; None infers it.
        format: Name of the format; None goes by the file's suffix.
        known_labels: A trained model's labels in their order; targets then have exactly these columns.
        label_order: Names and order of the labels of a set column in training; None sorts the names found.
        feature_names: A trained model's features in their order, for sparse formats: the matrix then has exactly
            these columns, zero where the file has none.
        require_labels: False for prediction: it is then fine when there are no labels, or unreadable ones.
        unknown_labels: What to do with labels beyond `known_labels` (or `label_order`).
        header: Whether the first row of CSV or TSV holds the column names.
        column_names: The names of a CSV or TSV file without header.
        images: A folder in whose depths the images are looked up that a column of the table names, with or without
            folders and suffix; rows without an image there are left out. None: paths are relative to the table's file.
        on_bad_image: "error" refuses paths of images that are not there, "skip" leaves them to whoever decodes.
        sparse_targets: Whether label sets (a column of them, libsvm, XC) become `Samples.sparse_targets`, for very many
            labels.
        legend: What the numbers of a mask mean, where each pixel of an image has labels: number as text -> its labels,
            [] for none of them, None for unknown.
        label_names: Names for labels that the file has as numbers: a mapping {number: name}, or a list whose first name
            is that of 0. Labels are then called and, in training, ordered by these.
        sample_weight: The column with the weights of the rows, numbers of 0 or more; it is no feature.
        drop: Columns that are neither features nor labels, named as in `labels`; they are left out before all else.

    Raises:
        InputError: A value out of its range, naming the argument.
    """

    labels: str | None = None
    sep: str | None = None
    xml: Path | None = None
    id_column: str | None = None
    column_types: Mapping[str, ColumnKind] = field(default_factory=dict)
    number_formats: Mapping[str, NumberFormat] | None = None
    format: str | None = None
    known_labels: tuple[str, ...] | None = None
    label_order: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    require_labels: bool = True
    unknown_labels: UnknownLabels = "error"
    header: bool = True
    column_names: tuple[str, ...] | None = None
    sparse_targets: bool = False
    legend: Mapping[str, Sequence[str] | None] | None = None
    label_names: Mapping[str, str] | Mapping[int, str] | Sequence[str] | None = None
    images: Path | None = None
    drop: str | None = None
    sample_weight: str | None = None
    on_bad_image: OnBadImage = "error"

    def __post_init__(self) -> None:
        validation.one_of(UNKNOWN_LABELS, unknown_labels=self.unknown_labels)
        validation.one_of(get_args(OnBadImage), on_bad_image=self.on_bad_image)
        validation.boolean(header=self.header)
        validation.boolean(sparse_targets=self.sparse_targets)
        validation.boolean(require_labels=self.require_labels)
        for name, kind in self.column_types.items():
            if kind not in COLUMN_TYPES:
                hint = validation.did_you_mean(str(kind), COLUMN_TYPES)
                raise InputError(
                    f"got {kind!r} for column {name!r}, expected one of {', '.join(COLUMN_TYPES)}{hint}",
                    argument="column_types",
                )
        if self.sep == "":
            raise InputError("got an empty text, expected what stands between two labels, such as '|'", argument="sep")
        for argument in ("labels", "drop"):
            text = getattr(self, argument)
            if text is not None and not isinstance(text, str):
                raise InputError(
                    f"got {validation.shorten(text)}, expected a text: names and globs with commas between",
                    argument=argument,
                )
            if text is not None and not text.strip():
                raise InputError("got an empty text, expected a column name, a list or a glob", argument=argument)
        for argument in ("known_labels", "label_order", "feature_names", "column_names"):
            self._refuse_twins(argument)
        if self.legend is not None:
            object.__setattr__(self, "legend", _check_legend(self.legend))
        if self.label_names is not None:
            object.__setattr__(self, "label_names", check_label_names(self.label_names))
        if self.column_names is not None and self.header:
            raise InputError("column names are for files without a header: say header=False", argument="column_names")

    def _refuse_twins(self, argument: str) -> None:
        names = getattr(self, argument)
        if names is None:
            return
        if isinstance(names, str):
            raise InputError(f"got the text {names!r}, expected a tuple of names", argument=argument)
        twins = [] if len(set(names)) == len(names) else [name for k, name in enumerate(names) if name in names[:k]]
        if twins:
            raise InputError(f"{twins[0]!r} is named more than once", argument=argument)


def _check_legend(legend: Any) -> dict[str, list[str] | None]:
    """Numbers as text -> lists of labels, or None."""
    if not isinstance(legend, Mapping) or not legend:
        raise InputError(
            'expected numbers with their labels, such as {"0": ["sky"], "8": ["car", "vehicle"], "11": null}',
            argument="legend",
        )
    checked: dict[str, list[str] | None] = {}
    for number, labels in legend.items():
        if not str(number).isdecimal() or int(number) > MAX_VALUE:
            raise InputError(
                f"got {validation.shorten(number)}, expected a number from 0 to {MAX_VALUE}", argument="legend"
            )
        labels = [labels] if isinstance(labels, str) else labels
        is_list = isinstance(labels, (list, tuple)) and all(isinstance(name, str) and name for name in labels)
        if labels is not None and not is_list:
            raise InputError(
                f"{number}: got {validation.shorten(labels)}, expected a list of labels, or null for unknown",
                argument="legend",
            )
        checked[str(int(number))] = None if labels is None else list(dict.fromkeys(labels))
    return checked


def check_label_names(names: Any) -> dict[str, str]:
    """Numbers as text -> names."""
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if not isinstance(names, Mapping) or not names:
        raise InputError(
            f'got {validation.shorten(names)}, expected a mapping of numbers to names such as {{"3": "joy"}}, or a '
            "list of names, the first that of 0",
            argument="label_names",
        )
    checked: dict[str, str] = {}
    number_of: dict[str, str] = {}
    for key, name in names.items():
        number = None if isinstance(key, bool) else whole_number(str(key))
        if number is None or not isinstance(name, str) or not name.strip():
            raise InputError(
                f"got {validation.shorten(key)}: {validation.shorten(name)}, expected a whole number and its name, "
                'such as {"3": "joy"}',
                argument="label_names",
            )
        if number in checked:
            raise InputError(f"the number {number} stands more than once", argument="label_names")
        if name in number_of:
            raise InputError(
                f"{name!r} is the name of {number_of[name]} and of {number}; labels need different names",
                argument="label_names",
            )
        checked[number], number_of[name] = name, number
    return checked
