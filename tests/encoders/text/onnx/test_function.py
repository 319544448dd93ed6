"""A text model as a function: what onnxruntime gives when called by hand, whatever the texts and their company."""

import json
import pickle

import numpy as np
import pytest

from manyhot.encoders.text.onnx import function as function_module
from manyhot.encoders.text.onnx.folder import TextModelFiles
from manyhot.encoders.text.onnx.function import OnnxTextFunction
from manyhot.encoders.text.onnx.settings import TextModelSettings
from manyhot.errors import InputError
from tests.fixtures.onnx_files import (
    TOKENS,
    hidden_nodes,
    model_bytes,
    onnx_folder,
    sentence_nodes,
    tables,
    tokenizer_json,
)

onnx = pytest.importorskip("onnx", reason="makes the models of the tests")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra: pip install 'manyhot[onnxtext]'")
tokenizers = pytest.importorskip("tokenizers", reason="needs the extra: pip install 'manyhot[onnxtext]'")

TEXTS = [
    "Good thing",
    "not very good .",
    "unheard of",
    "",
    "  ",
    "grün 😀 שלום 猫が好き",
    "bad \ud800 half",
    "\x00\x1f\u202e",
    "[CLS] good [SEP]",
    "the good thing " * 70_000,
    "x" * 1_000_000,
]


def by_hand(texts, model: bytes | None = None, max_length: int = 16, pool=lambda rows: rows.mean(axis=1)) -> np.ndarray:
    """Each text alone: the library's own template and truncation, its own pooling, vectors of length 1."""
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json())
    tokenizer.enable_truncation(max_length)
    session = onnxruntime.InferenceSession(model_bytes() if model is None else model)
    rows = []
    for text in texts:
        ids = np.array([tokenizer.encode(text.encode("utf-8", "replace").decode()).ids])
        (vectors,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        row = pool(vectors)[0] if vectors.ndim == 3 else vectors[0]
        rows.append(row / np.linalg.norm(row))
    return np.array(rows)


def test_vectors_are_those_of_onnxruntime_called_by_hand(tmp_path):
    rows = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path)))(TEXTS)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, by_hand(TEXTS), atol=1e-6)


def test_padding_by_hand_gives_the_same(tmp_path):
    """A batch with padding and its mask, as other tools run it."""
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path)))
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json())
    tokenizer.enable_padding()
    texts = TEXTS[:6]
    encodings = tokenizer.encode_batch(texts)
    ids, mask = (np.array([getattr(one, name) for one in encodings]) for name in ("ids", "attention_mask"))
    session = onnxruntime.InferenceSession(model_bytes())
    (vectors,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    means = (vectors * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(function(texts), means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-6)


def test_a_text_does_not_depend_on_its_neighbours(tmp_path):
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path)))
    alone = np.concatenate([function([text]) for text in TEXTS[:9]])
    np.testing.assert_array_equal(function(TEXTS[:9]), alone)
    rows = function(["good"] * 37 + ["bad thing"] * 5 + ["good"])
    np.testing.assert_array_equal(rows[[0, 36, 42]], np.repeat(function(["good"]), 3, axis=0))


def test_scales_that_go_by_a_whole_batch_mean_one_text_at_a_time(tmp_path):
    helper = onnx.helper
    nodes = [
        *hidden_nodes()[:-1],
        helper.make_node("Add", ["mixed", "embedded"], ["plain"]),
        helper.make_node("DynamicQuantizeLinear", ["plain"], ["bytes", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["last_hidden_state"]),
    ]
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path, model_bytes(nodes))))
    texts = ["good", "thing", "very"]
    np.testing.assert_array_equal(function(texts), np.concatenate([function([text]) for text in texts]))


@pytest.mark.parametrize("pool", ["mean", "cls", "max", "last"])
def test_pools(pool, tmp_path):
    pools = {
        "mean": lambda rows: rows.mean(axis=1),
        "cls": lambda rows: rows[:, 0],
        "max": lambda rows: rows.max(axis=1),
        "last": lambda rows: rows[:, -1],
    }
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path)), pool)
    np.testing.assert_allclose(function(TEXTS[:6]), by_hand(TEXTS[:6], pool=pools[pool]), atol=1e-6)


def test_the_models_own_vector_goes_first(tmp_path):
    model = model_bytes([*hidden_nodes(), *sentence_nodes()], "sentence_embedding")
    folder = onnx_folder(tmp_path, model, pooling={"pooling_mode_cls_token": True})
    np.testing.assert_allclose(
        OnnxTextFunction.from_folder(str(folder))(TEXTS[:6]), by_hand(TEXTS[:6], model), atol=1e-6
    )


