"""A model on accelerators: what fits, and the plain numbers that its steps need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, find_accelerator
from joulewright.physics.inference.constants import EngineConstants, constants_for, scaled_power
from joulewright.physics.inference.mig import slice_accelerator
from joulewright.physics.inference.models import find_language_model
from joulewright.physics.inference.precision import KERNELS, bytes_per_element, check_precision
from joulewright.physics.inference.step import StepCoefficients
from joulewright.physics.power_cap import default_fit

_LOG2_GROUPS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
_LARGEST = (0.0, 0.5642, 1.0294, 1.4236, 1.7660, 2.0697, 2.3437)
"""Expected largest of 1, 2, 4 ... 64 standard normal values (Harter, 1961, Biometrika 48)."""
_UNIFORM = 1e-9
"""Variance of popularity that stands for none, as the formula divides by it."""
OVERHEAD_BYTES = 1.24e9
"""Activations and compiled graphs of one accelerator [B], measured with vLLM and Llama-3.1-8B on an RTX 4090."""

_CAP = default_fit("decode")
LEAST_CAP_FRACTION = _CAP.curve(1.0, 1.0).least_cap_w
"""Share of the board power at or below which a cap is refused: the step model stands still near it."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One replica of a model on one or more accelerators.

    Attributes
    ----------
    model, accelerator : LanguageModel, Accelerator
        What runs where.
    precision, kv_precision : str
        Formats of the weights and of the key-value cache.
    tensor_parallel, pipeline_parallel : int
        Accelerators that share each layer, and stages of layers one after the other.
    expert_parallel : int
        Groups that whole experts are spread over; 1 or a divisor of ``tensor_parallel``.
    memory_utilization : float
        Share of the memory that the engine may use [-].
    overhead_bytes : float
        Memory of each accelerator for activations and graphs [B].
    constants : EngineConstants or None
        Constants of the step model; None takes the best known set of the accelerator.
    power_cap_w : float or None
        Power cap set by the user [W].
    clock_fraction : float
        Locked clock as a share of the highest [-].
    slice : str or None
        Profile of the slice that the engine runs on; None is the whole accelerator.

    Raises
    ------
    ScenarioError
        If the model does not fit, the format is not known on the device, the layout of the cache is not standard,
        a parallel degree does not divide the model, or a cap is out of range.
    """

    model: LanguageModel
    accelerator: Accelerator
    precision: str = "bf16"
    kv_precision: str = "bf16"
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    memory_utilization: float = 0.9
    overhead_bytes: float = OVERHEAD_BYTES
    constants: EngineConstants | None = None
    power_cap_w: float | None = None
    clock_fraction: float = 1.0
    slice: str | None = None

    def __post_init__(self) -> None:
        check_precision(self.precision, self.accelerator)
        bytes_per_element(self.kv_precision)
        self._check_parallel()
        self._check_power()
        if not 0.0 < self.memory_utilization <= 1.0:
            raise ScenarioError(f"memory_utilization is {self.memory_utilization}; allowed is above 0 up to 1")
        if not 0.0 <= self.overhead_bytes < math.inf:
            raise ScenarioError(f"overhead_bytes is {self.overhead_bytes} B; allowed is at least 0 B")
        if self.kv_capacity_tokens < 1.0:
            self._refuse_memory()

    @property
    def device(self) -> Accelerator:
        """The accelerator, or the slice of it that the engine runs on."""
        return self.accelerator if self.slice is None else slice_accelerator(self.accelerator, self.slice)

    @property
    def gpus(self) -> int:
        """Accelerators of one replica."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def weight_bytes(self) -> float:
        """Weights of the model over all accelerators [B]."""
        shared, expert = _weight_bytes(self.model, self.precision)
        return shared + expert

    @property
    def kv_bytes_per_token(self) -> float:
        """Cache of one token over all accelerators [B]; heads are copied where there are fewer than accelerators."""
        copies = max(1.0, self.tensor_parallel / self.model.kv_heads)
        return self.model.kv_elements_per_token * bytes_per_element(self.kv_precision) * copies

    @property
    def kv_capacity_tokens(self) -> float:
        """Tokens that the cache holds, rounded down; negative if the weights alone do not fit."""
        memory = self.memory_utilization * self.device.memory_gb * 1e9 * self.gpus
        free = memory - self.weight_bytes - self.overhead_bytes * self.gpus
        return math.floor(free / self.kv_bytes_per_token)

    def _check_parallel(self) -> None:
        for key in ("tensor_parallel", "pipeline_parallel", "expert_parallel"):
            value = getattr(self, key)
            if not (isinstance(value, int) and value >= 1):
                raise ScenarioError(f"{key} is {value!r}; allowed is a whole number of at least 1")
        if self.slice is not None and self.gpus > 1:
            raise ScenarioError(
                f"slice {self.slice!r} stands alone, but {self.gpus} accelerators share the model; use 1"
            )
        if self.model.query_heads % self.tensor_parallel:
            raise ScenarioError(
                f"tensor_parallel is {self.tensor_parallel}; it must divide the {self.model.query_heads} query heads "
                f"of {self.model.name}"
            )
        if self.pipeline_parallel > self.model.layers:
            raise ScenarioError(
                f"pipeline_parallel is {self.pipeline_parallel}; allowed is up to the {self.model.layers} layers "
                f"of {self.model.name}"
            )
        if self.expert_parallel > 1 and not self.model.experts:
            raise ScenarioError(
                f"expert_parallel is {self.expert_parallel}, but {self.model.name} has no experts; use 1"
            )
        if self.tensor_parallel % self.expert_parallel or (self.model.experts or 1) % self.expert_parallel:
            raise ScenarioError(
                f"expert_parallel is {self.expert_parallel}; it must divide tensor_parallel {self.tensor_parallel} "
                f"and the {self.model.experts} experts of {self.model.name}"
            )

    def _check_power(self) -> None:
        board, idle, cap = self.device.board_power_w, self.device.idle_power_w, self.power_cap_w
        least = max(idle, LEAST_CAP_FRACTION * board)
        if cap is not None and not least < cap <= board:
            raise ScenarioError(
                f"power_cap_w is {cap:g} W on {self.device.name}; allowed is above {least:g} W up to its board limit "
                f"of {board:g} W: it idles at {idle:g} W, and the step model stands still at a quarter of the limit, "
                f"{_CAP.floor_fraction * board:g} W"
            )
        if not 0.0 < self.clock_fraction <= 1.0:
            raise ScenarioError(f"clock_fraction is {self.clock_fraction}; allowed is above 0 up to 1")

    def _refuse_memory(self) -> None:
        usable = self.memory_utilization * self.device.memory_gb - self.overhead_bytes * 1e-9
        weights = self.weight_bytes * 1e-9
        if usable <= 0.0:
            way_out = "raise memory_utilization or lower overhead_bytes"
        elif self.slice is not None:
            way_out = "use a larger slice or a smaller format"
        else:
            way_out = f"use at least {math.floor(weights / usable) + 1} accelerators or a smaller format"
        raise ScenarioError(
            f"{self.model.name} in {self.precision} does not fit: its weights take {weights:.1f} GB, and "
            f"{self.gpus} x {self.device.name} leave {usable * self.gpus:.1f} GB for weights and cache; {way_out}"
        )


