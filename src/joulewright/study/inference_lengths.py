"""What is left of the lengths that a user asks for: means after lengths are cut, and notes about them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

from joulewright.sim.processes.inference.generate import TokenLengths

_NOTED = 0.99
"""Means below this share of what was asked for are noted."""


def drawn_mean_tokens(lengths: TokenLengths) -> float:
    """Mean of the lengths that are drawn, those that are cut included [token]; rounding left out.

    Notes
    -----
    A log-normal length X between the bounds a and b, with mean m, ``mu`` and ``s`` of its logarithm and
    ``z(x) = (ln x - mu) / s``, has the mean ``a F(z(a)) + m [F(z(b) - s) - F(z(a) - s)] + b [1 - F(z(b))]`` once
    lengths outside are set to the bounds, F being the normal distribution.

    References
    ----------
    Klugman, Panjer and Willmot, Loss Models, appendix A (limited expected value of the log-normal distribution).

    Examples
    --------
    >>> drawn_mean_tokens(TokenLengths(kind="lognormal", mean_tokens=500.0, most_tokens=100_000)) > 499.9
    True
    >>> round(drawn_mean_tokens(TokenLengths(kind="lognormal", mean_tokens=500.0, most_tokens=500)))
    339
    >>> drawn_mean_tokens(TokenLengths(kind="constant", mean_tokens=500.0, most_tokens=300))
    300.0
    """
    if lengths.kind == "zipf":
        return lengths.expected_tokens
    low, high, mean = float(lengths.least_tokens), float(lengths.most_tokens), lengths.mean_tokens
    if lengths.kind == "constant" or lengths.variation == 0.0:
        return min(max(mean, low), high)
    below, spread = NormalDist().cdf, math.sqrt(math.log1p(lengths.variation**2))
    z_low, z_high = ((math.log(bound / mean) + 0.5 * spread**2) / spread for bound in (low, high))
    inside = below(z_high - spread) - below(z_low - spread)
    return low * below(z_low) + mean * inside + high * (1.0 - below(z_high))


def length_notes(prompts: TokenLengths, answers: TokenLengths) -> Iterator[str]:
    """What a reader must know of lengths whose mean is not the number that was given."""
    for what, lengths in (("Prompts", prompts), ("Answers", answers)):
        mean = drawn_mean_tokens(lengths)
        if lengths.kind == "zipf":
            yield (
                f"{what} have 1 to {lengths.most_tokens} tokens by the law of Zipf with the exponent "
                f"{lengths.exponent:g}: {mean:.4g} on average."
            )
        elif mean < _NOTED * lengths.mean_tokens:
            yield (
                f"{what} are cut at {lengths.most_tokens} tokens, so that their mean is {mean:.4g} instead of "
                f"{lengths.mean_tokens:g}."
            )
