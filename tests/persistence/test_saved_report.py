"""A saved report without a value that its page or card shows is refused when the file is loaded."""

import json

import pytest

from manyhot import load
from manyhot.errors import BundleError
from tests.attacks.mutations import joined, parts_of
from tests.contract.frozen.answers import SAVED


def damaged(kind, tmp_path, path):
    """A frozen file whose report lacks what stands at a path."""
    header, data = parts_of((SAVED / kind / "model.manyhot").read_bytes())
    sealed = json.loads(header["__metadata__"]["manyhot"])
    holder = sealed["document"]["report"]
    for name in path[:-1]:
        holder = holder[name]
    del holder[path[-1]]
    header["__metadata__"]["manyhot"] = json.dumps(sealed)
    (tmp_path / "model.manyhot").write_bytes(joined(header, data))
    return tmp_path / "model.manyhot"


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("matrix", ("metrics", "fixed", "f1_macro_all")),
        ("matrix", ("metrics", "decision", "hamming_loss")),
        ("matrix", ("metrics", "decision", "f1_micro", "baseline")),
        ("matrix", ("probabilities", "brier", "baseline")),
        *(("matrix", ("config", name)) for name in ("n_members", "epochs", "batch_size", "learning_rate", "loss")),
        ("decision_layer", ("config", "calibration")),
        ("decision_layer", ("config", "random_state")),
    ],
)
def test_a_report_that_could_not_be_shown(kind, path, tmp_path):
    with pytest.raises(BundleError, match="report in the file"):
        load(damaged(kind, tmp_path, path))


@pytest.mark.parametrize("kind", ["matrix", "decision_layer"])
def test_the_file_itself_is_loaded_and_shown(kind, tmp_path):
    load(SAVED / kind / "model.manyhot").report_.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 10_000
