"""Figures against the value that was swept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.markup import Markup
from joulewright.report.palette import site_key
from joulewright.report.study_figures import Figure, coverage_text, figures_of, scaled
from joulewright.report.study_policies import differs, means_table
from joulewright.report.study_view import Entrant, StudyView, choice

_NUMBER = re.compile(r"\s*\"?\s*([-+]?[\d_]*\.?\d+(?:[eE][-+]?\d+)?)\s*(.*?)\s*\"?\s*$")
_MOST_LINES = 9


@dataclass(frozen=True, kw_only=True)
class Swept:
    """A setting with several values: its path, the values as text, and as numbers where all have the same unit."""

    path: str
    values: tuple[str, ...]
    numbers: tuple[float, ...] | None
    unit: str = ""


def number_and_unit(text: str) -> tuple[float, str] | None:
    """A value such as ``20 MWh`` taken apart, or None where it is no number with a unit.

    Examples
    --------
    >>> number_and_unit("20 MWh"), number_and_unit("0.5"), number_and_unit("rigid")
    ((20.0, 'MWh'), (0.5, ''), None)
    """
    found = _NUMBER.match(text)
    return None if found is None else (float(found[1].replace("_", "")), found[2])


def swept_of(view: StudyView) -> tuple[Swept, ...]:
    """Settings that differ between the variants, those with the most values first."""
    choices: dict[str, dict[str, None]] = {}
    for variant in view.study.variants:
        for override in variant.overrides:
            path, _, value = override.partition("=")
            choices.setdefault(path, {})[value] = None
    found = [_swept(path, tuple(values)) for path, values in choices.items() if len(values) > 1]
    return tuple(sorted(found, key=lambda item: (item.numbers is None, -len(item.values))))


def _swept(path: str, values: tuple[str, ...]) -> Swept:
    parts = [number_and_unit(value) for value in values]
    known = [part for part in parts if part is not None]
    units = {unit for _, unit in known}
    if len(known) < len(values) or len(units) != 1:
        return Swept(path=path, values=values, numbers=None)
    return Swept(path=path, values=values, numbers=tuple(value for value, _ in known), unit=units.pop())


def sweep_section(view: StudyView, figures: Figures) -> list[Markup]:
    """Lines of every figure against the value with the most choices; nothing without a sweep."""
    swept = swept_of(view)
    shown = [figure for figure in figures_of(view.study.currency) if differs(view, figure)]
    if not swept or not shown:
        return []
    across, others = swept[0], swept[1:]
    lines = _lines(view, across, others)
    policies = list(view.study.policies) if others else [""]
    chart = Chart(
        name="sweep",
        kind="sweep",
        title=f"What {across.path} changes",
        label=f"Means of each figure with their intervals against {across.path}, one line for each "
        f"{'combination of the other values' if others else 'policy'}.",
        caption=_caption(view, others, lines),
        views=[
            _view(view, figure, across, [(name, key, points[policy]) for name, key, points in lines])
            for policy in policies
            for figure in shown
        ],
        selectors=[
            *([choice("policy", "Policy", policies)] if others else []),
            choice("swept", "Figure", [figure.title for figure in shown]),
        ],
        legend=[LegendEntry(key=key, name=name, line=True) for name, key, _ in lines],
        table=means_table(view),
    )
    return [figures.add(chart)]


Points = dict[str, list[Entrant | None]]


def _lines(view: StudyView, across: Swept, others: Sequence[Swept]) -> list[tuple[str, str, Points]]:
    """Name, colour and, by policy, the entrant at each value of ``across``.

    Without other settings a line is a policy and stands under the name ``""``; else it is a combination of their
    values.
    """
    values = {variant.name: dict(part.split("=", 1) for part in variant.overrides) for variant in view.study.variants}
    found: dict[str, Points] = {}
    for entrant in view.entrants:
        own = values[entrant.variant]
        place = across.values.index(own[across.path])
        rest = ", ".join(f"{item.path}={own[item.path]}" for item in others)
        points = found.setdefault(rest if others else entrant.policy, {})
        points.setdefault(entrant.policy if others else "", [None] * len(across.values))[place] = entrant
    return [(name, site_key(position), points) for position, (name, points) in enumerate(found.items())][:_MOST_LINES]


def _caption(view: StudyView, others: Sequence[Swept], lines: Sequence[Any]) -> str:
    interval = f" with their {coverage_text(view.study.inference.confidence)}s" if view.samples > 1 else ""
    text = f"Means over the runs{interval}. A change of the scenario costs nothing here: investment is not counted."
    if others and len(lines) == _MOST_LINES:
        text += f" The first {_MOST_LINES} combinations of the other values are drawn; the table has all."
    return text


def _view(
    view: StudyView, figure: Figure, across: Swept, lines: Sequence[tuple[str, str, Sequence[Entrant | None]]]
) -> dict[str, Any]:
    estimates = [
        [None if entrant is None else entrant.estimate(figure.key) for entrant in entrants] for _, _, entrants in lines
    ]
    ends = [
        end for row in estimates for item in row if item for end in (item.mean, item.low, item.high) if end is not None
    ]
    numbers, unit = scaled(figure, ends, view.study.currency)
    factor = next((number / end for number, end in zip(numbers, ends, strict=True) if end), 1.0)

    def points(row: Sequence[Any]) -> list[list[float | None] | None]:
        return [
            None
            if item is None
            else [None if end is None else end * factor for end in (item.mean, item.low, item.high)]
            for item in row
        ]

    return {
        "name": figure.title,
        "axis": f"{figure.title} [{unit}]",
        "x": f"{across.path}{f' [{across.unit}]' if across.unit else ''}",
        "at": None if across.numbers is None else list(across.numbers),
        "categories": list(across.values),
        "unit": unit,
        "series": [
            {"name": name, "key": key, "points": points(row)}
            for (name, key, _), row in zip(lines, estimates, strict=True)
        ],
    }
