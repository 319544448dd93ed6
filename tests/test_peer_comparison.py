"""The comparison with peers: its measures, its ranks, and what becomes of a peer that does not finish."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.metrics import average_precision_score, f1_score, label_ranking_average_precision_score
from sklearn.metrics import label_ranking_loss as ranking_loss

from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import measures
import mulan
import peer_scores
import ranks
import sets


def test_equal_values_share_the_mean_of_their_places():
    row = {"manyhot": 0.70004, "a": 0.69996, "b": 0.8, "c": 0.1}
    assert ranks.ranks(row, max) == {"b": 1, "manyhot": 2.5, "a": 2.5, "c": 4}
    assert ranks.ranks(row, min) == {"c": 1, "manyhot": 2.5, "a": 2.5, "b": 4}


def test_a_cell_that_is_not_finished_is_in_nobodys_rank():
    values = {
        "one": {"manyhot": 0.5, "strong": 0.9, "weak": 0.1},
        "two": {"manyhot": 0.5, "strong": None, "weak": 0.1},
        "three": {"manyhot": 0.5, "strong": float("nan"), "weak": 0.6},
    }
    table = ranks.mean_ranks(values, max)
    assert table["strong"] == {"mean": 1, "n_sets": 1, "manyhot_there": 2}
    assert table["manyhot"] == {"mean": (2 + 1 + 2) / 3, "n_sets": 3, "manyhot_there": (2 + 1 + 2) / 3}
    assert table["weak"]["mean"] == (3 + 2 + 1) / 3
    assert list(table) == ["strong", "manyhot", "weak"]
    assert ranks.ahead(table) == ["strong"]


def test_a_set_without_a_peer_gives_no_rank_and_no_win():
    values = {"one": {"manyhot": 0.5}, "two": {"manyhot": 0.5, "a": 0.6}}
    assert ranks.mean_ranks(values, max)["manyhot"] == {"mean": 2, "n_sets": 1, "manyhot_there": 2}
    assert ranks.cells_won(values, max) == {"two": False}


def test_a_draw_is_not_won():
    values = {
        "won": {"manyhot": 0.2, "a": 0.3},
        "drawn": {"manyhot": 0.30001, "a": 0.3},
        "lost": {"manyhot": 1, "a": 0},
    }
    assert ranks.cells_won(values, min) == {"won": True, "drawn": False, "lost": False}
    assert ranks.cells_won({"won": {"manyhot": 1, "a": 0, "b": None}}, max) == {"won": True}


def test_peers_of_several_files(tmp_path):
    gone = {"unfinished": "over 9 processor seconds"}
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(json.dumps({"flags": {"a": {"HL": 0.1}, "b": {"HL": 0.2}, "c": gone}}))
    second.write_text(
        json.dumps({"flags": {"a": {"HL": 0.3}, "b": gone, "c": gone}, "birds": {"a": gone, "c": {"HL": 0.4}}})
    )
    peers = ranks.load_peers([first, second])
    assert peers["flags"] == {"a": {"HL": 0.3}, "b": {"HL": 0.2}, "c": gone}
    assert ranks.unfinished(peers, ["flags", "birds"]) == {
        "flags": {"c": "over 9 processor seconds"},
        "birds": {"a": "over 9 processor seconds", "b": "not in the files"},
    }
    values = ranks.values_of(peers, "hamming_loss", {"flags": 0.25, "birds": None})
    assert values == {"flags": {"manyhot": 0.25, "a": 0.3, "b": 0.2, "c": None}}


def made_up(n=200, n_labels=6):
    rng = np.random.default_rng(3)
    values = rng.random((n, n_labels)) < 0.25
    values[:, -1] = False
    return values, np.round(rng.normal(size=values.shape) + values, 1)


def test_measures_are_those_of_the_peers_files():
    values, margins = made_up()
    decisions, some = margins >= 0, values.any(axis=1)
    assert (~some).sum() > 0
    found = measures.of_decisions(values, decisions) | measures.of_scores(values, margins, np.full(6, 100))
    for name, average in (("f1_samples", "samples"), ("f1_micro", "micro"), ("f1_macro", "macro")):
        assert found[name] == pytest.approx(f1_score(values, decisions, average=average, zero_division=0.0))
    assert found["ranking_loss"] == pytest.approx(ranking_loss(values[some], margins[some]))
    assert found["lrap"] == pytest.approx(label_ranking_average_precision_score(values[some], margins[some]))
    assert found["map"] == pytest.approx(average_precision_score(values[:, :5], margins[:, :5], average="macro"))
    assert found["hamming_loss"] == (values != decisions).mean()
    assert found["subset_accuracy"] == (values == decisions).all(axis=1).mean()
    untied = margins + np.linspace(0, 1e-6, margins.size).reshape(margins.shape)
    hits = values[np.arange(len(values)), untied.argmax(axis=1)]
    assert measures.of_scores(values, untied, np.full(6, 100))["precision_at_1"] == pytest.approx(hits.mean())
    assert "map_rare" not in found


def test_rare_labels_have_one_to_nineteen_training_rows():
    values, scores = made_up()
    support = np.array([20, 19, 1, 0, 500, 5])
    assert measures.rare_labels(values, support).tolist() == [1, 2]
    expected = average_precision_score(values[:, 1:3], scores[:, 1:3], average="macro")
    assert measures.of_scores(values, scores, support)["map_rare"] == pytest.approx(expected)


def split_of(train, test, kinds):
    def part(frame):
        Y = np.arange(len(frame))[:, None] % 2 == [0, 1]
        return Samples(frame, frame.columns, kinds, targets=Targets(Y), labels=LabelSpace(("u", "v")))

    return sets.Split(part(pl.DataFrame(train)), part(pl.DataFrame(test)))


def test_peers_are_given_raw_numbers_and_one_column_a_category():
    kinds = {"x": "numeric", "c": "categorical", "b": "boolean", "id": "id"}
    train = {"x": [1.5, None], "c": ["r", "g"], "b": [True, False], "id": ["k", "l"]}
    test = {"x": [9.0, 2.0], "c": ["new", "g"], "b": [False, None], "id": ["m", "n"]}
    X, X_test = sets.plain_arrays(split_of(train, test, kinds))
    np.testing.assert_array_equal(X, [[1.5, 0, 1, 1], [np.nan, 1, 0, 0]])
    np.testing.assert_array_equal(X_test, [[9, 0, 0, 0], [2, 1, 0, np.nan]])


def test_peers_are_given_texts_as_words_and_pairs_of_the_training_rows():
    kinds = {"t": "text"}
    split = split_of({"t": ["red car", "red car", "red bus"]}, {"t": ["bus car", "red car"]}, kinds)
    X, X_test = sets.plain_arrays(split)
    assert sp.issparse(X)
    assert X.shape == (3, 3)  # red, car, red car; bus stands in one row
    assert X_test[0].nnz == 1


def script(folder, text):
    path = folder / "peer.py"
    path.write_text(text)
    return [sys.executable, str(path)]


@pytest.mark.slow
def test_a_peer_that_takes_too_long_is_named(tmp_path):
    told = peer_scores.run(script(tmp_path, "while True: pass"), 1, 4)
    assert told == {"unfinished": "over 1 processor seconds"}


def test_a_peer_that_takes_too_much_memory_is_named(tmp_path):
    told = peer_scores.run(script(tmp_path, "b = bytearray(1 << 30)"), 60, 0.5)
    assert told == {"unfinished": "over 0.5 GiB of memory"}


def test_a_peer_with_a_fault_stops_the_run(tmp_path):
    with pytest.raises(SystemExit, match="no such library"):
        peer_scores.run(script(tmp_path, "raise ImportError('no such library')"), 60, 4)


def test_cells_are_measured_again_only_if_the_caps_are_higher():
    caps = argparse.Namespace(seconds=100, gib=8)
    assert not peer_scores.is_there(None, caps)
    assert peer_scores.is_there({"HL": 0.1}, caps)
    gone = {"unfinished": "over 100 processor seconds", "cap_seconds": 100, "cap_gib": 8}
    assert peer_scores.is_there(gone, caps)
    assert not peer_scores.is_there({**gone, "cap_seconds": 99}, caps)


ARFF = """@relation r
@attribute x numeric
@attribute z numeric
@attribute c {a,b}
@attribute u {0,1}
@attribute v {0,1}
@attribute w {0,1}
@data
"""


def write_set(folder):
    """Like Mulan's emotions: u is the sign of x, v that of z, and w never holds in training."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for part, n in (("train", 90), ("test", 40)):
        X = rng.normal(size=(n, 2))
        rows = "".join(
            f"{x:.4f},{z:.4f},{'a' if x > z else 'b'},{int(x > 0)},{int(z > 0)},{int(part == 'test' and i == 0)}\n"
            for i, (x, z) in enumerate(X)
        )
        (folder / f"emotions-{part}.arff").write_text(ARFF + rows)
    labels = "".join(f'<label name="{name}"/>' for name in "uvw")
    (folder / "emotions.xml").write_text(f'<labels xmlns="http://mulan.sourceforge.net/labels">{labels}</labels>')


