"""Panics of libraries written in Rust, which are no exceptions, become errors of ours at every door."""

import sys

import pytest

from manyhot import cli
from manyhot.errors import BundleError, InputError, panics_become
from manyhot.persistence.container import Contents
from manyhot.persistence.model_file import read_all

PanicException = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})


def panic(*_, **__):
    raise PanicException("called `Option::unwrap()` on a `None` value\nmore")


def test_a_panic_is_told_in_one_line_and_other_exits_stay():
    with pytest.raises(InputError, match=r"unwrap.*leave out what is odd$") as caught, panics_become(InputError):
        panic()
    assert "\n" not in str(caught.value)
    with pytest.raises(KeyboardInterrupt), panics_become(InputError):
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), panics_become(InputError):
        raise ZeroDivisionError


def test_a_saved_file_names_itself():
    with pytest.raises(BundleError, match="unwrap") as caught:
        read_all(Contents({}, {}, "1"), "songs.manyhot", panic)
    assert caught.value.file == "songs.manyhot"


def test_the_command_line_exits_with_2_and_one_line(monkeypatch, capsys):
    monkeypatch.setattr(cli, "app", panic)
    monkeypatch.delenv("MANYHOT_DEBUG", raising=False)
    with pytest.raises(SystemExit) as caught:
        cli.main(["inspect", "x"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("manyhot: a library could not cope with the data")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert sys.exc_info() == (None, None, None)
