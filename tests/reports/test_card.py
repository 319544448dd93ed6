"""A model card has the report's figures, a head that YAML reads, and names that stay text."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt

from manyhot import MultiLabelClassifier, load
from manyhot.errors import InputError
from manyhot.reports.card import render_card
from manyhot.reports.model_page import out_of_fold_page

SAVED = Path(__file__).parents[1] / "contract/frozen/saved"
HOSTILE = [
    "a|b",
    "<script>alert(1)</script>",
    "`x` *y* _z_ [l](http://a.b)",
    "two\nlines",
    "---\nlibrary: x",
    "naïve ☃",
]


def card_of(model):
    return render_card(out_of_fold_page(model), model, "songs.manyhot")


def head_of(card):
    return yaml.safe_load(card.split("---\n")[1])


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("table", "tabular-classification"),
        ("text_tfidf", "text-classification"),
        ("images_cnn", "image-classification"),
        ("pixels", "image-segmentation"),
    ],
)
def test_head_and_scores_are_those_of_the_report(kind, task):
    model = load(SAVED / kind / "model.manyhot").model_
    page, card = out_of_fold_page(model), card_of(model)
    head = head_of(card)
    assert head["library_name"] == "manyhot"
    assert head["pipeline_tag"] == head["model-index"][0]["results"][0]["task"]["type"] == task
    written = {one["type"]: one["value"] for one in head["model-index"][0]["results"][0]["metrics"]}
    main_metrics = {one["name"]: one["decision"]["value"] for one in page["metrics"] if one["is_main"]}
    assert written == {name: round(value, 4) for name, value in main_metrics.items() if value is not None}
    for figure in page["metrics"]:
        if figure["is_main"] and figure["decision"]["value"] is not None:
            assert f"| {figure['title']} | " in card
            assert f"| {figure['decision']['value']:.3f} |" in card
    for j, f1 in enumerate(page["labels"]["f1"]):
        row = next(
            line for line in card.splitlines() if line.startswith(f"| {model.labels.names[j]} |".replace("_", "\\_"))
        )
        assert f1 is None or f"| {f1:.3f} |" in row


def test_names_of_labels_stay_text():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 3))
    sets = [[name for j, name in enumerate(HOSTILE) if X[i, j % 3] > 0.3 * (j - 2)] for i in range(60)]
    settings = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (4,), "verbose": 0}
    classifier = MultiLabelClassifier(labels=HOSTILE, **settings).fit(X, sets)
    card = classifier.report_.to_markdown()
    assert head_of(card)["model-index"][0]["name"] == "model"
    html = MarkdownIt().enable("table").render(card.split("---\n", 2)[2])
    assert "<script" not in html
    assert "<a href" not in html.replace("https://", "")
    table = html[html.index("Labels</h2>") : html.index("Data</h2>")]
    shown = [re.sub(r"<.*?>", "", row) for row in re.findall(r"<tr>\s*<td>(.*?)</td>", table)]
    plain = {name.replace("\n", " ").replace("<", "&lt;").replace(">", "&gt;") for name in HOSTILE}
    assert set(shown) == plain


def test_few_rows_and_unknown_targets_are_limits():
    generator = np.random.default_rng(1)
    X = generator.normal(size=(60, 3))
    Y = np.stack([X[:, 0] > 0, np.arange(60) < 4], axis=1).astype(float)
    Y[:15, 0] = np.nan
    settings = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (4,), "verbose": 0}
    card = MultiLabelClassifier(labels=["often", "seldom"], **settings).fit(X, Y).report_.to_markdown()
    assert "12.5% of targets were unknown" in card
    assert "Fewer than 10 rows, so scores are hardly known: seldom" in card


def test_a_model_without_evidence_has_no_card(tmp_path):
    classifier = load(SAVED / "table/model.manyhot")
    classifier.save(tmp_path / "bare.manyhot", evidence=False)
    with pytest.raises(InputError, match="out-of-fold"):
        load(tmp_path / "bare.manyhot").report_.to_markdown()
