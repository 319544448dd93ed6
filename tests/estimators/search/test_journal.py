"""The journal of a search: whole lines count, a torn one is cut off, other files are refused."""

import pytest

from manyhot.errors import InputError, OutputError
from manyhot.estimators.search.journal import Journal
from manyhot.estimators.search.trial import Trial

IDENTITY = {"metric": "map", "rows": "abc"}
TRIALS = [
    Trial(0, {"learning_rate": 0.002, "hidden_layer_sizes": [256, 256]}, "complete", 0.5, 0.3),
    Trial(1, {"learning_rate": 0.1, "hidden_layer_sizes": [128]}, "diverged", None, None),
]


def filled(path) -> Journal:
    journal = Journal(path, IDENTITY)
    journal.add("all rows", TRIALS[0], {"epochs": 10})
    journal.add("all rows", TRIALS[1])
    return journal


def test_what_was_added_is_read_again(tmp_path):
    path = tmp_path / "search.jsonl"
    filled(path)
    again = Journal(path, IDENTITY)
    assert again.trials == {"all rows": TRIALS}
    assert again.facts == {"all rows": {"epochs": 10}}


def test_a_torn_line_is_cut_off_at_every_byte(tmp_path):
    path = tmp_path / "search.jsonl"
    filled(path)
    content = path.read_bytes()
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for n_bytes in range(last, len(content)):
        path.write_bytes(content[:n_bytes])
        journal = Journal(path, IDENTITY)
        assert journal.trials == {"all rows": TRIALS[:1]}
        journal.add("all rows", TRIALS[1])
        assert path.read_bytes() == content


def test_without_a_path_nothing_is_written():
    assert filled(None).trials == {"all rows": TRIALS}


@pytest.mark.parametrize(
    "content",
    [
        b"tempo,mood\n1,0\n",
        b"one line without an end",
        b"[]\n",
        b'{"manyhot-search": 2, "identity": {}}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=["table", "line", "list", "format", "binary", "nested"],
)
def test_another_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not the journal of a search"):
        Journal(path, IDENTITY)
    assert path.read_bytes() == content


def test_the_journal_of_another_search_is_refused(tmp_path):
    path = tmp_path / "search.jsonl"
    filled(path)
    with pytest.raises(InputError, match="other metric, nested"):
        Journal(path, {**IDENTITY, "metric": "lrap", "nested": 2})


@pytest.mark.parametrize(
    "line",
    [
        '{"search": "all rows"}',
        '{"search": "x", "number": 1, "params": {}, "state": "odd", "value": 1, "loss": 1}',
        '{"search": "x", "number": 1, "params": 3, "state": "pruned", "value": 1, "loss": 1}',
    ],
)
def test_a_line_that_is_no_trial_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "search.jsonl"
    filled(path)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 4"):
        Journal(path, IDENTITY)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="could not be written"):
        Journal(tmp_path / "nowhere" / "search.jsonl", IDENTITY)
