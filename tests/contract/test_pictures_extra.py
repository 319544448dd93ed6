"""Without the extra `pictures`: charts say what to install before any work is done, and everything else works."""

import re
from importlib.metadata import requires

import numpy as np
import pytest
from packaging.requirements import Requirement

from manyhot.errors import InputError
from manyhot.estimators.cross_validation.head_comparison import Heads
from manyhot.estimators.cross_validation.result import CrossValidation
from manyhot.evaluation import charts
from manyhot.reports.image_sheets import ErrorSheet, ErrorTile, PredictionSheet, draw_errors, draw_prediction
from tests.contract.test_packaging import PROJECT, ROOT

INSTALL = re.escape("pip install 'manyhot[pictures]'")


@pytest.mark.parametrize("path", [None, "plot.svg"])
def test_results_name_the_extra(without_pictures, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(CrossValidation, "to_dict", dict)
    for result in (object.__new__(CrossValidation), Heads({}, {})):
        with pytest.raises(InputError, match=INSTALL):
            result.plot(path)


def test_every_chart_names_the_extra(without_pictures, tmp_path):
    for plot in (charts.plot_cv_scores, charts.plot_heads, charts.plot_labels, charts.plot_reliability):
        with pytest.raises(InputError, match=INSTALL):
            plot({})
    with pytest.raises(InputError, match=INSTALL):
        charts.save_chart(None, tmp_path / "plot.svg")
    assert charts.check_plot_path(None) is None


def test_sheets_of_images_are_drawn(without_pictures, tmp_path):
    image = np.zeros((8, 8, 3), np.uint8)
    maps = {0: [(image, np.ones((8, 8)))]}
    row = PredictionSheet("a", [image], ["x", "y"], np.array([0.9, 0.2]), np.array([True, False]), np.ones(2) / 2, maps)
    draw_prediction(row).save(tmp_path / "row.png")
    draw_errors(ErrorSheet("x", 0.5, 9, [ErrorTile("a", image, 0.9)], 1, (), 0)).save(tmp_path / "errors.png")
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 2


def test_neither_a_plain_install_nor_a_server_brings_the_extra():
    extra = {Requirement(text).name for text in PROJECT["optional-dependencies"]["pictures"]}
    assert extra == {"altair", "vl-convert-python"}
    seen, waiting = set(), [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["serve"]]
    while waiting:
        requirement = Requirement(waiting.pop())
        if (requirement.marker is None or requirement.marker.evaluate({"extra": ""})) and requirement.name not in seen:
            seen.add(requirement.name)
            waiting += requires(requirement.name) or []
    assert {"pillow", "jaxlib", "starlette"} <= seen
    assert not extra & seen


def test_one_module_alone_knows_the_extra():
    found = [
        path.name
        for path in (ROOT / "src/manyhot").rglob("*.py")
        if re.search(r"^\s*(import|from) (altair|vl_convert)", path.read_text(), flags=re.MULTILINE)
    ]
    assert found == ["charts.py"]
