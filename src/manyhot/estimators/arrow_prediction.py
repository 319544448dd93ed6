"""`predict_arrow`: predictions of an Arrow table as an Arrow table, for engines that hold rows in Arrow batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.readers.source import InMemorySource
from manyhot.data.readers.table import Table, build_samples
from manyhot.errors import InputError
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.estimators.prediction_table import prediction_frame
from manyhot.estimators.read_options import model_read_options
from manyhot.models.prediction import predict_scores, sample_features
from manyhot.validation import did_you_mean


def predict_arrow(classifier: BaseModelClassifier, table: Any, id_column: str | None = None) -> Any:
    """Predict the rows of an Arrow table, as `manyhot predict` does those of a Parquet file.

    It keeps nothing between calls and has no side effects, so that Spark, Ray Data, Dask or a loop over record batches
    can call it with a batch at a time.

    Args:
        classifier: A trained classifier, out of `fit` or `load`.
        table: n rows, 0 or more, with the columns of training in any order and any others (after training on an array:
            exactly its columns, in their order): a `pyarrow.Table` or
            `pyarrow.RecordBatch`, or whatever has Arrow's stream interface, such as a polars or pandas frame.
        id_column: The column that names the rows; None takes the id column that the model was trained with
            (`train --id-column`), if the table has it.

    Returns:
        A `pyarrow.Table` for what comes from pyarrow, else a `polars.DataFrame`, with n rows in the same order: `id`
        (text) if there is an id column, `labels` (a list of text) and `p_LABEL` (float32), each label's probability.

    Raises:
        InputError: A column of training is missing or holds what it cannot, with row and column; a model whose pixels
            have labels, or of very many labels.

    Example:
        >>> import polars as pl
        >>> from manyhot import MultiLabelClassifier, predict_arrow
        >>> table = pl.DataFrame({"tempo": [90.0, 140.0] * 20, "energy": [0.2, 0.9] * 20})
        >>> clf = MultiLabelClassifier(epochs=1, verbose=0).fit(table, [{"quiet"}, {"fast"}] * 20)
        >>> predict_arrow(clf, table).columns
        ['labels', 'p_fast', 'p_quiet']
    """
    if not isinstance(classifier, BaseModelClassifier) or classifier.model_.labels_pixels:
        raise InputError(
            "expected a trained MultiLabelClassifier whose rows have labels, not its pixels", argument="classifier"
        )
    frame = _to_polars(table)
    id_name = _id_column(classifier, frame, id_column)
    model = classifier.model_
    if frame.height:
        scores = _scores(classifier, frame if id_name is None else frame.drop(id_name))
        decisions = model.policy.decide(scores)
    else:
        scores = np.zeros((0, len(model.labels.names)), np.float32)
        decisions = scores > 0
    ids = pl.Series("id", [None] * frame.height if id_name is None else frame[id_name].cast(pl.String), pl.String)
    predictions = prediction_frame(ids, model.labels.names, scores, decisions)
    if id_name is None:
        predictions = predictions.drop("id")
    return _to_pyarrow(predictions) if type(table).__module__.startswith("pyarrow") else predictions


def _to_polars(table: Any) -> pl.DataFrame:
    """A table as a polars frame, without copying where Arrow allows it."""
    if isinstance(table, pl.DataFrame):
        return table
    if not (hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__")):
        raise InputError(
            f"got a {type(table).__name__}, expected a pyarrow.Table or RecordBatch, or a frame with Arrow's stream "
            "interface (polars, pandas 2.2 or newer)",
            argument="table",
        )
    return pl.DataFrame(table)


def _id_column(classifier: BaseModelClassifier, frame: pl.DataFrame, name: str | None) -> str | None:
    if name is None:
        name = (getattr(classifier, "read_options_", None) or {}).get("id_column")
        return name if name in frame.columns else None
    if name not in frame.columns:
        raise InputError(f"there is no column {name!r}{did_you_mean(name, frame.columns)}", argument="id_column")
    return name


def _scores(classifier: BaseModelClassifier, frame: pl.DataFrame) -> np.ndarray:
    """Probabilities (n, l) of the rows, whose columns are read as those of a file are."""
    model = classifier.model_
    present = [name for name in model.encoder.names if name in frame.columns]
    if not present and not model.encoder.column_types:  # trained on an array: columns count by their place
        return classifier.predict_proba(frame.to_numpy())
    source = InMemorySource(Path("table"), "table", ".arrow", "")
    options = model_read_options(
        classifier, {}, id_column=None, labels=None, require_labels=False, unknown_labels="ignore"
    )
    try:
        samples = build_samples(Table(frame.select(present)), source, options)
        scores, _ = predict_scores(model, sample_features(model, samples), samples=samples)
    except InputError as error:
        raise InputError(
            error.message, row=error.row, column=error.column, argument=error.argument or "table"
        ) from None
    return np.asarray(scores)


def _to_pyarrow(frame: pl.DataFrame) -> Any:
    """The predictions in the types that every reader of Arrow knows: string and list instead of their large forms."""
    import pyarrow as pa  # there, as the input came from it

    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    types = {pl.String: pa.string(), pl.List(pl.String): pa.list_(pa.string())}
    fields = [(name, types.get(dtype, table.schema.field(name).type)) for name, dtype in frame.schema.items()]
    return table.cast(pa.schema(fields))
