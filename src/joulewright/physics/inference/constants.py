"""Constants of the step model by accelerator: achieved rates, overheads, power coefficients and their standing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import NamedTuple

from joulewright.errors import ScenarioError
from joulewright.physics.accelerator import Accelerator

Errors = tuple[float | None, float | None, float | None]
"""Mean absolute relative errors of time, power and energy; None where nobody measured them."""
_KINDS = {
    "dense": "dense models",
    "experts bf16": "models with experts in 16 bits",
    "experts fp8": "models with experts in 8 bits",
    "experts mxfp4": "models with experts in 4 bits",
}


class FittedKind(NamedTuple):
    """A kind of model that constants were fitted on, and their errors on models left out.

    Attributes
    ----------
    kind : str
        As :func:`joulewright.physics.inference.precision.model_kind` names it.
    time_error, power_error, energy_error : float or None
        Mean absolute relative errors; None if unknown.
    """

    kind: str
    time_error: float | None = None
    power_error: float | None = None
    energy_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class EngineConstants:
    """Constants of one engine on one accelerator type; powers are per accelerator while the engine steps.

    Attributes
    ----------
    name : str
        Name of the set.
    eta_b, eta_c : float
        Achieved fractions of memory bandwidth and of peak operations [-].
    t0_s, t_layer_s, t_seq_s : float
        Overhead of a step, of each layer and of each running sequence [s].
    t_logit_s : float
        Time of each running sequence per entry of the vocabulary, from which its next token is drawn [s].
    t_allreduce_s : float
        Latency of one all-reduce; two of them happen per layer [s].
    link_bytes_s : float or None
        Rate of the link between tensor-parallel accelerators, one way [B/s]; None takes the accelerator's.
    p0_w : float
        Power of a stepping engine without traffic [W]; not the idle power.
    weight_power_w, kv_power_w, compute_power_w : float
        Power at full utilisation by weight traffic, cache traffic and operations [W].
    eta_expert : float
        Achieved fraction of the memory bandwidth when weights of experts are read [-].
    t_expert_s, t_expert_mxfp4_s : float
        Overhead of each layer with experts in 16 and in 4 bits [s].
    t_held_fp8_s : float
        Overhead of each layer with experts in 8 bits for every expert that an accelerator holds [s]: its products go
        through all of them, used or not.
    expert_variety : float
        Factor on the share of experts that a token brings into use [-]: 1 for uniform routing, less where the tokens
        of one batch resemble each other.
    expert_popularity_variance : float
        Variance of how often experts are chosen over its squared mean [-]; 0 for uniform routing. The last experts
        come into use late where it is large.
    expert_power_w : float
        Power at full utilisation by expert weights [W]; 0 takes that of other weights.
    expert_sequence_power_w, expert_overhead_power_w : float
        Further power of models with experts during the overhead of sequences and of layers with experts [W].
    status : str
        ``calibrated``, ``provisional`` or ``uncalibrated``, and what the set was fitted on.
    time_error, power_error, energy_error : float or None
        Expected mean absolute error on dense models that were not fitted, as fractions; None if unknown.
    expert_time_error, expert_power_error, expert_energy_error : float or None
        The same for models with experts of any format.
    fitted : tuple of FittedKind or None
        Kinds of models with runs in the fit; None if that is not known. Others are uncalibrated.

    Raises
    ------
    ScenarioError
        If a value is out of range.
    """

    name: str
    eta_b: float
    eta_c: float
    t0_s: float = 0.0
    t_layer_s: float = 0.0
    t_seq_s: float = 0.0
    t_logit_s: float = 0.0
    t_allreduce_s: float = 0.0
    link_bytes_s: float | None = None
    p0_w: float
    weight_power_w: float
    kv_power_w: float
    compute_power_w: float
    eta_expert: float = 0.6
    t_expert_s: float = 0.0
    t_held_fp8_s: float = 0.0
    t_expert_mxfp4_s: float = 0.0
    expert_variety: float = 1.0
    expert_popularity_variance: float = 0.0
    expert_power_w: float = 0.0
    expert_sequence_power_w: float = 0.0
    expert_overhead_power_w: float = 0.0
    status: str
    time_error: float | None = None
    power_error: float | None = None
    energy_error: float | None = None
    expert_time_error: float | None = None
    expert_power_error: float | None = None
    expert_energy_error: float | None = None
    fitted: tuple[FittedKind, ...] | None = None

    def __post_init__(self) -> None:
        for key in ("eta_b", "eta_c", "eta_expert", "expert_variety"):
            value = getattr(self, key)
            if not 0.0 < value <= 1.0:
                raise ScenarioError(f"{key} of the constants {self.name!r} is {value}; allowed is above 0 up to 1")
        if self.link_bytes_s is not None and not self.link_bytes_s > 0.0:
            raise ScenarioError(f"link_bytes_s of {self.name!r} is {self.link_bytes_s}; it must be positive")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0.0):
                raise ScenarioError(f"{field.name} of the constants {self.name!r} is {value}; allowed is at least 0")

    def standing(self, kind: str) -> tuple[str, Errors]:
        """Status and expected errors for a kind of model; ``uncalibrated`` for one without runs in the fit.

        References
        ----------
        See :class:`FittedKind`.

        Examples
        --------
        >>> CONSTANT_SETS["H100-1"].standing("experts fp8")[0].split(";")[0]
        'uncalibrated: no runs of models with experts in 8 bits'
        """
        if self.fitted is None:
            if kind == "dense":
                return self.status, (self.time_error, self.power_error, self.energy_error)
            return self.status, (self.expert_time_error, self.expert_power_error, self.expert_energy_error)
        for item in self.fitted:
            if item.kind == kind:
                return self.status, item[1:]
        none = (None, None, None)
        if self.status.startswith("uncalibrated"):
            return self.status, none
        return f"uncalibrated: no runs of {_KINDS[kind]}; {self.status}", none


_H100_1 = EngineConstants(
    name="H100-1",
    eta_b=0.845,
    eta_c=0.70,
    t_layer_s=51.8e-6,
    t_seq_s=43.3e-6,
    t_allreduce_s=13.1e-6,
    p0_w=198.0,
    weight_power_w=340.0,
    kv_power_w=653.0,
    compute_power_w=812.0,
    status="calibrated: 101 runs of the ML.ENERGY benchmark v3 on H100",
    time_error=0.058,
    power_error=0.074,
    energy_error=0.053,
    fitted=(FittedKind("dense", 0.058, 0.074, 0.053),),
)
_H100_2 = EngineConstants(
    name="H100-2",
    eta_b=0.9837,
    eta_c=0.70,
    t_layer_s=67.86e-6,
    t_logit_s=2.236e-10,
    t_allreduce_s=12.74e-6,
    p0_w=91.97,
    weight_power_w=500.6,
    kv_power_w=647.2,
    compute_power_w=866.9,
    eta_expert=0.3083,
    t_expert_s=23.47e-6,
    t_held_fp8_s=5.782e-6,
    t_expert_mxfp4_s=71.86e-6,
    expert_variety=0.2584,
    expert_popularity_variance=4.952,
    expert_power_w=1631.0,
    expert_sequence_power_w=345.5,
    expert_overhead_power_w=700.0,
    status="calibrated: 210 runs of the ML.ENERGY benchmark v3 on H100",
    time_error=0.0521,
    power_error=0.0575,
    energy_error=0.0515,
    expert_time_error=0.0664,
    expert_power_error=0.0931,
    expert_energy_error=0.1017,
    fitted=(
        FittedKind("dense", 0.0521, 0.0575, 0.0515),
        FittedKind("experts bf16", 0.0752, 0.0999, 0.0929),
        FittedKind("experts fp8", 0.0620, 0.0869, 0.1227),
        FittedKind("experts mxfp4", 0.0515, 0.0846, 0.0991),
    ),
)
"""What ``calibrate`` finds on the H100 runs of the benchmark that this library's accuracy is measured on."""
_B200_1 = EngineConstants(
    name="B200-1",
    eta_b=0.909,
    eta_c=0.70,
    t_layer_s=95.3e-6,
    t_seq_s=55.2e-6,
    t_allreduce_s=10.0e-6,
    p0_w=311.0,
    weight_power_w=931.0,
    kv_power_w=1052.0,
    compute_power_w=1503.0,
    status="provisional: 87 runs of the ML.ENERGY benchmark v3 on B200",
    time_error=0.128,
    power_error=0.092,
    energy_error=0.092,
    fitted=(FittedKind("dense", 0.128, 0.092, 0.092),),
)


