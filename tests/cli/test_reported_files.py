"""Files that were reported to be read wrongly, through the command line, each with what it should give.

The reported cases are a01 to a39. Those of Python stand in tests/estimators/test_reported_targets.py, and these in
tests that were there already:

- a02: tests/estimators/test_categories.py, test_a_template_of_text_does_not_drown_the_category_beside_it
- a13, a14: tests/contract/test_scikit_learn.py, TestScore
- a15: tests/contract/test_scikit_learn.py, test_cross_val_predict_and_stacking_take_probabilities
- a18, a19: tests/contract/test_scikit_learn.py, TestNumbersAsLabels
- a23: tests/cli/test_outputs.py, test_no_command_writes_over_what_it_reads
- a26: tests/data/test_feature_input.py, test_other_forms_are_refused
- a32: tests/cli/test_sample_weight.py, test_train_uses_the_weights_as_fit_does
- a33: tests/estimators/test_extreme.py, test_score_is_the_exact_match
- a35: tests/estimators/test_table_notes.py, test_python_gives_the_notes_of_the_command_line
- a36: tests/estimators/test_multilabel.py, test_fewer_rows_than_folds
"""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import ReadOptions, read
from tests.cli.conftest import Done

LEARNING = ["--n-members", "2", "--hidden-layer-sizes", "16", "--learning-rate", "0.02"]
LABELS = ["--labels", "y_*"]
N_ROWS = 160
"""Of every table that is trained on, so that programs are compiled once."""


def labels_of(done: Done) -> dict[str, tuple[int, int]]:
    """The positives of each label and its known rows, as `check` counted them."""
    assert done.code == 0, done.err
    return {label["label"]: (label["support"], label["known"]) for label in done.document["facts"]["per_label"]}


def train(manyhot: Callable[..., Done], rows: Path, n_epochs: int = 40) -> Done:
    """A small training on a file of `y_*`; the model lies beside it as m.manyhot."""
    model = rows.with_name("m.manyhot")
    done = manyhot("train", rows, *LABELS, "-o", model, "--json", *LEARNING, "--epochs", n_epochs)
    assert done.code == 0, done.err
    return done


def roc_auc(done: Done) -> float:
    return done.document["report"]["metrics"]["decision"]["roc_auc_macro"]["value"]


def column_types(manyhot: Callable[..., Done], rows: Path) -> dict[str, int]:
    return manyhot("inspect", rows.with_name("m.manyhot"), "--json").document["columns"]


def labels_by(value: int, delimiter: str = ",") -> str:
    """The end of a row: whether the value is high, whether it is low."""
    return f"{value > 20:d}{delimiter}{value < 10:d}\n"


# what the cells are: them, in turn; the separator; positives and known rows of each label among 60 rows
CELLS = {
    "a04: a numpy list": (
        ["['Drama' 'Comedy']", "['Action']", "[]"],
        None,
        {"Action": (20, 60), "Comedy": (20, 60), "Drama": (20, 60)},
    ),
    "a05: a Python list, read with a separator": (
        ["['Drama', 'Comedy']", "['Action']", "[]"],
        ",",
        {"Action": (20, 60), "Comedy": (20, 60), "Drama": (20, 60)},
    ),
    "a06: tags in angle brackets": (
        ["<python><pandas>", "<java>", "<python>"],
        "><",
        {"java": (20, 60), "pandas": (20, 60), "python": (40, 60)},
    ),
    "a07: words for missing values are unknown": (
        ["Drama|Comedy", "nan", "Comedy", "None"],
        "|",
        {"Comedy": (30, 30), "Drama": (15, 30)},
    ),
}


@pytest.mark.parametrize("case", CELLS)
def test_label_sets_are_read_as_they_are_written(manyhot, tmp_path, case):
    cells, sep, expected = CELLS[case]
    rows = "".join(f'{i * 1.5},"{cells[i % len(cells)]}"\n' for i in range(60))
    (tmp_path / "f.csv").write_text("x,genres\n" + rows)
    flags = ["--sep", sep] if sep else []
    assert labels_of(manyhot("check", tmp_path / "f.csv", "--labels", "genres", *flags, "--json")) == expected


def test_pairs_of_label_numbers_are_no_decimal_commas(manyhot, tmp_path):
    """Case a08."""
    cells = ["16,0", "7,1", "2", "0"]
    (tmp_path / "f.csv").write_text("x;ids\n" + "".join(f"{i},5;{cells[i % 4]}\n" for i in range(80)))
    done = manyhot("check", tmp_path / "f.csv", "--labels", "ids", "--sep", ",", "--json")
    expected = {"0": (40, 80), "1": (20, 80), "2": (20, 80), "7": (20, 80), "16": (20, 80)}
    assert labels_of(done) == expected


