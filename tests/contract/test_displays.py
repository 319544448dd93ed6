"""Every public result shows itself in one short line, and in a notebook as valid HTML that loads nothing."""

import ast
import importlib
import inspect
import pkgutil
import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

import manyhot
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.data.splitting.splitters import MultiLabelKFold, split_report
from manyhot.data.targets import Targets
from manyhot.decisions.guarantees.guarantee import Guarantee
from manyhot.display import MAX_REPR, list_repr, short_repr
from manyhot.estimators.cross_validation.head_comparison import Heads
from manyhot.estimators.cross_validation.result import CrossValidation, collect_results
from manyhot.estimators.cross_validation.result import FoldScores as Fold
from manyhot.estimators.cross_validation.splits import Split
from manyhot.estimators.search import Search, Trial
from manyhot.estimators.search.trial import EnsembleScore
from manyhot.evaluation.charts import plot_heads
from manyhot.evaluation.data_checks import check_data
from manyhot.evaluation.label_errors import find_label_errors
from manyhot.evaluation.metrics import TopK, compute_label_metrics, compute_metrics
from manyhot.evaluation.report import LabelSets, Report, measure_report
from manyhot.explanation.explain import Explanation, Explanations, Reason
from manyhot.models.extreme.report import ExtremeReport
from manyhot.models.labeling import RowsToLabel
from manyhot.reports.model_page import PagedReport

HOSTILE = '<script>alert(1)</script> & "quotes" of a name that is much longer than the one line that there is ' * 3
NAMES = (HOSTILE, *(f"label {j}" for j in range(1, 40)))
N, L = 90, len(NAMES)
NOT_RESULTS = {  # what public functions give back and is no result: estimators are asked by a test of their own
    "MultiLabelClassifier",
    "ExtremeMultiLabelClassifier",
    "DecisionLayer",
}


def samples():
    generator = np.random.default_rng(0)
    values = generator.random((N, L)) < 0.3
    frame = pl.DataFrame({HOSTILE: np.arange(N, dtype=float)})
    return Samples(frame, [HOSTILE], {HOSTILE: "numeric"}, Targets(values), LabelSpace(NAMES), notes=[HOSTILE])


def scores():
    return np.random.default_rng(1).random((N, L))


def cross_validation():
    rows, predicted = samples(), scores()
    splits = [Split(0, np.arange(N)[np.arange(N) % 2 != k], np.arange(N)[np.arange(N) % 2 == k]) for k in range(2)]
    folds = []
    for split in splits:
        part, own = rows.targets.take(split.test), predicted[split.test]
        metrics = compute_metrics(part, own, own > 0.5)
        columns = compute_label_metrics(rows.labels, part, own, own > 0.5, np.full(L, 0.5))
        folds.append(Fold(own, own > 0.5, np.full(L, 0.5), metrics, metrics, columns))
    facts = {"config": {"decision": "fixed", "decision_params": {}}, "seconds": 1.0, "stratify": True}
    return collect_results(rows.labels, rows.targets, splits, folds, facts)


def heads_values():
    metrics = dict.fromkeys(("f1_macro_tuned", "loss"), 0.5)
    heads = {f"head {k} {HOSTILE}": {**metrics, "sample": scores()[0].tolist()} for k in range(3)}
    sample = {"row": 1, "true": [j < 3 for j in range(L)]}
    return {
        "rows": N,
        "labels": list(NAMES),
        "heads": heads,
        "baselines": {"f1_macro_tuned": 0.1, "loss": None},
        "sample": sample,
        "advice": HOSTILE,
    }


def report_values():
    rows = samples()
    return measure_report(rows.labels, rows.targets, scores(), scores() > 0.5, scores() > 0.5, np.full(L, 0.5))


def extreme_values():
    score = {"value": 0.5, "baseline": None}
    decisions = {"threshold": 0.1, "max_predictions": 50, "f1_micro": None}
    data = {"rows": N, "labels": L, "cardinality": 1.0, "rows_without_labels": 0}
    metrics = {"precision_at_1": score}
    return {"scores_from": "new", "data": data, "metrics": metrics, "decisions": decisions, "notes": [HOSTILE]}


