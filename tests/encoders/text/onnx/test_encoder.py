"""Models whose texts go through ONNX: with the folder and without it, from every door, and descriptions that lie."""

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.cli import main
from manyhot.cli.jobs import bulk
from manyhot.encoders.text.columns import TextColumns
from manyhot.encoders.text.onnx.encoder import OnnxEncoder
from manyhot.errors import BundleError, InputError
from tests.cli.test_bulk import SETTINGS
from tests.fixtures.onnx_files import model_bytes, onnx_folder, tables
from tests.serving.conftest import Running

for name in ("onnx", "onnxruntime", "tokenizers"):
    pytest.importorskip(name, reason="needs onnx and the extra: pip install onnx 'manyhot[onnxtext]'")

SMALL = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 16, "verbose": 0}
WORDS = ["good", "bad thing", "grün", "😀", "unheard", "שלום", "not very"]
NEW = pl.DataFrame(
    {"text": ["good", "", "😀 grün שלום", "bad " * 250_000, "bad\u202e thing", "not good .", "x" * 5000]}
)


def rows(n: int = 48) -> tuple[pl.DataFrame, np.ndarray]:
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 3)) for _ in range(n)]
    return pl.DataFrame({"text": texts}), np.array([["good" in text, "bad" in text] for text in texts], dtype=int)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model that holds its text model and one that does not, the folder, and what Python predicts."""
    place, patch = tmp_path_factory.mktemp("onnx"), pytest.MonkeyPatch()
    patch.setenv("MANYHOT_CACHE", str(place / "cache"))
    folder = onnx_folder(place / "folder")
    classifiers = {}
    for name, embed in (("with", True), ("without", False)):
        settings = {"text": "onnx", "text_params": {"model": str(folder), "embed": embed}}
        classifiers[name] = MultiLabelClassifier(labels=["a", "b"], column_types={"text": "text"}, **settings, **SMALL)
        classifiers[name].fit(*rows())
        classifiers[name].save(place / f"{name}.manyhot")
    yield classifiers, place, folder
    patch.undo()


@pytest.mark.slow
def test_python_command_line_service_and_other_processes_agree(saved, monkeypatch):
    classifiers, place, folder = saved
    expected = classifiers["with"].predict_proba(NEW)
    np.testing.assert_array_equal(classifiers["without"].predict_proba(NEW), expected)
    np.testing.assert_array_equal(load(place / "with.manyhot").predict_proba(NEW), expected)
    np.testing.assert_array_equal(load(place / "without.manyhot", text=str(folder)).predict_proba(NEW), expected)
    NEW.write_parquet(place / "new.parquet")
    for name, flags in (("with", []), ("without", ["--text", str(folder)])):
        words = ["predict", f"{place}/{name}.manyhot", f"{place}/new.parquet", "-o", f"{place}/{name}.jsonl", *flags]
        with pytest.raises(SystemExit) as done:
            main([*words, "--quiet"])
        assert not done.value.code
        shell = pl.read_ndjson(place / f"{name}.jsonl").select("p_a", "p_b").to_numpy()
        np.testing.assert_allclose(shell, expected, atol=1e-6)
    code = (
        f"import manyhot, numpy, polars; rows = polars.read_parquet({str(place / 'new.parquet')!r})\n"
        f"for name, text in (('with', None), ('without', {str(folder)!r})):\n"
        f"    scores = manyhot.load(f'{place}/{{name}}.manyhot', text=text).predict_proba(rows)\n"
        f"    numpy.save(f'{place}/{{name}}.npy', scores)\n"
    )
    monkeypatch.setenv("MANYHOT_CACHE", str(place / "other cache"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in classifiers:
        np.testing.assert_array_equal(np.load(place / f"{name}.npy"), expected)
    running = Running([place / "with.manyhot"]).wait()
    try:
        many = running.predict({"rows": NEW[:3].to_dicts()}).document["predictions"]
        alone = [running.predict({"rows": [row]}).document["predictions"][0] for row in NEW[:3].to_dicts()]
    finally:
        running.stop()
    for answer in (many, alone):
        found = [[row["probabilities"][name] for name in ("a", "b")] for row in answer]
        np.testing.assert_allclose(found, expected[:3], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["with", "without"])
def test_workers_open_the_model(name, saved, tmp_path):
    classifiers, place, folder = saved
    (tmp_path / "in").mkdir()
    for k in range(2):
        NEW[k * 3 : k * 3 + 3].write_parquet(tmp_path / f"in/{k}.parquet")
    bulk.predict_tables(
        place / f"{name}.manyhot",
        sorted((tmp_path / "in").iterdir()),
        tmp_path / "out",
        SETTINGS,
        bulk.BulkOptions(executor="processes:2", quiet=True),
        text=None if name == "with" else str(folder),
    )
    found = pl.concat([pl.read_parquet(tmp_path / f"out/{k}.parquet") for k in range(2)])
    expected = classifiers["with"].predict_proba(NEW[:6])
    np.testing.assert_allclose(found.select("p_a", "p_b").to_numpy(), expected, atol=1e-6)


@pytest.mark.slow
def test_training_on_workers_gives_the_same(saved):
    _, _, folder = saved
    settings = {"text": "onnx", "text_params": {"model": str(folder)}, **SMALL}
    here = MultiLabelClassifier(column_types={"text": "text"}, **settings).fit(*rows())
    there = MultiLabelClassifier(column_types={"text": "text"}, executor="processes:2", **settings).fit(*rows())
    np.testing.assert_array_equal(here.predict_proba(NEW[:3]), there.predict_proba(NEW[:3]))


@pytest.mark.slow
def test_the_folder_must_be_the_one_of_training(saved, tmp_path):
    _, place, _ = saved
    classifier = load(place / "without.manyhot")
    with pytest.raises(InputError, match=r"a model in ONNX \(folder\).*load\(path, text='FOLDER'\)"):
        classifier.predict(NEW)
    words = -tables()["words"]
    other = onnx_folder(tmp_path, model_bytes(arrays={"words": words}))
    with pytest.raises(InputError, match="hand over the one that the model was trained with"):
        load(place / "without.manyhot", text=str(other))
    with pytest.raises(InputError, match="expected the folder of a model in ONNX"):
        load(place / "without.manyhot", text=str(tmp_path / "none"))


@pytest.mark.slow
def test_the_file_holds_the_model_once_and_can_be_saved_again(saved, tmp_path):
    classifiers, _, folder = saved
    frame = rows()[0].with_columns(more=pl.col("text").reverse())
    settings = {"text": "onnx", "text_params": {"model": str(folder), "embed": True}}
    kinds = {"text": "text", "more": "text"}
    classifier = MultiLabelClassifier(column_types=kinds, **settings, **SMALL).fit(frame, rows()[1])
    names = set(classifier.model_.encoder.to_spec()[1])
    assert {name for name in names if name.endswith(("model", "tokenizer", "probe"))} == {
        "text.0.model",
        "text.0.tokenizer",
        "text.0.probe",
    }
    assert not any("model" in name for name in classifiers["without"].model_.encoder.to_spec()[1])
    classifier.save(tmp_path / "a.manyhot")
    again = load(tmp_path / "a.manyhot")
    encoders = again.model_.encoder.texts.encoders
    assert encoders[0].features is encoders[1].features
    assert again.text_params == {"pool": "auto", "max_tokens": 0, "cache": True, "embed": True}
    again.save(tmp_path / "b.manyhot")
    assert (tmp_path / "a.manyhot").read_bytes() == (tmp_path / "b.manyhot").read_bytes()


@pytest.mark.slow
def test_copies_of_a_classifier_predict_the_same(saved):
    classifiers, _, _ = saved
    expected = classifiers["with"].predict_proba(NEW[:3])
    for classifier in classifiers.values():
        for other in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier)):
            np.testing.assert_array_equal(other.predict_proba(NEW[:3]), expected)


def encoder_of(folder, embed: bool = True) -> TextColumns:
    columns = TextColumns(1, "onnx", {"model": str(folder), "embed": embed})
    columns.attach(columns.encoders[0].open_folder(str(folder)))
    return columns.fit([rows()[0]["text"]], np.ones(48))


@pytest.mark.parametrize("cache", [True, False])
def test_features_are_kept_by_content_and_model(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "cache"))
    encoder = OnnxEncoder(cache=cache)
    function = encoder.open_folder(str(onnx_folder(tmp_path / "a")))
    texts = [f"good {k}" for k in range(40)]
    expected = function.extract(texts)
    calls = []
    function.function = lambda texts: calls.append(texts)
    np.testing.assert_array_equal(function.extract(texts), expected)
    assert not calls
    places = list((tmp_path / "cache" / "texts").glob("*")) if cache else []
    assert len(places) == cache
    other = encoder.open_folder(str(onnx_folder(tmp_path / "a", max_length=3)))
    other.extract(texts)
    assert not cache or len(list((tmp_path / "cache" / "texts").glob("*"))) == 2


HOSTILE = [
    lambda spec, arrays: spec.update(more=1),
    lambda spec, arrays: spec.update(settings=None),
    lambda spec, arrays: spec.update(settings=5),
    lambda spec, arrays: spec["settings"].update(max_tokens=10**9),
    lambda spec, arrays: spec["settings"].update(pools=[]),
    lambda spec, arrays: spec.update(pool="other"),
    lambda spec, arrays: spec.update(max_tokens=-1),
    lambda spec, arrays: spec.update(probe=spec["probe"] * 100),
    lambda spec, arrays: spec.update(probe=["good " * 10_000, *spec["probe"][1:]]),
    lambda spec, arrays: arrays.pop("0.model"),
    lambda spec, arrays: arrays.pop("0.tokenizer"),
    lambda spec, arrays: arrays.update({"0.model": arrays["0.model"][:-9]}),
    lambda spec, arrays: arrays.update({"0.model": arrays["0.model"].astype(np.int64)}),
    lambda spec, arrays: arrays.update({"0.model": arrays["0.model"][:0]}),
    lambda spec, arrays: arrays.update({"0.tokenizer": np.frombuffer(b"{}", np.uint8)}),
    lambda spec, arrays: arrays.update({"0.probe": arrays["0.probe"] + 1}),
    lambda spec, arrays: arrays.update({"0.more": arrays["0.model"]}),
]


@pytest.mark.parametrize("change", HOSTILE)
def test_a_hostile_description_is_refused(change, tmp_path, monkeypatch):
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "cache"))
    columns = encoder_of(onnx_folder(tmp_path / "folder"))
    specs, arrays = columns.to_spec()
    specs = json.loads(json.dumps(specs))
    again = TextColumns.from_spec(specs, dict(arrays), 1)
    np.testing.assert_array_equal(again.transform([NEW["text"]]), columns.transform([NEW["text"]]))
    change(specs[0], arrays)
    with pytest.raises(InputError) as error:
        TextColumns.from_spec(specs, arrays, 1)
    assert not isinstance(error.value, BundleError)  # the door of files makes one of it
