"""Requests drawn from distributions, or following a demand series."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import TraceError
from joulewright.model.timeline import FloatArray
from joulewright.sim.processes.inference.requests import RequestTrace
from joulewright.sim.random import stream

_PART = 1 << 18


@dataclass(frozen=True, kw_only=True)
class TokenLengths:
    """Distribution of a length.

    Attributes
    ----------
    kind : {"constant", "lognormal", "zipf"}
        Every length the mean; log-normal with a mean and a coefficient of variation; or ``least`` to ``most`` with a
        probability that falls as ``rank^-exponent``, the shortest first.
    mean_tokens : float
        Mean of the first two [token].
    variation : float
        Standard deviation over mean of the log-normal [-].
    exponent : float
        Of the zipf law [-].
    least_tokens, most_tokens : int
        Lengths outside are set to the nearest of these [token].

    Raises
    ------
    TraceError
        If a value is out of range.

    Examples
    --------
    >>> TokenLengths(mean_tokens=330.0).expected_tokens
    330.0
    """

    kind: Literal["constant", "lognormal", "zipf"] = "constant"
    mean_tokens: float = 512.0
    variation: float = 1.0
    exponent: float = 1.1
    least_tokens: int = 1
    most_tokens: int = 131_072

    def __post_init__(self) -> None:
        if self.kind not in ("constant", "lognormal", "zipf"):
            raise TraceError(f"there is no distribution {self.kind!r}; use constant, lognormal or zipf")
        if not 1 <= self.least_tokens <= self.most_tokens:
            raise TraceError(
                f"lengths go from {self.least_tokens} to {self.most_tokens} tokens; they must rise from at least 1"
            )
        for name, least in (("mean_tokens", 1.0), ("variation", 0.0), ("exponent", 0.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= least):
                raise TraceError(f"{name} is {value!r}; allowed is a number of at least {least:g}")

    @property
    def expected_tokens(self) -> float:
        """Mean before lengths are cut to the range [token]."""
        if self.kind != "zipf":
            return self.mean_tokens
        lengths, share = self._zipf()
        return float(lengths @ share)

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Lengths, shape ``(count,)`` [token]."""
        if self.kind == "zipf":
            lengths, share = self._zipf()
            drawn = np.searchsorted(np.cumsum(share)[:-1], generator.random(count), side="right")
            found: NDArray[np.int64] = lengths[drawn].astype(np.int64)
            return found
        values: FloatArray = np.full(count, self.mean_tokens)
        if self.kind == "lognormal":
            spread = math.log1p(self.variation**2)
            values = generator.lognormal(math.log(self.mean_tokens) - 0.5 * spread, math.sqrt(spread), count)
        lengths_drawn: NDArray[np.int64] = np.clip(np.rint(values), self.least_tokens, self.most_tokens).astype(
            np.int64
        )
        return lengths_drawn

    def _zipf(self) -> tuple[FloatArray, FloatArray]:
        lengths = np.arange(self.least_tokens, self.most_tokens + 1, dtype=np.float64)
        weight = np.arange(1, lengths.size + 1, dtype=np.float64) ** -self.exponent
        return lengths, weight / weight.sum()


def generate_requests(
    count: int,
    *,
    rate_per_s: float,
    input_tokens: TokenLengths,
    output_tokens: TokenLengths,
    seed: int = 0,
    variation: float = 1.0,
) -> RequestTrace:
    """Requests with independent lengths and gaps from a gamma distribution.

    Parameters
    ----------
    count : int
        Requests.
    rate_per_s : float
        Mean arrivals [1/s].
    input_tokens, output_tokens : TokenLengths
        Lengths.
    seed : int
        Equal seeds give equal requests.
    variation : float
        Standard deviation over mean of the gaps: 1 is a Poisson process, 0 a clock, above 1 arrivals in bursts.

    Raises
    ------
    TraceError
        If the count or the rate is not positive, or the variation is negative.

    Examples
    --------
    >>> even = TokenLengths(mean_tokens=100.0)
    >>> trace = generate_requests(3, rate_per_s=2.0, input_tokens=even, output_tokens=even, variation=0.0)
    >>> trace.arrival_s.tolist()
    [0.5, 1.0, 1.5]
    """
    parts = list(
        stream_requests(
            count,
            rate_per_s=rate_per_s,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            seed=seed,
            variation=variation,
            part=max(count, 1),
        )
    )
    return parts[0]


