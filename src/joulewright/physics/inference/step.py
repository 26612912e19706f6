"""One step of an inference engine: time, utilisation, power and energy from bytes moved and operations done."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked

Number = float | FloatArray


class StepCoefficients(NamedTuple):
    """Plain numbers of a deployment that a step needs; per accelerator of a replica unless said otherwise.

    Attributes
    ----------
    weight_bytes : float
        Weights outside the routed experts that a step reads [B].
    expert_bytes : float
        Weights of all routed experts [B]; 0 for a dense model.
    experts, experts_per_token : float
        Routed experts of a layer and how many a token uses.
    expert_rate_per_token, expert_popularity_variance, expert_imbalance : float
        ``-ln(1 - v k / E)``; variance of the popularity of experts over its squared mean, above 0 [-]; how far the
        busiest of several groups of experts exceeds the mean [standard deviations].
    kv_bytes_per_token : float
        Key-value cache of one token [B].
    global_fraction, window_tokens : float
        Share of layers that see the whole context [-] and the window of the others [token].
    flops_per_token, flops_per_token_context : float
        Operations of a token, and further ones for each token of context that it attends to [FLOP].
    bytes_per_s, expert_bytes_per_s, flops_per_s : float
        Achieved rates of memory, of expert weights and of operations [B/s, FLOP/s].
    raw_bytes_per_s, raw_flops_per_s : float
        Rates of the data sheet, to which utilisation refers.
    fixed_s, expert_fixed_s, seconds_per_sequence, seconds_per_token : float
        Overhead of a step, of its expert layers, of each running sequence and of each token (links) [s].
    p0_w, weight_w, expert_w, kv_w, compute_w : float
        Power without traffic and at full utilisation by weights, expert weights, cache and operations [W].
    sequence_w, expert_fixed_w : float
        Further power during the overhead of sequences and of expert layers [W].
    limit_w, board_w : float
        Power limit in force and that of the board (TDP) [W].
    cap_floor_w, cap_exponent, cap_knee : float
        Power at which a capped device stands still [W], exponent of the slowdown, and the share of its uncapped draw
        above which a memory-bound step keeps its speed.
    idle_w, loaded_idle_w : float
        Power without a model and with a loaded model that has no work [W].
    host_idle_w, host_active_w : float
        Share of the server [W].
    gpus, stages : float
        Accelerators of the replica and pipeline stages among them.
    kv_capacity_tokens : float
        Tokens that the cache of the replica holds.
    """

    weight_bytes: float
    expert_bytes: float
    experts: float
    experts_per_token: float
    expert_rate_per_token: float
    expert_popularity_variance: float
    expert_imbalance: float
    kv_bytes_per_token: float
    global_fraction: float
    window_tokens: float
    flops_per_token: float
    flops_per_token_context: float
    bytes_per_s: float
    expert_bytes_per_s: float
    flops_per_s: float
    raw_bytes_per_s: float
    raw_flops_per_s: float
    fixed_s: float
    expert_fixed_s: float
    seconds_per_sequence: float
    seconds_per_token: float
    p0_w: float
    weight_w: float
    expert_w: float
    kv_w: float
    compute_w: float
    sequence_w: float
    expert_fixed_w: float
    limit_w: float
    board_w: float
    cap_floor_w: float
    cap_exponent: float
    cap_knee: float
    idle_w: float
    loaded_idle_w: float
    host_idle_w: float
    host_active_w: float
    gpus: float
    stages: float
    kv_capacity_tokens: float


class Step(NamedTuple):
    """Outcome of one step, each field a float or an array of the broadcast shape.

    Attributes
    ----------
    time_s, memory_s, compute_s : float or array
        Duration and the memory and compute times behind it [s].
    weight_utilization, kv_utilization, compute_utilization : float or array
        Traffic and operations over what the data sheet allows in that time [-].
    power_w, raw_power_w : float or array
        Power of one accelerator, with and without the limit [W].
    energy_j : float or array
        Energy of all accelerators of the replica at the limited power [J].
    """

    time_s: Number
    memory_s: Number
    compute_s: Number
    weight_utilization: Number
    kv_utilization: Number
    compute_utilization: Number
    power_w: Number
    raw_power_w: Number
    energy_j: Number


def step_values(
    k: StepCoefficients, tokens: Number, sequences: Number, kv_tokens: Number, attention_pairs: Number
) -> tuple[Number, ...]:
    """The fields of :class:`Step` without checks, on floats, on arrays and inside a compiled loop.

    See :func:`step` for the equations.

    References
    ----------
    See :func:`step`.
    """
    spread = k.expert_popularity_variance
    touched = 1.0 - np.exp(-np.log1p(spread * k.expert_rate_per_token * tokens) / spread)
    busiest = np.minimum(touched + k.expert_imbalance * np.sqrt(touched * (1.0 - touched)), 1.0)
    kv_bytes = k.kv_bytes_per_token * kv_tokens
    flops = k.flops_per_token * tokens + k.flops_per_token_context * attention_pairs
    memory_s = (k.weight_bytes + kv_bytes) / k.bytes_per_s + k.expert_bytes * busiest / k.expert_bytes_per_s
    compute_s = flops / k.flops_per_s
    sequence_s = k.seconds_per_sequence * sequences
    time_s = (
        np.sqrt(memory_s * memory_s + compute_s * compute_s)
        + k.fixed_s
        + k.expert_fixed_s
        + sequence_s
        + k.seconds_per_token * tokens
    )
    share = 1.0 / (time_s * k.stages)
    weight = k.weight_bytes * share / k.raw_bytes_per_s
    expert = k.expert_bytes * touched * share / k.raw_bytes_per_s
    kv = kv_bytes * share / k.raw_bytes_per_s
    compute = flops * share / k.raw_flops_per_s
    raw_w = k.p0_w + k.weight_w * weight + k.expert_w * expert + k.kv_w * kv + k.compute_w * compute
    raw_w = raw_w + (k.sequence_w * sequence_s + k.expert_fixed_w * k.expert_fixed_s) * share
    power_w = np.minimum(raw_w, k.limit_w)
    memory_share = memory_s * memory_s / (memory_s * memory_s + compute_s * compute_s)
    knee_w = np.minimum(raw_w, k.board_w) * (1.0 - (1.0 - k.cap_knee) * memory_share)
    knee_w = np.maximum(knee_w, k.cap_floor_w * 1.000001)
    speed = np.minimum((np.minimum(k.limit_w, knee_w) - k.cap_floor_w) / (knee_w - k.cap_floor_w), 1.0)
    time_s = time_s / speed**k.cap_exponent
    return time_s, memory_s, compute_s, weight + expert, kv, compute, power_w, raw_w, power_w * time_s * k.gpus


def step(
    coefficients: StepCoefficients,
    *,
    tokens: ArrayLike,
    sequences: ArrayLike,
    kv_tokens: ArrayLike,
    attention_pairs: ArrayLike,
) -> Step:
    """Time, power and energy of steps, floats or arrays of broadcast shape.

    Parameters
    ----------
    coefficients : StepCoefficients
        The deployment, from :func:`joulewright.physics.inference.deployment.coefficients`.
    tokens : array_like
        Tokens of the step over all sequences, T.
    sequences : array_like
        Running sequences, n.
    kv_tokens : array_like
        Tokens of context read from the cache over all sequences; with a sliding window ``g c + (1 - g) min(c, w)``
        of each.
    attention_pairs : array_like
        Sum of ``q (c + q / 2)`` over sequences with q tokens in this step and c such effective tokens before it.

    Returns
    -------
    Step
        Floats for floats, arrays for arrays.

    Raises
    ------
    ScenarioError
        If a count is negative or not finite.

    Notes
    -----
    ``t = sqrt(tb^2 + tc^2) + fixed + t_seq n + t_token T`` with tb the bytes of weights and cache over the achieved
    bandwidth and tc the operations over the achieved rate. Of E experts with k used per token a step reads the share
    ``p = 1 - (1 + s r T)^(-1/s)`` with ``r = -ln(1 - v k/E)``, where the popularity of experts is gamma distributed
    with variance s; uniform routing is its limit ``1 - (1 - k/E)^T`` at s = 0. Where experts are spread over groups of
    m, the step waits for the busiest group, which reads ``p + z sqrt(p (1 - p) / m)``, z being the expected largest of
    as many standard normal values as there are groups. Power is ``P0 + a_w u_w + a_k u_kv + b u_c`` at utilisations
    of the data-sheet rates, and at most the limit. A user's cap below the draw also slows the step down.

    References
    ----------
    Williams et al. (2009), Roofline, CACM 52(4), doi:10.1145/1498765.1498785, with a smooth ridge; Greenwood and Yule
    (1920), doi:10.2307/2341080 (counts with gamma distributed rates: the chance of none); Chung et al.
    (2025), The ML.ENERGY Benchmark, arXiv:2505.06371 (the measurements behind the power coefficients).

    Examples
    --------
    64 decodes at 1,024 tokens of context, Llama-3.1-8B on one H100 with the first set of constants:

    >>> from joulewright.physics.inference.constants import CONSTANT_SETS
    >>> from joulewright.physics.inference.deployment import coefficients, deploy
    >>> one = coefficients(deploy("Llama-3.1-8B", "H100", constants=CONSTANT_SETS["H100-1"]))
    >>> found = step(one, tokens=64, sequences=64, kv_tokens=65536, attention_pairs=64 * 1024.5)
    >>> round(found.time_s * 1e3, 2), round(found.power_w, 1)
    (13.27, 512.7)
    """
    counts = [
        checked(value, name, 0.0)
        for value, name in (
            (tokens, "tokens of a step"),
            (sequences, "running sequences"),
            (kv_tokens, "tokens read from the cache"),
            (attention_pairs, "attention pairs"),
        )
    ]
    values = step_values(coefficients, *counts)
    return Step(*(float(value) if np.ndim(value) == 0 else np.asarray(value) for value in values))
