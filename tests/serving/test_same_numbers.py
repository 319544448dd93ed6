"""The same row has the same labels and probabilities from Python, the command line and the service."""

import io
import json

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from manyhot import load
from manyhot.cli import main
from manyhot.data.readers import ReadOptions, read
from manyhot.engine import Buckets
from manyhot.estimators.read_options import model_read_options
from manyhot.models.prediction import sample_features
from manyhot.serving.json_rows import make_row_parser
from manyhot.serving.limits import Limits
from tests.serving.conftest import NAMES, as_base64, numbers, photo, rows_of, songs

NEW = songs(30, seed=5)


def probabilities(answer, names):
    return np.array([[row["probabilities"][name] for name in names] for row in answer["predictions"]])


def by_command(bundle, folder, suffix):
    NEW.write_csv(folder / "new.csv")
    with pytest.raises(SystemExit) as done:
        main(["predict", str(bundle), str(folder / "new.csv"), "-o", str(folder / f"answers{suffix}"), "--quiet"])
    assert not done.value.code
    return folder / f"answers{suffix}"


def test_python_command_line_and_service_agree(running, bundles, tmp_path):
    classifier = load(bundles["songs"])
    from_command = pl.read_ndjson(by_command(bundles["songs"], tmp_path, ".jsonl"))
    by_python = classifier.predict_proba(NEW.drop("song_id", *NAMES))
    by_shell = from_command.select(f"p_{name}" for name in classifier.labels_).to_numpy()
    many = running.predict({"rows": rows_of(NEW)}).document
    np.testing.assert_allclose(by_shell, by_python, atol=1e-6)
    np.testing.assert_allclose(probabilities(many, classifier.labels_), by_python, atol=1e-6)
    for k, row in enumerate(rows_of(NEW)):
        one = running.predict({"rows": [row]}).document
        np.testing.assert_allclose(probabilities(one, classifier.labels_)[0], by_python[k], atol=1e-6)
        assert set(one["predictions"][0]["labels"]) == set(from_command["labels"][k].to_list())
    assert [set(row["labels"]) for row in many["predictions"]] == classifier.predict_labels(NEW.drop("song_id", *NAMES))


def test_a_table_as_csv_is_answered_as_the_command_line_does(running, bundles, tmp_path):
    expected = pl.read_csv(by_command(bundles["songs"], tmp_path, ".csv"))
    answer = running.ask("POST", "/predict", NEW.write_csv().encode(), content_type="text/csv")
    found = pl.read_csv(io.BytesIO(answer.content))
    assert answer.headers["content-type"].startswith("text/csv")
    assert found.columns == expected.columns
    assert found["id"].to_list() == NEW["song_id"].to_list()
    assert found["labels"].to_list() == expected["labels"].to_list()
    scores = [name for name in found.columns if name.startswith("p_")]
    np.testing.assert_allclose(found.select(scores).to_numpy(), expected.select(scores).to_numpy(), atol=1e-6)


def test_one_row_has_the_bits_of_the_engine_in_the_same_shape(running, bundles):
    model = load(bundles["songs"]).model_
    frame = NEW.drop("song_id", *NAMES)[:1]
    raw = model.scorer().scores(model.encoder.transform(load(bundles["songs"])._features(frame)),
                                buckets=Buckets((1,)))  # fmt: skip
    document = running.predict({"rows": rows_of(NEW[:1])}).document
    assert (
        probabilities(document, model.labels.names).astype(np.float32).tolist() == model.policy.calibrate(raw).tolist()
    )


