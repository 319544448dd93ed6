"""fastText's text: `__label__a __label__b the words of the row`, one row in a line."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.table import Table, build_samples
from manyhot.data.samples import Samples

LABEL_PREFIX = "__label__"
TEXT, LABELS = "text", "labels"
_LABEL = r"(?:^|\s)__label__\S*"


def read_fasttext(source: Source, options: ReadOptions) -> Samples:
    """A fastText file: a column `text`, and label sets; the labels carry their names without `__label__`."""
    content, notes = source.decoded_text("fastText")
    lines = pl.Series(TEXT, content.decode("utf-8").replace("\r\n", "\n").split("\n"), dtype=pl.String)
    lines = lines.filter(lines.str.strip_chars() != "")
    labels = lines.str.extract_all(_LABEL).list.eval(pl.element().str.strip_chars().str.strip_prefix(LABEL_PREFIX))
    nameless = labels.list.contains("").arg_true()
    if len(nameless):
        raise source.error(f"has {LABEL_PREFIX} without a name", row=int(nameless[0]) + 1)
    texts = lines.str.replace_all(_LABEL, "").str.strip_chars()
    columns, label_column = [texts], options.labels
    if labels.list.len().sum():
        columns, label_column = [texts, labels.alias(LABELS)], options.labels or LABELS
    options = replace(options, labels=label_column, column_types={TEXT: "text", **options.column_types})
    return build_samples(Table(pl.DataFrame(columns), declared={TEXT: "text"}, notes=notes), source, options)