def deploy(model: str | LanguageModel, accelerator: str | Accelerator, **options: Any) -> Deployment:
    """A deployment from names; the format of the weights is the published one unless given.

    Raises
    ------
    ScenarioError
        As :class:`Deployment` and the catalogues raise.

    References
    ----------
    See :func:`coefficients`.

    Examples
    --------
    >>> deploy("Llama-3.1-70B", "H100", tensor_parallel=4).gpus
    4
    """
    shape = find_language_model(model) if isinstance(model, str) else model
    device = find_accelerator(accelerator) if isinstance(accelerator, str) else accelerator
    given: dict[str, Any] = {"model": shape, "accelerator": device, "precision": shape.precision} | options
    return Deployment(**given)


def coefficients(deployment: Deployment) -> StepCoefficients:
    """Plain numbers of a deployment for :func:`joulewright.physics.inference.step.step`.

    Raises
    ------
    ScenarioError
        If several accelerators share a layer and nobody knows the rate of the link between them.

    Notes
    -----
    An eight-bit checkpoint keeps the bf16 peak: its attention stays in bf16, and the measured steps of
    Llama-3.1-405B-FP8 are 17 to 19 % longer than the eight-bit peak would make them. A tensor-parallel layer makes
    two all-reduces, each of them ``2 (tp - 1) / tp`` of its 2-byte activations over the link. A locked clock f slows
    operations in proportion, and memory only below 0.6 of the highest clock; the energy of an operation follows the
    square of the voltage, taken as ``0.6 + 0.4 f``, and that of a byte does so for two thirds, the part on the chip.
    These shares are assumptions.

    References
    ----------
    See :func:`joulewright.physics.inference.step.step`.

    Examples
    --------
    >>> one = coefficients(deploy("Llama-3.1-8B", "H100"))
    >>> one.weight_bytes, one.kv_bytes_per_token
    (16060000000.0, 131072.0)
    """
    model, device, tp = deployment.model, deployment.device, deployment.tensor_parallel
    constants = deployment.constants or constants_for(deployment.accelerator)
    if deployment.slice is not None:
        constants = scaled_power(constants, device.board_power_w / deployment.accelerator.board_power_w)
    shared, expert = _weight_bytes(model, deployment.precision)
    experts = _experts(deployment, constants)
    link_s, latency_s = _link(deployment, constants)
    bandwidth, peak = device.memory_bandwidth_tb_s * 1e12, device.bf16_tflop_s * 1e12
    clock = _clock(deployment.clock_fraction)
    cap = deployment.power_cap_w
    return StepCoefficients(
        weight_bytes=shared / tp,
        expert_bytes=expert / tp,
        experts=float(model.experts),
        experts_per_token=float(model.experts_per_token),
        expert_rate_per_token=experts.rate_per_token,
        expert_popularity_variance=max(constants.expert_popularity_variance, _UNIFORM),
        expert_imbalance=experts.imbalance,
        kv_bytes_per_token=deployment.kv_bytes_per_token / tp,
        global_fraction=1.0 if model.sliding_window_tokens is None else model.global_attention_fraction,
        window_tokens=float(model.sliding_window_tokens or math.inf),
        flops_per_token=2.0 * model.active_parameters / tp,
        flops_per_token_context=4.0 * model.attention_width * model.layers / tp,
        bytes_per_s=constants.eta_b * bandwidth * clock.memory_speed,
        expert_bytes_per_s=experts.bandwidth_fraction * bandwidth * clock.memory_speed,
        flops_per_s=constants.eta_c * peak * clock.speed,
        raw_bytes_per_s=bandwidth,
        raw_flops_per_s=peak,
        fixed_s=constants.t0_s + constants.t_layer_s * model.layers + latency_s,
        expert_fixed_s=experts.fixed_s,
        seconds_per_sequence=_sequence_s(model, constants),
        seconds_per_token=link_s,
        p0_w=_base_w(constants.p0_w, device.idle_power_w, clock),
        weight_w=constants.weight_power_w * clock.traffic_energy,
        expert_w=experts.power_w * clock.traffic_energy,
        kv_w=constants.kv_power_w * clock.traffic_energy,
        compute_w=constants.compute_power_w * clock.compute_energy,
        sequence_w=constants.expert_sequence_power_w if model.experts else 0.0,
        expert_fixed_w=constants.expert_overhead_power_w,
        limit_w=device.board_power_w if cap is None else cap,
        board_w=device.board_power_w,
        cap_floor_w=_CAP.floor_fraction * device.board_power_w,
        cap_exponent=_CAP.exponent,
        cap_knee=_CAP.knee_fraction,
        idle_w=device.idle_power_w,
        loaded_idle_w=device.loaded_idle_power_w,
        host_idle_w=device.host_idle_power_w,
        host_active_w=device.host_power_w,
        gpus=float(deployment.gpus),
        stages=float(deployment.pipeline_parallel),
        kv_capacity_tokens=float(deployment.kv_capacity_tokens),
    )


