"""Tiny folders of what texts are made numbers with: Model2Vec files, and a preset of keras-hub."""

import json
from pathlib import Path

import numpy as np

WORDS = ["[UNK]", "good", "bad", "very", "not", "grün", "😀", "thing", "the", "."]


def vectors(n: int = len(WORDS), width: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)


def static_folder(
    folder: Path, config: dict | None = None, arrays: dict | None = None, unknown: str | None = "[UNK]"
) -> Path:
    """A folder whose tokenizer knows `WORDS`, lower case; anything else is unknown."""
    import safetensors.numpy
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token=unknown))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"normalize": True} if config is None else config))
    safetensors.numpy.save_file({"embeddings": vectors()} if arrays is None else arrays, folder / "model.safetensors")
    return folder


PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "dog", "##s", "the", ".", "gr", "##un"]


def preset_folder(folder: Path) -> Path:
    """A BERT with weights drawn at random."""
    import keras_hub

    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 64}
    keras_hub.models.BertBackbone(vocabulary_size=len(PIECES), **sizes).save_to_preset(str(folder))
    keras_hub.tokenizers.BertTokenizer(vocabulary=PIECES, lowercase=True).save_to_preset(str(folder))
    return folder
