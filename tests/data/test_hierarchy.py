"""Targets that a taxonomy completes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhot.data import hierarchy as hierarchy_module
from manyhot.data.hierarchy import Completion, Hierarchy, bind_taxonomy, complete_targets
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from tests.reference.hierarchy import completed, constrained

SPACE = LabelSpace(("animal", "cat", "dog", "plant", "poodle"))
TREE = (("cat", "animal"), ("dog", "animal"), ("poodle", "dog"))


@st.composite
def hierarchies(draw, max_labels=8):
    """A number of labels, and pairs without circles: also labels with several parents."""
    n_labels = draw(st.integers(1, max_labels))
    order = draw(st.permutations(range(n_labels)))
    above = [(order[a], order[b]) for a in range(n_labels) for b in range(a)]
    return n_labels, draw(st.lists(st.sampled_from(above), max_size=10, unique=True)) if above else []


def bound(n_labels, pairs):
    return Hierarchy(pairs, tuple(f"label {j}" for j in range(n_labels)))


@st.composite
def problems(draw):
    n_labels, pairs = draw(hierarchies())
    row = st.lists(st.sampled_from([True, False, None]), min_size=n_labels, max_size=n_labels)
    return n_labels, pairs, draw(st.lists(row, min_size=1, max_size=5))


@given(problems())
@settings(max_examples=150, deadline=None)
def test_targets_are_completed_as_the_definition_says(problem):
    n_labels, pairs, rows = problem
    known = np.array([[cell is not None for cell in row] for row in rows])
    values = np.array([[bool(cell) for cell in row] for row in rows])
    targets, completion = complete_targets(Targets(values, known), bound(n_labels, pairs))
    truth = [completed(row, pairs) for row in rows]
    found = np.where(targets.known_mask(), targets.values, None).tolist()
    assert found == truth
    changes = [
        (a, b) for row, new in zip(rows, truth, strict=True) for a, b in zip(row, new, strict=True) if a is not b
    ]
    counted = (completion.n_changed, completion.n_yes, completion.n_no)
    assert counted == tuple(changes.count(kind) for kind in ((False, True), (None, True), (None, False)))
    again, nothing = complete_targets(targets, bound(n_labels, pairs))
    assert again is targets
    assert nothing == Completion()
    assert nothing.notes() == ()


@given(hierarchies(), st.integers(0, 2**16))
@settings(max_examples=80, deadline=None)
def test_values_are_raised_as_the_definition_says_and_levels_are_all_pairs(hierarchy, seed):
    n_labels, pairs = hierarchy
    values = np.random.default_rng(seed).normal(size=(2, 3, n_labels))
    raised = bound(n_labels, pairs).raise_ancestors(values)
    np.testing.assert_array_equal(raised.reshape(6, -1), [constrained(row, pairs) for row in values.reshape(6, -1)])
    levels = bound(n_labels, pairs).levels
    found = [pair for level in levels for pair in zip(*(side.tolist() for side in level), strict=True)]
    assert sorted(found) == sorted(pairs)


def test_work_in_blocks_gives_the_same(monkeypatch):
    generator = np.random.default_rng(0)
    targets = Targets(generator.random((50, 5)) < 0.3, generator.random((50, 5)) < 0.8)
    hierarchy = bind_taxonomy(TREE, SPACE)
    whole, counted = complete_targets(targets, hierarchy)
    monkeypatch.setattr(hierarchy_module, "BLOCK_ENTRIES", 35)
    parts, again = complete_targets(targets, hierarchy)
    assert counted == again
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.known, whole.known)


def test_the_note_counts_each_kind():
    values = np.zeros((3, 5), dtype=bool)
    values[0, 4] = values[1, 1] = True
    known = np.ones_like(values)
    known[1, 0] = known[2, 2] = False
    _, completion = complete_targets(Targets(values, known), bind_taxonomy(TREE, SPACE))
    assert completion == Completion(n_rows=1, n_changed=2, n_yes=1, n_no=1)
    (note,) = completion.notes()
    assert "2 recorded as no, in 1 row, became yes" in note
    assert "1 unknown became yes" in note
    assert "1 unknown became no" in note


def test_the_root_is_what_all_others_imply():
    assert bind_taxonomy(TREE, SPACE).root is None
    assert bind_taxonomy((*TREE, ("plant", "animal")), SPACE).root == 0
    assert bind_taxonomy((), SPACE) is None


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ((("poodel", "dog"),), "argument 'taxonomy': there is no label 'poodel'; did you mean 'poodle'?"),
        ((*TREE, ("animal", "poodle")), "argument 'taxonomy': the taxonomy goes in a circle: 'animal > poodle > dog >"),
    ],
)
def test_what_cannot_be_bound_is_told(pairs, message):
    with pytest.raises(InputError) as caught:
        bind_taxonomy(pairs, SPACE)
    assert message in str(caught.value)