def _weight_bytes(model: LanguageModel, precision: str) -> tuple[float, float]:
    """Bytes outside and inside the routed experts; four-bit checkpoints of expert models keep the rest in bf16."""
    size = bytes_per_element(precision)
    rest = 2.0 if model.experts and precision == "mxfp4" else size
    return model.shared_parameters * rest, model.expert_parameters * size


class _Experts(NamedTuple):
    rate_per_token: float
    imbalance: float
    bandwidth_fraction: float
    fixed_s: float
    power_w: float


def _experts(deployment: Deployment, constants: EngineConstants) -> _Experts:
    """What experts add to a step, by the format of their weights."""
    model = deployment.model
    if not model.experts:
        return _Experts(0.0, 0.0, constants.eta_b, 0.0, constants.weight_power_w)
    held = model.experts / deployment.expert_parallel
    layer_s = {
        "bf16": constants.t_expert_s,
        "fp8": constants.t_held_fp8_s * held,
        "mxfp4": constants.t_expert_mxfp4_s,
    }
    groups = deployment.expert_parallel
    share = constants.expert_variety * model.experts_per_token / model.experts
    imbalance = float(np.interp(math.log2(groups), _LOG2_GROUPS, _LARGEST)) / math.sqrt(held)
    return _Experts(
        rate_per_token=-math.log1p(-min(share, 1.0 - _UNIFORM)),
        imbalance=imbalance,
        bandwidth_fraction=constants.eta_expert,
        fixed_s=layer_s[KERNELS[deployment.precision]] * model.expert_layers,
        power_w=constants.expert_power_w or constants.weight_power_w,
    )


