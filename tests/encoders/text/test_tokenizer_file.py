"""The tokenizers that a file may hold, and those that it may not."""

import base64
import copy
import json

import numpy as np
import pytest

from manyhot.encoders.text.tokenizer_file import MAX_GROWTH, SPLIT_PATTERNS, read_tokenizer, try_tokenizer
from manyhot.errors import InputError

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra: pip install 'manyhot[static]'")

WORDS = {"[UNK]": 0, "good": 1, "bad": 2}
PLAIN = {
    "version": "1.0",
    "added_tokens": [],
    "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": WORDS, "unk_token": "[UNK]"},
}
BLANKS = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}


def encoded(document) -> np.ndarray:
    return np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)


def replace(text, content):
    return {"type": "Replace", "pattern": {"String": text}, "content": content}


def sequence(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def read(**changes):
    return read_tokenizer(encoded({**copy.deepcopy(PLAIN), **changes}))


def test_what_known_tokenizers_are_made_of_is_taken_and_works():
    signs = [replace(sign, f" {sign} ") for sign in "!?.,;:'\"()[]{}<>|\\/@#$%^&*-_=+`~"]
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    text, unknown = read(normalizer=sequence({**bert, "lowercase": True}, *signs, BLANKS, strip))
    assert unknown == 0
    tokenizer = tokenizers.Tokenizer.from_str(text)
    assert tokenizer.encode("Good,  BAD?").ids == [1, 0, 2, 0]
    try_tokenizer(tokenizer, 3)
    table = base64.b64encode(b"\x04\0\0\0" + b"\0\0\0\0" + b"fi\0").decode()
    read(normalizer=sequence({"type": "Precompiled", "precompiled_charsmap": table}, replace("x" * 2, "x")))
    read(pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True})
    words = {"Regex": SPLIT_PATTERNS[-1]}
    split = {"type": "Split", "pattern": words, "behavior": "Isolated", "invert": False}
    text, _ = read(normalizer=None, pre_tokenizer=split)
    assert tokenizers.Tokenizer.from_str(text).encode("good12").tokens == ["good", "[UNK]", "[UNK]"]
    pieces = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.5]], "byte_fallback": False}
    assert read(model=pieces)[1] == 0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"normalizer": replace("a", "b" * 1_000_000)}, "no text of at most 32"),
        ({"normalizer": sequence(*[replace("a", "aa")] * 8)}, "may become 256"),
        ({"normalizer": sequence(*[replace("a", "bb"), replace("b", "aa")] * 4)}, "may become 256"),
        ({"normalizer": sequence(*[replace("ab", "ababab")] * 8)}, "may become"),
        ({"normalizer": sequence({"type": "NFKD"}, replace("q", "q" * 8))}, "may become 144"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "table of replacements"),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": "(x+x+)+y"}, "content": ""}}, "regular expression"),
        ({"normalizer": sequence(*[{**BLANKS, "content": "\u3000" * 12}] * 2)}, "may become 144"),
        ({"normalizer": {"type": "Unheard"}}, "'Unheard', which is not on the list"),
        ({"normalizer": {"type": "Prepend", "prepend": "x" * 100}}, "prepended text"),
        ({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|a)*"}, "behavior": "Isolated"}}, "regular"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}] * 8}}, "may become"),
        ({"pre_tokenizer": {"type": "Delimiter"}}, "not on the list"),
        ({"model": {"type": "WordLevel", "vocab": WORDS, "unk_token": "<none>"}}, "unknown token"),
        ({"model": {"type": "WordLevel", "vocab": WORDS}}, "unknown token"),
        ({"model": {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 7}}, "unknown token"),
        ({"model": {"type": "Unigram", "vocab": [["a", "b"]], "unk_id": 0}}, "no piece with a score"),
        ({"model": {"type": "Other"}}, "'Other'"),
        ({"model": {"type": "WordLevel", "vocab": {"a": 2**40}, "unk_token": "a"}}, "vocabulary"),
        ({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 0}, "unk_token": "a"}}, "one number"),
        ({"model": {**PLAIN["model"], "type": "WordPiece", "max_input_chars_per_word": 10**6}}, "max_input"),
        ({"model": {**PLAIN["model"], "type": "BPE", "dropout": 0.5}}, "at random"),
        ({"added_tokens": [{"content": ""}]}, "added token"),
        ({"added_tokens": 3}, "added tokens"),
    ],
)
def test_what_could_grow_or_fail_is_refused(changes, word):
    with pytest.raises(InputError, match=word):
        read(**changes)


def test_growth_is_told_by_what_follows():
    assert MAX_GROWTH == 128
    read(normalizer=sequence(*[replace("a", "aa")] * 7))
    read(normalizer=sequence(*[replace(chr(97 + k), chr(97 + k) * 3) for k in range(20)]))


def test_a_tokenizer_that_fails_on_odd_texts_is_refused():
    class Panics:
        def encode_batch_fast(self, texts, add_special_tokens):
            raise type("PanicException", (BaseException,), {})("index out of bounds")

    with pytest.raises(InputError, match=r"fails on odd texts .*index out of bounds"):
        try_tokenizer(Panics(), 3)
    tokenizer = tokenizers.Tokenizer.from_str(read()[0])
    with pytest.raises(InputError, match="not in its vocabulary"):
        try_tokenizer(tokenizer, 0)
