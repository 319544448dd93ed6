"""The folder of a text model as sentence-transformers, Optimum and fastembed write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from manyhot import validation
from manyhot.config.text import MAX_TOKENS
from manyhot.encoders.text.onnx.cost import CostCounter
from manyhot.encoders.text.onnx.graph import MAX_BYTES, read_graph
from manyhot.encoders.text.onnx.settings import MAX_PROMPT, TextModelSettings
from manyhot.errors import InputError

# where the model lies; the first that is there is taken
MODEL_FILES = ("model.onnx", "onnx/model.onnx", "model_optimized.onnx", "model_quantized.onnx")
TOKENIZER_FILES = ("tokenizer.json", "onnx/tokenizer.json")
SENTENCE_OUTPUT, TOKEN_OUTPUTS = "sentence_embedding", ("last_hidden_state", "token_embeddings")
DEFAULT_MAX_TOKENS = 512  # where nothing says otherwise
NO_LENGTH = 10**6  # a length that stands for none
_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}
_POOLING_NAMES = {"cls": "cls", "max": "max", "mean": "mean", "lasttoken": "last"}
# models whose first positions stand for padding
_SHIFTED = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")


class TextModelFiles(NamedTuple):
    """What is read of a folder."""

    model: np.ndarray  # uint8
    tokenizer: np.ndarray  # uint8
    settings: TextModelSettings


def read_folder(path: str, pool: str = "auto", max_tokens: int = 0) -> TextModelFiles:
    """Read model, tokenizer and settings of a folder; `pool` and `max_tokens` go before what it says.

    Raises:
        InputError: A file is missing, cannot be read, or asks for what is not taken.
    """
    folder = Path(path).expanduser()
    if not path or not folder.is_dir():
        raise InputError(
            f"got {path!r}, expected the folder of a model in ONNX, with model.onnx (or onnx/model.onnx) and "
            "tokenizer.json: text_params={'model': 'FOLDER'} (--text-params model=FOLDER)",
            argument="text_params",
        )
    model, tokenizer = _first(folder, MODEL_FILES), _first(folder, TOKENIZER_FILES)
    if model.stat().st_size > MAX_BYTES:
        raise InputError(f"{model} has more than {MAX_BYTES:,} bytes", argument="text_params")
    try:
        encoded, tokenizer_json = (np.fromfile(file, dtype=np.uint8) for file in (model, tokenizer))
    except OSError as error:
        raise InputError(f"{path} holds files that cannot be read: {error}", argument="text_params") from None
    has_own_vector = SENTENCE_OUTPUT in output_names(CostCounter(read_graph(encoded)), 2)
    settings = _settings(folder, tokenizer_json, pool, max_tokens, has_own_vector)
    return TextModelFiles(encoded, tokenizer_json, settings)


def output_names(counter: CostCounter, rank: int) -> list[str]:
    """Return the outputs that are one vector a text (rank 2) or one a token (rank 3), those of known names first."""
    n_texts, length = 2, 5
    outputs = counter.check(n_texts, length).outputs
    expected = (n_texts, length)[: rank - 1]
    found = [name for name, one in outputs.items() if len(one.shape) == rank and one.shape[:-1] == expected]
    return sorted(found, key=lambda name: name not in (SENTENCE_OUTPUT, *TOKEN_OUTPUTS))


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"the folder {folder} has no {' or '.join(names)}", argument="text_params")


def _settings(
    folder: Path, tokenizer: np.ndarray, pool: str, max_tokens: int, has_own_vector: bool
) -> TextModelSettings:
    modules = _read(folder, "modules.json", list)
    kinds = {
        str(one.get("type", "")).rpartition(".")[2]: str(one.get("path", ""))
        for one in modules
        if isinstance(one, Mapping)
    }
    unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
    if unknown and not (has_own_vector and pool == "auto"):
        raise InputError(
            f"{folder} has the modules {', '.join(unknown)} behind the transformer, which are not in model.onnx; "
            "export the whole model into one file, with the output sentence_embedding",
            argument="text_params",
        )
    sentence_bert = _read(folder, "sentence_bert_config.json", dict)
    prompts = _read(folder, "config_sentence_transformers.json", dict)
    prompt = (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name"), "")
    if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
        raise InputError(f"{folder} has a prompt that is no text of {MAX_PROMPT} characters", argument="text_params")
    pooling_folder = Path(kinds.get("Pooling", "1_Pooling")).name  # of this folder, whatever the file says
    if pool != "auto":
        pools: tuple[str, ...] = (pool,)
    else:
        pools = () if has_own_vector else _pools(_read(folder, f"{pooling_folder}/config.json", dict))
    limit = _length(folder, sentence_bert, tokenizer)
    return TextModelSettings(
        pools,
        "Normalize" in kinds,
        min(max_tokens or limit, limit, MAX_TOKENS),
        bool(sentence_bert.get("do_lower_case", False)),
        prompt,
    )


def _pools(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The mean where nothing is said, as sentence-transformers has it."""
    named = config.get("pooling_mode")
    if named is not None:
        names = [named] if isinstance(named, str) else list(named)
    else:
        names = [key for key, is_on in config.items() if key.startswith("pooling_mode_") and is_on] or ["mean"]
    known = _POOLING_KEYS | _POOLING_NAMES
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(
            f"the folder pools by {', '.join(map(str, unknown))}, expected {', '.join(_POOLING_NAMES)}; "
            "text_params={'pool': 'mean'} goes before it",
            argument="text_params",
        )
    order = list(_POOLING_KEYS.values())
    return tuple(sorted({known[name] for name in names}, key=order.index))


def _length(folder: Path, sentence_bert: Mapping[str, Any], tokenizer: np.ndarray) -> int:
    """The most tokens that a text may have: what the folder says first, but no more than the model has positions."""
    config = _read(folder, "config.json", dict)
    said = [sentence_bert.get("max_seq_length"), _read(folder, "tokenizer_config.json", dict).get("model_max_length")]
    with suppress(AttributeError, ValueError, RecursionError):  # the tokenizer's own reader says what is wrong with it
        said.append((json.loads(tokenizer.tobytes()).get("truncation") or {}).get("max_length"))
    lengths = [int(one) for one in said if isinstance(one, (int, float)) and 1 <= one <= NO_LENGTH]
    length = lengths[0] if lengths else DEFAULT_MAX_TOKENS
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and positions > 2:
        length = min(length, positions - 2 * (config.get("model_type") in _SHIFTED))
    return length


def _read(folder: Path, name: str, expected: type) -> Any:
    """A JSON file, empty where it is not there."""
    path = folder / name
    if not path.is_file():
        return expected()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {validation.shorten(str(error))}", argument="text_params") from None
    if not isinstance(found, expected):
        raise InputError(f"{path} holds no JSON {'object' if expected is dict else 'list'}", argument="text_params")
    return found
