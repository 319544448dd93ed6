import dataclasses
import re

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation import label_errors, label_noise
from manyhot.evaluation.label_errors import find_label_errors
from manyhot.evaluation.metrics import score


def made_up(n=1500, n_labels=20, wrong=0.05, seed=0, share_known=1.0, dtype=np.float64):
    """Scores of a good network, targets drawn from the same chances, some of them flipped; and which were flipped."""
    rng = np.random.default_rng(seed)
    topic = rng.normal(size=(n, 3)) @ rng.normal(size=(3, n_labels)) * 3 - rng.uniform(1, 4, n_labels)
    unseen = rng.normal(size=(n, 1)) * np.where(np.arange(n_labels) % 2, 3.0, -3.0)  # ties labels, not in the scores
    truth = rng.random(topic.shape) < expit(topic + unseen)
    flipped = rng.random(topic.shape) < wrong
    known = rng.random(topic.shape) < share_known
    recorded = wrong + (1 - 2 * wrong) * expit(topic)
    return recorded.astype(dtype), Targets(truth ^ flipped, known), flipped & known


def space_of(n_labels):
    return LabelSpace(tuple(f"label {j}" for j in range(n_labels)))


def errors_of(scores, targets, limit=None, **more):
    n, n_labels = len(scores), scores.shape[-1]
    ids = more.pop("ids", np.array([f"row {i}" for i in range(n)]))
    space = more.pop("space", space_of(n_labels))
    return find_label_errors(scores, targets, ids, space, limit, **more)


def slow_chances(scores, targets):
    """The same by the definition: one inverse for each row that is left out, one loop for each entry."""
    n, n_labels = scores.shape
    known, values = targets.known_mask(), targets.values
    varies = [j for j in range(n_labels) if len(set(values[known[:, j], j].tolist())) == 2]
    deviations = np.where(known, values - scores, 0.0)[:, varies]
    ridge = [max(np.mean(scores[known[:, j], j] * (1 - scores[known[:, j], j])), 1e-5) for j in varies]
    terms = np.zeros((n, n_labels, 4))
    for i in range(n):
        others = np.delete(deviations, i, axis=0)
        inverse = np.linalg.inv(others.T @ others + label_errors.PSEUDO_ROWS * np.diag(ridge))
        for at, j in enumerate(varies):
            lift = -sum(inverse[at, k] / inverse[at, at] * deviations[i, k] for k in range(len(varies)) if k != at)
            own = logit(min(max(scores[i, j], 1e-5), 1 - 1e-5))
            terms[i, j] = own, lift, logit(values[known[:, j], j].mean()), 1.0
    kept = known & np.isin(np.arange(n_labels), varies)
    x, sign = terms[kept], np.where(values[kept], -1.0, 1.0)
    fitted = minimize(lambda c: np.logaddexp(0, sign * (x @ c)).sum() + c @ c / 2, np.zeros(4), tol=1e-12)
    logits = terms @ fitted.x
    order = np.sort(logits[kept])
    top = order[-max(1, int(np.ceil(label_noise.SUREST_PRESENT * values[kept].sum())))]
    low = order[max(1, int(np.ceil(label_noise.SUREST_ABSENT * (~values[kept]).sum()))) - 1]
    high = kept & (np.floor(64 * logits) >= np.floor(64 * top))
    deep = kept & (np.floor(64 * logits) <= np.floor(64 * low))
    missed = min(((high & ~values).sum() + 0.5) / (high.sum() + 1), 0.45)
    added = min(((deep & values).sum() + 0.5) / (deep.sum() + 1), 0.45)
    chances = np.zeros(scores.shape)
    for i, j in zip(*np.nonzero(kept), strict=True):
        q = expit(logits[i, j])
        present = max((q - added) / (1 - added - missed), label_noise.MIN_DOUBT * q)
        absent = max((1 - q - missed) / (1 - added - missed), label_noise.MIN_DOUBT * (1 - q))
        pair = (added * absent, (1 - missed) * present) if values[i, j] else (missed * present, (1 - added) * absent)
        chances[i, j] = pair[0] / sum(pair)
    return chances, expit(logits)