class _Clock(NamedTuple):
    speed: float
    memory_speed: float
    compute_energy: float
    traffic_energy: float


def _clock(fraction: float) -> _Clock:
    square = (0.6 + 0.4 * fraction) ** 2
    return _Clock(fraction, min(fraction / 0.6, 1.0), square, (1.0 + 2.0 * square) / 3.0)


def _base_w(p0_w: float, idle_w: float, clock: _Clock) -> float:
    """Power without traffic: what exceeds the idle power follows clock and voltage."""
    return min(p0_w, idle_w) + max(p0_w - idle_w, 0.0) * clock.speed * clock.compute_energy


def _sequence_s(model: LanguageModel, constants: EngineConstants) -> float:
    if not constants.t_logit_s:
        return constants.t_seq_s
    if model.vocabulary is None:
        raise ScenarioError(
            f"the vocabulary of model {model.name!r} is unknown, and the constants {constants.name!r} need it to "
            "draw tokens; give vocabulary, or constants without t_logit_s"
        )
    return constants.t_seq_s + constants.t_logit_s * model.vocabulary


def _link(deployment: Deployment, constants: EngineConstants) -> tuple[float, float]:
    """Seconds per token and per step that links between accelerators add."""
    tp, pp, model = deployment.tensor_parallel, deployment.pipeline_parallel, deployment.model
    if tp * pp == 1:
        return 0.0, 0.0
    rate = constants.link_bytes_s
    if rate is None:
        if deployment.accelerator.link_gb_s is None:
            raise ScenarioError(
                f"the link rate of {deployment.accelerator.name} is unknown, and {tp} x {pp} of them share the model; "
                "give link_bytes_s in the constants (PCIe 4 reaches about 20e9 B/s)"
            )
        rate = deployment.accelerator.link_gb_s * 1e9
    activation_bytes = 2.0 * model.hidden
    tensor = 2.0 * model.layers * 2.0 * (tp - 1) / tp * activation_bytes / rate if tp > 1 else 0.0
    latency = 2.0 * model.layers * constants.t_allreduce_s if tp > 1 else 0.0
    return tensor + (pp - 1) * activation_bytes / rate, latency
