"""Steady state of an engine under a constant rate of requests, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel
from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.occupancy import Lengths, occupancy, states
from joulewright.physics.inference.step import StepCoefficients, step_values
from joulewright.physics.ranges import checked

_HALVINGS = 60
_LEAST = 1e-9
"""Smallest share of the highest rate, and smallest distance from it, at which means are taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SteadyState:
    """One replica at each rate; all of shape ``(R,)``.

    Attributes
    ----------
    rate_per_s : FloatArray
        Requests [1/s].
    sequences : FloatArray
        Mean number of running sequences.
    busy_fraction : FloatArray
        Share of the time in which the engine steps [-].
    step_s : FloatArray
        Mean step time that running sequences see [s]: ``sequences / (rate s)``, each request taking part in s steps.
    power_w : FloatArray
        Mean power of one accelerator, host not included [W]; without requests that of a loaded model.
    weight_utilization, kv_utilization, compute_utilization : FloatArray
        Means over all the time of the utilisations of :class:`joulewright.physics.inference.step.Step` [-].
    ttft_s, tpot_s : FloatArray
        Mean time to the first token, and mean time between further tokens [s].
    energy_per_output_token_j : FloatArray
        Energy of all accelerators of the replica per token of output [J]; infinite without requests.
    stable : ndarray of bool
        False where the replica cannot keep up; its figures are then those at ``limit_per_s``.
    limit_per_s : float
        Highest rate that it can keep up with [1/s].
    """

    rate_per_s: FloatArray
    sequences: FloatArray
    busy_fraction: FloatArray
    step_s: FloatArray
    power_w: FloatArray
    weight_utilization: FloatArray
    kv_utilization: FloatArray
    compute_utilization: FloatArray
    ttft_s: FloatArray
    tpot_s: FloatArray
    energy_per_output_token_j: FloatArray
    stable: NDArray[np.bool_]
    limit_per_s: float


@dataclass(frozen=True, kw_only=True)
class RequestShape:
    """Lengths of the requests of a service.

    Attributes
    ----------
    input_tokens, output_tokens : float
        Means [token].
    length_factor : float
        ``E[o^2] / E[o]^2`` of the output length: long outputs are seen more often among running sequences.

    Raises
    ------
    ScenarioError
        If a length is not positive or the factor below 1.

    Examples
    --------
    >>> RequestShape(input_tokens=330, output_tokens=397, length_factor=1.9).context_tokens
    707.15
    """

    input_tokens: float
    output_tokens: float
    length_factor: float = 2.0

    def __post_init__(self) -> None:
        if not (0.0 < self.input_tokens < math.inf and 0.0 < self.output_tokens < math.inf):
            raise ScenarioError(
                f"a request has {self.input_tokens} tokens in and {self.output_tokens} out; both must be positive"
            )
        if not 1.0 <= self.length_factor < math.inf:
            raise ScenarioError(f"length_factor is {self.length_factor}; allowed is at least 1 (equal lengths)")

    @property
    def context_tokens(self) -> float:
        """Mean context of a running sequence [token]."""
        return self.input_tokens + 0.5 * self.output_tokens * self.length_factor