def scaled_power(constants: EngineConstants, factor: float) -> EngineConstants:
    """The set with every power multiplied by a factor, as a slice or a smaller board of the same kind draws.

    References
    ----------
    A proportion; sets made by it are labelled ``uncalibrated``.
    """
    keys = [item.name for item in fields(EngineConstants) if item.name.endswith("_w")]
    return replace(constants, **{key: factor * getattr(constants, key) for key in keys})


_PRO6000_1 = replace(
    scaled_power(_H100_1, 600.0 / 700.0),
    name="PRO6000-1",
    eta_b=0.80,
    eta_c=0.65,
    t0_s=1e-3,
    t_layer_s=0.0,
    t_seq_s=0.0,
    status="times calibrated on one vLLM log; power uncalibrated, that of H100 by board power",
    time_error=0.02,
    power_error=None,
    energy_error=None,
    fitted=(FittedKind("dense", 0.02),),
)
_A100_1 = replace(
    scaled_power(_H100_1, 400.0 / 700.0),
    name="A100-1",
    eta_b=0.79,
    eta_c=0.73,
    status="uncalibrated: efficiencies of matrix products; overheads of H100, power of H100 by board power",
    time_error=None,
    power_error=None,
    energy_error=None,
    fitted=(),
)

CONSTANT_SETS: Mapping[str, EngineConstants] = MappingProxyType(
    {item.name: item for item in (_H100_1, _H100_2, _B200_1, _PRO6000_1, _A100_1)}
)
"""Every set by name."""

