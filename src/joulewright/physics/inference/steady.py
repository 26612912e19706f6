"""Steady state of an engine under a constant rate of requests, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.step import StepCoefficients, step_values
from joulewright.physics.ranges import checked

_HALVINGS = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class SteadyState:
    """One replica at each rate; all of shape ``(R,)``.

    Attributes
    ----------
    rate_per_s : FloatArray
        Requests [1/s].
    sequences : FloatArray
        Mean number of running sequences.
    step_s : FloatArray
        Time of a step [s], which is the time per output token.
    power_w : FloatArray
        Mean power of one accelerator, host not included [W]; without requests that of a loaded model.
    ttft_s, tpot_s : FloatArray
        Mean time to the first token without queueing, and time per output token [s].
    energy_per_output_token_j : FloatArray
        Energy of all accelerators of the replica per token of output [J]; infinite without requests.
    stable : ndarray of bool
        False where the replica cannot keep up; its figures are then those at ``limit_per_s``.
    limit_per_s : float
        Highest rate that it can keep up with [1/s].
    """

    rate_per_s: FloatArray
    sequences: FloatArray
    step_s: FloatArray
    power_w: FloatArray
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
    By Little's law ``n = rate * s * t(n)`` sequences run, each for s steps, in steps of ``n (in + out) / s`` tokens. As
    ``n / t(n)`` rises with n, there is one solution up to the limit, which running sequences, cache or tokens set. With
    random arrivals ``s = out + in / budget``, a sequence has n others beside it, so its steps take ``t(n + 1)``, and
    for a share ``exp(-n)`` of the time the engine is empty. With even ones ``s = out``: prompts take no steps.
    The first token comes after the rest of the present step and the steps with chunks of the prompt. Queues before
    the limit are left out: near it the simulator shows longer times.

    References
    ----------
    Little (1961), "A Proof for the Queuing Formula L = lambda W", Operations Research 9(3), doi:10.1287/opre.9.3.383.

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
    own = 1.0 if arrivals == "poisson" else 0.0
    out = shape.output_tokens
    steps = out + own * shape.input_tokens / token_budget
    cached = coefficients.kv_capacity_tokens / shape.context_tokens
    if cached < 1.0:
        raise ScenarioError(
            f"not one request of {shape.context_tokens:g} tokens of context fits: the cache holds "
            f"{coefficients.kv_capacity_tokens:g} tokens; use more accelerators or shorter requests"
        )
    most = min(float(max_sequences), cached, token_budget * steps / (shape.input_tokens + out))

    def mean_step(sequences: FloatArray) -> tuple[FloatArray, FloatArray]:
        return _mean_step(coefficients, shape, sequences, steps)

    limit = float(most / (steps * mean_step(np.array([most]))[0][0]))
    kept = np.minimum(rate, limit)
    sequences = np.where(kept > 0.0, _sequences(mean_step, kept * steps, most=most, own=own), 0.0)
    step_s = mean_step(np.clip(sequences + own, np.where(kept > 0.0, own, 1.0), np.maximum(most, own)))[0]
    active = -np.expm1(-sequences) if own else np.minimum(sequences, 1.0)
    present = np.divide(sequences, active, out=np.ones(rate.size), where=active > 0.0) if own else sequences
    power_w = active * mean_step(present)[1] + (1.0 - active) * coefficients.loaded_idle_w
    with np.errstate(divide="ignore"):
        energy_j = np.where(kept > 0.0, power_w * coefficients.gpus / (kept * out), np.inf)
    return SteadyState(
        rate_per_s=rate,
        sequences=sequences,
        step_s=step_s,
        power_w=power_w,
        ttft_s=_first_token(coefficients, shape, sequences, step_s, token_budget),
        tpot_s=step_s,
        energy_per_output_token_j=energy_j,
        stable=rate <= limit * (1.0 + 1e-9),
        limit_per_s=limit,
    )


def _sequences(
    mean_step: Callable[[FloatArray], tuple[FloatArray, FloatArray]], steps_s: FloatArray, *, most: float, own: float
) -> FloatArray:
    """Running sequences at which steps of requests are done at these rates, by bisection."""
    low, high = np.zeros(steps_s.size), np.full(steps_s.size, most)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        slower = middle < steps_s * mean_step(np.minimum(middle + own, max(most, own)))[0]
        low, high = np.where(slower, middle, low), np.where(slower, high, middle)
    return high


def _mean_step(
    k: StepCoefficients, shape: RequestShape, sequences: FloatArray, steps: float
) -> tuple[FloatArray, FloatArray]:
    """Time [s] and power [W] of the mean step, of requests that each take part in ``steps``."""
    effective, fresh = _effective_context(k, shape), shape.input_tokens / steps
    tokens = sequences * (shape.output_tokens / steps + fresh)
    pairs = sequences * effective * (shape.output_tokens / steps + 0.5 * fresh)
    values = step_values(k, tokens, sequences, sequences * effective, pairs)
    return np.asarray(values[0]), np.asarray(values[6])


def _effective_context(k: StepCoefficients, shape: RequestShape) -> float:
    context = shape.context_tokens
    return k.global_fraction * context + (1.0 - k.global_fraction) * min(context, k.window_tokens)


def _first_token(
    k: StepCoefficients, shape: RequestShape, sequences: FloatArray, step_s: FloatArray, token_budget: int
) -> FloatArray:
    """Half a step of waiting, then the steps that hold chunks of the prompt beside the decodes."""
    room = np.maximum(1.0, token_budget - sequences)
    chunks = np.ceil(shape.input_tokens / room)
    chunk = shape.input_tokens / chunks
    effective = _effective_context(k, shape)
    pairs = sequences * effective + chunk * 0.5 * shape.input_tokens
    values = step_values(k, sequences + chunk, sequences + 1.0, sequences * effective, pairs)
    return np.asarray(0.5 * np.minimum(sequences, 1.0) * step_s + chunks * values[0])
