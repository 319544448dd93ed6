"""A change of thresholds, rules or guarantee can be undone, also after saving and loading."""

import pytest

from manyhot import load
from manyhot.errors import BundleError, InputError
from manyhot.models.decision_updates import undo_decisions
from manyhot.persistence import container
from tests.contract.frozen.answers import opened

NAME = "table"


@pytest.fixture
def classifier():
    return opened(NAME)


def state(classifier):
    model = classifier.model_
    return classifier.thresholds_, model.policy.rules, model.config, model.report


def test_a_change_is_undone_and_redone_after_saving_and_loading(classifier, tmp_path):
    name, before = classifier.labels_[0], state(classifier)
    classifier.set_thresholds({name: 0.375})
    after = state(classifier)
    for expected in (before, after, before):
        classifier.save(tmp_path / "m.manyhot")
        classifier = load(tmp_path / "m.manyhot")
        undo_decisions(classifier.model_)
        assert state(classifier) == expected


def test_rules_and_their_settings_come_back(classifier):
    before = state(classifier)
    classifier.set_rules(max_labels=1)
    assert classifier.model_.config.max_labels == 1
    undo_decisions(classifier.model_)
    assert state(classifier) == before


def test_a_model_that_was_never_changed_has_nothing_to_undo(classifier, tmp_path):
    with pytest.raises(InputError, match="there is no change"):
        undo_decisions(classifier.model_)
    classifier.save(tmp_path / "m.manyhot")
    assert "previous" not in container.describe(tmp_path / "m.manyhot")["document"]


@pytest.mark.parametrize(("field", "value"), [("policy", {}), ("config", {"nonsense": 1}), ("report", {})])
def test_a_damaged_entry_is_refused(classifier, tmp_path, field, value):
    classifier.set_thresholds({classifier.labels_[0]: 0.375})
    path = tmp_path / "m.manyhot"
    classifier.save(path)
    contents = container.read(path)
    contents.document["previous"][field] = value
    container.write(path, contents.document, contents.arrays)
    with pytest.raises(BundleError):
        load(path)