@pytest.mark.parametrize("share_known", [1.0, 0.7])
def test_it_equals_a_slow_plain_version(share_known, monkeypatch):
    scores, targets, _ = made_up(n=90, n_labels=5, share_known=share_known, seed=3)
    targets.values[:, 2] = False
    expected, corrected = slow_chances(scores, targets)
    found = errors_of(scores, targets, limit=scores.size)
    n_known = int(np.delete(targets.known_mask(), 2, axis=1).sum())
    assert len(found) == found.n_known == n_known
    np.testing.assert_allclose(found.suspicion, expected[found.row, found.label], rtol=1e-4)
    np.testing.assert_allclose(found.expected, corrected[found.row, found.label], rtol=1e-4)
    np.testing.assert_allclose(found.n_wrong, expected.sum(axis=0), rtol=1e-4)
    assert (np.diff(found.suspicion) <= 0).all()
    rows = found.rows(90)
    right = np.prod(1 - expected, axis=1)
    np.testing.assert_allclose(rows.suspicion, 1 - right[rows.row], rtol=1e-4)
    assert rows.row.tolist() == [i for i in np.argsort(right, kind="stable") if right[i] < 1]
    assert rows.worst.tolist() == expected[rows.row].argmax(axis=1).tolist()
    assert rows.n_suspicious.tolist() == (expected[rows.row] > 0.5).sum(axis=1).tolist()
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 100)
    again = errors_of(scores, targets, limit=scores.size)
    np.testing.assert_array_equal(again.row, found.row)
    np.testing.assert_array_equal(again.label, found.label)
    np.testing.assert_allclose(again.suspicion, found.suspicion, rtol=1e-8)
    np.testing.assert_allclose(again.expected, found.expected, rtol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_planted_errors_are_found_at_the_top(dtype):
    scores, targets, flipped = made_up(n=4000, dtype=dtype)
    found = errors_of(scores, targets)
    hits = flipped[found.row, found.label]
    assert hits[:100].mean() >= 0.9
    best = errors_of(scores, targets, limit=int(flipped.sum()))
    plain = np.where(targets.values, 1 - scores, scores)
    first = np.argsort(-plain, axis=None)[: flipped.sum()]
    assert flipped[best.row, best.label].mean() > flipped.reshape(-1)[first].mean() + 0.05
    assert found.n_wrong.sum() == pytest.approx(flipped.sum(), rel=0.25)
    assert len(found) == round(found.n_wrong.sum())
    np.testing.assert_allclose(found.n_wrong, flipped.sum(axis=0), atol=0.4 * flipped.sum(axis=0).mean())
    rows = found.rows()
    assert len(rows) == pytest.approx(flipped.any(axis=1).sum(), rel=0.25)
    assert flipped.any(axis=1)[rows.row[:100]].mean() >= 0.9


def test_the_chances_are_chances():
    scores, targets, flipped = made_up(n=6000, wrong=0.05, seed=5)
    found = errors_of(scores, targets, limit=scores.size)
    hits = flipped[found.row, found.label]
    for low, high in ((0.9, 1.0), (0.5, 0.9), (0.0, 0.1)):
        at = (found.suspicion >= low) & (found.suspicion < high)
        assert at.sum() > 100
        assert hits[at].mean() == pytest.approx(found.suspicion[at].mean(), abs=0.12)


@pytest.mark.parametrize("direction", ["dropped", "added"])
def test_the_direction_of_errors_is_seen(direction):
    scores, targets, _ = made_up(n=4000, wrong=0.0)
    rng = np.random.default_rng(1)
    if direction == "dropped":
        flipped = targets.values & (rng.random(scores.shape) < 0.2)
    else:
        flipped = ~targets.values & (rng.random(scores.shape) < 0.05)
    share = 0.2 if direction == "dropped" else 0.05
    recorded = scores * (1 - share) if direction == "dropped" else scores + (1 - scores) * share
    found = errors_of(recorded, Targets(targets.values ^ flipped))
    assert (found.recorded == (direction == "added")).mean() > 0.8
    assert len(found) == pytest.approx(flipped.sum(), rel=0.4)


def test_clean_targets_are_hardly_accused():
    scores, targets, _ = made_up(n=4000, wrong=0.0)
    clean = errors_of(scores, targets)
    noisy = errors_of(*made_up(n=4000, wrong=0.05)[:2])
    assert len(clean) <= 0.01 * scores.size
    assert len(clean) < 0.25 * len(noisy)
    certain = (scores > 0.5).astype(float)
    assert len(errors_of(certain, Targets(certain == 1))) <= 0.001 * scores.size


def test_unknown_entries_are_never_accused_and_never_count():
    scores, targets, _ = made_up(share_known=0.6)
    found = errors_of(scores, targets, limit=scores.size)
    known = targets.known_mask()
    assert known[found.row, found.label].all()
    assert len(found) == known.sum()
    other = np.where(known, scores, 1 - scores)
    again = errors_of(other, targets, limit=scores.size)
    np.testing.assert_array_equal(again.row, found.row)
    np.testing.assert_array_equal(again.suspicion, found.suspicion)
    np.testing.assert_array_equal(again.rows(50).suspicion, found.rows(50).suspicion)


def test_rows_and_labels_in_another_order_are_found_the_same():
    scores, targets, _ = made_up(share_known=0.9)
    found = errors_of(scores, targets)
    rng = np.random.default_rng(4)
    rows, labels = rng.permutation(scores.shape[0]), rng.permutation(scores.shape[1])
    mixed = Targets(targets.values[rows][:, labels], targets.known_mask()[rows][:, labels])
    names = np.array(found.space.names)
    other = errors_of(
        scores[rows][:, labels],
        mixed,
        ids=np.array([f"row {i}" for i in rows]),
        space=LabelSpace(tuple(names[labels].tolist())),
    )
    np.testing.assert_array_equal(rows[other.row], found.row)
    np.testing.assert_array_equal(labels[other.label], found.label)
    np.testing.assert_array_equal(other.ids, found.ids)
    np.testing.assert_allclose(other.suspicion, found.suspicion, rtol=1e-6)
    assert other.reasons() == found.reasons()
    np.testing.assert_array_equal(other.rows().ids, found.rows().ids)


def test_equals_come_by_row_then_by_label():
    values = np.zeros((40, 2), dtype=bool)
    values[:20] = True
    scores = np.where(values, 0.9, 0.1)
    values[[3, 30, 7, 35]] ^= True
    found = errors_of(scores, Targets(values), limit=8)
    assert len(set(found.suspicion.tolist())) == 2
    for suspicion in set(found.suspicion.tolist()):
        at = found.suspicion == suspicion
        places = list(zip(found.row[at].tolist(), found.label[at].tolist(), strict=True))
        assert len(places) == 4
        assert places == sorted(places)
    assert set(found.row.tolist()) == {3, 7, 30, 35}
    for limit in range(8):
        assert errors_of(scores, Targets(values), limit=limit).row.tolist() == found.row[:limit].tolist()


def test_more_entries_never_change_those_before():
    scores, targets, _ = made_up()
    whole = errors_of(scores, targets, limit=scores.size)
    for limit in (0, 1, 17, 400):
        some = errors_of(scores, targets, limit=limit)
        assert len(some) == limit
        np.testing.assert_array_equal(some.row, whole.row[:limit])
        np.testing.assert_array_equal(some.label, whole.label[:limit])
        np.testing.assert_array_equal(some.n_wrong, whole.n_wrong)
    assert len(errors_of(scores, targets)) == round(whole.n_wrong.sum())


def test_one_label_alone_is_ranked_as_among_all():
    scores, targets, _ = made_up()
    whole = errors_of(scores, targets, limit=scores.size)
    one = errors_of(scores, targets, label="label 3")
    assert set(one.label.tolist()) == {3}
    assert len(one) == round(whole.n_wrong[3])
    np.testing.assert_array_equal(one.row, whole.row[whole.label == 3][: len(one)])
    assert one.n_wrong[3] == whole.n_wrong[3]
    assert one.n_wrong.sum() == one.n_wrong[3]
    assert one.n_known == len(scores)
    with pytest.raises(InputError, match="did you mean 'label 3'"):
        errors_of(scores, targets, label="labl 3")


def test_reasons_hold_the_right_numbers():
    scores, targets, _ = made_up()
    found = errors_of(scores, targets, limit=1000)
    reasons = found.reasons()
    assert found.reasons(5) == reasons[:5]
    n_compared = 0
    for k, reason in enumerate(reasons):
        i, j = found.row[k], found.label[k]
        state = "present" if targets.values[i, j] else "absent"
        assert reason.startswith(f"marked {state}, predicted {scores[i, j]:.2f}")
        expected = re.search(r"\((\d\.\d\d) given its other labels\)", reason)
        assert expected is None or float(expected[1]) == float(f"{found.expected[k]:.2f}")
        share = re.search(r"(\d+)% of the (other )?rows with the label", reason)
        if share is None:
            continue
        n_compared += 1
        carriers = [scores[r, j] for r in range(len(scores)) if targets.values[r, j] and r != i]
        side = [c > scores[i, j] if state == "present" else c < scores[i, j] for c in carriers]
        assert int(share[1]) == 100 * sum(side) // len(side)
        assert int(share[1]) >= 50
        assert ("a higher score" in reason) == (state == "present") == bool(share[2])
    assert n_compared > 300


def test_reasons_by_hand():
    found = errors_of(np.array([[0.9], [0.8], [0.1], [0.97]]), Targets(np.array([[1], [1], [0], [0]]) == 1), limit=4)
    by_row = dict(zip(found.row.tolist(), found.reasons(), strict=True))
    assert by_row[3].startswith("marked absent, predicted 0.97 (")
    assert by_row[3].endswith("given its other labels); 100% of the rows with the label have a lower score")
    assert by_row[1].startswith("marked present, predicted 0.80 (")
    assert by_row[1].endswith("; 100% of the other rows with the label have a higher score")
    assert by_row[2].startswith("marked absent, predicted 0.10 (")
    assert by_row[2].endswith(" given its other labels)")
    lone = errors_of(np.array([[0.1], [0.2], [0.3]]), Targets(np.array([[1], [0], [0]]) == 1), limit=3)
    said = lone.reasons()[lone.row.tolist().index(0)]
    assert said.startswith("marked present, predicted 0.10 (")


def test_ids_of_text_survive():
    scores, targets, _ = made_up(n=200)
    ids = np.array([f"=élan {'x' * (i % 7)}; {i}" for i in range(200)], dtype=object)
    found = errors_of(scores, targets, ids=ids)
    assert found.ids.tolist() == [ids[i] for i in found.row]
    rows = found.rows()
    assert rows.ids.tolist() == [ids[i] for i in rows.row]


def test_labels_that_do_not_vary_are_left_out_and_change_nothing():
    scores, targets, _ = made_up(share_known=0.9)
    wide = np.concatenate([scores[:, :4], np.full((len(scores), 3), 0.5), scores[:, 4:]], axis=1)
    values = np.insert(targets.values, [4, 4, 4], [False, True, True], axis=1)
    known = np.insert(targets.known_mask(), [4, 4, 4], [True, True, False], axis=1)
    found, plain = errors_of(wide, Targets(values, known)), errors_of(scores, targets)
    assert found.left_out.tolist() == [4, 5, 6]
    assert plain.left_out.tolist() == []
    np.testing.assert_array_equal(found.row, plain.row)
    np.testing.assert_array_equal(found.suspicion, plain.suspicion)
    np.testing.assert_array_equal(np.delete(found.n_wrong, [4, 5, 6]), plain.n_wrong)
    nothing = errors_of(np.full((3, 2), 0.5), Targets(np.zeros((3, 2), dtype=bool)))
    assert len(nothing) == len(nothing.rows()) == nothing.n_known == 0
    assert nothing.reasons() == []
    assert len(errors_of(np.zeros((0, 2)), Targets(np.zeros((0, 2), dtype=bool)))) == 0


@pytest.mark.parametrize("n_labels", [1, 2])
def test_few_labels_and_extreme_scores(n_labels):
    values = np.zeros((50, n_labels), dtype=bool)
    values[:25] = True
    scores = values.astype(np.float32)
    values[[1, 40]] ^= True
    found = errors_of(scores, Targets(values))
    assert np.isfinite(found.suspicion).all()
    assert set(errors_of(scores, Targets(values), limit=2 * n_labels).row.tolist()) == {1, 40}


def test_very_many_entries_are_learned_from_some(monkeypatch):
    scores, targets, _ = made_up(n=4000)
    whole = errors_of(scores, targets)
    monkeypatch.setattr(label_errors, "MAX_EXAMPLES", 8000)
    some = errors_of(scores, targets)
    assert len(some) == pytest.approx(len(whole), rel=0.1)
    same = set(zip(some.row, some.label, strict=True)) & set(zip(whole.row, whole.label, strict=True))
    assert len(same) > 0.9 * len(whole)


def test_what_is_wrong_is_refused():
    scores, targets, _ = made_up(n=50)
    with pytest.raises(InputError, match="shape"):
        errors_of(scores[:, :-1], targets)
    with pytest.raises(InputError, match="apply the sigmoid"):
        errors_of(scores * 2, targets)
    for limit in (-1, 1.5, "3", True):
        with pytest.raises(InputError, match="limit"):
            errors_of(scores, targets, limit=limit)
    with pytest.raises(InputError, match="limit"):
        errors_of(scores, targets).rows(-1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        errors_of(scores, targets).row = None
