"""What a service needs: its model, how many requests of which lengths it gets, and how quick it must be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked
from joulewright.sim.processes.inference.generate import TokenLengths


@dataclass(frozen=True, kw_only=True)
class QuantileObjectives:
    """Longest times of a service; None asks for nothing.

    Attributes
    ----------
    ttft_s, tpot_s : float or None
        Time to the first token and time per output token after it [s].
    quantile : float or None
        Share of requests that keeps each of them [-]; None asks for the mean instead.

    Raises
    ------
    ScenarioError
        If a time is not positive or the quantile not between 0 and 1.
    """

    ttft_s: float | None = None
    tpot_s: float | None = None
    quantile: float | None = 0.95

    def __post_init__(self) -> None:
        for name in ("ttft_s", "tpot_s"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise ScenarioError(f"{name} is {value} s; it must be positive, or None for any")
        if self.quantile is not None and not 0.0 < self.quantile < 1.0:
            raise ScenarioError(f"quantile is {self.quantile}; allowed is above 0 and below 1, or None for the mean")

    def statistic(self, times_s: FloatArray) -> float:
        """The quantile or mean of times [s]; 0 where no request counts."""
        if times_s.size == 0:
            return 0.0
        return float(times_s.mean() if self.quantile is None else np.quantile(times_s, self.quantile))

    def met(self, ttft_s: float, tpot_s: float, *, margin_fraction: float = 0.0) -> bool:
        """Whether both statistics keep the objectives shortened by a margin."""
        kept = 1.0 - margin_fraction
        return all(
            limit is None or found <= kept * limit for found, limit in ((ttft_s, self.ttft_s), (tpot_s, self.tpot_s))
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class ServiceNeed:
    """A service over a repeated day, or any other number of hours.

    Attributes
    ----------
    model : LanguageModel
        What is served.
    rate_per_s : array_like
        Mean requests in each hour [1/s], shape ``(H,)``; the last hour is followed by the first.
    input_tokens, output_tokens : TokenLengths
        Distribution of the lengths of prompts and answers.
    objectives : QuantileObjectives
        How quick it must be.
    variation : float
        Standard deviation over mean of the gaps between requests [-]; 1 is a Poisson process.
    name : str
        For messages.

    Raises
    ------
    ScenarioError
        If a rate is negative or not finite, or a request can be longer than the context of the model.

    Examples
    --------
    >>> from joulewright.physics.inference.models import find_language_model
    >>> chat = ServiceNeed(
    ...     model=find_language_model("Llama-3.1-8B"), rate_per_s=[2.0, 6.0],
    ...     input_tokens=TokenLengths(mean_tokens=330.0), output_tokens=TokenLengths(mean_tokens=200.0))
    >>> chat.hours, chat.requests
    (2, 28800.0)
    """

    model: LanguageModel
    rate_per_s: FloatArray
    input_tokens: TokenLengths
    output_tokens: TokenLengths
    objectives: QuantileObjectives = field(default_factory=QuantileObjectives)
    variation: float = 1.0
    name: str = "service"

    def __post_init__(self) -> None:
        rate = checked(self.rate_per_s, f"rate_per_s of {self.name!r}", 0.0, unit="1/s")
        if rate.ndim != 1 or rate.size == 0:
            raise ScenarioError(f"rate_per_s of {self.name!r} has shape {rate.shape}; give one rate for each hour")
        if np.isinf(rate).any():
            raise ScenarioError(f"rate_per_s of {self.name!r} is not finite in hour {int(np.argmax(np.isinf(rate)))}")
        checked(self.variation, "variation of the gaps", 0.0, 1e3)
        object.__setattr__(self, "rate_per_s", rate)
        if self.longest_tokens > self.model.context_tokens:
            raise ScenarioError(
                f"a request of {self.name!r} can have {self.longest_tokens} tokens; the context of {self.model.name} "
                f"holds {self.model.context_tokens}: lower most_tokens of input_tokens or output_tokens"
            )

    @property
    def hours(self) -> int:
        """Hours of the need."""
        return int(self.rate_per_s.size)

    @property
    def requests(self) -> float:
        """Expected requests over all hours."""
        return float(self.rate_per_s.sum() * 3600.0)

    @property
    def longest_tokens(self) -> int:
        """Tokens of the longest request that the distributions allow."""
        return sum(
            round(min(max(lengths.mean_tokens, lengths.least_tokens), lengths.most_tokens))
            if lengths.kind == "constant"
            else lengths.most_tokens
            for lengths in (self.input_tokens, self.output_tokens)
        )