def test_a_question_mark_in_the_name_of_a_column_is_no_wildcard(manyhot, tmp_path):
    """Case a22."""
    names = "Is it toxic?,Is it spam?"
    rows = "".join(f"{i},{i % 2},{int(i % 3 == 0)}\n" for i in range(60))
    (tmp_path / "f.csv").write_text(f"x,{names}\n{rows}")
    done = manyhot("check", tmp_path / "f.csv", "--labels", names, "--json")
    assert labels_of(done) == {"Is it toxic?": (30, 60), "Is it spam?": (20, 60)}


def test_y_and_n_are_yes_and_no(manyhot, tmp_path):
    """Case a31."""
    rows = "".join(f"{i},{'YN'[i % 2]},{'NY'[i % 3 == 0]}\n" for i in range(60))
    (tmp_path / "f.csv").write_text("x,y_p,y_q\n" + rows)
    done = manyhot("check", tmp_path / "f.csv", *LABELS, "--json")
    assert labels_of(done) == {"y_p": (30, 60), "y_q": (20, 60)}


def test_the_separator_line_of_excel_is_no_header(manyhot, tmp_path):
    """Case a29."""
    (tmp_path / "f.csv").write_text("sep=;\nx;y_p\n" + "".join(f"{i % 7},5;{i % 2}\n" for i in range(60)))
    assert labels_of(manyhot("check", tmp_path / "f.csv", *LABELS, "--json")) == {"y_p": (30, 60)}


def test_windows_1252_is_read_with_a_note(manyhot, tmp_path):
    """Case a30."""
    rows = "".join(f"it’s a “good” thing {i} for 5 €,{i % 2}\n" for i in range(60))
    (tmp_path / "f.csv").write_bytes(("text,y_p\n" + rows).encode("cp1252"))
    done = manyhot("check", tmp_path / "f.csv", *LABELS, "--json")
    assert labels_of(done) == {"y_p": (30, 60)}
    assert "line 2 holds the byte 0x92) and was read as Windows-1252" in done.err
    assert read(tmp_path / "f.csv", ReadOptions(labels="y_*")).features["text"][7] == "it’s a “good” thing 7 for 5 €"


