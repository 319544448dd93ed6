"""The data checks find what was planted, and nothing where nothing is."""

import json
import shlex
import subprocess
import sys
from collections import Counter

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from manyhot.config.label_rules import implications_from_text
from manyhot.data.labels import LabelSpace
from manyhot.data.readers import ReadOptions, read
from manyhot.data.samples import Samples
from manyhot.decisions.rules.rules import Rules
from manyhot.errors import InputError
from manyhot.evaluation.data_checks import KINDS, check_data

N = 400
NAMES = ["mood_sad", "mood_quiet", "mood_fast", "mood_warm"]


def clean(n=N, seed=0):
    """Features and labels with no fault: labels follow the features with noise."""
    generator = np.random.default_rng(seed)
    tempo, energy = generator.normal(120, 30, n), generator.random(n)
    kind = generator.choice(["rock", "folk", "jazz"], n)
    noise = generator.normal(0, 1, (n, 4))
    signal = np.stack([-(tempo - 120) / 30, 0.4 - energy, (tempo - 120) / 30, (kind == "jazz") - 0.5], axis=1)
    labels = (signal + noise > 0.3).astype(int)
    frame = pl.DataFrame({"song": [f"s{k}" for k in range(n)], "tempo": tempo, "energy": energy, "kind": kind})
    return frame, pl.DataFrame({name: labels[:, j] for j, name in enumerate(NAMES)})


def kinds_of(data_checks, *severities):
    return {f.kind for f in data_checks.findings if not severities or f.severity in severities}


def written(tmp_path, frame, labels):
    """Features and labels as one CSV, read again."""
    pl.concat([frame, labels], how="horizontal").write_csv(tmp_path / "songs.csv")
    return read(tmp_path / "songs.csv", ReadOptions(labels=",".join(labels.columns), id_column="song"))


def planted(kind):
    """The clean rows with one fault of a kind; also what the finding must name."""
    generator = np.random.default_rng(7)
    frame, labels = clean()
    sad, quiet = labels["mood_sad"].to_numpy(), labels["mood_quiet"].to_numpy()
    coin = generator.random(N)
    if kind == "constant":
        return frame, labels.with_columns(mood_odd=pl.lit(1)), {"mood_odd"}
    if kind == "duplicate":
        return frame, labels.with_columns(pl.Series("gloomy", sad)), {"mood_sad", "gloomy"}
    if kind == "opposite":
        return frame, labels.with_columns(pl.Series("merry", 1 - sad)), {"mood_sad", "merry"}
    if kind == "implied":
        return frame, labels.with_columns(pl.Series("tearful", sad * (coin < 0.4))), {"tearful", "mood_sad"}
    if kind == "exclusive":
        return frame, labels.with_columns(pl.Series("noisy", (1 - quiet) * (coin < 0.5))), {"noisy", "mood_quiet"}
    if kind == "rare":
        few = np.zeros(N, int)
        few[[3, 50, 200]] = 1
        return frame, labels.with_columns(pl.Series("mood_odd", few)), {"mood_odd"}
    if kind == "notation":
        return frame, labels.rename({"mood_sad": "mood_sad]"}), {"mood_sad]"}
    if kind == "spelling":
        other = pl.Series("Mood Sad", (coin < 0.3).astype(int))
        return frame, labels.with_columns(other), {"mood_sad", "Mood Sad"}
    if kind == "leak":
        return frame.with_columns(pl.Series("score", sad * 10 + coin)), labels, {"mood_sad"}
    if kind == "same_name":
        return frame.with_columns(pl.Series("Mood Sad", coin)), labels, {"mood_sad"}
    if kind == "possible_label":
        return frame.with_columns(pl.Series("mood_new", (coin < 0.3).astype(int))), labels, set()
    if kind == "conflicting_rows":
        both = pl.concat([frame, frame[:2].with_columns(song=pl.Series(["again1", "again2"]))])
        other = labels[:2].with_columns(mood_fast=1 - pl.col("mood_fast"))
        return both, pl.concat([labels, other]), {"mood_fast"}
    if kind == "unknown":
        gaps = [None if c < 0.7 else int(c < 0.8) for c in coin]
        return frame, labels.with_columns(pl.Series("mood_odd", gaps)), {"mood_odd"}
    if kind == "one_label_per_row":
        which = generator.integers(0, 4, N)
        return frame, pl.DataFrame({name: (which == j).astype(int) for j, name in enumerate(NAMES)}), set()
    raise KeyError(kind)