def test_a_model_may_take_token_types_and_whole_numbers_of_32_bits(tmp_path):
    helper = onnx.helper
    types = helper.make_node("Gather", ["query", "token_type_ids"], ["typed"])
    nodes = [types, *hidden_nodes()[:-1], helper.make_node("Add", ["mixed", "typed"], ["last_hidden_state"])]
    encoded = model_bytes(nodes, inputs=("input_ids", "attention_mask", "token_type_ids"))
    model = onnx.ModelProto.FromString(encoded)
    model.graph.input[2].type.tensor_type.elem_type = 6
    folder = onnx_folder(tmp_path, model.SerializeToString(), modules=["Transformer"])
    (row,) = OnnxTextFunction.from_folder(str(folder), "last")(["good"])
    assert np.isfinite(row).all()


def test_a_copy_gives_the_same(tmp_path):
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path)))
    copy = pickle.loads(pickle.dumps(function))
    np.testing.assert_array_equal(copy(TEXTS[:6]), function(TEXTS[:6]))
    assert copy.digest == function.digest


def test_long_texts_are_cut_where_the_folder_says(tmp_path):
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path, max_length=5)))
    rows = function(["good good good bad", "good good good", "good good good" + " " * 5000 + "thing"])
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])
    shorter = OnnxTextFunction.from_folder(str(tmp_path), max_tokens=4)
    np.testing.assert_allclose(shorter(["good bad thing"]), by_hand(["good bad"]), atol=1e-6)


def test_words_far_behind_blanks_are_found(tmp_path):
    text = " \t" * 100_000 + "good" + "\n" * 100_000 + "bad"
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path)))
    np.testing.assert_array_equal(function(["very" + text]), function(["very good bad"]))


def test_batches_are_counted_once_for_each_shape_and_never_beyond_the_limits(tmp_path, monkeypatch):
    function = OnnxTextFunction.from_folder(str(onnx_folder(tmp_path)))
    seen = []
    check = function._costs.check
    monkeypatch.setattr(function._costs, "check", lambda *shape: (seen.append(shape), check(*shape))[1])
    function(["good thing"] * 70)
    function(["bad thing"] * 70)
    assert sorted(seen) == [(2, 4), (32, 4)]
    monkeypatch.setattr(function_module, "MAX_BATCH_TOKENS", 8)
    assert [len(one) for one in function._batches(np.arange(5), 4)] == [2, 2, 1]


def files(model: bytes, pools=("mean",), max_tokens: int = 16) -> TextModelFiles:
    tokenizer = np.frombuffer(tokenizer_json().encode(), np.uint8)
    return TextModelFiles(np.frombuffer(model, np.uint8), tokenizer, TextModelSettings(pools, False, max_tokens))


def test_models_that_cannot_be_used_are_named(tmp_path):
    node = onnx.helper.make_node
    with pytest.raises(InputError, match="onnxruntime fails on"):
        OnnxTextFunction(files(model_bytes(arrays={"words": tables()["words"][:3]})))
    with pytest.raises(InputError, match="onnxruntime cannot open it"):
        OnnxTextFunction(files(model_bytes([*hidden_nodes(), node("Identity", ["one"], ["more"], wrong=3)])))
    with pytest.raises(InputError, match="expected one vector a text"):
        OnnxTextFunction(files(model_bytes(), pools=()))
    with pytest.raises(InputError, match="expected one vector a token"):
        OnnxTextFunction(files(model_bytes([*hidden_nodes(), *sentence_nodes()], "sentence_embedding")))
    with pytest.raises(InputError, match="of 2 tokens none is left"):
        OnnxTextFunction(files(model_bytes(), max_tokens=2))


def test_a_missing_library_is_answered_with_the_command(tmp_path, monkeypatch):
    onnx_folder(tmp_path)
    for name in ("onnxruntime", "tokenizers"):
        with monkeypatch.context() as patch:
            patch.setitem(__import__("sys").modules, name, None)
            with pytest.raises(InputError, match=r"pip install 'manyhot\[onnxtext\]'"):
                OnnxTextFunction.from_folder(str(tmp_path))


def test_special_tokens_of_other_kinds(tmp_path):
    document = json.loads(tokenizer_json())
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    for step in (
        {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "trim_offsets": True},
        {"type": "Sequence", "processors": [byte_level, document["post_processor"]]},
    ):
        encoded = np.frombuffer(json.dumps({**document, "post_processor": step}).encode(), np.uint8)
        function = OnnxTextFunction(files(model_bytes())._replace(tokenizer=encoded))
        assert function._token_ids(["good"]) == [[2, TOKENS.index("good"), 3]]
    without = np.frombuffer(tokenizer_json(special=False).encode(), np.uint8)
    function = OnnxTextFunction(files(model_bytes())._replace(tokenizer=without))
    assert function._token_ids(["good", ""]) == [[TOKENS.index("good")], [0]]
