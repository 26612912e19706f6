"""Catalogue of language models, and models from a published ``config.json``."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel

_INTEGERS = ("layers", "hidden", "query_heads", "kv_heads", "head_dim", "context_tokens")
_COUNTS = ("experts", "experts_per_token", "expert_layers")


@cache
def language_models() -> Mapping[str, LanguageModel]:
    """Every model of the catalogue by name.

    References
    ----------
    The ``config.json`` and card that each model's publisher keeps on Hugging Face.

    Examples
    --------
    >>> language_models()["Llama-3.1-8B"].kv_elements_per_token
    65536
    """
    text = resources.files("joulewright.data").joinpath("language_models.csv").read_text(encoding="utf-8")
    models = [language_model_from_row(row) for row in csv.DictReader(text.splitlines())]
    return MappingProxyType({model.name: model for model in models})


def language_model_from_row(row: Mapping[str, str]) -> LanguageModel:
    """A model from a row of text, as the catalogue and users' own tables hold it.

    Raises
    ------
    ScenarioError
        If a column that every model needs is empty, or a value is not a number.

    References
    ----------
    See :func:`language_models`.
    """

    def number(key: str, default: float | None = None) -> float:
        text = (row.get(key) or "").strip()
        if not text:
            if default is None:
                raise ScenarioError(f"column {key!r} of model {row.get('name', '')!r} is empty; give a value above 0")
            return default
        try:
            return float(text)
        except ValueError:
            raise ScenarioError(f"column {key!r} of model {row.get('name', '')!r} is {text!r}; give a number") from None

    layout = (row.get("kv_layout") or "standard").strip()
    if layout not in ("standard", "other"):
        raise ScenarioError(f"kv_layout of model {row.get('name')!r} is {layout!r}; allowed is standard or other")
    words = (row.get("vocabulary") or "").strip()
    window = (row.get("sliding_window_tokens") or "").strip()
    parameters = number("parameters")
    return LanguageModel(
        name=row["name"],
        aliases=tuple(word for word in (row.get("aliases") or "").split(";") if word),
        parameters=parameters,
        active_parameters=number("active_parameters", parameters),
        expert_parameters=number("expert_parameters", 0.0),
        vocabulary=int(number("vocabulary")) if words else None,
        sliding_window_tokens=int(number("sliding_window_tokens")) if window else None,
        global_attention_fraction=number("global_attention_fraction", 1.0),
        kv_layout="other" if layout == "other" else "standard",
        precision=(row.get("precision") or "bf16").strip(),
        source=row.get("source") or "",
        **{key: int(number(key)) for key in _INTEGERS},
        **{key: int(number(key, 0.0)) for key in _COUNTS},
    )


def find_language_model(name: str, extra: Iterable[LanguageModel] = ()) -> LanguageModel:
    """Model of that name or alias, upper or lower case; ``extra`` models of the user come first.

    Raises
    ------
    ScenarioError
        If there is none; the message offers the closest names.

    References
    ----------
    See :func:`language_models`.

    Examples
    --------
    >>> find_language_model("meta-llama/Llama-3.1-8B-Instruct").name
    'Llama-3.1-8B'
    """
    spellings = _known(extra)
    found = spellings.get(name.lower())
    if found is not None:
        return found
    close = difflib.get_close_matches(name.lower(), spellings, n=3, cutoff=0.5)
    names = list(dict.fromkeys(spellings[spelling].name for spelling in close))
    hint = f"did you mean {' or '.join(names)}?" if names else f"known are {', '.join(language_models())}."
    raise ScenarioError(f"language model {name!r} is not in the catalogue; {hint} Or give the path of its config.json")


def is_language_model(name: str, extra: Iterable[LanguageModel] = ()) -> bool:
    """Whether a model has that name or alias.

    References
    ----------
    See :func:`language_models`.

    Examples
    --------
    >>> is_language_model("llama-3.1-8b"), is_language_model("mine")
    (True, False)
    """
    return name.lower() in _known(extra)


def _known(extra: Iterable[LanguageModel]) -> dict[str, LanguageModel]:
    return dict(_spellings()) | {word.lower(): model for model in extra for word in (model.name, *model.aliases)}


@cache
def _spellings() -> Mapping[str, LanguageModel]:
    return {word.lower(): model for model in language_models().values() for word in (model.name, *model.aliases)}