def stream_requests(
    count: int,
    *,
    rate_per_s: float,
    input_tokens: TokenLengths,
    output_tokens: TokenLengths,
    seed: int = 0,
    variation: float = 1.0,
    part: int = _PART,
) -> Iterator[RequestTrace]:
    """The same in traces of at most ``part`` requests, one at a time, for runs that do not fit into memory.

    Each part has random numbers of its own, so other parts give other requests.

    Raises
    ------
    TraceError
        As for :func:`generate_requests`.
    """
    if count < 1 or part < 1:
        raise TraceError(f"{count} requests in parts of {part} are asked for; both must be at least 1")
    for name, value, least in (("rate_per_s", rate_per_s, 5e-324), ("variation", variation, 0.0)):
        if not (math.isfinite(value) and value >= least):
            raise TraceError(
                f"{name} is {value!r}; allowed is a finite number {'of at least' if not least else 'above'} 0"
            )
    last_s = 0.0
    for number, first in enumerate(range(0, count, part)):
        size = min(part, count - first)
        generator = stream(seed, f"requests/{number}")
        gaps = np.full(size, 1.0 / rate_per_s)
        if variation > 0.0:
            gaps = generator.gamma(variation**-2, variation**2 / rate_per_s, size)
        arrival = last_s + np.cumsum(gaps)
        last_s = float(arrival[-1])
        yield RequestTrace(
            arrival_s=arrival,
            input_tokens=input_tokens.draw(generator, size),
            output_tokens=output_tokens.draw(generator, size),
        )


def requests_from_demand(
    demand_token_s: FloatArray,
    *,
    step_s: float,
    input_tokens: TokenLengths,
    output_tokens: TokenLengths,
    seed: int = 0,
) -> RequestTrace:
    """Requests of a Poisson process whose rate follows a demand of output tokens.

    Parameters
    ----------
    demand_token_s : array_like
        Output tokens wanted in each step [token/s], shape ``(T,)``.
    step_s : float
        Length of a step [s].
    input_tokens, output_tokens : TokenLengths
        Lengths; the rate of requests is the demand over the mean output.
    seed : int
        Equal seeds give equal requests.

    Raises
    ------
    TraceError
        If a demand is negative or not finite, the step is not positive, or no request comes of it.

    Notes
    -----
    A Poisson process at the highest rate is thinned: each arrival stays with the probability of the rate of its step
    over the highest (Lewis and Shedler).

    References
    ----------
    Lewis and Shedler (1979), Naval Research Logistics Quarterly 26(3), doi:10.1002/nav.3800260304.
    """
    demand = np.asarray(demand_token_s, dtype=np.float64)
    wrong = np.flatnonzero(~(np.isfinite(demand) & (demand >= 0.0)))
    if demand.ndim != 1 or wrong.size:
        found = f"{demand[wrong[0]]} token/s in step {wrong[0]}" if wrong.size else f"an array of shape {demand.shape}"
        raise TraceError(f"the demand is {found}; give one finite value of at least 0 token/s per step")
    if not (math.isfinite(step_s) and step_s > 0.0):
        raise TraceError(f"step_s is {step_s!r} s; allowed is a positive number")
    highest = float(demand.max(initial=0.0)) / output_tokens.expected_tokens
    generator = stream(seed, "demand")
    span_s = demand.size * step_s
    candidates = np.sort(generator.random(generator.poisson(highest * span_s))) * span_s
    rate = demand[np.minimum((candidates / step_s).astype(np.int64), demand.size - 1)] / output_tokens.expected_tokens
    arrival = candidates[generator.random(candidates.size) * highest < rate]
    if arrival.size == 0:
        raise TraceError(
            f"no request comes of a demand of at most {demand.max(initial=0.0):g} token/s over {span_s:g} s; raise the "
            "demand, lengthen the span or use another seed"
        )
    lengths = stream(seed, "lengths")
    return RequestTrace(
        arrival_s=arrival,
        input_tokens=input_tokens.draw(lengths, arrival.size),
        output_tokens=output_tokens.draw(lengths, arrival.size),
    )


def assign_tenants(trace: RequestTrace, shares: dict[str, float], *, seed: int = 0) -> RequestTrace:
    """The trace with each request given to a tenant at random, by shares.

    Raises
    ------
    TraceError
        If there is no share, or one is negative or not finite, or all are zero.
    """
    weight = np.array(list(shares.values()), dtype=np.float64)
    if weight.size == 0 or not np.all(np.isfinite(weight) & (weight >= 0.0)) or weight.sum() == 0.0:
        raise TraceError(f"the shares of tenants are {shares}; give names with shares of at least 0, not all of them 0")
    drawn = stream(seed, "tenants").choice(weight.size, size=len(trace), p=weight / weight.sum())
    return replace(trace, tenant=drawn.astype(np.int64), tenants=tuple(shares))