@pytest.mark.slow
def test_a_small_set_from_end_to_end(tmp_path, monkeypatch, capsys):
    write_set(tmp_path / "emotions")
    monkeypatch.setenv("MANYHOT_DATA", str(tmp_path))
    theirs, mine = tmp_path / "peers.json", tmp_path / "mulan.json"
    words = ["peer_scores.py", "emotions", "--methods", "LinearSVM", "kNN10", "--out", str(theirs)]
    monkeypatch.setattr(sys, "argv", words)
    peer_scores.main()
    cells = json.loads(theirs.read_text())["emotions"]
    assert cells["LinearSVM"]["miF1"] > 0.9
    assert cells["LinearSVM"]["mAP"] > 0.6  # the mean with w, which nobody can have learned
    assert cells["LinearSVM"]["C"] in (0.01, 0.1, 1.0, 10.0)
    monkeypatch.setattr(peer_scores, "measured", lambda *arguments: pytest.fail("the cells are there"))
    peer_scores.main()

    theirs.write_text(json.dumps({"emotions": {**cells, "slow": {"unfinished": "over 1 processor seconds"}}}))
    runs = []
    one_run = mulan.one_run
    monkeypatch.setattr(mulan, "one_run", lambda split, seed: runs.append(seed) or one_run(split, seed))
    words = ["mulan.py", "emotions", "--seeds", "1", "--peers", str(theirs), "--out", str(mine)]
    monkeypatch.setattr(sys, "argv", words)
    mulan.main()
    told = json.loads(mine.read_text())
    printed = capsys.readouterr().out
    assert "left out of the ranks on emotions: slow (over 1 processor seconds)" in printed
    row = told["sets"]["emotions"]
    assert (row["n_train"], row["n_test"], row["n_labels"], row["n_rare"]) == (90, 40, 3, 0)
    assert row["median"]["scores"]["lrap"] > 0.9
    assert set(row["median"][mulan.MADE]) == {*measures.DECISION_MEASURES, "jaccard_samples"}
    for variant in (mulan.AT_HALF, mulan.DEFAULT, mulan.MADE):
        for measure in measures.MEASURES:
            assert sum(place["mean"] for place in told["compared"][variant][measure]["ranks"].values()) == 6
    assert not mine.with_name("mulan.json.part").exists()

    # A killed run goes on with the seeds that are missing, and an older result stands beside the new one
    mine.with_name("mulan.json.part").write_text(json.dumps({"emotions": {"0": row["runs"]["0"]}}))
    older = tmp_path / "before.json"
    older.write_text(json.dumps({"emotions": {"hamming_loss": 1.0, "f1_micro": 0.0}}))
    monkeypatch.setattr(sys, "argv", [*words[:3], "2", *words[4:], "--before", str(older)])
    mulan.main()
    assert runs == [0, 1]
    assert "(before 0 of 1)" in capsys.readouterr().out
