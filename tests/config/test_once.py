"""Each group of settings is checked once in a fit: whoever needs a value reads it from the config."""

from collections import Counter

import numpy as np
import pytest

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier, cross_validate
from manyhot.config import fields, images, losses, text, training
from manyhot.config.runtime import RuntimeConfig
from tests.fixtures.image_spots import SETTINGS as IMAGES
from tests.fixtures.image_spots import spots

SMALL = {"n_members": 2, "n_folds": 2, "epochs": 1, "hidden_layer_sizes": (4,), "verbose": 0}


@pytest.fixture
def checked(monkeypatch):
    """Counts how often each group is checked from now on."""
    counts = Counter()

    def fill(table, values, argument, *rest):
        counts[argument] += 1
        return fields.fill_defaults(table, values, argument, *rest)

    for module in (images, losses, text):
        monkeypatch.setattr(module, "fill_defaults", fill)
    original = fields.Settings.__post_init__

    def validate(self):
        counts[type(self).__name__] += 1
        original(self)

    monkeypatch.setattr(fields.Settings, "__post_init__", validate)
    return counts


def rows():
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, X[:, :3] > 0


ONCE = {"TrainingConfig": 1, "RuntimeConfig": 1, "loss_params": 1, "text_params": 1, "image_params": 1}


def test_a_fit_checks_each_group_once(checked):
    X, Y = rows()
    MultiLabelClassifier(**SMALL, loss="focal", loss_params={"gamma": 1.0}).fit(X, Y)
    assert checked == ONCE


def test_a_fit_on_text_and_one_on_images_check_each_group_once(checked):
    _, Y = rows()
    texts = [f"{'red' if a else 'blue'} {'round' if b else 'square'} {i}" for i, (a, b, _) in enumerate(Y)]
    MultiLabelClassifier(**SMALL, text_params={"max_words": 50}).fit(texts, Y)
    assert checked == ONCE
    checked.clear()
    X, targets = spots(24)
    MultiLabelClassifier(**{**SMALL, **IMAGES, "n_members": 2, "epochs": 1}).fit(X, targets)
    assert checked == ONCE


def test_folds_share_one_checked_config(checked):
    X, Y = rows()
    cross_validate(MultiLabelClassifier(**SMALL), X, Y, n_splits=3, n_repeats=2)
    assert checked == ONCE


def test_very_many_labels_check_their_settings_once(checked):
    X, Y = rows()
    ExtremeMultiLabelClassifier(epochs=1, hidden_layer_sizes=(4,), verbose=0).fit(X, Y)
    assert checked["ExtremeConfig"] == 1


def test_a_changed_copy_is_not_checked_and_leaves_the_original_alone(checked):
    config = training.TrainingConfig(epochs=3)
    checked.clear()
    changed = config.changed(epochs=5)
    assert (config.epochs, changed.epochs, changed.dropout) == (3, 5, config.dropout)
    assert not checked
    assert RuntimeConfig().changed(devices=2).devices == 2
