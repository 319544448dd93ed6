"""Columns as people write them, from training to prediction in Python, from files and over HTTP."""

import warnings

import numpy as np
import pandas as pd
import pytest

from manyhot import ManyhotWarning, MultiLabelClassifier, load
from manyhot.data.readers import read
from manyhot.errors import InputError
from manyhot.estimators.read_options import model_read_options
from manyhot.serving.errors import ApiError
from manyhot.serving.json_rows import make_row_parser
from manyhot.serving.limits import Limits
from manyhot.serving.row_schema import row_schema

SMALL = {"n_members": 1, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (), "verbose": 0, "random_state": 0}


def people() -> pd.DataFrame:
    k = np.arange(60)
    return pd.DataFrame(
        {
            "share": [f"{i},5 %" for i in k],
            "weight": ["oops" if i == 7 else f"{i} kg" for i in k],
            "member": np.where(k % 3 == 0, "YES", "NO"),
            "sex": np.where(k % 2 == 0, "m", "w"),
            "grade": pd.Categorical(k % 3),
            "when": pd.date_range("2024-01-01", periods=60),
        }
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    y = np.stack([np.arange(60) % 2 == 0, np.arange(60) < 30], axis=1).astype(int)
    with pytest.warns(ManyhotWarning) as caught:
        classifier = MultiLabelClassifier(**SMALL).fit(people(), y)
    path = tmp_path_factory.mktemp("model") / "m.manyhot"
    classifier.save(path)
    return load(path), [str(one.message) for one in caught], classifier


def test_kinds_and_notes_are_those_of_the_command_line(model, tmp_path):
    loaded, messages, classifier = model
    assert loaded.model_.encoder.column_types == {
        **{"share": "numeric", "weight": "numeric", "member": "boolean", "sex": "categorical"},
        **{"grade": "categorical", "when": "ignored"},
    }
    notes = " / ".join(classifier.report_.values["notes"])
    for words in ("when", "read as numbers in '%' with a decimal comma: share", "1 cell is no number", "'oops'"):
        assert words in notes
        assert any(words in message for message in messages)


def test_new_rows_are_read_as_those_of_training(model, tmp_path):
    classifier = model[0]
    expected = classifier.predict_proba(people())
    numbers = people().assign(share=np.arange(60) + 0.5, weight=[None if i == 7 else i for i in range(60)])
    numbers = numbers.assign(member=np.arange(60) % 3 == 0, grade=np.arange(60) % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(classifier.predict_proba(numbers), expected, rtol=1e-6)
        np.testing.assert_allclose(classifier.predict_proba(people()[:1]), expected[:1], rtol=1e-6)
    people().to_csv(tmp_path / "a.csv", index=False)
    samples = read(tmp_path / "a.csv", model_read_options(classifier, {}, require_labels=False))
    np.testing.assert_allclose(classifier.predict_proba(samples), expected, rtol=1e-6)
    with pytest.raises(InputError, match="column 'weight': got '5 g', expected a number in 'kg'"):
        classifier.predict_proba(people()[:1].assign(weight="5 g"))


def test_rows_over_http_are_read_as_those_of_training(model):
    encoder = model[0].model_.encoder
    parser = make_row_parser(encoder, Limits())
    row = {"share": "3,5 %", "weight": "3 kg", "member": "yes", "sex": "w", "grade": 1}
    written, plain = parser.to_features([row, {**row, "share": 3.5, "weight": "oops", "member": True}]).rows()
    assert written[:3] == (3.5, 3.0, True)
    assert plain[:3] == (3.5, None, True)
    with pytest.raises(ApiError, match="expected a number in 'kg'"):
        parser.to_features([{**row, "weight": "3 g"}])
    assert row_schema(encoder)["properties"]["weight"]["type"] == ["number", "string", "null"]
