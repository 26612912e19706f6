"""The figures that schedulers of jobs with precedence are compared by: names, units, how they are written."""

from __future__ import annotations

from functools import partial

from joulewright.report.numbers import THIN, Detail, number, percent, quantity, signed, whole
from joulewright.report.study_figures import ROUNDING, Figure
from joulewright.study.dag_signal import DagSignalInput
from joulewright.study.result import Estimate

_HOUR_MS = 3_600_000.0
_LENGTHS = ((_HOUR_MS, "h"), (60_000.0, "min"), (1000.0, "s"), (1.0, "ms"))


def length(value_ms: float, *, detail: Detail | None = None) -> str:
    """Length of time in the unit that reads best [ms in].

    Examples
    --------
    >>> length(90_000.0).replace("\\u202f", " "), length(48_554.7).replace("\\u202f", " ")
    ('1.50 min', '48.6 s')
    """
    size, unit = _size(value_ms if detail is None else detail.largest)
    return quantity(value_ms / size, unit, detail=None if detail is None else detail.times(1.0 / size))


def _size(value_ms: float) -> tuple[float, str]:
    return next((item for item in _LENGTHS if abs(value_ms) >= item[0]), _LENGTHS[-1])


def change(ratio: float, *, detail: Detail | None = None) -> str:
    """A ratio as a change in per cent.

    Examples
    --------
    >>> [change(ratio).replace("\\u202f", " ") for ratio in (0.968, 1.0, 1.25, 0.99999)]
    ['−3.2 %', '0 %', '+25 %', '0 %']
    """
    by = round(ratio - 1.0, 4) + 0.0 if detail is None else ratio - 1.0
    return signed(percent(by, detail=detail), by)


def mean_text(value: Estimate, figure: Figure) -> str:
    """A mean in the unit of its figure, with half its interval where that is more than rounding.

    Examples
    --------
    >>> from joulewright.study.dag_signal import synthetic_signal
    >>> cost = dag_figures(synthetic_signal("DE-LU"), 1e5)[0]
    >>> mean_text(Estimate(mean=1500.0, low=1250.0, high=1750.0, count=3), cost).replace("\\u202f", " ")
    '1.50 ± 0.25 kg CO2e'
    """
    half = value.half_width
    if half is None or half <= ROUNDING * max(1.0, abs(value.mean)):
        return figure.show(value.mean)
    if figure.show is change:
        mean = change(value.mean, detail=Detail(largest=half, step=half))
        return f"{mean.removesuffix(f'{THIN}%')} ± {number(100.0 * half, 2)}{THIN}%"
    scale, unit = figure.scale, figure.unit
    if figure.show is length:
        size, unit = _size(value.mean)
        scale = 1.0 / size
    lead = "+" if figure.key.startswith("change_") and value.mean > 0.0 else ""
    detail = Detail(largest=half, step=scale * half)
    shown = f"{lead}{number(scale * value.mean, detail=detail)} ± {number(scale * half, 2)}"
    return f"{shown}{THIN}{unit}" if unit and figure.show is not number else shown


def sampled_text(value: Estimate, figure: Figure, samples: int) -> str:
    """A mean as :func:`mean_text` says, and of how many samples it is where not of all.

    Examples
    --------
    >>> from joulewright.study.dag_signal import synthetic_signal
    >>> ratio = dag_figures(synthetic_signal("DE-LU"), 1e5)[2]
    >>> sampled_text(Estimate(mean=0.9, count=1), ratio, 5).replace("\\u202f", " ")
    '−10 % (1 of 5)'
    """
    return mean_text(value, figure) + (f" ({value.count} of {samples})" if value.count < samples else "")


def amount(signal: DagSignalInput, cost: float, *, detail: Detail | None = None) -> str:
    """A cost in the unit of the signal's amounts.

    Examples
    --------
    >>> from joulewright.study.dag_signal import synthetic_signal
    >>> amount(synthetic_signal("DE-LU"), 137_376.0).replace("\\u202f", " ")
    '137 kg CO2e'
    """
    factor = signal.amount_factor
    return quantity(cost * factor, signal.amount, detail=None if detail is None else detail.times(factor))


def signed_amount(signal: DagSignalInput, cost: float, *, detail: Detail | None = None) -> str:
    """A change of cost with its sign."""
    return signed(amount(signal, cost, detail=detail), cost)


def dag_figures(signal: DagSignalInput, longest_ms: float) -> tuple[Figure, ...]:
    """Every figure by the keys of :class:`~joulewright.study.dag.DagComparison`, the main ones first.

    Parameters
    ----------
    signal : DagSignalInput
        Gives the unit of costs.
    longest_ms : float
        Longest time among the runs, which decides the unit on axes [ms].
    """
    what = signal.quantity.capitalize()
    size, unit = next((item for item in _LENGTHS if longest_ms >= 2.0 * item[0]), _LENGTHS[-1])

    def ratio(key: str, title: str) -> Figure:
        return Figure(key=key, title=title, show=change, better=-1, unit="% of the base", scale=100.0)

    def time(key: str, title: str) -> Figure:
        return Figure(key=key, title=title, show=length, better=-1, unit=unit, scale=1.0 / size)

    def share(value: float, *, detail: Detail | None = None) -> str:
        return percent(round(value, 6) + 0.0, detail=detail)

    def part(key: str, title: str) -> Figure:
        return Figure(
            key=key,
            title=title,
            show=partial(signed_amount, signal),
            better=-1,
            unit=signal.amount,
            scale=signal.amount_factor,
        )

    return (
        Figure(
            key="cost",
            title=what,
            show=partial(amount, signal),
            better=-1,
            unit=signal.amount,
            scale=signal.amount_factor,
        ),
        part("change_cost", "Whole change"),
        ratio("cost_ratio", f"Change of {signal.quantity}"),
        part("change_work", "from less work"),
        part("change_overhead", "from idle draw"),
        part("change_shift", "from other hours"),
        ratio("shift_ratio", "Change of mean intensity"),
        ratio("work_ratio", "Change of executor time"),
        Figure(key="above_bound_fraction", title="Above the bound", show=share, better=-1, unit="%", scale=100.0),
        Figure(key="headroom_share", title="Share of headroom", show=share, better=1, unit="%", scale=100.0),
        time("mean_completion_ms", "Mean completion time"),
        time("p95_completion_ms", "95th percentile"),
        ratio("mean_completion_ratio", "Change of completion time"),
        ratio("p95_completion_ratio", "Change of 95th percentile"),
        time("makespan_ms", "Makespan"),
        ratio("makespan_ratio", "Change of makespan"),
        Figure(key="busy_ms", title="Executor time", show=length, better=-1, unit="executor-h", scale=1 / _HOUR_MS),
        Figure(key="mean_stretch", title="Mean stretch", show=number, better=-1, unit="times the critical path"),
        Figure(key="deferrals", title="Deferrals", show=whole),
        Figure(key="missed_deadlines", title="Missed deadlines", show=whole, better=-1),
        Figure(key="failed_attempts", title="Failed attempts", show=whole, better=-1),
    )