def test_a_clean_file_has_no_findings(tmp_path):
    data_checks = check_data(written(tmp_path, *clean()))
    assert data_checks.findings == []
    assert "No problems found." in str(data_checks)


@pytest.mark.parametrize("fault", [*KINDS, "opposite"])
def test_a_planted_fault_is_found_and_no_other(tmp_path, fault):
    frame, labels, names = planted(fault)
    kind = "duplicate" if fault == "opposite" else fault
    data_checks = check_data(written(tmp_path, frame, labels))
    assert kinds_of(data_checks) == {kind}
    (finding,) = data_checks.findings
    assert set(finding.labels) == names
    assert all(f"'{name}'" in finding.message for name in names)
    assert finding.severity == ("note" if kind in ("implied", "exclusive") else "warning")
    assert finding.message.endswith(KINDS[kind].advice)
    assert finding.message in " ".join(str(data_checks).replace("\n ", " ").split())


def test_findings_name_rows_columns_and_numbers(tmp_path):
    frame, labels, _ = planted("conflicting_rows")
    (finding,) = check_data(written(tmp_path, frame, labels)).findings
    assert finding.rows == ("s0", "again1", "s1", "again2")
    assert finding.n_rows == 4
    assert finding.values["groups"] == 2
    (finding,) = check_data(frame, labels).findings
    assert finding.rows == ("1", "401", "2", "402")
    frame, labels, _ = planted("leak")
    (finding,) = check_data(written(tmp_path, frame, labels)).findings
    assert finding.columns == ("score",)
    assert finding.values["auc"] == 1.0
    frame, labels, _ = planted("implied")
    (finding,) = check_data(written(tmp_path, frame, labels)).findings
    assert finding.labels == ("tearful", "mood_sad")
    assert finding.values["first"] == labels["tearful"].sum()


def test_columns_that_look_like_labels_are_found_in_frames_and_files(tmp_path):
    frame, labels, _ = planted("possible_label")
    frame = frame.with_columns(mood_old=1 - pl.col("mood_new"))
    spoken = ["yes" if value else "no" for value in frame["mood_new"]]
    forms = [
        check_data(frame, labels),
        check_data(frame.to_pandas(), labels.to_pandas()),
        check_data(frame.with_columns(mood_new=pl.Series(spoken)), labels),
        check_data(written(tmp_path, frame, labels)),
    ]
    for data_checks in forms:
        assert [(f.kind, f.severity, f.columns) for f in data_checks.findings] == [
            ("possible_label", "warning", (name,)) for name in ("mood_new", "mood_old")
        ]
        assert "name it among the labels, or leave it out with `drop` (--drop)" in data_checks.findings[0].message
    named = labels.with_columns(frame["mood_new"], frame["mood_old"])
    assert "possible_label" not in kinds_of(check_data(frame.drop("mood_new", "mood_old"), named))
    samples = written(tmp_path, frame, labels)
    by_hand = Samples(samples.features, samples.feature_names, samples.column_types, samples.targets, samples.labels)
    assert kinds_of(check_data(by_hand)) == {"possible_label"}
    model = ReadOptions(labels=",".join(labels.columns), known_labels=tuple(labels.columns), id_column="song")
    assert check_data(read(tmp_path / "songs.csv", model)).findings == []


def test_implications_are_handed_on():
    frame, labels, _ = planted("implied")
    data_checks = check_data(frame, labels)
    assert data_checks.implications() == [("tearful", "mood_sad")]
    assert "(implies=[('tearful', 'mood_sad')], or --implies 'tearful>mood_sad')." in data_checks.findings[0].message
    odd = labels.rename({"tearful": "to tears, it's > sad"})
    data_checks = check_data(frame, odd)
    words = shlex.split(data_checks.findings[0].message.split(" or ")[1].split(").")[0])
    assert (
        implications_from_text(words[1]) == tuple(data_checks.implications()) == (("to tears, it's > sad", "mood_sad"),)
    )
    long = check_data(frame, labels.rename({"tearful": "t" * 99}))
    assert "--implies" not in long.findings[0].message
    assert long.implications() == [("t" * 99, "mood_sad")]
    same = labels.with_columns(gloomy="mood_sad")
    data_checks = check_data(frame, same)
    assert "duplicate" in kinds_of(data_checks)
    assert sorted(data_checks.implications()) == [("tearful", "gloomy"), ("tearful", "mood_sad")]
    bound = Rules(tuple(data_checks.implications())).bind(LabelSpace(tuple(same.columns)))
    np.testing.assert_array_equal(bound.apply(np.where(same.to_numpy(), 1.0, -1.0)), same.to_numpy() == 1)
    assert check_data(*clean()).implications() == []