def steady_state(
    coefficients: StepCoefficients,
    shape: RequestShape,
    *,
    rate_per_s: ArrayLike,
    token_budget: int = 2048,
    max_sequences: int = 256,
    arrivals: Literal["poisson", "even"] = "poisson",
) -> SteadyState:
    """Mean state of one replica at each rate of requests.

    Parameters
    ----------
    coefficients : StepCoefficients
        The deployment, see :func:`joulewright.physics.inference.deployment.coefficients`.
    shape : RequestShape
        Lengths of the requests.
    rate_per_s : array_like
        Requests per second and replica, shape ``(R,)``.
    token_budget, max_sequences : int
        Limits of a step: tokens and running sequences.
    arrivals : {"poisson", "even"}
        At random, or so even that the number of running sequences never varies.

    Returns
    -------
    SteadyState
        At each rate.

    Raises
    ------
    ScenarioError
        If a rate is negative or not finite, or a limit below 1.

    Notes
    -----
    A request takes part in ``s = out - 1 + c`` steps, c being the chunks that the token budget cuts its prompt into.
    With random arrivals the number n of running sequences is a birth-and-death process: requests end at the rate
    ``n / (s t(n))``. t(n) and power are means over steps with and without prompts, and the answer is the mean over n,
    with a loaded engine that waits at n = 0. The limit is the rate at which the largest n leaves. It follows from the
    running sequences, the cache or the tokens of a step; at it a replica is always full. With even arrivals n never
    varies: ``n = rate * out * t(n)``, and every step holds the mean tokens.
    The time to the first token holds the step under way, earlier prompts, a place among the running sequences and the
    steps of the prompt. Waiting grows without bound towards the limit; it is counted up to 98 % of use.

    References
    ----------
    Little (1961), "A Proof for the Queuing Formula L = lambda W", Operations Research 9(3), doi:10.1287/opre.9.3.383;
    see :func:`joulewright.physics.inference.occupancy.states` for random arrivals.

    Examples
    --------
    >>> from joulewright.physics.inference.constants import CONSTANT_SETS
    >>> from joulewright.physics.inference.deployment import coefficients, deploy
    >>> one = coefficients(deploy("Llama-3.1-8B", "H100", constants=CONSTANT_SETS["H100-1"]))
    >>> chat = RequestShape(input_tokens=330, output_tokens=397, length_factor=1.9)
    >>> found = steady_state(one, chat, rate_per_s=[10.0], arrivals="even")
    >>> round(float(found.sequences[0]), 2), round(float(found.energy_per_output_token_j[0]), 4)
    (43.06, 0.1304)
    """
    rate = np.atleast_1d(checked(rate_per_s, "rate_per_s", 0.0, unit="1/s"))
    if token_budget < 1 or max_sequences < 1:
        raise ScenarioError(f"token_budget is {token_budget} and max_sequences {max_sequences}; allowed is at least 1")
    if arrivals not in ("poisson", "even"):
        raise ScenarioError(f"arrivals is {arrivals!r}; use 'poisson' or 'even'")
    cached = coefficients.kv_capacity_tokens / shape.context_tokens
    if cached < 1.0:
        raise ScenarioError(
            f"not one request of {shape.context_tokens:g} tokens of context fits: the cache holds "
            f"{coefficients.kv_capacity_tokens:g} tokens; use more accelerators or shorter requests"
        )
    most = min(float(max_sequences), cached)
    if arrivals == "even":
        return _even(coefficients, shape, rate, token_budget=token_budget, most=most)
    return _random(coefficients, shape, rate, token_budget=token_budget, most=most)


def _random(
    k: StepCoefficients, shape: RequestShape, rate_per_s: FloatArray, *, token_budget: int, most: float
) -> SteadyState:
    lengths = Lengths(shape.input_tokens, shape.output_tokens, seen_tokens(k, shape))
    steps = max(shape.output_tokens - 1.0, 0.0) + max(shape.input_tokens / token_budget, 1.0)
    most = min(most, token_budget * steps / (shape.input_tokens + shape.output_tokens))
    by_count = states(k, lengths, token_budget=token_budget, most=max(1, math.floor(most)))
    limit = float(by_count.departures_per_s[-1])
    kept = np.clip(rate_per_s, _LEAST * limit, (1.0 - _LEAST) * limit)
    found = occupancy(by_count, kept)
    means, none = found.means, rate_per_s == 0.0
    power_w = means.power_w + found.idle_fraction * k.loaded_idle_w
    step_s = means.sequences / means.sequence_rate_per_s
    tpot_s = np.divide(means.decodes, means.decode_rate_per_s, out=step_s.copy(), where=means.decode_rate_per_s > 0.0)
    return SteadyState(
        rate_per_s=rate_per_s,
        sequences=np.where(none, 0.0, means.sequences),
        busy_fraction=np.where(none, 0.0, 1.0 - found.idle_fraction),
        step_s=step_s,
        power_w=np.where(none, k.loaded_idle_w, power_w),
        weight_utilization=means.weight_utilization,
        kv_utilization=means.kv_utilization,
        compute_utilization=means.compute_utilization,
        ttft_s=found.waiting_s + means.prefill / means.prompt_rate_per_s,
        tpot_s=tpot_s,
        energy_per_output_token_j=_energy_j(k, shape, power_w, np.where(none, 0.0, kept)),
        stable=rate_per_s <= limit * (1.0 + 1e-9),
        limit_per_s=limit,
    )


