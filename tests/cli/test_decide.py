"""`manyhot decide`, and every command that takes a model on what it writes."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot import DecisionLayer, load
from tests.cli.conftest import NAMES


def score_table(seed: int, n: int = 250, prefix: str = "p_") -> pl.DataFrame:
    """Rows with an id, a text, scores of three labels in another order, and label sets."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(n, 3)) - 1
    Y = generator.random((n, 3)) < 1 / (1 + np.exp(-logits))
    scores = (1 / (1 + np.exp(-0.4 * logits))).round(5)
    sets = ["|".join(name for name, value in zip(NAMES, row, strict=True) if value) for row in Y]
    columns = {"song_id": [f"s{seed}_{k}" for k in range(n)], "title": [f"a song, the {k}th" for k in range(n)]}
    columns |= {f"{prefix}{name}": scores[:, j] for j, name in reversed(list(enumerate(NAMES)))}
    return pl.DataFrame({**columns, "moods": sets})


WORDS = ("--labels", "moods", "--sep", "|", "--id-column", "song_id")


@pytest.fixture(scope="module", params=["p_", ""], ids=["prefix", "names of the labels"])
def decided(request, manyhot, tmp_path_factory):
    """A folder with tables of scores, and the model of one of them."""
    folder = tmp_path_factory.mktemp("scores")
    for seed, name in enumerate(("fit", "aside", "new")):
        score_table(seed, prefix=request.param).write_csv(folder / f"{name}.csv")
    done = manyhot("decide", folder / "fit.csv", *WORDS, "-o", folder / "m.manyhot", "--json")
    assert done.code == 0, done.err
    (folder / "document.json").write_text(done.out)
    return folder


def test_it_is_what_python_makes(decided):
    table = score_table(0)
    columns, moods = [f"p_{name}" for name in NAMES], table["moods"]
    layer = DecisionLayer(labels=NAMES).fit(table[columns].to_numpy(), [row.split("|") if row else [] for row in moods])
    document = json.loads((decided / "document.json").read_text())
    assert document["thresholds"] == pytest.approx(layer.thresholds_, abs=1e-6)
    loaded = load(decided / "m.manyhot")
    assert isinstance(loaded, DecisionLayer)
    assert loaded.model_.origin.file.name == "fit.csv"
    assert document["report"]["scores"]["from"] == "supplied"


def test_every_command_takes_the_model(manyhot, decided, tmp_path):
    model, aside = tmp_path / "m.manyhot", decided / "aside.csv"
    model.write_bytes((decided / "m.manyhot").read_bytes())
    done = manyhot("predict", model, decided / "new.csv", "-o", tmp_path / "p.parquet")
    assert done.code == 0, done.err
    predicted, table = pl.read_parquet(tmp_path / "p.parquet"), score_table(2)
    assert predicted["id"].to_list() == table["song_id"].to_list()
    layer = load(model)
    expected = layer.predict_proba(table[[f"p_{name}" for name in reversed(NAMES)]].to_numpy())
    order = [f"p_{name}" for name in layer.labels_]
    np.testing.assert_array_equal(predicted[order].to_numpy(), expected)
    evaluated = manyhot("evaluate", model, aside, *WORDS[:4], "--json").document
    assert evaluated["training_rows"] == 0
    assert evaluated["metrics"]["decision"]["f1_macro"]["value"] > 0.5
    assert "were used to train" in manyhot("evaluate", model, decided / "fit.csv", *WORDS[:4]).out
    assert manyhot("thresholds", model, "--metric", "f1_micro").code == 0
    assert manyhot("guarantee", model, aside, *WORDS[:4], "--miss-rate", "0.2").code == 0
    assert load(model).guarantee_.at_most == 0.2
    assert "to fit the decisions" in manyhot("guarantee", model, decided / "fit.csv", "--miss-rate", "0.2").err
    assert manyhot("thresholds", model, "--undo").code == 0
    assert "label" in manyhot("label-errors", model).out
    shown = manyhot("inspect", model).out
    assert "decisions on scores of another program" in shown
    assert "epochs" not in shown
    assert "has no layers" in manyhot("inspect", model, "--layers").err
    assert manyhot("report", model, "-o", tmp_path / "own.html").code == 0
    page = (tmp_path / "own.html").read_text()
    assert "Nothing was trained here" in page
    assert manyhot("report", model, aside, *WORDS[:4], "-o", tmp_path / "aside.html").code == 0
    card = manyhot("card", model).out
    assert "the scores come from another program" in card
    assert "out-of-fold" not in card
    assert "cannot be explained" in manyhot("predict", model, aside, "--explain").err


def test_logits_take_a_sigmoid(manyhot, tmp_path):
    table, columns = score_table(0), [f"p_{name}" for name in NAMES]
    table.with_columns((pl.col(columns) / (1 - pl.col(columns))).log()).write_csv(tmp_path / "logits.csv")
    words = ("decide", tmp_path / "logits.csv", *WORDS, "-o", tmp_path / "m.manyhot")
    refused = manyhot(*words)
    assert refused.code == 2
    assert "--scores logits" in refused.err
    assert not (tmp_path / "m.manyhot").exists()
    assert manyhot(*words, "--scores", "logits", "--decision", "f1_macro").code == 0
    assert load(tmp_path / "m.manyhot").get_params()["scores"] == "logits"


def test_a_score_that_is_missing_is_named_with_row_and_column(manyhot, tmp_path):
    table = score_table(0)
    column = f"p_{NAMES[1]}"
    gap = pl.when(pl.int_range(pl.len()) == 6).then(None).otherwise(pl.col(column)).alias(column)
    table.with_columns(gap).write_csv(tmp_path / "scores.csv")
    done = manyhot("decide", tmp_path / "scores.csv", *WORDS, "-o", tmp_path / "m.manyhot")
    assert done.code == 2
    assert f"scores.csv, row 7, column '{column}'" in done.err