def test_a_workbook_that_cannot_be_read_is_refused_with_the_way_out(manyhot, tmp_path):
    """Case a28; that others are read stands in tests/contract/test_readers.py."""
    pytest.importorskip("fastexcel")
    with zipfile.ZipFile(tmp_path / "f.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    done = manyhot("train", tmp_path / "f.xlsx", *LABELS, "-o", tmp_path / "m.manyhot")
    assert done.code == 2
    assert re.search(r"f\.xlsx: cannot be read as an Excel workbook.*save the sheet as CSV in UTF-8", done.err)
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["f.xlsx"]


@pytest.mark.slow
def test_a_category_alone_is_learned(manyhot, tmp_path):
    """Case a01."""
    rows = "".join(f"{'abc'[i % 3]},{int(i % 3 == 1)},{int(i % 3 == 2)}\n" for i in range(N_ROWS))
    (tmp_path / "f.csv").write_text("colour,y_p,y_q\n" + rows)
    assert roc_auc(train(manyhot, tmp_path / "f.csv")) > 0.95
    assert column_types(manyhot, tmp_path / "f.csv") == {"categorical": 1}


@pytest.mark.slow
def test_percentages_are_numbers(manyhot, tmp_path):
    """Case a10."""
    values = [i * 7 % 40 for i in range(N_ROWS)]
    rows = "".join(f"{value}.{i:03d}%,{labels_by(value)}" for i, value in enumerate(values))
    (tmp_path / "f.csv").write_text("share,y_p,y_q\n" + rows)
    done = train(manyhot, tmp_path / "f.csv")
    assert roc_auc(done) > 0.9
    assert "read as numbers in '%': share" in done.err
    assert column_types(manyhot, tmp_path / "f.csv") == {"numeric": 1}


@pytest.mark.slow
def test_one_stray_cell_does_not_make_a_column_of_numbers_ids(manyhot, tmp_path):
    """Case a39."""
    values = [i * 7 % 40 for i in range(N_ROWS)]
    cells = ["oops" if i == 30 else f"{value + i / 1000}" for i, value in enumerate(values)]
    rows = "".join(f"{cell},{labels_by(value)}" for cell, value in zip(cells, values, strict=True))
    (tmp_path / "f.csv").write_text("x,y_p,y_q\n" + rows)
    done = train(manyhot, tmp_path / "f.csv")
    assert roc_auc(done) > 0.9
    assert re.search(r"1 cell is no number.*'oops'", done.err)
    assert column_types(manyhot, tmp_path / "f.csv") == {"numeric": 1}


@pytest.mark.slow
def test_the_index_that_pandas_wrote_is_no_feature(manyhot, tmp_path):
    """Case a24."""
    rows = "".join(f"{i},{i * 7 % 11},{int(i >= 80)},{int(i < 40)}\n" for i in range(N_ROWS))
    (tmp_path / "f.csv").write_text("Unnamed: 0,x,y_p,y_q\n" + rows)
    done = train(manyhot, tmp_path / "f.csv")
    assert column_types(manyhot, tmp_path / "f.csv") == {"numeric": 1}
    assert roc_auc(done) < 0.8  # the index tells both labels


@pytest.fixture(scope="module")
def decimal_commas(manyhot, tmp_path_factory) -> Path:
    """Two columns of numbers, one with decimal commas and gaps, and a model of them."""
    path = tmp_path_factory.mktemp("commas") / "f.csv"
    values = [i * 7 % 40 for i in range(N_ROWS)]
    cells = [f"{value},{i % 10}" if i % 5 else "n/a" for i, value in enumerate(values)]
    rows = (f"{cells[i]};{i % 3};{labels_by(value, ';')}" for i, value in enumerate(values))
    path.write_text("x;z;y_p;y_q\n" + "".join(rows))
    train(manyhot, path, n_epochs=3)
    return path


@pytest.mark.slow
def test_decimal_commas_with_gaps_are_numbers(manyhot, decimal_commas):
    """Case a09."""
    assert column_types(manyhot, decimal_commas) == {"numeric": 2}
    samples = read(decimal_commas, ReadOptions(labels="y_*"))
    assert samples.features["x"][:3].to_list() == [None, 7.1, 14.2]


@pytest.mark.slow
def test_a_missing_feature_column_is_named(manyhot, decimal_commas, tmp_path):
    """Case a25."""
    (tmp_path / "n.csv").write_text("z\n1\n2\n")
    done = manyhot("predict", decimal_commas.with_name("m.manyhot"), tmp_path / "n.csv")
    assert done.code == 2
    assert "n.csv: the feature column of training 'x' is missing; the columns here are z" in done.err
    assert not re.search("argument|kinds|Traceback", done.err)


def two_valued(folder: Path, n_columns: int) -> tuple[Path, Path]:
    """The same rows of rare two-valued columns, a number and six labels, as YES and NO, and as 1 and 0."""
    generator = np.random.default_rng(0)
    X = generator.random((N_ROWS, n_columns)) < 0.05
    Y = np.stack([X[:, 3 * j : 3 * j + 3].any(axis=1) for j in range(6)], axis=1).astype(int)
    beside = pl.DataFrame({"n": np.arange(N_ROWS) % 7 + 0.5, **{f"y_{j}": Y[:, j] for j in range(6)}})
    names = [f"c{j}" for j in range(n_columns)]
    yes, num = folder / "yes" / "f.csv", folder / "num" / "f.csv"
    for path, cells in ((yes, np.where(X, "YES", "NO")), (num, X.astype(int))):
        path.parent.mkdir()
        pl.concat([pl.DataFrame(cells, schema=names), beside], how="horizontal").write_csv(path)
    return yes, num


def test_yes_and_no_are_read_as_1_and_0_are(tmp_path):
    yes, num = (read(path, ReadOptions(labels="y_*")) for path in two_valued(tmp_path, 20))
    assert yes.features.equals(num.features)
    assert yes.features.dtypes == [pl.Boolean] * 20 + [pl.Float64]
    assert yes.column_types == num.column_types == {**{f"c{j}": "boolean" for j in range(20)}, "n": "numeric"}


@pytest.mark.slow
def test_yes_and_no_are_learned_as_1_and_0_are(manyhot, tmp_path):
    """As categories, with a column for each of the two words, they come to a ROC AUC of 0.75 here."""
    yes, num = (train(manyhot, path, n_epochs=20) for path in two_valued(tmp_path, 60))
    assert column_types(manyhot, tmp_path / "yes" / "f.csv") == {"boolean": 60, "numeric": 1}
    assert roc_auc(yes) > 0.8
    assert yes.document["report"]["metrics"] == num.document["report"]["metrics"]
