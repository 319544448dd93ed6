"""Every network builder through the same questions."""

from functools import partial
from itertools import product

import numpy as np
import pytest

from manyhot.backend import jax, use_dtype
from manyhot.config.images import PIXEL_NETWORKS
from manyhot.config.text import POOLS
from manyhot.config.training import BUILT_NETWORKS
from manyhot.errors import InputError
from manyhot.networks import BUILDERS, WEIGHT_SHAPES, MemberInitializer, infer_weight_shapes

SETTINGS = [
    {"hidden_layer_sizes": hidden, "activation": "relu", "dropout": dropout, "batch_norm": batch_norm}
    for hidden, dropout, batch_norm in product([(), (8,), (8, 5)], [0.0, 0.3], [False, True])
]
IMAGES = {"features": (6,), "image": (9, 8, 3)}
SHAPES = {
    "mlp": {"features": (6,)},
    "embedding_bag": {"features": (6,), "words": (5,)},
    "cnn": IMAGES,
    "resnet": IMAGES,
    "convnext": IMAGES,
    "backbone": {"features": (6,), "image": (32, 32, 3)},
    "unet": {"image": (16, 24, 3)},
}
OF_IMAGES = [
    {
        "images": {"image": {"mean": [0.0, 0.0, 0.0], "deviation": [0.2, 0.1, 0.3]}},
        "filters": filters,
        "blocks": blocks,
        "kernel": 3,
        "pool": pool,
    }
    for filters, blocks, pool in (([4], 1, "flatten"), ([3, 5], 2, "average"))
]
MORE = {
    "mlp": [{}, {"branches": ["bins"]}, {"branches": ["linear"]}, {"branches": ["bins", "linear"]}],
    "embedding_bag": [{"vocabularies": {"words": 11}, "units": 4, "pool": pool} for pool in POOLS],
    "cnn": OF_IMAGES,
    "resnet": OF_IMAGES,
    "convnext": OF_IMAGES,
    "backbone": [
        {"images": OF_IMAGES[0]["images"], "backbone": "mobilenetv3_small", "is_tuned": is_tuned}
        for is_tuned in (True, False)
    ],
    "unet": [
        {"images": OF_IMAGES[0]["images"], "filters": filters, "blocks": blocks, "kernel": 3, "patch": patch}
        for filters, blocks, patch in (([4], 1, 1), ([3, 5, 4], 2, 2))
    ],
}


def cases():
    """Every network with every setting in both precisions, as the test takes them.

    Of networks on images each run has every second one, which leaves every two of batch normalisation, form and
    precision together; those of backbones take seconds each, and only the last settings are tried.
    """
    for (i, dtype), name in product(enumerate(("float32", "float64")), BUILDERS):
        for (j, settings), (k, more) in product(enumerate(SETTINGS), enumerate(MORE[name])):
            marks = []
            if "branches" in more and not settings["hidden_layer_sizes"]:
                continue
            if name == "backbone":
                if settings is not SETTINGS[-1]:
                    continue
                marks = [pytest.mark.slow] if more["is_tuned"] else []
            elif "image" in SHAPES[name] and (i + j + k) % 2:
                marks = [pytest.mark.exhaustive]
            yield pytest.param(dtype, name, {**settings, **more}, marks=marks)


def inputs_of(name: str, n: int, dtype: str, words: int = 0) -> dict:
    kinds = {"features": dtype, "words": "int32", "image": "uint8"}
    return {block: np.full((n, *shape), words, kinds[block]) for block, shape in SHAPES[name].items()}


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "name", "settings"), [*cases()], ids=str)
def test_a_network_returns_logits_of_the_asked_type(dtype, name, settings):
    with use_dtype(dtype):
        model = BUILDERS[name](SHAPES[name], 3, settings, MemberInitializer(1, np.array([1.0, 2.0, 3.0]), dtype))
        trainable, fixed = ([v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables))
        inputs = inputs_of(name, 4, dtype)
        quickly = {"xla_backend_optimization_level": 0}  # the mathematics is the same
        run = jax.jit(partial(model.stateless_call, training=False), compiler_options=quickly)
        logits, _ = run(trainable, fixed, inputs)
    places = SHAPES[name]["image"][:2] if name in PIXEL_NETWORKS else ()
    assert logits.shape == (4, *places, 3)
    assert str(logits.dtype) == dtype
    if name != "backbone" and "bins" not in settings.get("branches", ()):  # to which black, and 0, are not nothing
        np.testing.assert_allclose(np.asarray(logits)[0], np.broadcast_to([1, 2, 3], (*places, 3)), atol=1e-6)
    if name in WEIGHT_SHAPES:
        shapes, others = WEIGHT_SHAPES[name](SHAPES[name], 3, settings)
    else:
        build = partial(BUILDERS[name], SHAPES[name], 3, settings)
        n_weights = sum(leaf.size for leaf in (*trainable, *fixed))
        shapes, others = infer_weight_shapes(build, n_weights, dtype, SHAPES[name])
        with pytest.raises(InputError, match="more weights than the file holds"):
            infer_weight_shapes(build, n_weights // 2, dtype, SHAPES[name])
    assert [tuple(leaf.shape) for leaf in trainable] == shapes
    assert [(tuple(leaf.shape), str(leaf.dtype)) for leaf in fixed] == [(s, t or dtype) for s, t in others]


@pytest.mark.slow
def test_the_names_in_the_settings_are_those_of_the_table():
    assert set(BUILT_NETWORKS) == set(BUILDERS)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_start_is_reproducible_and_members_differ(name):
    settings = {**SETTINGS[-1], **MORE[name][0]}
    first, again, other = (
        [
            np.asarray(v.value)
            for v in BUILDERS[name](SHAPES[name], 3, settings, MemberInitializer(seed)).trainable_variables
        ]
        for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_wrong_activation_is_named():
    with pytest.raises(InputError, match="did you mean 'relu'"):
        BUILDERS["mlp"]({"features": (6,)}, 3, {**SETTINGS[0], "activation": "relo"}, MemberInitializer(0))
