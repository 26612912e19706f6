"""Language models: the catalogue, users' rows and published configurations."""

from __future__ import annotations

import json

import pytest

from joulewright.errors import DataError, ScenarioError
from joulewright.io.language_model_file import (
    read_accelerators,
    read_language_model,
    read_language_models,
)
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import accelerator_from_row, find_accelerator
from joulewright.physics.inference.hub_config import language_model_from_config
from joulewright.physics.inference.models import find_language_model, language_model_from_row, language_models

LLAMA = {
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
QWEN_MOE = LLAMA | {
    "num_hidden_layers": 48,
    "hidden_size": 2048,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
    "decoder_sparse_step": 1,
    "intermediate_size": 6144,
}
DEVICE = {
    "name": "Card",
    "board_power_w": "300",
    "idle_power_w": "30",
    "loaded_idle_power_w": "50",
    "memory_gb": "48",
    "memory_bandwidth_tb_s": "0.9",
    "bf16_tflop_s": "180",
    "host_power_w": "75",
    "host_idle_power_w": "50",
}


def shape(**changes):
    values = {
        "name": "mine",
        "layers": 2,
        "hidden": 64,
        "query_heads": 4,
        "kv_heads": 2,
        "head_dim": 16,
        "parameters": 1e6,
        "active_parameters": 1e6,
        "context_tokens": 2048,
        "source": "test",
    }
    return LanguageModel(**(values | changes))


def csv_file(folder, rows):
    path = folder / "rows.csv"
    keys = list(dict.fromkeys(key for row in rows for key in row))
    path.write_text("\n".join([",".join(keys), *(",".join(row.get(key, "") for key in keys) for row in rows)]) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Llama-3.1-8B", 131072), ("Qwen3-32B", 262144), ("Llama-3.1-70B", 327680), ("Llama-3.1-405B", 516096)],
)
def test_cache_of_a_token(name, expected):
    assert 2 * find_language_model(name).kv_elements_per_token == expected


@pytest.mark.parametrize("model", language_models().values(), ids=lambda model: model.name)
def test_rows_agree_with_themselves(model):
    attention = 2.0 * model.hidden * model.head_dim * (model.query_heads + model.kv_heads) * model.layers
    assert model.source
    assert model.vocabulary > 1000
    if model.kv_layout == "standard":
        assert attention + model.vocabulary * model.hidden < model.parameters
    if model.experts:
        share = model.experts_per_token / model.experts
        active = model.shared_parameters + share * model.expert_parameters
        assert model.active_parameters == pytest.approx(active, rel=0.25)  # publishers leave embeddings out or in


def test_the_attention_width_is_not_the_hidden_size():
    assert find_language_model("Qwen3-32B").attention_width == 8192
    assert find_language_model("gemma-3-27b").attention_width == 4096


def test_other_layouts_have_no_cache_size():
    with pytest.raises(ScenarioError, match=r"latent attention or state-space .* interpolation of measurements"):
        _ = find_language_model("deepseek-ai/DeepSeek-R1").kv_elements_per_token


def test_unknown_models_offer_the_closest():
    with pytest.raises(ScenarioError, match=r"'Llama-3.1-9B' is not in the catalogue; did you mean Llama-3.1-8B"):
        find_language_model("Llama-3.1-9B")
    with pytest.raises(ScenarioError, match=r"known are Llama-3.1-8B"):
        find_language_model("zzz")
    assert find_language_model("mine", [shape()]).layers == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "layers of model 'mine' is 0"),
        ({"parameters": float("nan")}, "parameters of model 'mine' is nan"),
        ({"active_parameters": 2e6}, "active_parameters of model 'mine' is 2e"),
        ({"kv_heads": 3}, "4 query heads and 3 key-value heads"),
        ({"global_attention_fraction": 1.5}, "global_attention_fraction of model 'mine' is 1.5"),
        ({"sliding_window_tokens": 0}, "sliding_window_tokens of model 'mine' is 0"),
        ({"vocabulary": -1}, "vocabulary of model 'mine' is -1"),
        ({"experts_per_token": 2}, "has 0 experts but names"),
        ({"experts": 8, "experts_per_token": 9}, "experts_per_token of model 'mine' is 9"),
        ({"experts": 8, "experts_per_token": 2, "expert_parameters": 2e6}, "expert_parameters of model 'mine' is 2e"),
        ({"experts": 8, "experts_per_token": 2, "expert_parameters": 5e5, "expert_layers": 3}, "expert_layers .* is 3"),
    ],
)
def test_impossible_shapes(changes, message):
    with pytest.raises(ScenarioError, match=message):
        shape(**changes)


def test_a_configuration_gives_the_catalogue_row():
    found = language_model_from_config(LLAMA, "mine")
    known = find_language_model("Llama-3.1-8B")
    assert found.parameters == pytest.approx(known.parameters, rel=2e-3)
    keys = ("layers", "hidden", "query_heads", "kv_heads", "head_dim", "vocabulary", "kv_layout", "precision")
    assert all(getattr(found, key) == getattr(known, key) for key in keys)