def explanation():
    reasons = tuple(Reason(f"{HOSTILE}{k}", HOSTILE, 1.0 - k, ((0, 3),) * 100) for k in range(5))
    return Explanation(HOSTILE, 0.5, False, 0.0, 0.0, 0.0, reasons, reasons, {"image": np.zeros((40, 40))})


def label_errors():
    rows = samples()
    return find_label_errors(scores(), rows.targets, np.array([HOSTILE] * N), rows.labels, limit=50)


def rows_to_label():
    label, values = np.tile(np.arange(3), (50, 1)), np.full((50, 3), 0.5)
    columns, ids = (label, values, values, values - 0.1, values + 0.1), np.array([HOSTILE] * 50)
    return RowsToLabel(np.arange(50), ids, values[:, 0], *columns, "disagreement", N, LabelSpace(NAMES), (HOSTILE,))


def guarantee(*, per_label):
    n_used = (N,) * L if per_label else (N,)
    return Guarantee("false_discovery_rate", 0.1, 0.9, per_label, False, np.full(L, 0.5), (), n_used, 1.0, 1.0)


def search():
    params = {HOSTILE: 0.5, "hidden_layer_sizes": [256, 256]}
    outcomes = [("complete", 0.5 + k / 100) if k % 2 else ("pruned", None) for k in range(60)]
    trials = tuple(Trial(k, params, *outcome, 0.3) for k, outcome in enumerate(outcomes))
    classifier = manyhot.MultiLabelClassifier()
    return Search(
        "map",
        trials,
        classifier,
        params,
        {0: EnsembleScore(0.4, 0.0, 0.0)},
        {HOSTILE: {}},
        {HOSTILE: 1.0},
        (0.4, 0.6),
        1.0,
    )


def splits():
    Y = samples().targets.values
    return split_report(Y, MultiLabelKFold(3).split(np.zeros((N, 1)), Y))


RESULTS = {
    "Chart": lambda: plot_heads(heads_values()),
    "Comparison": lambda: cross_validation().compare(cross_validation()),
    "CrossValidation": cross_validation,
    "DataChecks": lambda: check_data(None, samples().targets, labels=NAMES),
    "Explanation": explanation,
    "Explanations": lambda: Explanations([{HOSTILE: explanation()}] * 50),
    "ExtremeReport": lambda: ExtremeReport(extreme_values()),
    "Finding": lambda: check_data(None, np.ones((9, L), bool), labels=NAMES).findings[0],
    "Guarantee": lambda: guarantee(per_label=False),
    "Guarantee of each label": lambda: guarantee(per_label=True),
    "Heads": lambda: Heads({}, heads_values()),
    "LabelErrors": label_errors,
    "LabelSets": lambda: LabelSets([set(NAMES)] * 50),
    "LabelSplits": lambda: splits().labels[0],
    "PagedReport": lambda: PagedReport(report_values()),
    "Reason": lambda: explanation().for_[0],
    "Report": lambda: Report(report_values()),
    "RowsToLabel": rows_to_label,
    "Samples": samples,
    "Search": search,
    "SplitReport": splits,
    "SuspiciousRows": lambda: label_errors().rows(),
    "Trial": lambda: search().trials[0],
    "TopK": lambda: TopK(np.zeros((N, 5), int), np.zeros((N, 5))),
}


