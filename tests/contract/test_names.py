"""One name for one thing: no words of the old private vocabulary, settings with one name everywhere, no old public
name.

`python tests/contract/test_names.py [FOLDER]` prints how often each forbidden word is an identifier in a folder, src by
default; before the renaming there were 1,486.
"""

import ast
import importlib
import json
import re
import sys
from collections import Counter
from dataclasses import fields
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/manyhot"
FORBIDDEN = [
    "told",
    "tell",
    "taken",
    "kept",
    "looks",
    "looked",
    "asked",
    "settled",
    "begun",
    "dials",
    "recipe",
    "unheard",
    "answered",
    "drawn",
    "varied",
    "watch",
    "given",
]
EXCEPTIONS = {("Attribute", "tell"): "a method of Python's own file objects"}
"""Node and word -> why it may be there."""
FORBIDDEN_CLASSES = [
    "Kept",
    "Held",
    "Given",
    "Asked",
    "Taken",
    "Ways",
    "Supply",
    "Drawn",
    "Passage",
    "Stretch",
    "Base",
    "Fit",
    "Bad",
    "Facts",
]
FLAGS = {"verbose": "--quiet"}
"""Field -> its flag, where that is not the field's name: the flag switches the field to 0."""
SHORT_FORMS = {"random_state": ["--seed"]}
NO_FIELDS = {"labels", "column_types"}
"""Parameters of the estimator that are no fields of a config: they describe the data."""
OLD_NAMES = {
    r"\bdecide_settings\b": "decision_params",
    r"\b(text|image|loss)_settings\b": "..._params",
    r"\bstop_share\b": "validation_fraction",
    r"\bheld_out=": "holdout_fraction",
    r"\bpositive_only\b": "positive_unlabeled",
    r"\bat_least\b": "min_precision, min_recall",
    r"\bleast_(f1|fbeta|labels)\b": "min_...",
    r"\bmost_labels\b": "max_labels",
    r"\bmiss_cost\b": "false_negative_cost",
    r"\bfalse_alarm_cost\b": "false_positive_cost",
    r"\bpredict_rows\b": "predict_batch_size",
    r"\btune_rate\b": "fine_tune_learning_rate",
    r"\bdecide_for\b": "tune_thresholds",
    r"\bset_threshold\b": "set_thresholds",
    r"\bsuspicious_labels\b": "find_label_errors",
    r"\bexamine\(|\bmanyhot\.examine\b|\bDiagnosis\b": "check_data, DataChecks",
    r"\bdraw_(answers|mistakes)\b": "plot_predictions, plot_errors",
    r"\bManyLabelClassifier\b": "ExtremeMultiLabelClassifier",
    r"\bpredict_top\b": "predict_top_k",
    r"\bmeasure_top\b": "compute_top_k_metrics",
    r"\breading_": "read_options_",
    r"\bMEASURES\b": "METRICS",
    r"\b(measures?|folds|repeats|members|hidden|seed|quiet|layout)=(?![= ])": "names.md",
    r"\b(encode|decide|calibrate|kinds|why|tune)=(?![= ])": "names.md",
    r"""["'`]measures?["'`]""": "metrics",
    r"""["'`](ngrams|own|half)["'`]""": "tfidf, custom or compiled, decision or fixed",
    r"""\bnetwork=["']words["']""": "embedding_bag",
    r"(?<![\w-])--many(?![\w-])": "--extreme",
    r"(?<![\w-])--pictures?(?![\w-])": "--plot, --plots",
    r"(?<![\w-])--pictures-limit\b": "--max-plots",
    r"(?<![\w-])--why\b": "--explain",
    r"(?<![\w-])--for(?![\w-])": "--metric",
    r"(?<![\w-])--with(?![\w-])": "--decision-params",
    r"(?<![\w-])--kind\b": "--column-type",
    r"(?<![\w-])--(folds|repeats|members|hidden)(?![\w-])": "--n-folds, --n-splits, --n-repeats, ...",
    r"(?<![\w-])--(encode|decide|calibrate|layout|precision)(?![\w-])": "names.md",
    r"(?<![\w-])--(positive-only|stop-share|predict-rows)(?![\w-])": "names.md",
    r"(?<![\w-])--(least-f1|least-labels|most-labels)\b": "--min-..., --max-...",
    r"(?<![\w-])--(decide|text|image|loss)-settings\b": "--...-params",
    r"\b[Dd]octor\b": "check",
    r"\b[Aa]udit(s|ed)?\b": "label-errors",
    r"\bdoctor_saw\b|\baudit_note\b": "checks_scope, label_errors_note",
    r'"(answers|why|gives_reasons|rows_with_why)"': "predictions, explain, can_explain, explained_rows",
    r"\bnone: ": "the default, or nothing",
}
"""Pattern of an old public name -> what stands for it now."""
COMMANDS = [
    "demo",
    "train",
    "check",
    "decide",
    "cv",
    "tune",
    "compare-heads",
    "evaluate",
    "report",
    "card",
    "predict",
    "thresholds",
    "guarantee",
    "label-errors",
    "next",
    "inspect",
    "export",
    "serve",
]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*.py")),
    ROOT / "examples/README.md",
]