def test_a_configuration_with_experts():
    found = language_model_from_config(QWEN_MOE, "mine")
    known = find_language_model("Qwen3-30B-A3B")
    assert found.expert_parameters == 48 * 128 * 3 * 2048 * 768
    assert found.parameters == pytest.approx(known.parameters, rel=5e-3)
    assert found.active_parameters == pytest.approx(known.active_parameters, rel=0.02)
    assert (found.experts, found.experts_per_token, found.expert_layers) == (128, 8, 48)


@pytest.mark.parametrize(
    ("extra", "window", "share"),
    [
        ({"sliding_window": 1024, "sliding_window_pattern": 6}, 1024, 1 / 6),
        ({"sliding_window": 128, "layer_types": ["sliding_attention", "full_attention"]}, 128, 0.5),
        ({"sliding_window": 4096}, 4096, 0.0),
        ({"sliding_window": 4096, "use_sliding_window": False}, None, 1.0),
        ({"attention_chunk_size": 8192}, 8192, 0.25),
        ({}, None, 1.0),
    ],
)
def test_windows_of_configurations(extra, window, share):
    found = language_model_from_config(LLAMA | extra, "mine")
    assert (found.sliding_window_tokens, found.global_attention_fraction) == (window, pytest.approx(share))


def test_text_part_layout_and_format_of_configurations():
    nested = {"text_config": LLAMA, "quantization_config": {"quant_method": "fp8"}}
    assert language_model_from_config(nested, "mine").precision == "fp8"
    assert language_model_from_config(LLAMA | {"kv_lora_rank": 512}, "mine").kv_layout == "other"
    assert language_model_from_config(LLAMA | {"torch_dtype": "float16"}, "mine").precision == "fp16"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({key: value for key, value in LLAMA.items() if key != "vocab_size"}, "key 'vocab_size' .* is None"),
        (LLAMA | {"num_hidden_layers": "32"}, "key 'num_hidden_layers' .* is '32'"),
        (LLAMA | {"model_type": "gpt2"}, "model_type of 'mine' is 'gpt2'"),
        (LLAMA | {"quantization_config": {"quant_method": "exl2"}}, "quant_method is 'exl2'; known are fp8"),
    ],
)
def test_configurations_that_leave_something_open(config, message):
    with pytest.raises(ScenarioError, match=message):
        language_model_from_config(config, "mine")


def test_files_of_models(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA))
    assert read_language_model(folder).name == "my-model"
    assert read_language_model(folder / "config.json", name="x").name == "x"
    row = {"name": "m", "layers": "2", "hidden": "64", "query_heads": "4", "kv_heads": "2", "head_dim": "16"}
    row |= {"parameters": "1e6", "context_tokens": "2048"}
    (found,) = read_language_models(csv_file(tmp_path, [row]))
    assert (found.name, found.active_parameters, found.vocabulary) == ("m", 1e6, None)
    with pytest.raises(ScenarioError, match=r"column 'layers' of model 'm' is empty"):
        language_model_from_row(row | {"layers": ""})
    with pytest.raises(ScenarioError, match=r"column 'hidden' of model 'm' is 'wide'"):
        language_model_from_row(row | {"hidden": "wide"})
    with pytest.raises(ScenarioError, match=r"kv_layout of model 'm' is 'mla'"):
        language_model_from_row(row | {"kv_layout": "mla"})


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[1]", "holds list"), (None, "cannot be read")])
def test_files_that_are_no_configuration(tmp_path, text, message):
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_language_model(path)


def test_own_accelerators(tmp_path):
    found = read_accelerators(csv_file(tmp_path, [DEVICE, DEVICE | {"name": "Other", "link_gb_s": "25"}]))
    assert found["Card"].link_gb_s is None
    assert found["Other"].link_gb_s == 25.0
    with pytest.raises(ScenarioError, match=r"two rows of rows.csv are called 'Card'"):
        read_accelerators(csv_file(tmp_path, [DEVICE, DEVICE]))
    (tmp_path / "empty.csv").write_text("name\n")
    with pytest.raises(ScenarioError, match=r"holds 0 rows"):
        read_accelerators(tmp_path / "empty.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "column 'name' of an accelerator is absent"),
        ({"board_power_w": ""}, "column 'board_power_w' of accelerator 'Card' is absent or empty"),
        ({"memory_gb": "0"}, "column 'memory_gb' of accelerator 'Card' is 0"),
        ({"bf16_tflop_s": "nan"}, "column 'bf16_tflop_s' of accelerator 'Card' is nan"),
        ({"idle_power_w": "30 W"}, "column 'idle_power_w' of accelerator 'Card' is '30 W'"),
    ],
)
def test_unknown_values_of_accelerators_are_errors(changes, message):
    with pytest.raises(ScenarioError, match=message):
        accelerator_from_row(DEVICE | changes)


def test_embodied_carbon_of_an_hour():
    # 164, 307 and 575 kg over four years of 8,766 h.
    assert find_accelerator("H100").embodied_kg_per_h() == pytest.approx((164 / 35064, 307 / 35064, 575 / 35064))
    with pytest.raises(ScenarioError, match=r"embodied carbon of RTX-4090 is unknown"):
        find_accelerator("RTX-4090").embodied_kg_per_h()
    with pytest.raises(ScenarioError, match=r"lifetime of H100-SXM is 0"):
        find_accelerator("H100").embodied_kg_per_h(0.0)
