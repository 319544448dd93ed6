"""Numbered names behave as the tuple of the names that they stand for."""

import numpy as np
import pytest

from manyhot.data.numbered_names import FlaggedNames, NumberedNames

NAMES = NumberedNames("f", 12, first=1)
PLAIN = tuple(f"f{number}" for number in range(1, 13))


def test_they_are_a_sequence():
    assert tuple(NAMES) == PLAIN == NAMES[:]
    assert len(NAMES) == 12
    assert NAMES[-1] == "f12" == PLAIN[-1]
    assert NAMES[2:9:3] == PLAIN[2:9:3]
    assert NAMES == PLAIN == NAMES == NumberedNames("f", 12, 1) != NumberedNames("f", 12)
    with pytest.raises(IndexError):
        NAMES[12]


@pytest.mark.parametrize("name", ["f0", "f13", "f01", "f-1", "g1", "f", "f1 ", "f\u0661", "f" + "9" * 500, 1, None])
def test_names_that_are_not_there(name):
    assert name not in NAMES
    with pytest.raises(ValueError, match="no name"):
        NAMES.index(name)


def test_places():
    assert [NAMES.index(name) for name in PLAIN] == list(range(12))


def test_flags():
    kinds = FlaggedNames(NAMES, np.arange(12) % 3 == 0, ("boolean", "numeric"))
    assert dict(kinds) == {name: "boolean" if k % 3 else "numeric" for k, name in enumerate(PLAIN)}
    assert "f0" not in kinds
    assert len(kinds) == 12


@pytest.mark.parametrize("flags", [[0, 1, 0], [0, 0, 0], [1, 1, 1], []])
def test_flagged_names_are_as_a_dict(flags):
    mapping = FlaggedNames(NumberedNames("f", len(flags)), np.array(flags, dtype=bool), ("boolean", "numeric"))
    plain = {f"f{k}": ("boolean", "numeric")[flag] for k, flag in enumerate(flags)}
    assert dict(mapping) == dict(mapping.items()) == plain
    assert list(mapping.values()) == list(plain.values())
    for value in ("boolean", "numeric", "image", None):
        assert (value in mapping.values()) == (value in plain.values())