def _even(
    k: StepCoefficients, shape: RequestShape, rate_per_s: FloatArray, *, token_budget: int, most: float
) -> SteadyState:
    most = min(most, token_budget * shape.output_tokens / (shape.input_tokens + shape.output_tokens))

    def mean_step(sequences: FloatArray) -> FloatArray:
        return np.asarray(step_values(k, *mean_batch(k, shape, sequences))[0])

    limit = most / (shape.output_tokens * float(mean_step(np.array([most]))[0]))
    kept = np.minimum(rate_per_s, limit)
    low, high = np.zeros(kept.size), np.full(kept.size, most)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        slower = middle < kept * shape.output_tokens * mean_step(middle)
        low, high = np.where(slower, middle, low), np.where(slower, high, middle)
    sequences = np.where(kept > 0.0, high, 0.0)
    busy = np.minimum(sequences, 1.0)
    found = step_values(k, *mean_batch(k, shape, np.where(kept > 0.0, sequences, min(1.0, most))))
    step_s = np.asarray(found[0])
    power_w = busy * found[6] + (1.0 - busy) * k.loaded_idle_w
    return SteadyState(
        rate_per_s=rate_per_s,
        sequences=sequences,
        busy_fraction=busy,
        step_s=step_s,
        power_w=power_w,
        weight_utilization=busy * found[3],
        kv_utilization=busy * found[4],
        compute_utilization=busy * found[5],
        ttft_s=_first_token(k, shape, sequences, step_s, token_budget),
        tpot_s=step_s,
        energy_per_output_token_j=_energy_j(k, shape, power_w, kept),
        stable=rate_per_s <= limit * (1.0 + 1e-9),
        limit_per_s=limit,
    )


def _energy_j(k: StepCoefficients, shape: RequestShape, power_w: FloatArray, rate_per_s: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        energy_j: FloatArray = power_w * k.gpus / (rate_per_s * shape.output_tokens)
    return energy_j


def check_context(shape: RequestShape, model: LanguageModel) -> None:
    """Refuse requests that are longer than the context of a model.

    Raises
    ------
    ScenarioError
        If a mean request is.

    References
    ----------
    See :func:`steady_state`.
    """
    if shape.input_tokens + shape.output_tokens > model.context_tokens:
        raise ScenarioError(
            f"a mean request of {shape.input_tokens:g} + {shape.output_tokens:g} tokens is longer than the context of "
            f"{model.name}; allowed are {model.context_tokens} tokens"
        )


def seen_tokens(k: StepCoefficients, shape: RequestShape) -> float:
    """Mean tokens of context that a decode reads, over layers with and without a window [token].

    Notes
    -----
    The context is the prompt and the age of a running sequence, ``out kappa / 2`` on average. Ages are uniform for
    equal answers (kappa = 1), exponential for exponential ones (kappa = 2 and above), and mixed between.

    References
    ----------
    Cox (1962), Renewal Theory, section 5.2 (the age of what runs is biased by length).
    """
    mean, age = shape.context_tokens, shape.context_tokens - shape.input_tokens
    beyond = k.window_tokens - shape.input_tokens
    if beyond <= 0.0 or math.isinf(beyond):
        inside = min(mean, k.window_tokens)
    else:
        share = min(shape.length_factor - 1.0, 1.0)
        reach = min(beyond, 2.0 * age)
        uniform = reach - reach**2 / (4.0 * age)
        inside = shape.input_tokens + (1.0 - share) * uniform - share * age * math.expm1(-beyond / age)
    return k.global_fraction * mean + (1.0 - k.global_fraction) * inside


def mean_batch(
    k: StepCoefficients, shape: RequestShape, sequences: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Tokens, sequences, tokens read from the cache and attention pairs of the mean step of a batch.

    References
    ----------
    See :func:`joulewright.physics.inference.step.step`.
    """
    ratio, read = shape.input_tokens / shape.output_tokens, sequences * seen_tokens(k, shape)
    return sequences * (1.0 + ratio), sequences, read, read * (1.0 + 0.5 * ratio)


def host_power_w(k: StepCoefficients, busy_fraction: FloatArray) -> FloatArray:
    """One accelerator's share of its server [W] when its engine steps for a share of the time.

    References
    ----------
    A straight line between the idle and the active share of the catalogue.
    """
    return np.asarray(k.host_idle_w + (k.host_active_w - k.host_idle_w) * busy_fraction)


def _first_token(
    k: StepCoefficients, shape: RequestShape, sequences: FloatArray, step_s: FloatArray, token_budget: int
) -> FloatArray:
    """Half a step of waiting, then the steps that hold chunks of the prompt beside the decodes."""
    room = np.maximum(1.0, token_budget - sequences)
    chunks = np.ceil(shape.input_tokens / room)
    chunk = shape.input_tokens / chunks
    read = sequences * seen_tokens(k, shape)
    values = step_values(k, sequences + chunk, sequences + 1.0, read, read + chunk * 0.5 * shape.input_tokens)
    return np.asarray(0.5 * np.minimum(sequences, 1.0) * step_s + chunks * values[0])
