"""How much each branch counts: chosen where it is clear, by rows that have no say in their own scores."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit, logit

from manyhot.data.splitting.folds import MemberRows
from manyhot.data.targets import Targets
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.models import branch_shares
from manyhot.models.branch_shares import score_with_chosen_shares

N, L = 400, 3
NO_ROWS = np.zeros(0, dtype=np.int64)


class Scorer:
    """Two branches with given logits (2, n, l); a member's scores are those of its shares."""

    def __init__(self, logits):
        self.logits = logits

    def replace_fixed(self, leaf, values):
        assert leaf == -1
        self.shares = values

    def mean_outputs(self, blocks, members):
        return expit(np.tensordot(self.shares[members[0]], self.logits[:, blocks["row"]], axes=1))

    def to_scores(self, scores):
        return scores


def problem(noises, n_folds=4, seed=0):
    """A fit whose branches see the labels' logits through noise, and its scorer."""
    generator = np.random.default_rng(seed)
    truth = 2 * generator.normal(size=(N, L))
    values = generator.random((N, L)) < expit(truth)
    logits = np.stack([truth + noise * generator.normal(size=(N, L)) for noise in noises])
    folds = np.array_split(np.arange(N), n_folds)
    fit = SimpleNamespace(
        network=SimpleNamespace(branches=("linear",), n_labels=L),
        members=[MemberRows(np.setdiff1d(np.arange(N), fold), NO_ROWS, fold) for fold in folds for _ in range(2)],
        rows=np.arange(N),
        data=SimpleNamespace(blocks={"row": np.arange(N)}, targets=Targets(values), weights=np.ones(N)),
        config=SimpleNamespace(dtype="float64"),
    )
    return fit, Scorer(logits)


def chosen(noises, **settings):
    fit, scorer = problem(noises, **settings)
    weights = SimpleNamespace(fixed=[np.full((len(fit.members), 2), 0.5)])
    scores, _ = score_with_chosen_shares(scorer, fit, weights)
    assert (weights.fixed[-1] == weights.fixed[-1][0]).all()
    np.testing.assert_array_equal(weights.fixed[-1], scorer.shares)
    return weights.fixed[-1][0], scores, scorer.logits


def test_a_branch_that_only_adds_noise_is_left_out():
    shares, scores, logits = chosen([0.0, 50.0])
    assert shares.tolist() == [1, 0]
    np.testing.assert_allclose(logit(scores), logits[0], atol=1e-4)


def test_equal_branches_share_equally():
    assert chosen([1.0, 1.0])[0].tolist() == [0.5, 0.5]


def test_a_row_has_no_say_in_its_own_score():
    fit, scorer = problem([0.5, 3.0], n_folds=2)
    weights = SimpleNamespace(fixed=[np.full((len(fit.members), 2), 0.5)])
    before, _ = score_with_chosen_shares(scorer, fit, weights)
    first_fold = fit.members[0].held_out
    fit.data.targets.values[first_fold] = scorer.logits[1, first_fold] > 0  # as if the other branch were right
    after, _ = score_with_chosen_shares(scorer, fit, weights)
    np.testing.assert_array_equal(after[first_fold], before[first_fold])
    assert not np.array_equal(after, before)


def test_only_members_of_the_fit_are_changed():
    fit, scorer = problem([0.0, 50.0])
    weights = SimpleNamespace(fixed=[np.full((len(fit.members) + 3, 2), 0.5)])
    score_with_chosen_shares(scorer, fit, weights, first=2)
    is_ours = np.zeros(len(weights.fixed[-1]), dtype=bool)
    is_ours[2:-1] = True
    assert (weights.fixed[-1][is_ours] == [1, 0]).all()
    assert (weights.fixed[-1][~is_ours] == 0.5).all()


def test_few_of_many_rows_choose(monkeypatch):
    monkeypatch.setattr(branch_shares, "MAX_ENTRIES", 200)
    assert chosen([0.0, 50.0])[0].tolist() == [1, 0]


def test_candidates_add_up_to_one_and_begin_with_equal_ones():
    for n_branches in (2, 3):
        candidates = list(branch_shares._candidates(n_branches))
        assert len(set(candidates)) == len(candidates) == {2: 5, 3: 16}[n_branches]
        np.testing.assert_allclose(np.sum(candidates, axis=1), 1)
        assert candidates[0] == (1 / n_branches,) * n_branches


@pytest.mark.slow
def test_branches_of_a_trained_model_count_as_chosen():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 4))
    Y = (X[:, :3] + 0.3 * generator.normal(size=(300, 3))) > 0
    settings = {"n_members": 4, "n_folds": 4, "epochs": 5, "hidden_layer_sizes": (16,), "verbose": 0}
    classifier = MultiLabelClassifier(**settings).fit(X, Y)
    model = classifier.model_
    assert model.config.branches == "bins"
    shares = model.weights.fixed[-1]
    assert shares.shape == (4, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert list(model.branch_shares) == ["layers", "bins"]
    told = f"hidden layers {shares[0, 0]:.0%}, hidden layers on binned inputs {shares[0, 1]:.0%}."
    assert sum(note.endswith(told) for note in classifier.report_.to_dict()["notes"]) == 1
    blocks, scorer = model.encoder.transform(X), model.scorer()
    found = scorer.scores(blocks, (0, 1))
    of_branches = []
    for one in np.eye(2):
        scorer.replace_fixed(-1, np.broadcast_to(one, shares.shape).astype(shares.dtype))
        of_branches.append(logit(scorer.scores(blocks, (0, 1)).astype(float)))
    np.testing.assert_allclose(found, expit(np.tensordot(shares[0], of_branches, axes=1)), atol=1e-5)