def identifiers(tree):
    """(kind of node, name) of every identifier."""
    for node in ast.walk(tree):
        kind = type(node).__name__
        if isinstance(node, ast.Name):
            yield kind, node.id
        elif isinstance(node, ast.Attribute):
            yield kind, node.attr
        elif isinstance(node, (ast.arg, ast.keyword)):
            yield kind, node.arg
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield kind, node.name
        elif isinstance(node, ast.alias):
            yield kind, node.name
            yield kind, node.asname


def forbidden_identifiers(path):
    """The forbidden words that are identifiers in a file, each as often as it is one."""
    found = identifiers(ast.parse(path.read_text()))
    return [name for kind, name in found if name in FORBIDDEN and (kind, name) not in EXCEPTIONS]


def old_names(text):
    return {found[0]: new for pattern, new in OLD_NAMES.items() if (found := re.search(pattern, text))}


def test_no_forbidden_identifier():
    found = {str(path.relative_to(SOURCE)): forbidden_identifiers(path) for path in SOURCE.rglob("*.py")}
    assert {path: Counter(names) for path, names in found.items() if names} == {}


def test_no_class_that_could_stand_for_anything():
    for path in SOURCE.rglob("*.py"):
        classes = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
        assert not set(classes) & set(FORBIDDEN_CLASSES), path


def test_settings_have_one_name():
    import typer

    from manyhot import MultiLabelClassifier
    from manyhot.cli import app, training_commands
    from manyhot.cli.options import READ_FLAGS
    from manyhot.config.runtime import RuntimeConfig
    from manyhot.config.training import TrainingConfig

    configs = (TrainingConfig(), RuntimeConfig())
    settings = {name for config in configs for name in config.to_dict()}
    assert settings == {field.name for config in configs for field in fields(config)}
    assert set(signature(MultiLabelClassifier).parameters) == settings | NO_FIELDS
    of_the_command = {*signature(training_commands.train).parameters, *READ_FLAGS} - settings
    options = {
        option.name: [flag for flag in option.opts if flag.startswith("--")]
        for option in typer.main.get_command(app).commands["train"].params
        if option.name not in of_the_command
    }
    options.pop("help", None)
    expected = {name: [FLAGS.get(name, f"--{name.replace('_', '-')}"), *SHORT_FORMS.get(name, [])] for name in settings}
    assert options == expected


def test_a_report_names_settings_as_training_does():
    from manyhot import MultiLabelClassifier
    from manyhot.config.training import TrainingConfig

    X = np.random.default_rng(0).normal(size=(60, 3))
    model = MultiLabelClassifier(n_members=2, epochs=1, hidden_layer_sizes=(4,), verbose=0).fit(X, X[:, :2] > 0)
    assert set(model.report_.to_dict()["config"]) == set(TrainingConfig().to_dict())
    assert old_names(json.dumps(model.report_.to_dict())) == {}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_no_old_name(command, capsys):
    from manyhot.cli import main

    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Usage: manyhot" in text
    assert old_names(text) == {}


def test_every_command_is_asked():
    import typer

    from manyhot.cli import app

    assert set(COMMANDS) == set(typer.main.get_command(app).commands)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_have_no_old_name(path):
    assert old_names(path.read_text()) == {}


def test_what_manyhot_exports_has_no_old_name():
    package = importlib.import_module("manyhot")
    assert old_names(" ".join(f"{name}(" for name in package.__all__)) == {}


def test_the_service_has_no_old_name(tmp_path):
    pytest.importorskip("starlette")
    from manyhot import MultiLabelClassifier
    from manyhot.serving.limits import Limits
    from manyhot.serving.model import load_models
    from manyhot.serving.openapi import model_card, openapi_document

    X = np.random.default_rng(0).normal(size=(60, 3))
    model = MultiLabelClassifier(n_members=2, epochs=1, hidden_layer_sizes=(4,), verbose=0).fit(X, X[:, :2] > 0)
    model.save(tmp_path / "model.manyhot")
    models = load_models([tmp_path / "model.manyhot"], [None], Limits(), None)
    assert old_names(json.dumps(openapi_document(models, has_token=True))) == {}
    card = model_card(models[0])
    assert old_names(json.dumps(card)) == {}
    assert {"name", "type"} <= set(card["columns"][0])


@pytest.mark.parametrize(
    "text",
    [
        "manyhot audit m.manyhot",
        "examine(X, y)",
        'text="ngrams"',
        "predict --why",
        "--hidden 8",
        "folds=5",
        "`measures`",
    ],
)
def test_old_names_are_found(text):
    assert old_names(text)


@pytest.mark.parametrize(
    "text",
    [
        "--n-folds 5 --random-state 1 --seed 1 --quiet",
        "n_folds=5, n_members=2",
        "it measures",
        "--hidden-layer-sizes 8",
    ],
)
def test_new_names_are_not(text):
    assert old_names(text) == {}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    counts = Counter(name for path in folder.rglob("*.py") for name in forbidden_identifiers(path))
    for name in sorted(FORBIDDEN, key=lambda name: -counts[name]):
        print(f"{counts[name]:5} {name}")
    print(f"{sum(counts.values()):5} in all")


if __name__ == "__main__":
    main()
