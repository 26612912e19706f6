"""Language models from the ``config.json`` that publishers keep beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulewright.errors import ScenarioError
from joulewright.model.language_model import KvLayout, LanguageModel

_OTHER_LAYOUT = (
    "kv_lora_rank",
    "ssm_cfg",
    "hybrid_override_pattern",
    "layers_block_type",
    "mamba_d_state",
    "linear_num_value_heads",
)
_UNGATED = ("gpt2", "opt", "bloom", "falcon", "gpt_neox", "gptj", "phi", "mpt", "starcoder2")
_FORMATS = {"fp8": "fp8", "mxfp4": "mxfp4", "fbgemm_fp8": "fp8", "awq": "int4", "gptq": "int4"}


def language_model_from_config(config: Mapping[str, Any], name: str) -> LanguageModel:
    """A model from the document of a ``config.json``.

    Parameters
    ----------
    config : mapping
        The document; of a multimodal model the part on text is taken.
    name : str
        Name to give the model.

    Raises
    ------
    ScenarioError
        If a key that decides bytes or operations is absent, or the kind of model has feed-forward layers of another
        shape, whose parameters cannot be counted.

    Notes
    -----
    Parameters are counted from the shape with gated feed-forward layers ``3 hidden ffn``, without norms, biases and
    vision parts. Latent attention and state-space layers give a model whose cache has another layout.

    References
    ----------
    Hugging Face Transformers, documentation of ``PretrainedConfig``.

    Examples
    --------
    >>> llama = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
    ...          "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072}
    >>> round(language_model_from_config(llama, "mine").parameters / 1e9, 2)
    8.03
    """
    text = config.get("text_config") or config
    kind = str(config.get("model_type", text.get("model_type", "")))
    if kind in _UNGATED:
        raise ScenarioError(
            f"model_type of {name!r} is {kind!r}, whose parameters cannot be counted; give it as a CSV row"
        )
    layers, hidden = _whole(text, "num_hidden_layers", name), _whole(text, "hidden_size", name)
    heads = _whole(text, "num_attention_heads", name)
    kv_heads = int(text.get("num_key_value_heads") or heads)
    head_dim = int(text.get("head_dim") or hidden // heads)
    vocabulary = _whole(text, "vocab_size", name)
    experts = _experts(text, layers, hidden, name)
    attention = 2.0 * hidden * head_dim * (heads + kv_heads) * layers
    embeddings = (
        vocabulary * hidden * (1.0 if text.get("tie_word_embeddings", config.get("tie_word_embeddings")) else 2.0)
    )
    shared = attention + embeddings + experts["shared_parameters"]
    routed = experts["expert_parameters"]
    share = experts["experts_per_token"] / max(experts["experts"], 1)
    window, global_fraction = _window(text)
    layout: KvLayout = "other" if any(key in text for key in _OTHER_LAYOUT) else "standard"
    return LanguageModel(
        name=name,
        layers=layers,
        hidden=hidden,
        query_heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        parameters=shared + routed,
        active_parameters=shared + routed * share,
        experts=int(experts["experts"]),
        experts_per_token=int(experts["experts_per_token"]),
        expert_parameters=routed,
        expert_layers=int(experts["expert_layers"]),
        vocabulary=vocabulary,
        sliding_window_tokens=window,
        global_attention_fraction=global_fraction,
        context_tokens=_whole(text, "max_position_embeddings", name),
        kv_layout=layout,
        precision=_precision(config),
        source="config.json",
    )


def _experts(text: Mapping[str, Any], layers: int, hidden: int, name: str) -> dict[str, float]:
    count = next(
        (int(text[key]) for key in ("num_experts", "num_local_experts", "n_routed_experts") if text.get(key)), 0
    )
    if not count:
        dense = 3.0 * hidden * _whole(text, "intermediate_size", name) * layers
        return dict.fromkeys(("experts", "experts_per_token", "expert_layers", "expert_parameters"), 0.0) | {
            "shared_parameters": dense
        }
    per_token = _whole(text, "num_experts_per_tok", name)
    width = int(text.get("moe_intermediate_size") or _whole(text, "intermediate_size", name))
    every = int(text.get("interleave_moe_layer_step") or text.get("decoder_sparse_step") or 1)
    expert_layers = (layers - int(text.get("first_k_dense_replace") or 0)) // every
    dense_width = int(text.get("intermediate_size_mlp") or text.get("intermediate_size") or width)
    shared_width = int(text.get("shared_expert_intermediate_size") or 0) or width * int(
        text.get("n_shared_experts") or 0
    )
    if str(text.get("model_type", "")).startswith("llama4"):
        shared_width = width
    return {
        "experts": float(count),
        "experts_per_token": float(per_token),
        "expert_layers": float(expert_layers),
        "expert_parameters": 3.0 * hidden * width * count * expert_layers,
        "shared_parameters": 3.0 * hidden * (dense_width * (layers - expert_layers) + shared_width * expert_layers)
        + hidden * count * expert_layers,
    }


def _window(text: Mapping[str, Any]) -> tuple[int | None, float]:
    window = text.get("sliding_window") or text.get("attention_chunk_size")
    if not window or text.get("use_sliding_window") is False:
        return None, 1.0
    kinds = text.get("layer_types")
    if kinds:
        return int(window), sum(kind == "full_attention" for kind in kinds) / len(kinds)
    pattern = text.get("sliding_window_pattern") or (4 if text.get("attention_chunk_size") else 0)
    return int(window), 1.0 / int(pattern) if pattern else 0.0


def _precision(config: Mapping[str, Any]) -> str:
    quantised = config.get("quantization_config")
    if not quantised:
        return "fp16" if str(config.get("torch_dtype", config.get("dtype", ""))) == "float16" else "bf16"
    method = str(quantised.get("quant_method", ""))
    if method not in _FORMATS:
        raise ScenarioError(f"quant_method is {method!r}; known are {', '.join(_FORMATS)}. Give the model as a CSV row")
    return _FORMATS[method]


def _whole(text: Mapping[str, Any], key: str, name: str) -> int:
    value = text.get(key)
    if not isinstance(value, int) or value < 1:
        raise ScenarioError(
            f"key {key!r} of the configuration of {name!r} is {value!r}; it must be a whole number from 1"
        )
    return value
