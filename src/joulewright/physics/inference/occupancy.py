"""How many sequences an engine runs at a time under random arrivals, and what its steps are like meanwhile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.step import StepCoefficients, step_values

_TRIALS = 32
_CELLS = 2_000_000
_FULLEST = 0.98
_LOG_FACTORIALS = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, _TRIALS + 1)))))


class Lengths(NamedTuple):
    """Tokens of prompts and answers, and effective context of a running sequence [token]."""

    prompt: float
    answer: float
    context: float


class Means(NamedTuple):
    """Means over time, by state with shape ``(N,)`` or by rate with shape ``(R,)``.

    Attributes
    ----------
    sequences, sequence_rate_per_s : FloatArray
        Running sequences, and the steps that they take part in [1/s].
    decodes, decode_rate_per_s : FloatArray
        Sequences past their prompt, and the tokens that they emit [1/s].
    prompt_rate_per_s : FloatArray
        Prompts that begin [1/s].
    prefill, room : FloatArray
        Sequences in their prompt; prompts that a step has room for, times the rate of prompts.
    prompt_share : FloatArray
        Share of the room for prompts that is in use [-].
    residual_s : FloatArray
        Rest of the step, or of the chunks of a prompt, that an arrival meets [s].
    power_w : FloatArray
        Power of one accelerator [W].
    weight_utilization, kv_utilization, compute_utilization : FloatArray
        As in :class:`joulewright.physics.inference.step.Step`.
    """

    sequences: FloatArray
    sequence_rate_per_s: FloatArray
    decodes: FloatArray
    decode_rate_per_s: FloatArray
    prompt_rate_per_s: FloatArray
    prefill: FloatArray
    room: FloatArray
    prompt_share: FloatArray
    residual_s: FloatArray
    power_w: FloatArray
    weight_utilization: FloatArray
    kv_utilization: FloatArray
    compute_utilization: FloatArray


class States(NamedTuple):
    """Mean step by the number of running sequences, each of shape ``(N,)`` for 1 to N of them.

    Attributes
    ----------
    means : Means
        Means over the time with so many sequences.
    departures_per_s : FloatArray
        Requests that end [1/s].
    """

    means: Means
    departures_per_s: FloatArray


def states(k: StepCoefficients, lengths: Lengths, *, token_budget: int, most: int) -> States:
    """Mean steps with 1 to ``most`` running sequences.

    Notes
    -----
    A request takes part in ``s`` steps: those of its prompt, which chunks of the token budget need, and one for each
    further token. In the long run the requests that begin with n sequences running are as many as end, so in a step of
    n each is in its prompt with probability ``c / s``, c being its chunks: their number is binomial.

    References
    ----------
    Kelly (1979), Reversibility and Stochastic Networks, section 3.3 (balance by state; lengths matter by their mean).
    """
    running = np.arange(1.0, most + 1.0)
    room = np.maximum(token_budget - running + 1.0, 1.0)
    chunk = np.minimum(lengths.prompt, room)
    chunks = lengths.prompt / chunk
    steps = np.ceil(chunks - 1e-9) + max(lengths.answer - 1.0, 0.0)
    most_prompts = np.maximum(np.floor(room / chunk), 1.0)
    prompts, weights = _binomial(np.minimum(running, most_prompts), np.minimum(running * chunks / steps, most_prompts))
    decodes = np.maximum(running - prompts, 0.0)
    before = 0.5 * (lengths.prompt - chunk)
    before = k.global_fraction * before + (1.0 - k.global_fraction) * np.minimum(before, k.window_tokens)
    values = step_values(
        k,
        decodes + prompts * chunk,
        running + 0.0 * prompts,
        decodes * lengths.context + prompts * before,
        decodes * (lengths.context + 0.5) + prompts * chunk * (before + 0.5 * chunk),
    )
    time_s = np.asarray(values[0])
    mean_s = (weights * time_s).sum(axis=0)

    def over_time(figure: FloatArray) -> FloatArray:
        found: FloatArray = (weights * time_s * figure).sum(axis=0) / mean_s
        return found

    rate_per_s = (weights * prompts).sum(axis=0) / (chunks * mean_s)
    in_chunks = over_time(prompts)
    means = Means(
        sequences=running,
        sequence_rate_per_s=running / mean_s,
        decodes=over_time(decodes),
        decode_rate_per_s=(weights * decodes).sum(axis=0) / mean_s,
        prompt_rate_per_s=rate_per_s,
        prefill=in_chunks + (np.ceil(chunks - 1e-9) - chunks) * rate_per_s * time_s[0],
        room=most_prompts * rate_per_s,
        prompt_share=in_chunks / most_prompts,
        residual_s=over_time(0.5 * time_s * (1.0 + (chunks - 1.0) * np.minimum(prompts, 1.0))),
        power_w=over_time(np.asarray(values[6])),
        weight_utilization=over_time(np.asarray(values[3])),
        kv_utilization=over_time(np.asarray(values[4])),
        compute_utilization=over_time(np.asarray(values[5])),
    )
    return States(means, np.minimum(running / steps, most_prompts / chunks) / mean_s)


def _binomial(trials: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Counts and weights of binomial distributions, shape ``(K, N)``; many trials are taken in equal groups."""
    group = np.maximum(trials / _TRIALS, 1.0)
    tries = np.maximum(np.floor(trials / group), 1.0).astype(np.int64)
    chance = np.clip(mean / (group * tries), 0.0, 1.0)
    counts = np.arange(_TRIALS + 1)[:, None]
    left = np.maximum(tries - counts, 0)
    ways = np.exp(_LOG_FACTORIALS[tries] - _LOG_FACTORIALS[counts] - _LOG_FACTORIALS[left])
    weights = np.where(counts <= tries, ways * chance**counts * (1.0 - chance) ** left, 0.0)
    return np.asarray(counts * group), weights


