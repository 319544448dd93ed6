"""A text model as a function of texts: tokens, batches of one length, onnxruntime, one vector a text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from manyhot.encoders.text.base import import_extra
from manyhot.encoders.text.onnx.cost import CostCounter
from manyhot.encoders.text.onnx.folder import TextModelFiles, output_names, read_folder
from manyhot.encoders.text.onnx.graph import Graph, read_graph
from manyhot.encoders.text.onnx.protobuf import file_error
from manyhot.encoders.text.onnx.special_tokens import read_special_ids
from manyhot.encoders.text.tokenizer_file import open_tokenizer, try_tokenizer
from manyhot.errors import InputError, panics_become
from manyhot.executors.cores import own_cores

BATCH_SIZES = (32, 8, 2, 1)  # texts of one length in a call
MAX_BATCH_TOKENS = 2**13
MAX_BATCH_PAIRS = 2**20  # of tokens that look at each other
CHARACTERS_PER_TOKEN = 32  # of a longer text only the beginning is taken apart, if it has tokens enough
SPARE_TOKENS = 16  # that the beginning has beyond those that are looked at, so that the cut does not show
# operators whose scales go by all texts of a call
_BATCH_WIDE = ("DynamicQuantizeLinear", "com.microsoft.DynamicQuantizeMatMul")


class OnnxTextFunction:
    """Texts -> float32 (n, d) by a model in ONNX, which is checked before onnxruntime sees it.

    Texts of one length make a batch, so that nothing is padded and a text does not depend on its neighbours.
    """

    def __init__(self, files: TextModelFiles) -> None:
        self.files = files
        self._graph: Graph = read_graph(files.model)
        self._costs = CostCounter(self._graph)
        self._checked: set[tuple[int, int]] = set()
        self._output = self._choose_output()
        self._prefix, self._suffix = read_special_ids(files.tokenizer)
        self._limit = files.settings.max_tokens - len(self._prefix) - len(self._suffix)
        if self._limit < 1:
            raise InputError(
                f"of {files.settings.max_tokens} tokens none is left beside the special ones; make max_tokens larger",
                argument="text_params",
            )
        self._tokenizer, _ = open_tokenizer(import_extra("tokenizers", "onnx", "onnxtext"), files.tokenizer)
        highest = max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
        try_tokenizer(self._tokenizer, highest + 1)
        self._sizes = (1,) if any(node.operator in _BATCH_WIDE for node in self._graph.nodes) else BATCH_SIZES
        self._check_cost(1, files.settings.max_tokens)
        self._session = _open_session(files.model)
        self._run(np.array([[max([highest, *self._prefix, *self._suffix])]]))  # a token that has no vector shows here

    @classmethod
    def from_folder(cls, path: str, pool: str = "auto", max_tokens: int = 0) -> OnnxTextFunction:
        """Open the model in a folder; see `read_folder`."""
        return cls(read_folder(path, pool, max_tokens))

    def __reduce__(self) -> tuple[Any, ...]:  # a copy opens its model anew
        return OnnxTextFunction, (self.files,)

    @property
    def digest(self) -> str:
        """SHA-256 of model, tokenizer and settings."""
        total = hashlib.sha256(repr(self.files.settings).encode())
        for part in (self.files.model, self.files.tokenizer):
            total.update(hashlib.sha256(part.data).digest())
        return total.hexdigest()

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Compute the vectors of n texts, float32 (n, d)."""
        tokens = self._token_ids(texts)
        lengths = np.array([len(one) for one in tokens])
        rows: dict[int, np.ndarray] = {}
        for length in np.unique(lengths).tolist():
            for places in self._batches(np.flatnonzero(lengths == length), length):
                vectors = self._run(np.array([tokens[place] for place in places]))
                rows |= dict(zip(places.tolist(), self.files.settings.pool(vectors), strict=True))
        return np.stack([rows[place] for place in range(len(texts))])

    def _token_ids(self, texts: list[str]) -> list[list[int]]:
        prepared = [self.files.settings.prepare(text) for text in texts]
        cut = CHARACTERS_PER_TOKEN * (self._limit + SPARE_TOKENS)
        with panics_become(InputError):
            encodings = self._tokenizer.encode_batch_fast([text[:cut] for text in prepared], add_special_tokens=False)
            token_ids = [encoding.ids for encoding in encodings]
            for place, text in enumerate(prepared):
                if len(text) > cut and len(token_ids[place]) < self._limit + SPARE_TOKENS:
                    token_ids[place] = self._tokenizer.encode(text, add_special_tokens=False).ids
        # a text without any token is one of the special ones, or, where there are none, of token 0
        return [[*self._prefix, *ids[: self._limit], *self._suffix] or [0] for ids in token_ids]

    def _batches(self, places: np.ndarray, length: int) -> Iterator[np.ndarray]:
        most = min(MAX_BATCH_TOKENS // length, MAX_BATCH_PAIRS // length**2)
        start = 0
        while start < len(places):
            size = next((size for size in self._sizes if size <= min(len(places) - start, most)), 1)
            yield places[start : start + size]
            start += size

    def _run(self, token_ids: np.ndarray) -> np.ndarray:
        self._check_cost(*token_ids.shape)
        fill = {"input_ids": token_ids, "attention_mask": np.ones_like(token_ids)}
        inputs = {
            port.name: fill.get(port.name, np.zeros_like(token_ids)).astype(port.dtype) for port in self._graph.inputs
        }
        try:
            (vectors,) = self._session.run([self._output], inputs)
        except Exception as error:  # the library's own errors are no subclass of anything else
            raise file_error(f"onnxruntime fails on {token_ids.shape} tokens ({str(error)[:200]})") from None
        return np.asarray(vectors)

    def _check_cost(self, n_texts: int, length: int) -> None:
        """Count what a batch takes, once for each of its shapes."""
        if (n_texts, length) not in self._checked:
            self._costs.check(n_texts, length)
            self._checked.add((n_texts, length))

    def _choose_output(self) -> str:
        pools = self.files.settings.pools
        names = output_names(self._costs, 3 if pools else 2)
        if not names:
            raise file_error(
                f"its outputs are {[port.name[:40] for port in self._graph.outputs][:10]}, expected one vector "
                + ("a token, to be pooled" if pools else "a text")
            )
        return names[0]


def _open_session(encoded: np.ndarray) -> Any:
    onnxruntime = import_extra("onnxruntime", "onnx", "onnxtext")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = len(own_cores()), 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False  # lengths change, and an arena would only grow
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(encoded.tobytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own errors are no subclass of anything else
        raise file_error(f"onnxruntime cannot open it ({str(error)[:200]})") from None
