"""`train --extreme`: sparse targets from the file to the answers."""

import hashlib
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from manyhot import load
from manyhot.cli import app
from manyhot.data.readers import ReadOptions, read
from manyhot.errors import InputError
from manyhot.estimators.multilabel import MultiLabelClassifier

N, F, L = 120, 40, 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """XC, libsvm and CSV files of one data set, and a model of the first."""
    root = tmp_path_factory.mktemp("many")
    generator = np.random.default_rng(0)
    rows = [sorted(generator.choice(L, generator.integers(0, 4), replace=False).tolist()) for _ in range(N)]
    lines = [f"{','.join(map(str, row))} {' '.join(f'{j}:1' for j in row) or '39:1'}" for row in rows]
    (root / "train.xc").write_text("\n".join([f"{N} {F} {L}", *lines]) + "\n")
    (root / "train.libsvm").write_text("\n".join(lines) + "\n")
    cells = ["|".join(f"tag{j}" for j in row) for row in rows]
    texts = [" ".join(f"word{j}" for j in row) or "nothing" for row in rows]
    (root / "train.csv").write_text(
        "message,tags\n" + "".join(f"so {t} it is,{c}\n" for t, c in zip(texts, cells, strict=True))
    )
    flags = ["--extreme", "--quiet", "--hidden-layer-sizes", "16", "--epochs", "15", "-o", str(root / "m.manyhot")]
    run("train", str(root / "train.xc"), "--format", "xc", *flags)
    return root


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=code != 0)
    assert (done.exit_code == 0) == (code == 0), done.output
    return done.stdout if code == 0 else str(done.exception)


@pytest.mark.slow
def test_every_format_lists_the_same_labels(folder):
    listed = [
        read(folder / "train.xc", ReadOptions(format="xc", sparse_targets=True)),
        read(folder / "train.libsvm", ReadOptions(sparse_targets=True)),
        read(folder / "train.csv", ReadOptions(labels="tags", sep="|", sparse_targets=True)),
    ]
    dense = read(folder / "train.xc", ReadOptions(format="xc"))
    assert (listed[0].sparse_targets.toarray() == dense.targets.values).all()
    assert listed[0].labels == dense.labels
    for samples in listed:
        assert samples.targets is None
        assert (samples.sparse_targets.sum(axis=1) == listed[0].sparse_targets.sum(axis=1)).all()
    with pytest.raises(InputError, match="ExtremeMultiLabelClassifier"):
        MultiLabelClassifier().fit(listed[0])


@pytest.mark.slow
def test_a_model_remembers_its_file(folder):
    remembered = load(folder / "m.manyhot").model_.origin
    content = (folder / "train.xc").read_bytes()
    assert (remembered.file.name, remembered.file.n_bytes) == ("train.xc", len(content))
    assert remembered.file.sha256 == hashlib.sha256(content).hexdigest()
    assert (remembered.n_rows, remembered.n_labels) == (N, L)


def test_a_file_too_large_for_dense_targets_names_the_way_out(tmp_path):
    (tmp_path / "large.xc").write_text("30000 5 100000\n" + "1 0:1\n" * 30000)
    (tmp_path / "large.libsvm").write_text("".join(f"{j} 1:1\n" for j in range(50_000)))
    for name in ("large.xc", "large.libsvm"):
        with pytest.raises(InputError, match="manyhot train --extreme") as caught:
            read(tmp_path / name)
        assert caught.value.file == str(tmp_path / name)


@pytest.mark.slow
def test_labels_go_by_name_and_unseen_ones_are_told(folder):
    order = tuple(f"label_{j}" for j in reversed(range(L)))
    samples = read(folder / "train.xc", ReadOptions(format="xc", sparse_targets=True, known_labels=order))
    plain = read(folder / "train.xc", ReadOptions(format="xc", sparse_targets=True))
    assert (samples.sparse_targets.toarray() == plain.sparse_targets.toarray()[:, ::-1]).all()
    with pytest.raises(InputError, match="was not there in training"):
        read(folder / "train.xc", ReadOptions(format="xc", sparse_targets=True, known_labels=order[:20]))
    options = ReadOptions(format="xc", sparse_targets=True, known_labels=order[:20], unknown_labels="report")
    assert any("left out" in note for note in read(folder / "train.xc", options).notes)


@pytest.mark.slow
def test_predict_and_evaluate(folder):
    model, file = str(folder / "m.manyhot"), str(folder / "train.xc")
    run("predict", model, file, "--format", "xc", "--top", "3", "-o", str(folder / "predictions.csv"))
    lines = (folder / "predictions.csv").read_text().splitlines()
    assert lines[0] == "id,labels,scores"
    assert len(lines) == N + 1
    assert all(len(line.split(",")[k].split(";")) == 3 for line in lines[1:] for k in (1, 2))
    answers = [json.loads(line) for line in run("predict", model, file, "--format", "xc", "--jsonl").splitlines()]
    assert all(len(answer["labels"]) == len(answer["scores"]) == 5 for answer in answers)
    report = json.loads(run("evaluate", model, file, "--format", "xc", "--json", "--quiet"))
    one = report["metrics"]["precision_at_1"]
    assert one["value"] > one["baseline"] + 0.2
    assert "precision_at_5" in run("evaluate", model, file, "--format", "xc", "--quiet")


@pytest.mark.slow
def test_a_column_of_label_sets_beside_text(folder):
    model = str(folder / "text.manyhot")
    flags = [
        "--labels",
        "tags",
        "--sep",
        "|",
        "--column-type",
        "message=text",
        "--hidden-layer-sizes",
        "8",
        "--epochs",
        "2",
    ]
    document = json.loads(run("train", str(folder / "train.csv"), "--extreme", "--json", *flags, "-o", model))
    assert document["n_labels"] == L
    first = run("predict", model, str(folder / "train.csv"), "--quiet").splitlines()[1]
    assert first.startswith("1,tag")


@pytest.mark.slow
def test_what_does_not_go_with_it(folder):
    model, file = str(folder / "m.manyhot"), str(folder / "train.xc")
    flags = ["--format", "xc", "-o", str(folder / "no.manyhot")]
    assert "has no effect with --extreme" in run("train", file, "--extreme", "--n-members", "3", *flags, code=2)
    for command in (["thresholds", model], ["inspect", model, "--layers"], ["label-errors", model]):
        assert "extreme multi-label" in run(*command, code=2)


@pytest.mark.slow
def test_such_a_model_is_inspected(folder):
    model = str(folder / "m.manyhot")
    document, clf = json.loads(run("inspect", model, "--json")), load(model)
    assert document["labels"] == list(clf.labels_)
    assert document["report"] == clf.report_.to_dict()
    assert document["threshold"] == clf.model_.threshold
    text = run("inspect", model)
    assert f"an extreme multi-label model of {len(clf.labels_)} labels" in text
    assert str(clf.report_) in text