class Occupancy(NamedTuple):
    """Stationary means at each rate of requests, each of shape ``(R,)``.

    Attributes
    ----------
    idle_fraction : FloatArray
        Share of the time without any sequence [-].
    means : Means
        Means over all the time, in which figures of an idle engine count as 0.
    waiting_s : FloatArray
        Mean time that requests wait for a place among the running sequences and for earlier prompts [s].
    """

    idle_fraction: FloatArray
    means: Means
    waiting_s: FloatArray


def occupancy(found: States, rate_per_s: FloatArray) -> Occupancy:
    """Stationary means of a birth-and-death process, whose deaths are :attr:`States.departures_per_s`.

    Parameters
    ----------
    found : States
        Mean steps by state; in states beyond the last the surplus waits and the rest goes on as in the last.
    rate_per_s : FloatArray
        Positive rates below the last departures, shape ``(R,)``.

    References
    ----------
    Kelly (1979), as :func:`states`; Sakasegawa (1977), Annals of the Institute of Statistical Mathematics 29,
    doi:10.1007/BF02532775 (queue for prompts, at most as at 98 % of use).
    """
    logs = np.concatenate(([0.0], -np.cumsum(np.log(found.departures_per_s))))
    counts = np.arange(logs.size)
    table = np.vstack((np.zeros(len(found.means)), np.column_stack(found.means)))
    last = rate_per_s / found.departures_per_s[-1]
    idle, full = np.empty(rate_per_s.size), np.empty(rate_per_s.size)
    rows_of_means = np.empty((rate_per_s.size, len(found.means)))
    rows = max(1, _CELLS // logs.size)
    for first in range(0, rate_per_s.size, rows):
        here = slice(first, first + rows)
        log_share = np.log(rate_per_s[here])[:, None] * counts + logs
        share = np.exp(log_share - log_share.max(axis=1, keepdims=True))
        share[:, -1] /= 1.0 - last[here]
        share /= share.sum(axis=1, keepdims=True)
        idle[here], full[here], rows_of_means[here] = share[:, 0], share[:, -1], share @ table
    means = Means(*rows_of_means.T)
    capped = np.minimum(last, _FULLEST)
    return Occupancy(idle, means, full * capped / ((1.0 - capped) * rate_per_s) + _prompt_wait(means))


def _prompt_wait(means: Means) -> FloatArray:
    """Wait for the step under way and for prompts that came earlier [s]."""
    prompt_s, room = means.prefill / means.prompt_rate_per_s, means.room / means.prompt_rate_per_s
    use = np.minimum(means.prompt_share, _FULLEST)
    found: FloatArray = means.residual_s + use ** np.sqrt(2.0 * (room + 1.0)) * prompt_s / (2.0 * room * (1.0 - use))
    return found
