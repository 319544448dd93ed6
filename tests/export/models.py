"""Models with weights drawn at random, which take no training, and files run by ONNX Runtime."""

from dataclasses import replace

import numpy as np
import onnxruntime
import polars as pl

from manyhot import engine
from manyhot.backend import use_dtype
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.decisions.calibration import Calibration
from manyhot.decisions.policy import DecisionPolicy
from manyhot.decisions.thresholds.fixed import Fixed
from manyhot.decisions.thresholds.thresholds import Thresholds
from manyhot.encoders import PlainEncoder, TableEncoder
from manyhot.encoders.images.columns import ImageColumns
from manyhot.models.model import Model
from manyhot.models.network_spec import NetworkSpec, taxonomy_levels
from manyhot.models.segmentation.model import PixelModel
from manyhot.networks import MemberInitializer

NAMES = ("quiet", "loud", "sad")
LAYERS = {"hidden_layer_sizes": [6], "activation": "relu", "dropout": 0.1, "batch_norm": False}
N_ROWS = 400
GENERATOR = np.random.default_rng(0)
TABLE = pl.DataFrame(
    {
        "tempo": np.where(GENERATOR.random(N_ROWS) < 0.2, None, GENERATOR.normal(1e7, 30, N_ROWS)).tolist(),
        "kind": GENERATOR.choice(["rock", "folk", "jazz", "köln\n", None], N_ROWS).tolist(),
        "is_live": (GENERATOR.random(N_ROWS) < 0.3).tolist(),
        "side": GENERATOR.choice(["a", "b"], N_ROWS, p=[0.3, 0.7]).tolist(),
        "once": [f"level {k}" for k in range(N_ROWS)],
        "energy": GENERATOR.normal(size=N_ROWS).tolist(),
    },
    schema={"tempo": pl.Float64, "kind": str, "is_live": bool, "side": str, "once": str, "energy": pl.Float64},
)
TYPES = {
    "tempo": "numeric",
    "kind": "categorical",
    "is_live": "boolean",
    "side": "categorical",
    "once": "categorical",
    "energy": "numeric",
}


def images(shape=(16, 16, 3), n_rows=N_ROWS, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n_rows, *shape), dtype=np.uint8)


def table_encoder():
    return TableEncoder(TYPES).fit(TABLE)


def image_encoder(shape=(16, 16, 3), more=None):
    """An encoder of a column of images, beside other columns."""
    frame = pl.DataFrame({"picture": images(shape, 40)})
    types = {"picture": "image"}
    if more is not None:
        frame, types = pl.concat([more[:40], frame], how="horizontal"), {**TYPES, **types}
    return TableEncoder(types).fit(frame)


def block_encoder(**shapes):
    """An encoder that changes nothing, for rows of some shapes."""
    encoder = PlainEncoder()
    encoder._shapes = shapes
    return encoder


def policy(n_labels=3, names=NAMES, thresholds=(0.3, 0.5, 0.6), **given):
    space = LabelSpace(tuple(names))
    decision = Fixed().with_thresholds(Thresholds(np.resize(thresholds, n_labels)))
    return DecisionPolicy(
        space, given.pop("calibration", Calibration.none(n_labels)), **{"decision": decision, **given}
    )


def build(encoder, network="mlp", settings=None, n_members=2, own_policy=None, dtype="float32", **config):
    """A model that never learned anything; `settings` are the network's, or a description of a Keras model."""
    own_policy = own_policy or policy()
    if own_policy.taxonomy:
        config["taxonomy"] = own_policy.taxonomy
    is_built = settings is None or isinstance(settings, dict)
    config = TrainingConfig(network=network if is_built else "custom", dtype=dtype, **config)
    spec = NetworkSpec(
        config.network,
        {**LAYERS, **(settings or {})} if is_built else {},
        encoder.shapes(),
        len(own_policy.space),
        dtype,
        None if is_built else settings,
        taxonomy_levels(config, own_policy.space),
    )
    members = [member_weights(spec, k) for k in range(n_members)]
    weights = engine.Weights(*(list(map(np.stack, zip(*leaves, strict=True))) for leaves in zip(*members, strict=True)))
    made = PixelModel if network == "unet" else Model
    model = made(own_policy.space, encoder, spec, weights, own_policy, config, {})
    return replace_runtime(model)


def replace_runtime(model):
    return replace(model, runtime=RuntimeConfig(predict_batch_size=N_ROWS))


def member_weights(spec, member):
    generator = np.random.default_rng(member)
    with use_dtype(spec.dtype):
        factory = spec.factory(1, lambda k: MemberInitializer(member, None, spec.dtype))
        network = factory.build(0)
        tables = list(factory.init_tables(0).values()) if factory.init_tables else []
        trainable = [np.asarray(one.value) for one in network.trainable_variables]
        fixed = [np.asarray(one.value) for one in network.non_trainable_variables]
    moved = [leaf + 0.2 * generator.standard_normal(leaf.shape).astype(leaf.dtype) for leaf in (*tables, *trainable)]
    return moved, [
        leaf + abs(0.2 * generator.standard_normal(leaf.shape)).astype(leaf.dtype) if leaf.dtype.kind == "f" else leaf
        for leaf in fixed
    ]


def run(file, rows):
    """Outputs by name of a file, or of its content, for rows by name of the input."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(
        file if isinstance(file, bytes) else str(file), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip((one.name for one in session.get_outputs()), session.run(None, rows), strict=True))


def frozen_backbone(encoder, function):
    """The same encoder with a backbone that stays as it is before its images."""
    columns = ImageColumns(encoder.image_columns)
    columns.encoders, columns.backbone_name, columns.is_frozen = encoder.images.encoders, function.name, True
    encoder.images = columns
    return columns
