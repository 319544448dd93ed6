"""Damaged bundles are refused or load as valid ones; nothing is executed, and nothing takes long."""

import json
import sys
import time
from collections import Counter

import numpy as np
import pytest
from rich.cells import cell_len

from manyhot.errors import BundleError
from manyhot.estimators.loading import load
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.models import half_precision
from manyhot.persistence.container import describe
from tests.attacks.mutations import joined, mutants, parts_of

WATCHED = {"exec", "compile", "import", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect"}
SEEN: list[str] = []
WATCHING = [False]


def watch(event: str, details: tuple) -> None:
    if not WATCHING[0]:
        return
    writes = event == "open" and isinstance(details[1], str) and set(details[1]) & set("wax+")
    if event in WATCHED or writes:
        SEEN.append(f"{event} {details!r}"[:300])


@pytest.fixture(scope="module")
def seed_files(tmp_path_factory):
    """Small real bundles: numbers with batch norm and dropout, a table with categories, a text in half precision."""
    import polars as pl

    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 3))
    Y = (X[:, :2] + generator.normal(size=(40, 2)) > 0).astype(int)
    frame = pl.DataFrame({"a": X[:, 0], "c": np.where(X[:, 1] > 0, "red", "blue")})
    folder = tmp_path_factory.mktemp("bundles")
    small = {"n_members": 2, "epochs": 1, "hidden_layer_sizes": (4,), "verbose": 0}
    matrix = MultiLabelClassifier(batch_norm=True, labels=["a", "b"], **small).fit(X, Y)
    matrix.tune_thresholds("recall", min_recall={"a": 0.9}).save(folder / "matrix.manyhot")
    MultiLabelClassifier(dropout=0.0, **small).fit(frame, np.where(generator.random(Y.shape) < 0.2, np.nan, Y)).save(
        folder / "table.manyhot"
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(half_precision, "MIN_WEIGHTS", 0)
        words = np.where(X > 0, ["good", "old", "red"], "and")
        MultiLabelClassifier(**small).fit([" ".join(row) for row in words], Y).save(folder / "text.manyhot")
    assert describe(folder / "text.manyhot")["arrays"]["network/trainable.0"]["dtype"] == "float16"
    return [folder / "matrix.manyhot", folder / "table.manyhot", folder / "text.manyhot"]


@pytest.mark.slow
@pytest.mark.parametrize("n", [900, pytest.param(15_000, marks=pytest.mark.exhaustive)])
def test_damaged_bundles(seed_files, tmp_path, n):
    for file in seed_files:
        str(load(file).report_)
    cell_len("\N{CJK UNIFIED IDEOGRAPH-65E5}")  # the tables of wide characters are imported when one is met
    sys.addaudithook(watch)
    path = tmp_path / "mutant.manyhot"
    outcomes: Counter = Counter()
    slowest = 0.0
    for k, file in enumerate(seed_files):
        for kind, content in mutants(file, n // len(seed_files), seed=k):
            path.write_bytes(content)
            SEEN.clear()
            began = time.perf_counter()
            WATCHING[0] = True
            try:
                classifier = load(path)
            except BundleError as error:
                outcome, told = "refused", str(error)
            else:
                outcome = "valid"
                assert len(classifier.labels_) == classifier.model_.network.n_labels
                told = f"{path} {classifier.report_}"
            finally:
                WATCHING[0] = False
            slowest = max(slowest, time.perf_counter() - began)
            assert not SEEN, (kind, SEEN)
            assert str(path) in told
            outcomes[kind, outcome] += 1
    print(dict(outcomes), f"slowest {slowest:.3f} s")
    assert slowest < 2
    assert sum(outcomes.values()) == n
    assert sum(count for (_, outcome), count in outcomes.items() if outcome == "refused") > n / 2
    assert any(outcome == "valid" for _, outcome in outcomes)


@pytest.mark.slow
def test_a_damaged_bundle_that_loads_also_predicts(seed_files, tmp_path):
    """Among the first mutants that load, scores are probabilities: nothing half-checked came through."""
    X = np.random.default_rng(1).normal(size=(5, 3))
    path, n_loaded = tmp_path / "mutant.manyhot", 0
    for kind, content in mutants(seed_files[0], 400, seed=5):
        path.write_bytes(content)
        try:
            classifier = load(path)
        except BundleError:
            continue
        if kind in ("in_data", "in_document") and n_loaded < 12:
            n_loaded += 1
            scores = classifier.predict_proba(X[:, : classifier.n_features_in_])
            assert ((scores >= 0) & (scores <= 1)).all()
    assert n_loaded == 12


@pytest.mark.slow
@pytest.mark.parametrize("length", [3_000, 200_000])
def test_texts_without_end_take_no_time(seed_files, tmp_path, length):
    header, data = parts_of(seed_files[0].read_bytes())
    sealed = json.loads(header["__metadata__"]["manyhot"])
    report = sealed["document"]["report"]
    report["notes"] = ["x" * length, "y " * length]
    report["labels"][0]["label"] = "z" * length
    report["scores"]["remarks"] = ["\u001b[2J" * length]
    header["__metadata__"]["manyhot"] = json.dumps(sealed)
    path = tmp_path / "long.manyhot"
    path.write_bytes(joined(header, data))
    began = time.perf_counter()
    text = str(load(path).report_)
    assert time.perf_counter() - began < 2
    assert "\u001b" not in text
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.slow
def test_messages_stay_short(seed_files, tmp_path):
    places = [
        ["config", "optimizer"],
        ["network", "name"],
        ["config", "x" * 5000],
        ["config", "implies"],
        ["config", "loss"],
    ]
    parts = {"decision": ["name", "thresholds", "min_f1"], "calibration": ["kinds", "evidence"]}
    parts |= {"rules": ["implies", "exclusive", "min_labels", "q" * 5000]}
    places += [["policy", part, field] for part, fields in parts.items() for field in fields]
    places += [["policy", "guarantee"], ["policy", "rules"]]
    for place in places:
        header, data = parts_of(seed_files[0].read_bytes())
        sealed = json.loads(header["__metadata__"]["manyhot"])
        holder = sealed["document"]
        for name in place[:-1]:
            holder = holder[name]
        holder[place[-1]] = "q" * 100_000
        header["__metadata__"]["manyhot"] = json.dumps(sealed)
        path = tmp_path / "long.manyhot"
        path.write_bytes(joined(header, data))
        with pytest.raises(BundleError) as caught:
            load(path)
        assert len(str(caught.value)) < 1500
