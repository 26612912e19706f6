"""Mean step of an engine that runs a stationary batch: prompts arrive at random between decodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.step import StepCoefficients, step_values
from joulewright.physics.ranges import checked

_TERMS, _MOST_PROMPTS = 48, 20.0


class BatchWorkload(NamedTuple):
    """A stationary batch, each field a float or an array of shape ``(R,)``.

    Attributes
    ----------
    sequences : float or array
        Mean number of running sequences.
    input_tokens, output_tokens : float or array
        Mean lengths of prompts and answers [token].
    cached_fraction : float or array
        Share of a prompt that the prefix cache holds already [-].
    length_factor : float or array
        ``E[o^2] / E[o]^2`` of the answers: running sequences are longer than the mean.
    age_fraction : float or array
        Age of running sequences over that of an endless run [-]; short runs hold younger ones.
    """

    sequences: ArrayLike
    input_tokens: ArrayLike
    output_tokens: ArrayLike
    cached_fraction: ArrayLike = 0.0
    length_factor: ArrayLike = 1.0
    age_fraction: ArrayLike = 1.0


class MeanStep(NamedTuple):
    """Means over the steps of a stationary batch, shape ``(R,)``.

    Attributes
    ----------
    time_s : array
        Step time; a sequence emits one token in it [s].
    power_w : array
        Power of one accelerator [W].
    energy_per_output_token_j : array
        Energy of all accelerators of the replica per token emitted [J].
    """

    time_s: FloatArray
    power_w: FloatArray
    energy_per_output_token_j: FloatArray


def mean_step(coefficients: StepCoefficients, workload: BatchWorkload) -> MeanStep:
    """Mean step time, power and energy per output token of a stationary batch.

    Parameters
    ----------
    coefficients : StepCoefficients
        The deployment; its fields may be arrays of shape ``(R,)``, one deployment per row.
    workload : BatchWorkload
        The batch.

    Raises
    ------
    ScenarioError
        If a length or a count is not positive, or a fraction is out of range.

    Notes
    -----
    Every step ``n / o`` sequences end and as many prompts start, so that the number of prompts in a step is taken as
    Poisson distributed with that mean. The time is the mean over that distribution, and the power the mean weighted by
    time; a mean of the tokens instead would hide the compute-bound steps behind the memory-bound ones. The context of
    a running sequence is ``i + age o kappa / 2``.

    References
    ----------
    Cox (1962), Renewal Theory, section 5.2 (the age of what runs is biased by length); see
    :func:`joulewright.physics.inference.step.step` for a step.
    """
    sequences, prompt, answer, cached, factor, age = _rows(workload)
    prompts = sequences / answer
    group = np.maximum(prompts / _MOST_PROMPTS, 1.0)
    counts, weights = _poisson(prompts / group)
    fresh = (1.0 - cached) * prompt
    context = prompt + age * factor / 2.0 * answer
    context = coefficients.global_fraction * context + (1.0 - coefficients.global_fraction) * np.minimum(
        context, coefficients.window_tokens
    )
    started = counts * group * fresh
    kv_tokens = sequences * context + 0.0 * started
    pairs = kv_tokens + started * (prompt - fresh / 2.0)
    values = step_values(coefficients, sequences + started, sequences + 0.0 * started, kv_tokens, pairs)
    time_s = (weights * values[0]).sum(axis=0)
    power_w = (weights * values[0] * values[6]).sum(axis=0) / time_s
    return MeanStep(time_s, power_w, power_w * time_s * coefficients.gpus / sequences)


def _rows(workload: BatchWorkload) -> tuple[FloatArray, ...]:
    sequences = checked(workload.sequences, "running sequences", 1e-9)
    prompt = checked(workload.input_tokens, "prompt", 0.0, unit="tokens")
    answer = checked(workload.output_tokens, "answer", 1.0, unit="tokens")
    cached = checked(workload.cached_fraction, "cached share of a prompt", 0.0, 1.0)
    factor = checked(workload.length_factor, "length factor", 1.0)
    age = checked(workload.age_fraction, "age fraction", 0.0, 1.0)
    return tuple(np.atleast_1d(item) for item in np.broadcast_arrays(sequences, prompt, answer, cached, factor, age))


def _poisson(mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Counts and weights of a truncated Poisson distribution whose mean is kept, shape ``(K, R)``."""
    counts = np.arange(_TERMS, dtype=np.float64)[:, None]
    logs = counts * np.log(mean) - mean - np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, _TERMS)))))[:, None]
    weights = np.exp(logs)
    weights /= weights.sum(axis=0)
    return counts * (mean / (weights * counts).sum(axis=0)), weights
