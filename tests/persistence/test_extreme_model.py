"""Files that claim to hold a model of very many labels: each part is checked before anything is built."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot import ExtremeMultiLabelClassifier, load
from manyhot.errors import BundleError
from manyhot.persistence import container


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[dict, dict]:
    generator = np.random.default_rng(0)
    Y = sp.csr_matrix(generator.random((60, 9)) < 0.3)
    path = tmp_path_factory.mktemp("many") / "m.manyhot"
    clf = ExtremeMultiLabelClassifier(labels=[f"é{j}" for j in range(9)], hidden_layer_sizes=(4, 3), epochs=1)
    clf.fit(sp.csr_matrix(generator.random((60, 7))), Y).save(path)
    contents = container.read(path)
    return contents.document, contents.arrays


def changed(values: dict, path: str, value: object) -> dict:
    """A copy with one value replaced; the last part of a missing path is new."""
    first, _, rest = path.partition(".")
    return {**values, first: changed(values[first], rest, value) if rest else value}


@pytest.mark.slow
def test_what_was_written_is_read(parts, tmp_path):
    container.write(tmp_path / "m", *parts)
    assert load(tmp_path / "m").labels_ == tuple(f"é{j}" for j in range(9))


@pytest.mark.slow
def test_a_model_remembers_its_origin_and_files_without_one_load(parts, tmp_path):
    container.write(tmp_path / "m", *parts)
    remembered = load(tmp_path / "m").model_.origin
    assert remembered.to_dict() == parts[0]["origin"]
    assert (remembered.n_rows, remembered.n_labels, remembered.file, remembered.command) == (60, 9, None, None)
    assert {"manyhot", "jax", "numpy"} <= set(remembered.versions)
    container.write(tmp_path / "older", {name: part for name, part in parts[0].items() if name != "origin"}, parts[1])
    assert load(tmp_path / "older").model_.origin is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "many"),
        ("n_labels", 8),
        ("n_labels", 0),
        ("n_labels", 2**40),
        ("n_labels", "9"),
        ("threshold", 2),
        ("threshold", None),
        ("config.hidden_layer_sizes", [10**9, 10**9]),
        ("config.hidden_layer_sizes", [4]),
        ("config.activation", "evil"),
        ("config.more", 1),
        ("config", {}),
        ("network.dropout", 0.9),
        ("network.tables", []),
        ("encoder.kind", "other"),
        ("encoder.is_sparse", False),
        ("report", {}),
        ("report.training", 3),
        ("report.scores_from", "nowhere"),
        ("read_options", []),
        ("origin", []),
        ("origin.trained", 3),
        ("origin.n_rows", -1),
        ("surplus", 1),
    ],
)
def test_a_document_that_lies(parts, tmp_path, path, value):
    container.write(tmp_path / "m", changed(parts[0], path, value), parts[1])
    with pytest.raises(BundleError):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("network/kernel", lambda a: a[:-1]),
        ("network/kernel", lambda a: a.astype(np.float64)),
        ("network/kernel", lambda a: a * np.nan),
        ("network/bias", lambda a: a[:, None]),
        ("network/trainable.0", lambda a: a[:-1]),
        ("network/fixed.0", lambda a: a[:1]),
        ("labels/propensities", lambda a: a * 0),
        ("labels/ends", lambda a: a[::-1].copy()),
        ("labels/ends", lambda a: a + 1),
        ("labels/ends", lambda a: a * 0),
        ("labels/bytes", lambda a: a * 0 + 255),
        ("labels/bytes", lambda a: a * 0 + 65),
        ("labels/bytes", lambda a: a[:-1]),
        ("encoder/scale", lambda a: -a),
    ],
)
def test_arrays_that_lie(parts, tmp_path, name, change):
    container.write(tmp_path / "m", parts[0], {**parts[1], name: change(parts[1][name])})
    with pytest.raises(BundleError):
        load(tmp_path / "m")


def test_arrays_that_are_missing_or_too_many(parts, tmp_path):
    for name in parts[1]:
        container.write(tmp_path / "m", parts[0], {other: array for other, array in parts[1].items() if other != name})
        with pytest.raises(BundleError):
            load(tmp_path / "m")
    container.write(tmp_path / "m", parts[0], {**parts[1], "network/more": np.zeros(1)})
    with pytest.raises(BundleError, match="not known"):
        load(tmp_path / "m")