def test_implications_of_partly_unknown_labels_never_run_in_a_circle():
    rows = []
    for child, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        third = ({"a", "b", "c"} - {child, parent}).pop()
        for k in range(200 if child != "b" else 100):
            yes = {child: int(k % 4 == 0), parent: int(k % 4 <= 1), third: None}
            rows.append([yes[name] for name in "abc"])
    data_checks = check_data(None, pl.DataFrame(rows, schema=list("abc"), orient="row", infer_schema_length=None))
    assert sum(finding.kind == "implied" for finding in data_checks.findings) == 3
    assert sorted(data_checks.implications()) == [("a", "b"), ("c", "a")]
    Rules(tuple(data_checks.implications())).bind(LabelSpace(("a", "b", "c")))


def test_softmax_is_named_where_it_is_right(tmp_path):
    frame, labels, _ = planted("one_label_per_row")
    text = " ".join(str(check_data(frame, labels)).split())
    assert "Exactly one label in every row: these targets are exclusive (multi-class)" in text
    assert "here softmax is right (head='softmax')" in text
    some = labels.with_columns(pl.when(pl.arange(N) < 5).then(0).otherwise(pl.all()).name.keep())
    (finding,) = check_data(frame, some).findings
    assert finding.message.startswith("No row has more than one label (5 rows have none)")


def test_a_category_gives_a_label_away():
    frame, labels = clean()
    told = np.where(labels["mood_sad"].to_numpy() == 1, np.where(np.arange(N) % 2, "a", "b"), "c").astype(object)
    told[:5] = ["once", "only", "here", "there", None]
    (finding,) = check_data(frame.with_columns(pl.Series("code", told)), labels).findings
    assert (finding.kind, finding.columns, finding.labels) == ("leak", ("code",), ("mood_sad",))


def test_a_category_that_tells_of_most_rows_only_is_no_leak():
    frame, labels = clean()
    sad = labels["mood_sad"].to_numpy() == 1
    told = np.where(sad ^ (np.arange(N) % 20 == 0), "a", "c")
    assert check_data(frame.with_columns(pl.Series("code", told)), labels).findings == []


def test_text_that_is_different_in_every_row_gives_nothing_away():
    frame, labels = clean()
    names = [f"{'sad' if sad else 'gay'}{k}" for k, sad in enumerate(labels["mood_sad"])]
    assert check_data(frame.with_columns(pl.Series("title", names)), labels).findings == []


def test_unknown_targets_decide_nothing():
    frame, labels = clean()
    sad = labels["mood_sad"].to_list()
    same = [None if k % 3 == 0 else value for k, value in enumerate(sad)]
    data_checks = check_data(frame, labels.with_columns(pl.Series("gloomy", same, dtype=pl.Int64)))
    assert kinds_of(data_checks, "warning") == {"duplicate"}
    (note,) = [f for f in data_checks.findings if f.severity == "note"]
    assert note.kind == "unknown"
    assert "33.5%" in note.message
    never = labels.with_columns(pl.Series("mood_odd", [None] * N, dtype=pl.Int64))
    (finding,) = check_data(frame, never).findings
    assert (finding.kind, finding.values["state"]) == ("constant", "never known")
    twice = pl.concat([frame, frame[:1]])
    unknown = labels[:1].with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in NAMES)
    assert labels[:1].to_numpy().any()
    assert kinds_of(check_data(twice, pl.concat([labels, unknown]))) == {"unknown"}


def test_unknown_is_not_counted_as_no():
    """A comes with B in every row where B is known; counted as no, the unknown ones would break the rule."""
    frame, labels, _ = planted("implied")
    hidden = [None if k % 4 == 0 else value for k, value in enumerate(labels["mood_sad"].to_list())]
    data_checks = check_data(frame, labels.with_columns(pl.Series("mood_sad", hidden, dtype=pl.Int64)))
    (rule,) = [f for f in data_checks.findings if f.kind == "implied"]
    assert rule.labels == ("tearful", "mood_sad")
    assert rule.values["first"] < labels["tearful"].sum()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_chance_alone_is_not_told(share):
    """Independent labels: with a limit of 1e-3 a file, 100 files should give no finding on pairs, or hardly one."""
    told = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        space = [f"l{chr(97 + j)}{j}" for j in range(12)]
        values = generator.random((300, 12)) < share * generator.uniform(0.5, 1.1, 12)
        known = generator.random(values.shape) > (0.2 if seed % 2 else 0)
        cells = np.where(known, values, np.nan)
        data_checks = check_data(None, pl.DataFrame(cells, schema=space), n_folds=2)
        told += bool(kinds_of(data_checks) & {"implied", "exclusive", "duplicate", "one_label_per_row"})
    assert told <= 2


