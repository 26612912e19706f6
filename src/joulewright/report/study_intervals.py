"""Means with their intervals as rows of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulewright.report.study_figures import Figure, scaled
from joulewright.study.result import Estimate


@dataclass(frozen=True, kw_only=True)
class IntervalRow:
    """One row: a name, the name of its colour, the estimate, its text, and what the pointer shows."""

    name: str
    colour: str
    value: Estimate
    text: str
    facts: Sequence[Sequence[str]]


def interval_view(
    name: str, title: str, rows: Sequence[IntervalRow], figure: Figure, *, currency: str, note: str = ""
) -> dict[str, Any]:
    """View of an ``intervals`` chart, all rows in one unit.

    Parameters
    ----------
    name : str
        Of the view in its selector.
    title : str
        Of the axis, without unit.
    rows : sequence of IntervalRow
        From top to bottom.
    figure : Figure
        What the estimates are of.
    currency : str
        Of the study.
    note : str
        A sentence below the title; empty for none.
    """
    ends = [end for row in rows for end in (row.value.mean, row.value.low, row.value.high) if end is not None]
    numbers, unit = scaled(figure, ends, currency)
    factor = next((number / end for number, end in zip(numbers, ends, strict=True) if end), 1.0)

    def on_axis(value: float | None) -> float | None:
        return None if value is None else value * factor

    listed = [
        {
            "name": row.name,
            "colour": row.colour,
            "mean": on_axis(row.value.mean),
            "low": on_axis(row.value.low),
            "high": on_axis(row.value.high),
            "text": row.text,
            "facts": [list(fact) for fact in row.facts],
        }
        for row in rows
    ]
    return {"name": name, "axis": f"{title} [{unit}]", "rows": listed, "note": note}
