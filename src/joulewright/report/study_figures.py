"""The figures that policies are compared by: their names, how they are written and which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from joulewright.report.numbers import Detail, compact, energy, number, percent, quantity, scaled_money, tonnes
from joulewright.study.result import Comparison, Estimate


class Show(Protocol):
    """Text of a value with its unit."""

    def __call__(self, value: float, /, *, detail: Detail | None = None) -> str:
        """The text; ``detail`` is what the value shares with figures beside it."""


ROUNDING = 1e-9
"""Half an interval below this fraction of its mean is rounding."""

_NOTHING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a run.

    Attributes
    ----------
    key : str
        As in the figures of a run; ``regret`` and ``regret_fraction`` count as figures.
    title : str
        Name for people.
    show : callable
        Text of a value with its unit.
    better : int
        1 where more is better, -1 where less is, 0 where it depends.
    unit : str
        Unit on the axis of a chart; empty for money, whose unit follows from its size.
    scale : float
        A value times this is in ``unit``.
    """

    key: str
    title: str
    show: Show
    better: int = 0
    unit: str = ""
    scale: float = 1.0


def figures_of(currency: str) -> tuple[Figure, ...]:
    """Every figure that is compared, the main ones first."""

    def money(value: float, *, detail: Detail | None = None) -> str:
        return compact(_clean(value), currency, detail=detail)

    def share(value: float, *, detail: Detail | None = None) -> str:
        return percent(_clean(value), detail=detail)

    def power(value: float, *, detail: Detail | None = None) -> str:
        return quantity(value, "MW", detail=detail)

    def served(value: float, *, detail: Detail | None = None) -> str:
        return percent(value, 4, detail=detail)

    return (
        Figure(key="benefit", title="Benefit", show=money, better=1),
        Figure(key="cost", title="Cost", show=money, better=-1),
        Figure(key="carbon_kg", title="Carbon", show=tonnes, better=-1, unit="t", scale=1e-3),
        Figure(key="unserved_mwh", title="Unserved", show=energy, better=-1, unit="MWh"),
        Figure(key="curtailed_mwh", title="Curtailed", show=energy, better=-1, unit="MWh"),
        Figure(key="peak_import_mw", title="Peak import", show=power, better=-1, unit="MW"),
        Figure(key="deadlines_met", title="Deadlines met", show=number, better=1, unit="jobs"),
        Figure(key="served_fraction", title="Served", show=served, better=1, unit="%", scale=100.0),
        Figure(key="regret", title="Regret", show=money, better=-1),
        Figure(key="regret_fraction", title="Regret share", show=share, better=-1, unit="%", scale=100.0),
    )


def _clean(value: float) -> float:
    return 0.0 if abs(value) < _NOTHING else value


def figure_named(key: str, currency: str) -> Figure:
    """The figure with this key; one that is not compared is shown as a plain number.

    Examples
    --------
    >>> figure_named("carbon_kg", "USD").title, figure_named("water_l", "USD").title
    ('Carbon', 'water_l')
    """
    known: Mapping[str, Figure] = {figure.key: figure for figure in figures_of(currency)}
    return known.get(key, Figure(key=key, title=key, show=number))


def scaled(figure: Figure, values: Sequence[float], currency: str) -> tuple[list[float], str]:
    """Values of a figure for a chart, and the unit they are in.

    Examples
    --------
    >>> scaled(figure_named("carbon_kg", "USD"), [2000.0, 500.0], "USD")
    ([2.0, 0.5], 't')
    >>> scaled(figure_named("cost", "USD"), [2.5e6, 1e6], "USD")
    ([2.5, 1.0], 'M USD')
    """
    if not figure.unit:
        return scaled_money(values, currency)
    return [value * figure.scale for value in values], figure.unit


def interval_text(estimate: Estimate | None, show: Show) -> str:
    """A mean, with half its interval where that is more than rounding; empty without a value.

    Examples
    --------
    >>> interval_text(Estimate(mean=200.3, low=200.2, high=200.4, count=3), number)
    '200.30 ± 0.100'
    """
    return " ± ".join(mean_and_half(estimate, show))


def mean_and_half(estimate: Estimate | None, show: Show) -> list[str]:
    """The mean, and half its interval where that is more than rounding, in one unit; empty without a value."""
    if estimate is None:
        return []
    mean, half = estimate.mean, estimate.half_width
    if half is None or half <= ROUNDING * abs(mean):
        return [show(mean)]
    detail = Detail(largest=max(abs(mean), half), step=half)
    return [show(mean, detail=detail), show(half, detail=detail)]


def range_text(estimate: Estimate, show: Show) -> str:
    """Ends of the interval in words; why there is none otherwise.

    Examples
    --------
    >>> range_text(Estimate(mean=200.3, low=200.21, high=200.42, count=3), number)
    '200.21 to 200.42'
    >>> range_text(Estimate(mean=2.0), number)
    'none'
    """
    if estimate.low is None or estimate.high is None:
        return "none"
    if estimate.high - estimate.low <= 2.0 * ROUNDING * abs(estimate.mean):
        return "all pairs alike"
    detail = Detail(largest=max(abs(estimate.low), abs(estimate.high)), step=estimate.high - estimate.low)
    return f"{show(estimate.low, detail=detail)} to {show(estimate.high, detail=detail)}"


def chance_text(p_value: float | None) -> str:
    """A p-value as it is written in sentences and tables.

    Examples
    --------
    >>> chance_text(0.0312), chance_text(3e-9), chance_text(None)
    ('0.031', 'below 0.0001', 'not tested')
    """
    if p_value is None:
        return "not tested"
    return "below 0.0001" if p_value < 1e-4 else number(p_value, 2)


def coverage_text(confidence: float) -> str:
    """Name of an interval by its coverage.

    Examples
    --------
    >>> coverage_text(0.95).replace("\\u202f", " ")
    '95 % interval'
    """
    return f"{percent(confidence)} interval"


def of_variants(item: Comparison) -> bool:
    """Whether two variants are compared, not two policies."""
    return item.variant != item.reference_variant


def contest(item: Comparison, *, variants: bool = True) -> str:
    """What is compared with what, in words; ``variants`` says whether the variant of two policies is named.

    Examples
    --------
    >>> given = {"variant": "x=1", "reference_variant": "x=1", "figure": "cost", "difference": Estimate(mean=1.0)}
    >>> pair = Comparison(policy="a", reference="b", **given)
    >>> contest(pair), contest(pair, variants=False)
    ('x=1: a less b', 'a less b')
    """
    if of_variants(item):
        return f"{item.policy}: {item.variant} less {item.reference_variant}"
    where = f"{item.variant}: " if variants and item.variant else ""
    return f"{where}{item.policy} less {item.reference}"
