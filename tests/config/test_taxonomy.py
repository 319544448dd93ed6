"""A taxonomy as it is written down."""

import json

import pytest

from manyhot.config.training import TrainingConfig
from manyhot.errors import InputError

PAIRS = (("cat", "animal"), ("poodle", "dog"), ("dog", "animal"))


@pytest.mark.parametrize(
    "told", [PAIRS, [list(pair) for pair in PAIRS], "cat>animal,poodle>dog>animal", json.dumps(PAIRS)], ids=str
)
def test_pairs_and_their_text_are_the_same(told):
    config = TrainingConfig(taxonomy=told)
    assert config.taxonomy == PAIRS
    assert TrainingConfig(**json.loads(json.dumps(config.to_dict()))).taxonomy == PAIRS


@pytest.mark.parametrize("told", [None, (), [], ""])
def test_nothing_is_no_taxonomy(told):
    assert TrainingConfig(taxonomy=told).taxonomy == ()


@pytest.mark.parametrize("header", ["parent,child,note", " child , x, parent"])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_file_is_read_once_into_pairs(tmp_path, header, as_text):
    path, places = tmp_path / "tree.csv", [name.strip() for name in header.split(",")]
    rows = [[{"child": c, "parent": p}.get(name, "?") for name in places] for c, p in (*PAIRS, PAIRS[0])]
    path.write_text("\ufeff" + "\n".join([header, *map(",".join, rows)]) + "\n\n", encoding="utf-8")
    config = TrainingConfig(taxonomy=str(path) if as_text else path)
    path.unlink()
    assert config.taxonomy == PAIRS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parent,name\nanimal,cat\n", "tree.csv, argument 'taxonomy': has no column 'child'; expected a header with"),
        ("child,parent,child\n", "has more than one column 'child'"),
        ("", "has no column 'parent'"),
        ("parent,child\nanimal,cat\nanimal,\n", "tree.csv, row 2, column 'child', argument 'taxonomy': the child is"),
        ("parent,child\nanimal,cat\n\n\ndog\n", "row 4, column 'child'"),
        ("parent,child\nanimal,cat\ndog, dog\n", "tree.csv, row 2, argument 'taxonomy': 'dog' is its own parent"),
        ('parent,child\n"animal,cat\n', "tree.csv, argument 'taxonomy': cannot be read (unexpected end of data)"),
        (b"parent,child\n\xff,cat\n", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(tmp_path, text, message):
    path = tmp_path / "tree.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        TrainingConfig(taxonomy=path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("missing.csv", "missing.csv, argument 'taxonomy': cannot be read (No such file or directory); expected pairs"),
        ("cat>", 'expected "child>parent'),
        ([("cat", "cat")], "'cat' is said to imply itself"),
        ([("cat",)], "expected a pair"),
        ([("cat", 1)], "expected a list of label names"),
        (3, "expected a list"),
    ],
    ids=str,
)
def test_what_is_no_taxonomy_is_refused(told, message):
    with pytest.raises(InputError) as caught:
        TrainingConfig(taxonomy=told)
    assert message in str(caught.value)
    assert caught.value.argument == "taxonomy"


def test_a_softmax_takes_none():
    with pytest.raises(InputError, match=r"taxonomy.*softmax"):
        TrainingConfig(taxonomy=PAIRS, head="softmax")
