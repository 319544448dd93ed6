"""`manyhot serve` before anything is served."""

import subprocess
import sys

import pytest

from manyhot.cli import main
from manyhot.errors import InputError, ManyhotError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.serving.limits import Limits
from manyhot.serving.model import load_models
from manyhot.serving.server import is_loopback, open_listener, read_token
from tests.serving.conftest import numbers


def test_without_the_extra_it_says_what_to_install():
    script = (
        "import sys; sys.modules['starlette'] = None\nfrom manyhot.cli import main\nmain(['serve', 'songs.manyhot'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "pip install 'manyhot[serve]'" in line


def complaint(capsys, *words):
    with pytest.raises(SystemExit) as done:
        main(["serve", *map(str, words)])
    assert done.value.code in (1, 2)
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.slow
def test_what_cannot_be_served_is_told_in_one_line(capsys, bundles, tmp_path, monkeypatch):
    assert "none.manyhot" in complaint(capsys, tmp_path / "none.manyhot")
    assert "two models are called 'songs'" in complaint(capsys, bundles["songs"], f"songs={bundles['matrix']}")
    assert "without slashes" in complaint(capsys, f"a/b={bundles['matrix']}")
    (tmp_path / "token").write_text("short\n")
    assert "5 characters" in complaint(capsys, bundles["matrix"], "--token-file", tmp_path / "token")
    monkeypatch.setenv("MANYHOT_TOKEN", "short")
    assert "MANYHOT_TOKEN" in complaint(capsys, bundles["matrix"])
    monkeypatch.delenv("MANYHOT_TOKEN")
    assert "max_rows" in complaint(capsys, bundles["matrix"], "--max-rows", 0)
    assert "log_format" in complaint(capsys, bundles["matrix"], "--log-format", "xml")
    listener = open_listener("127.0.0.1", 0)
    listener.listen()
    assert "choose another" in complaint(capsys, bundles["matrix"], "--port", listener.getsockname()[1])
    listener.close()


@pytest.mark.slow
def test_models_with_other_answers_are_refused(tmp_path):
    X, sets = numbers()
    ExtremeMultiLabelClassifier(hidden_layer_sizes=(4,), epochs=1, verbose=0).fit(X, sets).save(
        tmp_path / "many.manyhot"
    )
    with pytest.raises(InputError, match="extreme multi-label model, which cannot be served"):
        load_models([tmp_path / "many.manyhot"], [None], Limits(), None)


def test_a_token_is_read_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("MANYHOT_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("MANYHOT_TOKEN", "a-token-of-some-length")
    assert read_token(None) == "a-token-of-some-length"
    (tmp_path / "token").write_text("another-token-of-some-length\n")
    assert read_token(tmp_path / "token") == "another-token-of-some-length"
    with pytest.raises(InputError, match="cannot be read"):
        read_token(tmp_path / "none")


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False), ("a.b", False)],
)
def test_which_addresses_only_this_machine_reaches(host, is_ours):
    assert is_loopback(host) == is_ours


def test_an_address_of_another_machine_cannot_be_listened_on():
    with pytest.raises(ManyhotError, match="cannot listen"):
        open_listener("192.0.2.1", 0)
