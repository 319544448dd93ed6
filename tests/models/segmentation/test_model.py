"""Labels of every pixel: training, answering, saving, and what is said of how good they are."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.config.training import TrainingConfig
from manyhot.data.pixel_targets import PixelTargets, as_pixel_targets
from manyhot.data.splitting.folds import MemberRows
from manyhot.data.target_input import align_pixel_targets
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.models.segmentation import ImageSet
from manyhot.models.segmentation.training import _held_out_mask, _score_out_of_fold, pixel_report, prepare_pixels
from tests.fixtures.scenes import LABELS, scenes, slow_measures

SMALL = {
    "labels": LABELS,
    "n_members": 2,
    "epochs": 12,
    "verbose": 0,
    "batch_size": 4,
    "dropout": 0.0,
    "learning_rate": 1e-2,
}
FILTERS = {"filters": [16, 24], "tile": 32}


def model_of(**more) -> MultiLabelClassifier:
    settings = {**SMALL, "image_params": FILTERS, **more}
    return MultiLabelClassifier(**settings)


@pytest.fixture(scope="module")
def trained() -> tuple[MultiLabelClassifier, np.ndarray, np.ndarray]:
    X, Y = scenes(48)
    return model_of(epochs=25).fit(X, Y), X, Y


@pytest.mark.slow
def test_pixels_are_learned_saved_and_answered_alike(trained, tmp_path):
    model, X, Y = trained
    scores, answers = model.predict_proba(X), model.predict(X)
    assert scores.shape == answers.shape == Y.shape
    assert answers.dtype == np.int64
    assert model.model_.network.name == "unet"
    assert model.report_.metrics["decision"]["f1_macro"]["value"] > 0.9
    np.testing.assert_array_equal(answers, scores >= np.array(list(model.thresholds_.values())))
    model.save(tmp_path / "m.manyhot")
    loaded = load(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(loaded.predict_proba(X), scores)
    np.testing.assert_array_equal(model.predict_proba(X / 255), scores)
    np.testing.assert_array_equal(model.predict_proba(list(X)), scores)
    assert loaded.report_.to_dict() == model.report_.to_dict()
    new, truth = scenes(6, seed=9)
    assert (loaded.predict(new)[..., 0] == truth[..., 0]).mean() > 0.98


@pytest.mark.slow
def test_one_seed_gives_one_model():
    X, Y = scenes(12)
    first, again = (model_of(epochs=2).fit(X, Y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.slow
def test_what_is_said_of_pixels_is_that_of_all_out_of_fold_pixels():
    X, Y = scenes(10)
    known = np.ones_like(Y)
    known[3, :4], known[5, :, :, 1] = False, False
    y = np.where(known, Y.astype(float), np.nan)
    model = model_of(epochs=6).fit(X, y).model_
    targets = as_pixel_targets(y, LABELS)[1]
    config = TrainingConfig(
        **{name: getattr(model.config, name) for name in ("n_members", "epochs", "batch_size", "image_params")}
    )
    fit, members = prepare_pixels(ImageSet(X), targets, model.labels, config, np.ones(10))
    held = _held_out_mask(members, 10)
    assert held.sum(axis=1).tolist() == [1] * 10
    raw = np.zeros(Y.shape, dtype=np.float32)
    for row, scores in _score_out_of_fold(model, ImageSet(X), held):
        raw[row] = scores
    for k in range(2):
        rows = np.flatnonzero(held[:, k])
        alone = model.scorer().scores({"image": X[rows][..., None]}, (k, k + 1)) if X.shape[1:] == model.tile else None
        if alone is not None:
            np.testing.assert_allclose(raw[rows], alone, atol=1e-6)
    answers = np.stack([model.decide(model.calibrate(one)) for one in raw])
    section = model.report["pixels"]
    for j, row in enumerate(section["labels"]):
        truth = slow_measures(answers[..., j], Y[..., j], known[..., j])
        for name, value in truth.items():
            assert row[name] == pytest.approx(value), name
        assert row["support"] == (Y & known)[..., j].sum()
    assert (section["from"], section["images"]) == ("out_of_fold", 10)
    assert section["mean_iou"] == pytest.approx(np.mean([row["iou"] for row in section["labels"]]))
    assert "drawn evenly" in model.report["notes"][-1]
    assert len(model.evidence.scores) == section["sampled"] == known.any(axis=-1).sum()
    assert fit.data.targets.values.shape[1:3] == model.tile


@pytest.mark.slow
def test_unknown_pixels_count_nowhere():
    """What stands in unknown places changes nothing, whatever it is."""
    X, Y = scenes(12)
    unknown = np.random.default_rng(0).random(Y.shape) < 0.3
    targets = [
        PixelTargets(tuple(Targets(v, ~u) for v, u in zip(values, unknown, strict=True))) for values in (Y, Y | unknown)
    ]
    first, second = (model_of(epochs=2).fit(X, y) for y in targets)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.report_.to_dict() == second.report_.to_dict()


@pytest.mark.slow
def test_images_of_all_sizes_are_cut_into_tiles_and_put_together():
    (small, y_small), (wide, y_wide) = scenes(8, (12, 15)), scenes(8, (20, 70), seed=1)
    X, Y = [*small, *wide], [*y_small, *y_wide]
    model = model_of(epochs=25).fit(X, Y)
    assert model.model_.tile == (20, 32)
    scores = model.predict_proba(X)
    assert [one.shape for one in scores] == [one.shape for one in Y]
    assert [one.shape for one in model.predict(X)] == [one.shape for one in Y]
    assert model.report_.values["pixels"]["labels"][0]["iou"] > 0.9
    as_objects = np.empty(len(X), dtype=object)
    as_objects[:] = X
    for one, other in zip(model.predict_proba(as_objects), scores, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(model.predict_proba(wide)[3], scores[11], atol=1e-6)


def test_equal_images_share_a_fold():
    X, Y = scenes(8)
    X, Y = np.concatenate([X, X, X[:2]]), np.concatenate([Y, Y, Y[:2]])
    targets = as_pixel_targets(Y)[1]
    space = as_pixel_targets(Y)[0]
    _, members = prepare_pixels(
        ImageSet(X), targets, space, TrainingConfig(n_members=4, image_params=FILTERS), np.ones(18)
    )
    for member in members:
        assert isinstance(member, MemberRows)
        assert set(member.held_out % 8).isdisjoint(member.train % 8)


@pytest.mark.slow
def test_weights_and_frames_and_names():
    X, Y = scenes(12)
    weights = np.ones(12)
    weights[4] = 0
    model = model_of(epochs=2).fit(pl.DataFrame([pl.Series("photo", X)]), Y, weights)
    assert model.report_.values["pixels"]["images"] == 11
    assert model.model_.encoder.image_columns == ["photo"]
    frame = pd.DataFrame({"photo": list(X)})
    np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(X))


@pytest.mark.slow
def test_thresholds_change_and_the_report_follows(trained, tmp_path):
    model, X, _ = trained
    model.save(tmp_path / "m.manyhot")
    changed = load(tmp_path / "m.manyhot").tune_thresholds("f1_micro")
    section = changed.report_.values["pixels"]
    assert section["from"] == "sample"
    assert "thresholds changed" in str(changed.report_)
    before = model.report_.values["pixels"]["labels"]
    assert [row["average_precision"] for row in section["labels"]] == [row["average_precision"] for row in before]
    changed.set_thresholds({"left": 0.0})
    assert changed.predict(X)[..., 1].all()
    assert changed.report_.values["pixels"]["labels"][1]["recall"] == 1
    changed.set_rules(implies=[("left", "square")])
    assert changed.predict(X)[..., 0].all()
    model.save(tmp_path / "bare.manyhot", evidence=False)
    bare = load(tmp_path / "bare.manyhot").set_thresholds({"left": 0.9})
    assert bare.report_.values["pixels"]["labels"][0]["iou"] is None
    assert bare.report_.values["pixels"]["labels"][0]["average_precision"] is not None


@pytest.mark.slow
def test_new_images_are_measured(trained):
    model, _, _ = trained
    X, Y = scenes(5, seed=3)
    values = pixel_report(model.model_, ImageSet(X), align_pixel_targets(X, Y, model.model_.labels))
    answers = model.predict(X).astype(bool)
    for j, row in enumerate(values["pixels"]["labels"]):
        truth = slow_measures(answers[..., j], Y[..., j], np.ones_like(Y[..., j]))
        assert row["dice"] == pytest.approx(truth["dice"])
    assert values["pixels"]["from"] == values["scores"]["from"] == "new"


@pytest.mark.slow
def test_early_stopping_and_one_member():
    X, Y = scenes(16)
    model = model_of(n_members=1, epochs=4, early_stopping=True, patience=1).fit(X, Y)
    assert model.report_.values["scores"]["from"] == "held_out"
    assert 0 < model.report_.values["pixels"]["images"] < 16


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"network": "resnet"}, "gives no labels of pixels"),
        ({"image_params": {"size": 64}}, "keep their size"),
        ({"image_params": {"tile": 36}}, "multiple of 16"),
        ({"preprocessing": "none"}, "leave preprocessing away"),
        ({"head": "softmax", "loss": "categorical_crossentropy"}, "softmax"),
        ({"labels": ["a"]}, "labels"),
    ],
)
def test_settings_that_do_not_go_with_pixels_are_refused(more, words):
    X, Y = scenes(6)
    with pytest.raises(InputError, match=words):
        model_of(**{"image_params": None, **more}).fit(X, Y)


def test_what_does_not_fit_is_refused():
    X, Y = scenes(6)
    with pytest.raises(InputError, match="X has 5 images but y has 6"):
        model_of().fit(X[:5], Y)
    with pytest.raises(InputError, match="16 x 24 pixels, but its labels 16 x 20"):
        model_of().fit(X, Y[:, :, :20])
    with pytest.raises(InputError, match="1 of them different"):
        model_of().fit(np.stack([X[0]] * 3), np.stack([Y[0]] * 3))
    with pytest.raises(InputError, match="no label varies"):
        model_of().fit(X, np.zeros_like(Y))
    with pytest.raises(InputError, match="expected 0, 1 or unknown") as caught:
        model_of().fit(X, np.where(np.arange(6)[:, None, None, None] == 4, 2, Y))
    assert caught.value.row == 5
    with pytest.raises(InputError, match="gives every pixel its labels: it takes images"):
        model_of(network="unet").fit(scenes(10)[0], np.arange(20).reshape(10, 2) % 3 == 0)
    with pytest.raises(InputError, match="one column of images"):
        model_of().fit(pl.DataFrame({"a": [1], "b": [2]}), Y[:1])


@pytest.mark.slow
def test_what_pixels_cannot_do_is_refused(trained):
    model, X, Y = trained
    jobs = [
        lambda: model.partial_fit(X, Y),
        lambda: model.add_labels(X, Y, labels=["a", "b"]),
        lambda: model.guarantee(X, Y, miss_rate=0.1),
        lambda: model.explain(X[:1]),
        lambda: model.find_label_errors(),
        lambda: model.predict_labels(X),
    ]
    for job in jobs:
        with pytest.raises(InputError, match="this one gives every pixel its labels"):
            job()
    with pytest.raises(InputError, match="for `fit` alone"):
        cross_validate(model_of(), X, Y)


@pytest.mark.slow
def test_a_page_is_made_of_the_pixels_that_training_kept(trained, tmp_path):
    model = trained[0]
    page = model.report_.to_html(tmp_path / "report.html")
    evidence = model.model_.evidence
    assert page["report"]["data"]["rows"] == len(evidence.ids)
    figures = {figure["name"]: figure["decision"]["value"] for figure in page["metrics"]}
    assert figures["f1_micro"] == model.report_.metrics["decision"]["f1_micro"]["value"]
    assert "pixels" in page["rows"]["label_errors_note"]
    assert page["rows"]["label_errors"] == []
    assert f"mean IoU {model.report_.values['pixels']['mean_iou']:.3f}" in (tmp_path / "report.html").read_text()
