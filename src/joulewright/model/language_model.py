"""Shape of a language model: what decides the bytes and operations of one step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from joulewright.errors import ScenarioError

KvLayout = Literal["standard", "other"]


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A transformer language model.

    Attributes
    ----------
    name : str
        Catalogue name.
    aliases : tuple of str
        Other spellings that are understood, such as the name on a model hub.
    layers, hidden, query_heads, kv_heads, head_dim : int
        Layers, hidden size, query heads, key-value heads and size of a head; the attention width
        ``query_heads head_dim`` is not always the hidden size.
    parameters, active_parameters : float
        All parameters, and those that one token uses (equal for a dense model).
    experts, experts_per_token : int
        Routed experts of a layer and how many of them a token uses; 0 for a dense model.
    expert_parameters : float
        Parameters of all routed experts of all layers.
    expert_layers : int
        Layers with routed experts; 0 for a dense model.
    vocabulary : int or None
        Entries of the vocabulary; None if unknown.
    sliding_window_tokens : int or None
        Window of the local attention layers [token]; None if every layer sees the whole context.
    global_attention_fraction : float
        Share of layers that see the whole context [-].
    context_tokens : int
        Longest context [token].
    kv_layout : {"standard", "other"}
        ``other`` where a token's state is not ``2 layers kv_heads head_dim`` elements (latent attention,
        state-space layers); such models can only be interpolated from measurements.
    precision : str
        Format in which the weights are published.
    source : str
        Where the shape comes from.

    Raises
    ------
    ScenarioError
        If a value is out of range or the parts contradict each other.

    Examples
    --------
    >>> model = LanguageModel(name="8B", layers=32, hidden=4096, query_heads=32, kv_heads=8, head_dim=128,
    ...                       parameters=8.03e9, active_parameters=8.03e9, context_tokens=131072, source="config")
    >>> model.kv_elements_per_token  # 2 x 32 layers x 8 heads x 128
    65536
    """

    name: str
    layers: int
    hidden: int
    query_heads: int
    kv_heads: int
    head_dim: int
    parameters: float
    active_parameters: float
    context_tokens: int
    source: str
    aliases: tuple[str, ...] = ()
    experts: int = 0
    experts_per_token: int = 0
    expert_parameters: float = 0.0
    expert_layers: int = 0
    vocabulary: int | None = None
    sliding_window_tokens: int | None = None
    global_attention_fraction: float = 1.0
    kv_layout: KvLayout = "standard"
    precision: str = "bf16"

    def __post_init__(self) -> None:
        for key in ("layers", "hidden", "query_heads", "kv_heads", "head_dim", "parameters", "context_tokens"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value > 0):
                raise ScenarioError(f"{key} of model {self.name!r} is {value}; it must be positive and known")
        if not 0.0 < self.active_parameters <= self.parameters:
            raise ScenarioError(
                f"active_parameters of model {self.name!r} is {self.active_parameters:g}; "
                f"allowed is above 0 up to its {self.parameters:g} parameters"
            )
        if self.query_heads % self.kv_heads:
            raise ScenarioError(
                f"model {self.name!r} has {self.query_heads} query heads and {self.kv_heads} key-value heads; "
                "the first must be a multiple of the second"
            )
        if not 0.0 <= self.global_attention_fraction <= 1.0:
            raise ScenarioError(
                f"global_attention_fraction of model {self.name!r} is {self.global_attention_fraction}; "
                "allowed is 0 to 1"
            )
        for key in ("sliding_window_tokens", "vocabulary"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ScenarioError(f"{key} of model {self.name!r} is {value}; allowed is at least 1, or none")
        self._check_experts()

    def _check_experts(self) -> None:
        if self.experts == 0:
            if self.experts_per_token or self.expert_parameters or self.expert_layers:
                raise ScenarioError(f"model {self.name!r} has 0 experts but names experts_per_token or their size")
            return
        if not 1 <= self.experts_per_token <= self.experts:
            raise ScenarioError(
                f"experts_per_token of model {self.name!r} is {self.experts_per_token}; "
                f"allowed is 1 to its {self.experts} experts"
            )
        if not 0.0 < self.expert_parameters < self.parameters:
            raise ScenarioError(
                f"expert_parameters of model {self.name!r} is {self.expert_parameters:g}; "
                f"allowed is above 0 and below its {self.parameters:g} parameters"
            )
        if not 1 <= self.expert_layers <= self.layers:
            raise ScenarioError(
                f"expert_layers of model {self.name!r} is {self.expert_layers}; "
                f"allowed is 1 to its {self.layers} layers"
            )

    @property
    def attention_width(self) -> int:
        """Query heads times head size, A."""
        return self.query_heads * self.head_dim

    @property
    def kv_elements_per_token(self) -> int:
        """Elements that one token leaves in the key-value cache of all layers.

        Raises
        ------
        ScenarioError
            If the layout of the cache is ``other``.
        """
        if self.kv_layout != "standard":
            raise ScenarioError(
                f"model {self.name!r} has latent attention or state-space layers, whose cache is not "
                "2 layers kv_heads head_dim; predict it by interpolation of measurements"
            )
        return 2 * self.layers * self.kv_heads * self.head_dim

    @property
    def shared_parameters(self) -> float:
        """Parameters outside the routed experts: every step reads all of them."""
        return self.parameters - self.expert_parameters