_BY_ACCELERATOR = {"H100-SXM": "H100-2", "B200": "B200-1", "RTX-PRO-6000": "PRO6000-1", "A100-SXM": "A100-1"}

FITTED_ON: Mapping[str, str] = MappingProxyType(
    {"H100-1": "H100-SXM", **{name: accelerator for accelerator, name in _BY_ACCELERATOR.items()}}
)
"""Accelerator of every set."""

_BOARD_W = {"H100-SXM": 700.0, "B200": 1000.0, "RTX-PRO-6000": 600.0, "A100-SXM": 400.0}


def constants_for(accelerator: Accelerator) -> EngineConstants:
    """The best known set for an accelerator; one that nobody measured gets general values labelled ``uncalibrated``.

    Notes
    -----
    Unknown accelerators: 80 % of the bandwidth, 65 % of the peak operations, 1 ms per step, and the power of H100
    scaled by board power.

    References
    ----------
    Chung et al. (2025), The ML.ENERGY Benchmark, arXiv:2505.06371 (measurements of the fitted sets).

    Examples
    --------
    >>> from joulewright.physics.accelerator import find_accelerator
    >>> constants_for(find_accelerator("L40S")).status.split(":")[0]
    'uncalibrated'
    """
    whole, _, part = accelerator.name.partition("/")
    if part and whole in _BY_ACCELERATOR:
        return scaled_power(CONSTANT_SETS[_BY_ACCELERATOR[whole]], accelerator.board_power_w / _BOARD_W[whole])
    name = _BY_ACCELERATOR.get(accelerator.name)
    if name is not None:
        return CONSTANT_SETS[name]
    return replace(
        scaled_power(_H100_1, accelerator.board_power_w / 700.0),
        name=f"{accelerator.name}-uncalibrated",
        eta_b=0.80,
        eta_c=0.65,
        t0_s=1e-3,
        t_layer_s=0.0,
        t_seq_s=0.0,
        status="uncalibrated: catalogue rates with general efficiencies; power of H100 by board power",
        time_error=None,
        power_error=None,
        energy_error=None,
        fitted=(),
    )
