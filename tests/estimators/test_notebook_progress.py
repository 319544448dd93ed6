"""In a notebook, progress is one line that is updated in its place."""

import sys
import threading
from types import SimpleNamespace

import pytest

from manyhot import engine
from manyhot.estimators import notebook_progress, progress


class Shell:
    """A stand-in for the shell of a notebook's kernel."""


@pytest.fixture
def cell(monkeypatch):
    """What the cell shows over time."""
    shown = []

    class Handle:
        def update(self, bundle, raw):
            assert raw
            shown.append(bundle)

    def display(bundle, raw, display_id):
        assert raw
        assert display_id
        shown.append(bundle)
        return Handle()

    interactive = SimpleNamespace(get_ipython=Shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", interactive)
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", SimpleNamespace(ZMQInteractiveShell=Shell))
    monkeypatch.setattr(notebook_progress, "UPDATE_SECONDS", 0.0)
    return shown


def texts(cell):
    return [bundle["text/plain"] for bundle in cell]


def test_a_terminal_of_ipython_is_no_notebook(cell, monkeypatch):
    assert notebook_progress.is_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    assert not notebook_progress.is_notebook()
    monkeypatch.delitem(sys.modules, "ipykernel.zmqshell")
    assert not notebook_progress.is_notebook()


def test_training_is_one_line_from_any_thread(cell, capsys):
    with progress.training_progress(1, "<training>") as show:
        assert texts(cell) == ["<training>"]
        thread = threading.Thread(target=show, args=(engine.Progress(0.25, 1, 4, 0.5, 0),))
        thread.start()
        thread.join()
        assert "25%, 1 of 4 members trained, loss 0.5000" in texts(cell)[-1]
        assert 'value="0.250"' in cell[-1]["text/html"]
        assert "&lt;training&gt;" in cell[-1]["text/html"]
        assert "<training>" not in cell[-1]["text/html"]
    assert texts(cell)[-1].startswith("<training>: finished in ")
    assert "<progress" not in cell[-1]["text/html"]
    show(engine.Progress(0.5, 2, 4, 0.5, 0))  # of a call that was abandoned
    assert len(cell) == 3
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_training_says_so(cell):
    with pytest.raises(KeyboardInterrupt), progress.training_progress(1):
        raise KeyboardInterrupt
    assert texts(cell)[-1].startswith("training: stopped after ")


def test_a_stage_has_a_line_only_where_it_takes_time(cell):
    with progress.stage_progress(1):
        pass
    assert cell == []
    with progress.stage_progress(1) as show:
        show("reading", None)
        show("reading", 0.5)
    assert [text.partition(" in ")[0] for text in texts(cell)] == ["reading", "reading", "reading: finished"]
    assert 'value="0.500"' in cell[1]["text/html"]


def test_nothing_is_shown_without_verbose(cell):
    with progress.training_progress(0) as callback, progress.stage_progress(0) as show:
        assert callback is None
        assert show is None
    assert cell == []


def test_a_line_is_not_updated_too_often(cell, monkeypatch):
    monkeypatch.setattr(notebook_progress, "UPDATE_SECONDS", 60.0)
    with progress.training_progress(1) as show:
        for k in range(1, 100):
            show(engine.Progress(k / 100, 0, 4, 0.5, 0))
    assert len(cell) == 2


def test_another_phase_is_shown_at_once(cell, monkeypatch):
    monkeypatch.setattr(notebook_progress, "UPDATE_SECONDS", 60.0)
    with progress.training_progress(1) as show:
        for phase in ("", "calibrating", "calibrating", "measuring"):
            show(engine.Progress(1.0, 4, 4, 0.5, 0, phase=phase))
        assert texts(cell)[1:] == ["training: calibrating", "training: measuring"]
        assert "value=" not in cell[-1]["text/html"]
