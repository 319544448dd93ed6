"""What a tokenizer puts around a text, and post-processors that do anything else."""

import json

import numpy as np
import pytest

from manyhot.encoders.text.onnx.special_tokens import read_special_ids
from manyhot.errors import InputError

TOKENS = {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3, 4]}}


def piece(kind: str, name: str, type_id: int = 0) -> dict:
    return {kind: {"id": name, "type_id": type_id}}


CLS, TEXT, SEP = piece("SpecialToken", "[CLS]"), piece("Sequence", "A"), piece("SpecialToken", "[SEP]")


def template(*pieces: dict) -> dict:
    return {"type": "TemplateProcessing", "single": list(pieces), "special_tokens": TOKENS}


def read(step) -> tuple[list[int], list[int]]:
    return read_special_ids(np.frombuffer(json.dumps({"post_processor": step}).encode(), np.uint8))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (None, ([], [])),
        ({"type": "ByteLevel"}, ([], [])),
        (template(CLS, TEXT, SEP), ([2], [3, 4])),
        (template(TEXT, SEP), ([], [3, 4])),
        ({"type": "BertProcessing", "cls": ["c", 7], "sep": ["s", 8]}, ([7], [8])),
        ({"type": "Sequence", "processors": [{"type": "ByteLevel"}, template(CLS, TEXT)]}, ([2], [])),
        ({"type": "Sequence", "processors": [template(CLS, TEXT), template(TEXT, SEP)]}, ([2], [3, 4])),
    ],
)
def test_tokens_before_and_after_a_text(step, expected):
    assert read(step) == expected


@pytest.mark.parametrize(
    "step",
    [
        template(CLS, TEXT, TEXT),
        template(CLS, SEP),
        template(*[CLS] * 40, TEXT),
        template(CLS, piece("Sequence", "A", 1)),
        template(piece("SpecialToken", "[MASK]"), TEXT),
        template(piece("Other", "A"), TEXT, {}),
        {"type": "BertProcessing", "cls": ["c", -1], "sep": ["s", 2**40]},
        {"type": "BertProcessing", "cls": ["c", "7"], "sep": []},
        {"type": "Unknown"},
        {"type": "Sequence", "processors": [{"type": "ByteLevel"}] * 1000},
        5,
        [],
        {},
    ],
)
def test_post_processors_that_do_anything_else_are_refused(step):
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        read(step)


def test_deep_nesting_is_refused():
    step: dict = {"type": "ByteLevel"}
    for _ in range(8):
        step = {"type": "Sequence", "processors": [step]}
    with pytest.raises(InputError, match="not on the list"):
        read(step)
