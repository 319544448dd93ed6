"""Large weights are moved where they lie."""

import re
from collections import OrderedDict

import numpy as np
import pytest

from manyhot.backend import jax
from manyhot.engine.program_cache import PROGRAMS, ProgramCache
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.networks.fast import layers
from tests.engine.test_compiles import problem

WIDTH = 512  # as many numbers as LARGE_KERNEL between two layers of this width


@pytest.mark.slow
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="copies are avoided on a CPU")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_step_copies_no_large_weight_and_gives_the_same_numbers(monkeypatch, optimizer):
    texts: list[str] = []
    get_or_compile = ProgramCache.get_or_compile

    def record(self, *args, **kwargs):
        program = get_or_compile(self, *args, **kwargs)
        texts.append(program.as_text())
        return program

    monkeypatch.setattr(ProgramCache, "get_or_compile", record)

    def train_with(large_kernel: int) -> tuple[int, np.ndarray]:
        monkeypatch.setattr(layers, "LARGE_KERNEL", large_kernel)
        monkeypatch.setattr(PROGRAMS, "_programs", OrderedDict())
        texts.clear()
        settings = {"hidden_layer_sizes": (WIDTH, WIDTH), "n_members": 1, "epochs": 2, "compilation_cache": False}
        model = MultiLabelClassifier(optimizer=optimizer, verbose=0, **settings)
        scores = model.fit(*problem(250)).predict_proba(problem(250)[0], calibrated=False)
        copies = [re.findall(rf"f32\[{WIDTH},{WIDTH}\]\S* copy\(%get-tuple", text) for text in texts if "while" in text]
        return sum(map(len, copies)), scores

    assert WIDTH * WIDTH >= layers.LARGE_KERNEL
    copies, scores = train_with(layers.LARGE_KERNEL)
    before, expected = train_with(2**40)
    print(f"copies of a large weight in a step: {before} without waiting, {copies} with it")
    assert (before > 0, copies) == (True, 0)
    np.testing.assert_array_equal(scores, expected)