def public_results():
    """The names of the classes that public functions, methods and properties say they return."""
    classes = {}
    for module in pkgutil.walk_packages(manyhot.__path__, "manyhot."):
        if not module.name.startswith(("manyhot.cli", "manyhot.serving", "manyhot.__main__", "manyhot.executors")):
            found = importlib.import_module(module.name)
            classes |= {
                c.__name__: c for _, c in inspect.getmembers(found, inspect.isclass) if c.__module__ == module.name
            }
    functions = [getattr(manyhot, name) for name in manyhot.__all__]
    waiting = [function for function in functions if callable(function)]
    seen = set()
    while waiting:
        thing = waiting.pop()
        if inspect.isclass(thing):
            own = [base for base in thing.__mro__ if base.__module__.startswith("manyhot")]
            members = [value for base in own for name, value in vars(base).items() if not name.startswith("_")]
            waiting += [
                m.fget if isinstance(m, property) else getattr(m, "__func__", m)
                for m in members
                if isinstance(m, property) or inspect.isroutine(m)
            ]
            continue
        text = str(getattr(thing, "__annotations__", {}).get("return", "None"))
        for name in {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}:
            if name in classes and name not in seen:
                seen.add(name)
                waiting.append(classes[name])
    return seen


def test_every_public_result_is_asked():
    found = public_results()
    assert {"CrossValidation", "Heads", "Comparison", "DataChecks", "Explanations", "LabelErrors", "Guarantee"} <= found
    assert found - NOT_RESULTS <= set(RESULTS)


class Checker(HTMLParser):
    """Reads HTML and refuses what is not closed, not escaped, or loaded from elsewhere."""

    VOID = frozenset({"br", "img", "hr", "input", "meta", "link"})

    def __init__(self):
        super().__init__()
        self.open, self.text, self.tags = [], "", set()

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "iframe", "object", "img"), tag
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in ("src", "href", "action"), (tag, name)
            assert "url(" not in (value or "") or re.fullmatch(r"url\(#[\w-]+\)", value), value
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


def html_of(result):
    bundle = getattr(result, "_repr_mimebundle_", None)
    return result._repr_html_() if bundle is None else bundle()["text/html"]


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_shows_itself(name):
    result = RESULTS[name]()
    assert type(result).__name__ == name.split()[0]
    line = repr(result)
    assert 10 < len(line) <= MAX_REPR
    assert "\n" not in line
    checker = Checker()
    checker.feed(html_of(result))
    checker.close()
    assert checker.open == []
    assert len(checker.text) > 20
    assert {"table", "svg", "div"} & checker.tags
    addresses = re.findall(r"(?:https?:)?//[^\s\"'<]+", html_of(result))
    assert set(addresses) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "color:#" not in html_of(result).replace("background:#", "")  # text has the page's own colour


@pytest.mark.parametrize("kind", [manyhot.MultiLabelClassifier, manyhot.ExtremeMultiLabelClassifier])
def test_an_estimator_shows_itself_briefly(kind):
    assert repr(kind(hidden_layer_sizes=(8,))) == f"{kind.__name__}(hidden_layer_sizes=(8,))"
    long = kind(labels=list(NAMES), column_types=dict.fromkeys(NAMES, "numeric"), learning_rate=0.01)
    assert len(repr(long)) <= MAX_REPR
    assert repr(long).startswith(f"{kind.__name__}(")
    assert "src=" not in long._repr_html_()


def test_lists_are_cut_at_their_end():
    assert list_repr([{"a"}, set()]) == "[{'a'}, set()]" == repr(LabelSets([{"a"}, set()]))
    assert list_repr([]) == "[]"
    shown = list_repr([{"a"}] * 1000)
    assert len(shown) <= MAX_REPR
    assert shown.startswith("[{'a'}, {'a'}, ")
    assert shown.endswith(", … 1000 in all]")
    assert list_repr(["x" * 300]) == "[… 1 in all]"
    for n in range(15, 50):
        assert len(list_repr(["x" * 5] * n)) <= MAX_REPR
    assert len(short_repr("Name", "x" * 300)) == MAX_REPR
    assert short_repr("Name", "a\n b") == "<Name: a b>"


def test_the_figures_are_those_of_the_result():
    result = cross_validation()
    assert f"f1_macro {result.mean('f1_macro'):.3f}" in repr(result)
    assert f"{result.mean('f1_macro'):.3f}" in result._repr_html_()
    assert "90 rows, 40 labels" in repr(result)
    errors = label_errors()
    assert repr(errors).startswith("<LabelErrors: 50 entries")
    assert "… and 30 more entries" in errors._repr_html_()
    assert isinstance(result, CrossValidation)
