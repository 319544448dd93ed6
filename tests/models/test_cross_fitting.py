"""What a fit takes from the config."""

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.errors import InputError
from manyhot.models.cross_fitting import resolve_label_weights


def test_weights_of_labels_are_one_where_nothing_is_said_and_not_all_zero():
    space = LabelSpace(("a", "b"))
    assert resolve_label_weights(TrainingConfig(label_weights={"b": 0}), space).tolist() == [1, 0]
    assert resolve_label_weights(TrainingConfig(label_weights="balanced"), space) is None
    with pytest.raises(InputError, match=r"label_weights.*all 0.*weight above 0"):
        resolve_label_weights(TrainingConfig(label_weights={"a": 0, "b": 0.0}), space)


@pytest.mark.slow
def test_settings_of_numpy_train_and_are_saved(tmp_path):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 3))
    Y = (X[:, :2] > 0).astype(int)
    plain = {
        "n_members": 2,
        "epochs": 2,
        "hidden_layer_sizes": (8,),
        "learning_rate": 0.25,
        "label_weights": {"a": 2.0},
    }
    numpy = {
        **plain,
        "n_members": np.int64(2),
        "learning_rate": np.float32(0.25),
        "label_weights": {"a": np.float32(2)},
        "decision": "recall",
        "decision_params": {"min_recall": np.array([0.5, 0.75], dtype=np.float32)},
    }
    names = [np.str_("a"), np.str_("b")]
    expected = MultiLabelClassifier(**plain, labels=["a", "b"], verbose=0).fit(X, Y)
    fitted = MultiLabelClassifier(**numpy, labels=names, verbose=0).fit(X, Y)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected.predict_proba(X))
    assert [type(name) for name in fitted.thresholds_] == [str, str]
    fitted.save(tmp_path / "a.manyhot")
    again = load(tmp_path / "a.manyhot")
    assert again.decision_params == {"min_recall": [0.5, 0.75]}
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