ODD = [
    {"kind": " rock ", "words": " dance  dance "},
    {"kind": "?", "words": None},
    {"words": "?"},
    {"kind": "polka", "words": ""},
    {"kind": None, "grade": None},
    {"grade": "2"},
    {"grade": 2.0},
    {"grade": 7},
    {"tempo": None, "live": None},
    {"live": 1, "tempo": 3},
    {"live": False, "tempo": -1e30},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_odd_cells_mean_what_they_mean_in_a_file(bundles, tmp_path, odd):
    classifier = load(bundles["songs"])
    row = {**rows_of(NEW)[0], **odd}
    (tmp_path / "one.jsonl").write_text(json.dumps(row) + "\n")
    samples = read(tmp_path / "one.jsonl", model_read_options(classifier, {}, require_labels=False))
    expected = classifier.model_.encoder.transform(sample_features(classifier.model_, samples))
    rows = make_row_parser(classifier.model_.encoder, Limits())
    found = rows.encode(rows.parse([row]))
    by_frame = classifier.model_.encoder.transform(rows.to_features([row]))
    assert found.keys() == expected.keys()
    for name, block in expected.items():
        for other in (found[name], by_frame[name]):
            assert np.array_equal(_dense(block), _dense(other)), name


def _dense(block):
    return block.toarray() if sp.issparse(block) else block


@pytest.mark.parametrize("as_list", [True, False])
def test_rows_of_a_matrix_are_lists_or_objects(running, bundles, as_list):
    classifier, (X, _) = load(bundles["matrix"]), numbers(7, seed=3)
    X[2, 3] = np.nan
    rows = [[None if np.isnan(x) else x for x in row] for row in X.tolist()]
    if not as_list:
        rows = [dict(zip(classifier.model_.encoder.names, row, strict=True)) for row in rows]
    document = running.predict({"rows": rows}, "matrix").document
    np.testing.assert_allclose(probabilities(document, classifier.labels_), classifier.predict_proba(X), atol=1e-6)


def test_what_a_sparse_row_does_not_name_is_zero(running, bundles):
    classifier = load(bundles["sparse"])
    X = sp.csr_matrix(np.where(np.random.default_rng(2).random((5, 40)) < 0.1, 2.0, 0.0))
    names = classifier.model_.encoder.names
    objects = [{names[j]: X[i, j] for j in X[i].indices} for i in range(5)]
    for rows in (objects, X.toarray().tolist()):
        document = running.predict({"rows": rows}, "sparse").document
        np.testing.assert_allclose(probabilities(document, classifier.labels_), classifier.predict_proba(X), atol=1e-6)


def test_images_come_as_base64_or_as_files(running, bundles):
    classifier, contents = load(bundles["photos"]), [photo(k < 2, 50 + k) for k in range(4)]
    expected = classifier.predict_proba(pl.DataFrame({"photo": contents}))
    texts = [as_base64(contents[0]), f"data:image/png;base64,{as_base64(contents[1])}", *map(as_base64, contents[2:])]
    response = running.predict({"rows": [{"photo": text} for text in texts]}, "photos")
    np.testing.assert_allclose(probabilities(response.document, classifier.labels_), expected, atol=1e-6)
    parts = [
        b'--b0\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n' + content + b"\r\n"
        for content in contents
    ]
    body = b"".join(parts) + b'--b0\r\nContent-Disposition: form-data; name="top"\r\n\r\n1\r\n--b0--\r\n'
    response = running.ask("POST", "/models/photos/predict", body, content_type="multipart/form-data; boundary=b0")
    assert [row["top"][0]["probability"] for row in response.document["predictions"]] == pytest.approx(
        expected.max(axis=1).tolist(), abs=1e-6
    )


def test_a_label_column_in_the_rows_changes_nothing(running):
    row = rows_of(NEW)[0]
    plain = running.predict({"rows": [row]}).document
    document = running.predict({"rows": [{**row, "mood_sad": 1, "song_id": "s0"}]}).document
    assert document["predictions"] == plain["predictions"]
    assert "mood_sad" in document["notes"][0]


def test_read_options_are_those_of_training(bundles):
    assert model_read_options(load(bundles["songs"]), {}, require_labels=False) == ReadOptions(
        labels="mood_*",
        column_types=load(bundles["songs"]).model_.encoder.column_types,
        number_formats={},
        known_labels=tuple(load(bundles["songs"]).labels_),
        require_labels=False,
    )
