"""Mutations that know what a saved model is made of: sizes made enormous, layers put in by the hundred, tokenizers."""

import copy
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.attacks import mutations
from tests.attacks.mutations import joined, parts_of, places
from tests.attacks.onnx_models import hostile_models

NUMBERS: list[Any] = [0, -1, 1, 2, 7, 64, 1000, 20_000, 10**8, 2**31, 2**40, 2**63, 1e308, -1e308, 0.5, 1e-320]
VALUES: list[Any] = [*NUMBERS, None, True, "", "NaN", "Infinity", "x" * 3000, "\x00\u202e", [], {}, [[]], ["a"] * 100]
TOKENIZER, MODEL = "encoder/text.0.tokenizer", "encoder/text.0.model"


def _layer(name: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": name, "config": config, "registered_name": None}


HOSTILE_LAYERS = [
    _layer("Dense", units=4_000_000_000),
    _layer("Dense", units=4_000_000, use_bias=False),
    _layer("ZeroPadding1D", padding=10**8),
    _layer("ZeroPadding1D", padding=60_000),
    _layer("UpSampling1D", size=20_000),
    _layer("RepeatVector", n=10**8),
    _layer("RepeatVector", n=3000),
    _layer("Reshape", target_shape=[-1, 1, 1, 1, 1, 1, 1]),
    _layer("Embedding", input_dim=10**9, output_dim=64),
    _layer("MultiHeadAttention", num_heads=1000, key_dim=100_000),
    _layer("LSTM", units=100_000, unroll=True),
    _layer("Conv1D", filters=10**6, kernel_size=60_000),
    _layer("AveragePooling1D", pool_size=60_000, strides=1, padding="same"),
    _layer("Bidirectional", layer=_layer("GRU", units=10**6)),
    _layer("TimeDistributed", layer=_layer("RepeatVector", n=10**7)),
    _layer("Activation", activation="relu"),
    _layer("Dropout", rate=0.5),
    _layer("UpSampling1D", size=2),
    _layer("LayerNormalization"),
    _layer("Flatten"),
    _layer("Normalization", mean=[0.0] * 1000, variance=[1.0] * 1000),
]
HOSTILE_NORMALIZERS: list[dict[str, Any]] = [
    {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 1_000_000},
    {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"},
    {"type": "Replace", "pattern": {"Regex": "(x+x+)+y"}, "content": ""},
    {"type": "Replace", "pattern": {"Regex": ""}, "content": "aaaa"},
    {"type": "Prepend", "prepend": "p" * 1_000_000},
    {"type": "NFKD"},
    {"type": "Lowercase"},
    {"type": "ByteLevel"},
    {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="},
    {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
]
HOSTILE_PRE_TOKENIZERS: list[dict[str, Any]] = [
    {"type": "Split", "pattern": {"Regex": "(a|a)*$"}, "behavior": "Isolated", "invert": False},
    {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": False},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "CharDelimiterSplit", "delimiter": " "},
    {"type": "FixedLength", "length": 0},
    {"type": "Digits", "individual_digits": True},
]


def change(value: Any, path: tuple, generator: np.random.Generator) -> None:
    """Replace, remove, rename, repeat, bury or lengthen what stands at a path."""
    for key in path[:-1]:
        value = value[key]
    key, kind = path[-1], int(generator.integers(10))
    old = value[key]
    if kind == 0 and isinstance(value, dict):
        del value[key]
    elif kind == 1 and isinstance(value, dict):
        value[f"{key}_"] = value.pop(key)
    elif kind == 2 and isinstance(value, list):
        value[key:key] = [copy.deepcopy(old) for _ in range([1, 50, 2000][generator.integers(3)])]
    elif kind == 3:
        for _ in range([1, 20, 55][generator.integers(3)]):
            old = [old]
        value[key] = old
    elif kind == 4 and isinstance(old, list) and old:
        value[key] = old * [2, 100, 3000][generator.integers(3)]
    elif kind == 5 and isinstance(value, dict) and len(value) > 1:
        other = list(value)[generator.integers(len(value))]
        value[key], value[other] = value[other], value[key]
    elif isinstance(old, (int, float)) and not isinstance(old, bool):
        factors = [old * 10, old * 1000, old + 1, -old, old / 3]
        value[key] = (NUMBERS + factors)[generator.integers(len(NUMBERS) + len(factors))]
    else:
        value[key] = copy.deepcopy(VALUES[generator.integers(len(VALUES))])


def _changed_somewhere(value: Any, generator: np.random.Generator) -> None:
    listed = list(places(value))
    if listed:
        change(value, listed[generator.integers(len(listed))], generator)


def in_section(content: bytes, generator: np.random.Generator) -> bytes:
    """Change one to three places of one part of the document, each part as often as another."""
    header, data = parts_of(content)
    sealed = json.loads(header["__metadata__"]["manyhot"])
    document = sealed["document"]
    large = [name for name, value in document.items() if isinstance(value, (dict, list)) and value]
    name = large[generator.integers(len(large))]
    for _ in range(generator.integers(1, 4)):
        _changed_somewhere(document[name], generator)
    header["__metadata__"]["manyhot"] = _text(sealed)
    return joined(header, data)


def in_settings(content: bytes, generator: np.random.Generator) -> bytes:
    """Change what stands twice, in the settings and in the network, alike."""
    header, data = parts_of(content)
    sealed = json.loads(header["__metadata__"]["manyhot"])
    document = sealed["document"]
    sizes = [
        [[4] * 900, [10**9], [10**7, 10**7], [4] * 70, [3], [4, 4]],
        [[64] * 8, [4096] * 3, [2, 3, 2], [1]],
    ]
    size = copy.deepcopy(sizes[0][generator.integers(len(sizes[0]))])
    document["config"]["hidden_layer_sizes"] = size
    network = document["network"]
    settings = network.get("settings", network)
    if isinstance(settings, dict):
        settings["hidden_layer_sizes"] = size
        images = document["config"].get("image_params")
        if isinstance(images, dict) and "filters" in settings:
            settings["filters"] = images["filters"] = sizes[1][generator.integers(len(sizes[1]))]
            settings["blocks"] = images["blocks"] = [1, 2, 8, 64][generator.integers(4)]
            settings["kernel"] = images["kernel"] = [1, 3, 15][generator.integers(3)]
    for image in document["encoder"].get("images", ()) if isinstance(document["encoder"], dict) else ():
        image["shape"][:2] = [[16, 16], [512, 512], [4096, 4096]][generator.integers(3)]
    header["__metadata__"]["manyhot"] = _text(sealed)
    return joined(header, data)


def in_layers(content: bytes, generator: np.random.Generator) -> bytes:
    """Put layers into a described network, behind one of its own: one, or hundreds."""
    header, data = parts_of(content)
    sealed = json.loads(header["__metadata__"]["manyhot"])
    model = sealed["document"]["network"].get("config")
    if not isinstance(model, dict):
        return in_section(content, generator)
    layers = model["config"]["layers"]
    place = int(generator.integers(len(layers)))
    n_copies = int([1, 1, 1, 2, 40, 900][generator.integers(6)])
    for _ in range(n_copies):
        if generator.random() < 0.3 and n_copies < 40:
            place = int(generator.integers(len(layers)))
        own = layers[place]
        if generator.random() < 0.5 or n_copies >= 40:
            own = HOSTILE_LAYERS[generator.integers(len(HOSTILE_LAYERS))]
        _put_behind(layers, place, copy.deepcopy(own), f"put_{len(layers)}")
    header["__metadata__"]["manyhot"] = _text(sealed)
    return joined(header, data)


def _put_behind(layers: list[dict[str, Any]], place: int, layer: dict[str, Any], name: str) -> None:
    before = layers[place]["config"].get("name")
    layer["config"]["name"] = name
    if "inbound_nodes" not in layers[place]:
        layers.insert(place + 1, layer)
        return
    for other in layers:
        _rename_source(other.get("inbound_nodes"), before, name)
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 6, 2], "dtype": "float32"}}
    tensor["config"]["keras_history"] = [before, 0, 0]
    layer |= {"name": name, "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}
    layers.insert(place + 1, layer)


def _rename_source(value: Any, old: str, new: str) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("keras_history"), list) and value["keras_history"][:1] == [old]:
            value["keras_history"][0] = new
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        _rename_source(inner, old, new)


def in_tokenizer(content: bytes, generator: np.random.Generator) -> bytes:
    """Change the tokenizer of static embeddings, which lies in an array."""
    header, data = parts_of(content)
    if TOKENIZER not in header:
        return in_section(content, generator)
    start, stop = header[TOKENIZER]["data_offsets"]
    tokenizer = json.loads(data[start:stop])
    kind = int(generator.integers(5))
    if kind == 0:
        steps = [
            HOSTILE_NORMALIZERS[k] for k in generator.integers(len(HOSTILE_NORMALIZERS), size=generator.integers(1, 5))
        ]
        steps *= int([1, 1, 12, 40][generator.integers(4)])
        tokenizer["normalizer"] = {"type": "Sequence", "normalizers": steps}
    elif kind == 1:
        tokenizer["pre_tokenizer"] = HOSTILE_PRE_TOKENIZERS[generator.integers(len(HOSTILE_PRE_TOKENIZERS))]
    elif kind == 2:
        model = tokenizer["model"]
        model["type"] = ["WordPiece", "BPE", "Unigram", "WordLevel"][generator.integers(4)]
        model |= {"max_input_chars_per_word": 10**6, "merges": [], "unk_id": 5} if generator.random() < 0.5 else {}
        model["unk_token"] = ["[UNK]", "nothing", None][generator.integers(3)]
    else:
        for _ in range(generator.integers(1, 4)):
            _changed_somewhere(tokenizer, generator)
    return with_array(header, data, TOKENIZER, _text(tokenizer).encode("utf-8", "replace"))


def in_model(content: bytes, generator: np.random.Generator) -> bytes:
    """Change the text model in ONNX, which lies in an array: bytes, bits, a piece put elsewhere, or a hostile one."""
    header, data = parts_of(content)
    if MODEL not in header:
        return in_section(content, generator)
    start, stop = header[MODEL]["data_offsets"]
    model = np.frombuffer(data[start:stop], np.uint8).copy()
    kind, places_of = int(generator.integers(5)), generator.integers(len(model) - 8, size=4)
    if kind == 0:
        model[places_of] = generator.integers(256, size=4)
    elif kind == 1:
        model[places_of[0]] ^= 1 << generator.integers(8)
    elif kind == 2:
        model[places_of[0] : places_of[0] + 4] = model[places_of[1] : places_of[1] + 4]
    elif kind == 3:
        model = model[: places_of[0]]
    else:
        hostile = hostile_models()
        model = np.frombuffer(hostile[sorted(hostile)[generator.integers(len(hostile))]], np.uint8)
    return with_array(header, data, MODEL, model.tobytes())


def with_array(header: dict[str, Any], data: bytes, name: str, encoded: bytes) -> bytes:
    """The file with other bytes in an array of bytes."""
    entries = sorted((entry["data_offsets"][0], one) for one, entry in header.items() if one != "__metadata__")
    pieces, position = [], 0
    for _, one in entries:
        start, stop = header[one]["data_offsets"]
        piece = encoded if one == name else data[start:stop]
        header[one]["data_offsets"] = [position, position + len(piece)]
        pieces.append(piece)
        position += len(piece)
    header[name]["shape"] = [len(encoded)]
    return joined(header, b"".join(pieces))


def with_a_key_twice(content: bytes, generator: np.random.Generator) -> bytes:
    """Repeat a key of the document with another value, or write NaN for a number."""
    header, data = parts_of(content)
    text = header["__metadata__"]["manyhot"]
    found = [k for k in range(len(text)) if text.startswith('":', k)]
    place = found[generator.integers(len(found))]
    start = text.rfind('"', 0, place)
    if generator.random() < 0.5:
        text = f"{text[:start]}{text[start : place + 1]}:0,{text[start:]}"
    else:
        text = f"{text[: place + 2]}NaN,{text[start:]}"
    checksum = hashlib.sha256(text.encode()).hexdigest()
    header["__metadata__"] |= {"manyhot": text, "manyhot_sha256": checksum}
    return joined(header, data, is_sealed=False)


def _text(value: Any) -> str:
    """JSON, whatever is in it."""
    return json.dumps(value)


SEALED = (in_section,) * 5 + (in_settings, in_layers, in_layers, in_tokenizer, in_tokenizer, in_model)
SEALED += (with_a_key_twice, mutations.in_header, mutations.in_data)


def mutant(content: bytes, number: int) -> tuple[str, bytes]:
    """The damaged copy of a number, the same at any time; every other number has its checksums made right again."""
    generator = np.random.default_rng([number, 56])
    kinds = SEALED if number % 2 else mutations.LEFT_WRONG
    mutate = kinds[generator.integers(len(kinds))]
    return mutate.__name__, mutate(content, generator)


def mutants(content: bytes, numbers: range) -> Iterator[tuple[int, str, bytes]]:
    """Number, kind and bytes of each."""
    for number in numbers:
        yield number, *mutant(content, number)