def test_columns_of_noise_give_nothing_away():
    generator = np.random.default_rng(5)
    values = generator.random((2000, 60)) < 0.02
    data_checks = check_data(generator.normal(size=(2000, 200)), values)
    assert "leak" not in kinds_of(data_checks)


def test_a_nearly_constant_label_is_rare_in_its_negatives():
    frame, labels = clean()
    full = np.ones(N, int)
    full[:3] = 0
    (finding,) = check_data(frame, labels.with_columns(pl.Series("mood_odd", full)), n_folds=8).findings
    assert finding.kind == "rare"
    assert "3 negatives" in finding.message
    assert check_data(frame, labels.with_columns(pl.Series("mood_odd", full)), n_folds=3).findings == []


def test_empty_sparse_rows_are_no_conflict():
    generator = np.random.default_rng(2)
    words = sp.random(300, 40, density=0.2, random_state=0, format="lil")
    words[:20] = 0
    values = generator.random((300, 3)) < 0.4
    assert check_data(words.tocsr(), values).findings == []
    matrix = sp.vstack([words.tocsr(), words.tocsr()[[100]]])
    (finding,) = check_data(matrix, np.vstack([values, ~values[[100]]])).findings
    assert finding.kind == "conflicting_rows"
    assert finding.rows == ("101", "301")


def test_rows_without_any_cell_are_no_conflict():
    frame, labels = clean()
    empty = frame.select("tempo", "kind").with_columns(
        pl.when(pl.arange(N) < 20).then(None).otherwise(pl.all()).name.keep()
    )
    assert check_data(empty, labels).findings == []


def test_the_gravest_comes_first():
    frame, labels, _ = planted("implied")
    few = pl.Series("mood_odd", (np.arange(N) % 150 == 0).astype(int))
    findings = check_data(frame, labels.with_columns(few)).findings
    assert [(f.severity, f.kind) for f in findings] == [("warning", "rare"), ("note", "implied")]


def test_a_word_that_gives_a_label_away_is_a_note():
    generator = np.random.default_rng(4)
    values = generator.random((300, 2)) < 0.3
    words = sp.random(300, 40, density=0.2, random_state=0, format="lil")
    words[:, 0] = (values[:, 1] * generator.uniform(1, 2, 300))[:, None]
    (finding,) = check_data(words.tocsr(), values).findings
    assert (finding.severity, finding.kind, finding.columns) == ("note", "leak", ("x0",))


def test_coarse_columns_make_a_note_of_conflicts():
    generator = np.random.default_rng(2)
    frame = pl.DataFrame({"size": generator.choice(["s", "m", "l"], 300), "new": generator.random(300) < 0.5})
    (finding,) = check_data(frame, generator.random((300, 2)) < 0.4).findings
    assert (finding.kind, finding.severity) == ("conflicting_rows", "note")


def test_facts_are_the_numbers_of_the_targets():
    labels = [["a", "b"], ["a"], [], ["a", "b", "c"], None]
    found = check_data(None, labels, n_folds=2)
    assert "1 row without labels; 20.0% of the targets unknown; 1 row without any known target" in " ".join(
        str(found).split()
    )
    facts = found.facts
    assert (facts["rows"], facts["labels"], facts["rows_without_labels"], facts["rows_unknown"]) == (5, 3, 1, 1)
    assert facts["label_set_sizes"] == [1, 1, 1, 1]
    assert [row["support"] for row in facts["per_label"]] == [3, 2, 1]
    assert [row["unknown_share"] for row in facts["per_label"]] == pytest.approx([0.2] * 3)
    assert facts["co_occurrence"] == {"labels": ["a", "b", "c"], "counts": [[3, 2, 1], [2, 2, 1], [1, 1, 1]]}
    assert facts["top_pairs"][0] == {"labels": ["a", "b"], "rows": 2, "expected": 1.5, "above_chance": False}


