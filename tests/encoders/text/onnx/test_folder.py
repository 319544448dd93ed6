"""Folders as sentence-transformers, Optimum and fastembed write them, and what is wrong with others."""

import json

import pytest

from manyhot.config.text import ONNX_POOLS
from manyhot.encoders.text.onnx.folder import read_folder
from manyhot.encoders.text.onnx.settings import _POOL, TextModelSettings
from manyhot.errors import InputError
from tests.fixtures.onnx_files import hidden_nodes, model_bytes, onnx_folder, sentence_nodes

pytest.importorskip("onnx", reason="makes the models of the tests")
pytest.importorskip("tokenizers", reason="needs the extra: pip install 'manyhot[onnxtext]'")


def settings(folder, **given) -> TextModelSettings:
    return read_folder(str(folder), **given).settings


def write(folder, **files) -> None:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def test_every_pool_has_a_formula():
    assert set(_POOL) == set(ONNX_POOLS) - {"auto"}


def test_what_a_folder_says_is_read(tmp_path):
    assert settings(onnx_folder(tmp_path)) == TextModelSettings(("mean",), True, 16)
    assert settings(tmp_path, pool="cls", max_tokens=5) == TextModelSettings(("cls",), True, 5)
    assert settings(tmp_path, max_tokens=50).max_tokens == 16


def test_a_folder_of_fastembed_has_no_modules(tmp_path):
    onnx_folder(tmp_path, place="model_optimized.onnx", modules=(), max_length=None)
    (tmp_path / "modules.json").unlink()
    assert settings(tmp_path) == TextModelSettings(("mean",), False, 512)
    write(tmp_path, tokenizer_config={"model_max_length": 300})
    assert settings(tmp_path).max_tokens == 300
    write(tmp_path, tokenizer_config={"model_max_length": 1e30}, config={"max_position_embeddings": 200})
    assert settings(tmp_path).max_tokens == 200
    write(tmp_path, config={"max_position_embeddings": 200, "model_type": "xlm-roberta"})
    assert settings(tmp_path).max_tokens == 198


def test_the_model_may_lie_in_a_folder_of_its_own(tmp_path):
    onnx_folder(tmp_path, place="onnx/model.onnx")
    assert settings(tmp_path).pools == ("mean",)


@pytest.mark.parametrize(
    ("pooling", "pools"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode_max_tokens": True, "pooling_mode_cls_token": True}, ("cls", "max")),
        ({"pooling_mode_lasttoken": True, "word_embedding_dimension": 4}, ("last",)),
        ({"pooling_mode": "lasttoken"}, ("last",)),
        ({"pooling_mode": ["mean", "cls"]}, ("cls", "mean")),
        ({}, ("mean",)),
    ],
)
def test_poolings_of_sentence_transformers(pooling, pools, tmp_path):
    assert settings(onnx_folder(tmp_path, pooling=pooling)).pools == pools


def test_prompts_and_lower_case_are_followed(tmp_path):
    onnx_folder(tmp_path)
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    write(tmp_path, config_sentence_transformers=prompts, sentence_bert_config={"do_lower_case": True})
    found = settings(tmp_path)
    assert (found.prompt, found.lowercase, found.prepare(" GOOD\n")) == ("query: ", True, "query:  good")


def test_folders_that_cannot_be_used_are_named(tmp_path):
    def check(match, folder=tmp_path):
        with pytest.raises(InputError, match=match):
            read_folder(str(folder))

    check("expected the folder of a model in ONNX", "")
    check("expected the folder of a model in ONNX", tmp_path / "none")
    check("has no model.onnx or onnx/model.onnx")
    onnx_folder(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    check("has no tokenizer.json")
    onnx_folder(tmp_path, pooling={"pooling_mode_weightedmean_tokens": True})
    check("pools by pooling_mode_weightedmean_tokens")
    onnx_folder(tmp_path, modules=["Transformer", "Pooling", "Dense"])
    check("the modules Dense behind the transformer")
    onnx_folder(tmp_path)
    (tmp_path / "modules.json").write_text("{")
    check("modules.json cannot be read")
    write(tmp_path, modules={"a": 1})
    check("modules.json holds no JSON list")


def test_a_model_that_pools_itself_has_all_modules_in_it(tmp_path):
    model = model_bytes([*hidden_nodes(), *sentence_nodes()], "sentence_embedding")
    onnx_folder(tmp_path, model, modules=["Transformer", "Pooling", "Dense"])
    assert settings(tmp_path).pools == ()


@pytest.mark.parametrize(
    "change",
    [
        {"pools": ["none"]},
        {"pools": "mean"},
        {"pools": ["mean"] * 5},
        {"normalize": 1},
        {"max_tokens": 0},
        {"max_tokens": 10**6},
        {"prompt": "x" * 2000},
        {"prompt": None},
        {"more": 1},
    ],
)
def test_hostile_settings_are_refused(change):
    spec = TextModelSettings(("mean",), True, 16, False, "query: ").to_spec()
    assert TextModelSettings.from_spec(json.loads(json.dumps(spec))).to_spec() == spec
    with pytest.raises(InputError):
        TextModelSettings.from_spec({**spec, **change})


@pytest.mark.parametrize("pools", ["mean", [["mean"]], [{}], ["mean", "none"], ["mean"] * 20])
def test_poolings_in_a_saved_file_that_are_none(pools):
    spec = TextModelSettings(("mean",), normalize=True, max_tokens=8).to_spec()
    assert TextModelSettings.from_spec(spec).pools == ("mean",)
    with pytest.raises(InputError, match="pools"):
        TextModelSettings.from_spec({**spec, "pools": pools})
