"""Pieces that the reports of ``jw infer`` share: charts over two numbers, provenance and findings on the predictor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from joulewright.report.boxes import Finding
from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.markup import Child, Markup
from joulewright.report.numbers import percent
from joulewright.report.sources import fact_list, licence_notice, run_facts

Document = Mapping[str, Any]
_DIGITS = 5
_MOST_POINTS = 300
_WIDE = 30.0


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: what it shows, its unit, and whether it is logarithmic."""

    name: str
    unit: str
    log: bool = False

    @property
    def title(self) -> str:
        """Name with unit."""
        return f"{self.name} [{self.unit}]"


def xy_series(key: str, name: str, x: ArrayLike, y: ArrayLike, *, mode: str = "line", **more: Any) -> dict[str, Any]:
    """A line, points or both (``mode``) over two numbers, shape ``(N,)`` each; pairs with a missing value are left out.

    Examples
    --------
    >>> xy_series("work", "one", [1.0, 2.0], [1.0, float("nan")])["x"]
    [1.0]
    """
    pairs = [
        (_rounded(left), _rounded(right))
        for left, right in zip(np.asarray(x, dtype=float).tolist(), np.asarray(y, dtype=float).tolist(), strict=True)
        if math.isfinite(left) and math.isfinite(right)
    ]
    return {
        "key": key,
        "name": name,
        "x": [pair[0] for pair in pairs],
        "y": [pair[1] for pair in pairs],
        "mode": mode,
        **more,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def spans_decades(values: ArrayLike) -> bool:
    """Whether positive values differ so much that only a logarithmic axis shows them all.

    Examples
    --------
    >>> spans_decades([1.0, 5.0]), spans_decades([0.01, 5.0])
    (False, True)
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    return bool(known.size and known.min() > 0.0 and known.max() > _WIDE * known.min())


def distribution(values: ArrayLike) -> tuple[list[float], list[float]]:
    """Values from the least to the greatest, thinned, and the share of values up to each [%].

    Examples
    --------
    >>> distribution([3.0, 1.0, 2.0, 4.0])
    ([1.0, 2.0, 3.0, 4.0], [25.0, 50.0, 75.0, 100.0])
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    share = 100.0 * np.arange(1, ordered.size + 1) / max(ordered.size, 1)
    if ordered.size > _MOST_POINTS:
        # The tail matters most, so that half of the points lie in the last tenth.
        parts = (np.linspace(0, 0.9, _MOST_POINTS // 2), np.linspace(0.9, 1.0, _MOST_POINTS // 2))
        kept = np.unique((np.concatenate(parts) * (ordered.size - 1)).round().astype(int))
        ordered, share = ordered[kept], share[kept]
    return ordered.tolist(), share.tolist()


def xy_chart(
    name: str,
    axes: tuple[Axis, Axis],
    series: Sequence[Mapping[str, Any]],
    figures: Figures,
    *,
    title: str,
    table: Markup,
    caption: Child = None,
    **settings: Any,
) -> Markup:
    """A chart of lines or points over two numbers."""
    x, y = axes
    legend = [
        LegendEntry(key=item["key"], name=item["name"], line=item["mode"] != "points", dashed=bool(item.get("dashed")))
        for item in series
    ]
    chart = Chart(
        name=name,
        kind="xy",
        title=title,
        label=f"{title}: {y.title} against {x.title}.",
        caption=caption,
        views=[{"name": "", "series": list(series)}],
        settings={"x": x.title, "y": y.title, "xname": x.name, "yname": y.name, "xunit": x.unit, "yunit": y.unit,
                  "xlog": x.log, "ylog": y.log, **settings},
        legend=legend if len(legend) > 1 else [],
        table=table,
    )  # fmt: skip
    return figures.add(chart)


def elapsed_axis(step_s: float, steps: int) -> dict[str, Any]:
    """Axis of time since the beginning, for charts of steps."""
    return {"start_ms": 0, "step_s": step_s, "steps": steps, "offsets": [[0, 0]], "zone": "", "elapsed": True}


def predictor_finding(standing: Document) -> Finding:
    """Which predictor a result rests on, and its expected error."""
    named = (("step time", "time_error"), ("power", "power_error"), ("energy per token", "energy_error"))
    errors = [f"{what} {percent(standing[key])}" for what, key in named if standing[key] is not None]
    expected = f"Expected error: {', '.join(errors)}." if errors else "Nobody has measured its error here."
    text = f"Constants {standing['constants']}: {standing['status']}. {expected}"
    if standing["level"] == "uncalibrated":
        return Finding(mood="warn", title="Uncalibrated predictor", text=text)
    known = standing["power_error"] is not None
    return Finding(mood="good" if known else "warn", title="Predictor: step model", text=text)


def flag_findings(standing: Document) -> Iterator[Finding]:
    """Figures of an accelerator that are no published values."""
    if standing["flags"]:
        named = ", ".join(flag.replace("-", " ") for flag in standing["flags"])
        yield Finding(mood="warn", title="Figures that are not published", text=f"Of the accelerator: {named}.")


def provenance(document: Document, facts: Iterable[tuple[str, Child]]) -> list[Markup]:
    """Inputs and how the run was made."""
    return [fact_list([*facts, *run_facts(document, {})]), licence_notice()]