def test_wide_label_sets_give_pairs_instead_of_a_matrix():
    generator = np.random.default_rng(0)
    data_checks = check_data(None, sp.csr_matrix(generator.random((500, 150)) < 0.05))
    assert data_checks.facts["co_occurrence"] is None
    assert len(data_checks.facts["top_pairs"]) == 100


def test_pixels_are_rows():
    masks = np.random.default_rng(0).random((4, 8, 8, 3)) < 0.4
    assert check_data(None, masks).facts["rows"] == 256
    with pytest.raises(InputError, match="X=None"):
        check_data(np.zeros((4, 2)), masks)


def test_data_checks_are_json():
    frame, labels, _ = planted("leak")
    data_checks = check_data(frame, labels.with_columns(mood_odd=pl.lit(0)))
    values = data_checks.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert {finding["kind"] for finding in values["findings"]} == {"constant", "leak"}
    assert set(values["findings"][0]) == {
        "kind", "severity", "message", "brief", "labels", "columns", "rows", "n_rows", "values"
    }  # fmt: skip


def test_many_findings_of_a_kind_share_a_paragraph():
    frame, labels = clean()
    odd = [pl.lit(0).alias(f"odd{j}") for j in range(20)]
    text = str(check_data(frame, labels.with_columns(odd)))
    assert "20 labels do not vary: 'odd0' (always no); 'odd1' (always no)" in text
    assert "and 14 more" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) < 12


def test_names_cannot_command_the_terminal():
    space = ["\x1b[31mred", "plain", "x" * 500]
    text = str(check_data(None, pl.DataFrame(np.zeros((10, 3), int), schema=space)))
    assert "\x1b" not in text
    assert "x" * 100 not in text


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.zeros((3, 2)), [["a"], ["b"]], "X has 3 rows but y has 2"),
        (np.array([["a"], ["b"]]), [["a"], ["b"]], "cells that are no numbers"),
        (np.zeros(2), [["a"], ["b"]], r"expected \(n, f\)"),
    ],
)
def test_wrong_input_is_named(X, y, words):
    with pytest.raises(InputError, match=words):
        check_data(X, y)


def test_folds_are_checked():
    with pytest.raises(InputError, match="n_folds"):
        check_data(None, [["a"], []], n_folds=1)


@pytest.mark.slow
def test_nothing_heavy_is_imported():
    heavy = {"jax", "keras", "pandas", "matplotlib"}
    script = f"import sys, manyhot.evaluation.data_checks; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_command_tells_and_gives_json(tmp_path, capsys):
    from manyhot.cli.jobs.check import run

    frame, labels, _ = planted("rare")
    pl.concat([frame, labels], how="horizontal").write_csv(tmp_path / "songs.csv")
    read_flags = {"labels": "mood_*", "sep": None, "id_column": "song", "format": None, "column_names": None}
    read_flags |= {"label_order": None, "xml": None, "column_types": {}}
    told = {"file": tmp_path / "songs.csv", "read_flags": read_flags}
    run(**told, n_folds=8, plot=None, as_json=True, quiet=True)
    document = json.loads(capsys.readouterr().out)
    assert [finding["kind"] for finding in document["findings"]] == ["rare"]
    run(**told, n_folds=3, plot=None, as_json=False, quiet=True)
    assert "No problems found." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("emotions", "emotions-train.arff.gz", {("note", "exclusive"): 1}),
        ("yeast", "yeast-train.arff.gz", {("note", "implied"): 3}),
        ("birds", "birds-train.arff.gz", {("warning", "rare"): 5}),
    ],
)
def test_real_sets_give_few_findings(data_folder, name, file, expected):
    data_checks = check_data(read(data_folder(name) / file))
    assert Counter((f.severity, f.kind) for f in data_checks.findings) == expected


def test_equal_images_with_other_labels_are_a_conflict():
    images = np.random.default_rng(0).integers(0, 255, (40, 3, 4), dtype=np.uint8)
    images[7] = images[3]
    frame = pl.DataFrame([pl.Series("image", images)])
    labels = [{"a"} if k % 2 or k == 8 else {"b"} for k in range(40)]
    assert not [one for one in check_data(frame, labels).findings if one.kind == "conflicting_rows"]
    labels[7] = {"b"}
    (finding,) = [one for one in check_data(frame, labels).findings if one.kind == "conflicting_rows"]
    assert finding.rows == ("4", "8")
