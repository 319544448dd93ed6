"""Known networks in a file: frozen ones before the network, each of them with random weights."""

import numpy as np
import pytest

from manyhot.backend import use_dtype
from manyhot.config.images import BACKBONES
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.encoders.scaling import Scale
from manyhot.export import onnx_file
from manyhot.networks.backbone import build_core
from manyhot.networks.pretrained_backbone import Backbone
from tests.export.models import build, frozen_backbone, image_encoder, images, run
from tests.fixtures.document_files import shallow_backbones

EDGE = 96  # at least the smallest that each of them takes


def random_backbone(name, edge):
    generator = np.random.default_rng(0)
    with use_dtype("float32"):
        core = build_core(name, (edge, edge), "float32", generator)
        trainable = [np.asarray(one.value) for one in core.trainable_variables]
        fixed = [np.asarray(one.value) for one in core.non_trainable_variables]
    return Backbone(name, trainable, fixed, core.inner.output_shape[-1])


def assert_exports(name, edge, n_rows, path):
    encoder, function = image_encoder((edge, edge, 3)), random_backbone(name, edge)
    columns = frozen_backbone(encoder, function)
    columns.attach(ImageFeatures(function, is_cached=False))
    rows = images((edge, edge, 3), n_rows)
    features = function(rows)
    columns.scales = [Scale(features.mean(axis=0).astype(float), features.std(axis=0) + 1e-3)]
    model = build(encoder)
    described = onnx_file.export(model, path)
    assert [(one["name"], one["shape"]) for one in described["inputs"]] == [("image", [edge, edge, 3])]
    expected = model.scorer().scores({"features": columns.scaled_features([rows])})
    answers = run(path, {"image": rows})
    assert expected.std() > 1e-4
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(answers["labels"], model.policy.decide(expected))


def test_a_frozen_backbone(tmp_path, monkeypatch):
    shallow_backbones(monkeypatch)
    assert_exports("mobilenetv2", 32, 40, tmp_path / "model.onnx")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone(name, tmp_path):
    assert_exports(name, EDGE, 4, tmp_path / "model.onnx")
