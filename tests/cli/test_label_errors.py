"""`manyhot label-errors`: recorded labels that look wrong."""

import dataclasses

import numpy as np
import polars as pl
import pytest

import manyhot as package
from manyhot.data.targets import Targets
from manyhot.evaluation.label_errors import find_label_errors
from tests.cli.conftest import NAMES, SMALL, songs

COLUMNS = ["id", "label", "recorded", "score", "expected", "suspicion", "reason"]
READERS = {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}


def wrong_songs(n_rows=400):
    """Songs of which every tenth has one mood recorded wrongly, and these places."""
    frame = songs(n_rows)
    labels = frame.select(NAMES).to_numpy().copy()
    places = [(i, (i // 10) % 3) for i in range(5, n_rows, 10)]
    for place in places:
        labels[place] ^= 1
    return frame.with_columns(pl.Series(name, labels[:, j]) for j, name in enumerate(NAMES)), places


@pytest.fixture(scope="module")
def noisy(tmp_path_factory, manyhot):
    """A model trained on songs with wrong labels, and the wrong entries as (id, label)."""
    folder = tmp_path_factory.mktemp("noisy")
    frame, places = wrong_songs()
    frame.write_csv(folder / "songs.csv")
    words = ["--n-members", "4", "--epochs", "60", "--hidden-layer-sizes", "16", "--n-folds", "4", "--quiet"]
    done = manyhot("train", folder / "songs.csv", "--labels", "mood_*", "-o", folder / "songs.manyhot", *words)
    assert done.code == 0, done.err
    return folder / "songs.manyhot", {(f"s{i}", NAMES[j]) for i, j in places}


def expected_of(path):
    model = package.load(path).model_
    evidence = model.evidence
    return find_label_errors(evidence.scores, evidence.targets, evidence.ids, model.labels)


def changed(evidence, **rows):
    """The same evidence with something else remembered of the rows."""
    return dataclasses.replace(evidence, rows=dataclasses.replace(evidence.rows, **rows))


@pytest.mark.slow
def test_wrong_labels_are_named_with_a_reason(manyhot, noisy):
    path, wrong = noisy
    done = manyhot("label-errors", path, "--limit", 10)
    assert done.code == 0, done.err
    assert f"{path}: {len(expected_of(path))} of 1,200 known labels look wrong" in done.out
    shown = [line for line in done.out.splitlines() if ": marked " in line]
    assert len(shown) == 10
    named = [tuple(line.split("%  ")[-1].split(": ")[0].split(", ")) for line in shown]
    assert sum(pair in wrong for pair in named) >= 8
    assert "\nestimated number of wrong labels, listed or not" in done.out


@pytest.mark.slow
def test_json_is_one_document(manyhot, noisy):
    path, wrong = noisy
    done = manyhot("label-errors", path, "--limit", 7, "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    document, found = done.document, expected_of(path)
    assert document["model"] == str(path)
    assert document["n_known"] == 1200
    assert document["n_entries"] == len(found)
    assert document["n_wrong"] == pytest.approx(found.n_wrong.sum())
    assert document["n_wrong_by_label"] == pytest.approx(dict(zip(NAMES, found.n_wrong, strict=True)))
    assert 0.5 * len(wrong) < document["n_wrong"] < 2 * len(wrong)
    assert [list(entry) for entry in document["entries"]] == [COLUMNS] * 7
    assert [entry["id"] for entry in document["entries"]] == found.ids[:7].tolist()
    assert [entry["reason"] for entry in document["entries"]] == found.reasons(7)
    rows = found.rows()
    assert document["n_rows"] == len(rows)
    assert [row["id"] for row in document["rows"]] == rows.ids[:7].tolist()
    assert [row["worst"] for row in document["rows"]] == [NAMES[j] for j in rows.worst[:7]]
    assert [row["n_suspicious"] for row in document["rows"]] == rows.n_suspicious[:7].tolist()
    assert document["left_out"] == document["notes"] == []


@pytest.mark.slow
@pytest.mark.parametrize("suffix", READERS)
def test_all_that_are_expected_to_be_wrong_are_written(manyhot, noisy, tmp_path, suffix):
    path, wrong = noisy
    output = tmp_path / f"wrong{suffix}"
    output.write_text("old")
    done = manyhot("label-errors", path, "-o", output, "--limit", 3)
    assert done.code == 0, done.err
    assert f"suspicious labels to {output}" in done.out
    frame, found = READERS[suffix](output), expected_of(path)
    assert frame.columns == COLUMNS
    assert frame["id"].to_list() == found.ids.tolist()
    assert frame["label"].to_list() == [NAMES[j] for j in found.label]
    assert frame["recorded"].to_list() == ["present" if yes else "absent" for yes in found.recorded]
    np.testing.assert_allclose(frame["score"], found.score)
    np.testing.assert_allclose(frame["suspicion"], found.suspicion)
    assert frame["reason"].to_list() == found.reasons()
    assert sum(pair in wrong for pair in frame.select("id", "label").head(10).iter_rows()) >= 8
    assert [file.name for file in tmp_path.iterdir()] == [output.name]


def test_formulas_in_ids_are_defused(manyhot, noisy, tmp_path):
    classifier = package.load(noisy[0])
    model = classifier.model_
    ids = np.array([f"=cmd|{k}" for k in range(400)])
    model.evidence = changed(model.evidence, ids=ids)
    classifier.save(tmp_path / "evil.manyhot")
    assert manyhot("label-errors", tmp_path / "evil.manyhot", "-o", tmp_path / "out.csv").code == 0
    assert all(name.startswith("'=cmd|") for name in pl.read_csv(tmp_path / "out.csv")["id"])
    assert manyhot("label-errors", tmp_path / "evil.manyhot", "-o", tmp_path / "out.jsonl").code == 0
    assert all(name.startswith("=cmd|") for name in pl.read_ndjson(tmp_path / "out.jsonl")["id"])


def test_one_label_alone(manyhot, noisy):
    path, _ = noisy
    document = manyhot("label-errors", path, "--label", "mood_quiet", "--json").document
    assert {entry["label"] for entry in document["entries"]} == {"mood_quiet"}
    assert document["n_known"] == 400
    whole = manyhot("label-errors", path, "--json").document
    assert document["n_wrong"] == pytest.approx(whole["n_wrong_by_label"]["mood_quiet"])
    done = manyhot("label-errors", path, "--label", "mood_quite")
    assert done.code == 2
    assert "did you mean 'mood_quiet'" in done.err


@pytest.mark.slow
def test_without_scores_nothing_can_be_found(manyhot, table, tmp_path):
    path = tmp_path / "bare.manyhot"
    words = ["--labels", "mood_*", "-o", path, "--quiet", "--no-evidence", *SMALL]
    assert manyhot("train", table, *words).code == 0
    done = manyhot("label-errors", path)
    assert done.code == 2
    assert "without its out-of-fold scores" in done.err
    assert "bare.manyhot" in done.err
    assert done.out == ""


def test_stale_scores_and_left_out_labels_are_told(manyhot, noisy, tmp_path):
    classifier = package.load(noisy[0])
    model = classifier.model_
    values = model.evidence.targets.values.copy()
    values[:, 1] = True
    model.evidence = dataclasses.replace(changed(model.evidence, targets=Targets(values)), is_stale=True)
    classifier.save(tmp_path / "stale.manyhot")
    done = manyhot("label-errors", tmp_path / "stale.manyhot")
    assert done.code == 0, done.err
    assert "note: the model was trained further" in done.err
    assert "the same value in every known row: 'mood_quiet'" in done.err
    document = manyhot("label-errors", tmp_path / "stale.manyhot", "--json").document
    assert document["left_out"] == ["mood_quiet"]
    assert len(document["notes"]) == 2
    assert document["n_known"] == 800


def test_scores_that_tell_nothing_are_told(manyhot, noisy, tmp_path):
    classifier = package.load(noisy[0])
    model = classifier.model_
    values = np.random.default_rng(0).random(model.evidence.scores.shape) < 0.1
    model.evidence = changed(model.evidence, targets=Targets(values))
    classifier.save(tmp_path / "idle.manyhot")
    assert "too weak for this list to be trusted" in manyhot("label-errors", tmp_path / "idle.manyhot").err
    assert "to be trusted" not in manyhot("label-errors", noisy[0]).err


@pytest.mark.slow
def test_one_member_judges_only_the_rows_it_has_not_seen(manyhot, tmp_path):
    songs(200).write_csv(tmp_path / "songs.csv")
    words = ["--labels", "mood_*", "-o", tmp_path / "one.manyhot", "--quiet", "--n-members", "1", "--epochs", "2"]
    assert manyhot("train", tmp_path / "songs.csv", *words).code == 0
    n_scored = len(package.load(tmp_path / "one.manyhot").model_.evidence.ids)
    assert 0 < n_scored < 200
    assert f"note: only the {n_scored} of 200 rows" in manyhot("label-errors", tmp_path / "one.manyhot").err


def test_what_is_wrong_is_refused(manyhot, noisy, tmp_path):
    path, _ = noisy
    done = manyhot("label-errors", path, "-o", tmp_path / "wrong.xlsx")
    assert done.code == 2
    assert ".jsonl" in done.err
    assert manyhot("label-errors", path, "--limit", "0").code == 2
    assert manyhot("label-errors", tmp_path / "absent.manyhot").code != 0
    assert list(tmp_path.iterdir()) == []
