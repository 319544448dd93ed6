"""The ways from texts to numbers by name, with their settings: defaults, ranges and meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from manyhot import validation
from manyhot.config.fields import BoolField, ChoiceField, Field, IntField, TextField, fill_defaults

TFIDF = "tfidf"
CUSTOM_TEXT = "custom"
"""A function of the user's."""
STATIC = "static"
EMBEDDINGS = "embeddings"
PRETRAINED = "pretrained"
ONNX = "onnx"
MAX_COLUMNS = 10_000_000
ATTENTION, MEAN = POOLS = ("attention", "mean")
ONNX_POOLS = ("auto", "mean", "cls", "max", "last")
MAX_TOKENS = 4096
"""Tokens of a text that a network or a pretrained model may look at."""


@dataclass(frozen=True)
class TextEncoderSpec:
    """What is known about a way from texts to numbers without carrying it out."""

    description: str
    settings: Mapping[str, Field] = field(default_factory=dict)
    network_settings: Mapping[str, Field] = field(default_factory=dict)

    @property
    def all_settings(self) -> dict[str, Field]:
        """All settings by name."""
        return {**self.settings, **self.network_settings}


TEXT_KINDS: dict[str, TextEncoderSpec] = {
    TFIDF: TextEncoderSpec(
        "words, pairs of words and pieces of words, weighed by rarity",
        {
            "max_words": IntField(10_000, 0, MAX_COLUMNS, "columns for words and pairs of words at most"),
            "max_characters": IntField(5_000, 0, MAX_COLUMNS, "columns for pieces of words at most"),
            "hashed": BoolField(False, "terms share columns by a fixed hash, and none is kept"),
        },
    ),
    STATIC: TextEncoderSpec(
        "the mean of fixed vectors of the pieces of words, from Model2Vec files; needs manyhot[static]",
        {"model": TextField("", "the folder of the files, or a name on the Hugging Face hub", is_path=True)},
    ),
    EMBEDDINGS: TextEncoderSpec(
        "a vector for each word, learned by the network",
        {
            "max_words": IntField(20_000, 1, MAX_COLUMNS, "words with a vector of their own at most"),
            "buckets": IntField(1_000, 1, 1_000_000, "vectors that other words share"),
            "max_tokens": IntField(256, 1, MAX_TOKENS, "words of a text that are looked at, at most"),
        },
        {
            "units": IntField(64, 1, 4096, "numbers in the vector of a word"),
            "pool": ChoiceField(
                ATTENTION, POOLS, "how vectors become one: their mean, or also a weighing for each label"
            ),
        },
    ),
    ONNX: TextEncoderSpec(
        "what a pretrained model in ONNX makes of a text; needs manyhot[onnxtext]",
        {
            "model": TextField("", "the folder with model.onnx and tokenizer.json", is_path=True),
            "pool": ChoiceField(
                ONNX_POOLS[0], ONNX_POOLS, "how vectors of tokens become one; 'auto' is what the folder says"
            ),
            "max_tokens": IntField(
                0, 0, MAX_TOKENS, "tokens of a text that are looked at, at most; 0: as the folder says"
            ),
            "cache": BoolField(True, "features are kept on disk, by the content of the texts"),
            "embed": BoolField(False, "the saved file holds the model, so that it predicts without the folder"),
        },
    ),
    PRETRAINED: TextEncoderSpec(
        "the mean of what a pretrained transformer makes of a text; needs keras-hub",
        {
            "preset": TextField("", "the folder of a keras-hub preset", is_path=True),
            "max_tokens": IntField(128, 4, MAX_TOKENS, "pieces of a text that are looked at, at most"),
            "cache": BoolField(True, "features are kept on disk, by the content of the texts"),
        },
    ),
    CUSTOM_TEXT: TextEncoderSpec(
        "a function of yours, (texts) -> array (n, d)",
        {
            "name": TextField("", "names the function in the cache; the function's own name where it is empty"),
            "cache": BoolField(True, "features are kept on disk, by the content of the texts"),
        },
    ),
}
"""Name of the kind -> what it is and what it can be told."""


def text_params(kind: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """All settings of a kind: what was given, and the defaults for the rest."""
    settings = TEXT_KINDS[validation.one_of(TEXT_KINDS, text=kind)].all_settings
    return fill_defaults(settings, values, "text_params", f"text={kind!r}", "{'max_words': 20000}")


def without_paths(kind: str, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Settings as far as a saved file may tell them: nothing that would be opened or downloaded."""
    path_names = {name for name, setting in TEXT_KINDS[kind].settings.items() if getattr(setting, "is_path", False)}
    return None if values is None else {name: value for name, value in values.items() if name not in path_names}
