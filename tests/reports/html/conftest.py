"""A model whose labels have hostile names, its page, and a browser to open it in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from manyhot import MultiLabelClassifier
from manyhot.data.targets import Targets
from manyhot.reports.model_page import out_of_fold_page, write_page

NAMES = (
    "</script><img src=x onerror=alert(1)>",
    '\N{MUSICAL NOTE} it\'s "loud" & <b>bold</b>',
    "\u05e9\u05e7\u05d8 (\u0647\u0627\u062f\u0626)",
    "-rf=$HOME `x`",
    "never",
)
SETTINGS = {"n_members": 2, "n_folds": 4, "epochs": 40, "hidden_layer_sizes": (8,), "verbose": 0}


def rows(n=240, seed=0):
    """Features and targets, some unknown, of labels of which the last hardly ever holds."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 5))
    Y = (X[:, [0, 1, 2, 3]] + 0.6 * generator.normal(size=(n, 4)) > [0.2, 0.8, 0.0, 1.2]).astype(float)
    Y[generator.random(Y.shape) < 0.1] = np.nan
    return X, np.column_stack([Y, np.arange(n) == 3])


@dataclass(frozen=True)
class Made:
    """A model in a file, and its page."""

    bundle: Path
    html: Path
    classifier: MultiLabelClassifier
    page: dict

    @property
    def targets(self) -> Targets:
        return self.classifier.model_.evidence.targets


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("it's a page")
    X, Y = rows()
    classifier = MultiLabelClassifier(labels=list(NAMES), **SETTINGS).fit(X, Y)
    bundle, html = folder / "songs.manyhot", folder / "report.html"
    classifier.save(bundle)
    page = out_of_fold_page(classifier.model_, str(bundle))
    write_page(page, html)
    return Made(bundle, html, classifier, page)
