"""Figures of the page: a chart drawn in the browser, its legend and selector, and the same data as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulewright.model.timeline import FloatArray
from joulewright.report.blobs import Blobs
from joulewright.report.markup import Attribute, Child, Markup, details, element

_MOST_BUTTONS = 5


@dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """A colour and its meaning; ``line`` draws a line instead of a square, ``dashed`` a broken one."""

    key: str
    name: str
    line: bool = False
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Selector:
    """A choice of what a chart shows; all charts of a ``group`` follow it."""

    group: str
    title: str
    choices: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure of the page.

    Attributes
    ----------
    name : str
        Identifier in the page.
    kind : str
        Builder in ``assets/charts.js``.
    title : Child
        Heading.
    label : str
        What a reader who cannot see the chart is told.
    caption : Child
        What it shows and the finding, in a sentence or two.
    views : sequence of mapping
        Data of the chart, one entry per choice of the selector, each with a ``name``.
    settings : mapping
        What all views share: ``unit``, ``axis``, ``scale``.
    group : str
        Selectors of one group move together; empty for a chart with one view.
    selector : str
        What is selected, e.g. ``Site``.
    selectors : sequence of Selector
        Several choices instead of one group; there is a view for each combination, the last choice varying fastest.
    legend : sequence of LegendEntry
        Colours; with ``toggles`` they are buttons that hide a series.
    table : Markup
        The same data as a table.
    opened : bool
        Whether the table is open from the start.
    """

    name: str
    kind: str
    title: Child
    label: str
    views: Sequence[Mapping[str, Any]]
    table: Markup
    caption: Child = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    selector: str = "Site"
    selectors: Sequence[Selector] = ()
    legend: Sequence[LegendEntry] = ()
    toggles: bool = True
    opened: bool = False

    def choices(self) -> list[Selector]:
        """What can be chosen, a group of its views counting as one choice."""
        if self.selectors or not self.group:
            return list(self.selectors)
        return [Selector(group=self.group, title=self.selector, choices=[str(view["name"]) for view in self.views])]


@dataclass(slots=True)
class Figures:
    """Collects the data of all charts while the page is built."""

    blobs: Blobs = field(default_factory=Blobs)
    specs: dict[str, Any] = field(default_factory=dict)

    def series(self, key: str, name: str, values: FloatArray, **more: Any) -> dict[str, Any]:
        """One series of a chart: colour key, name, values of shape ``(N,)`` and what its builder needs besides."""
        return {"key": key, "name": name, "values": self.blobs.add(values), **more}

    def add(self, chart: Chart, *, selector: bool = True) -> Markup:
        """Register a chart and return its figure element."""
        choices = chart.choices()
        sizes = [len(choice.choices) for choice in choices]
        self.specs[chart.name] = {
            "kind": chart.kind,
            "label": chart.label,
            "views": list(chart.views),
            "strides": {choice.group: math.prod(sizes[place + 1 :]) for place, choice in enumerate(choices)},
            **chart.settings,
        }
        return element(
            "figure",
            element(
                "figcaption",
                element("h3", chart.title),
                None if chart.caption is None else element("p", chart.caption),
                element("p", chart.views[0]["note"], data_note=chart.name) if "note" in chart.views[0] else None,
            ),
            _selectors(chart.name, choices) if selector else None,
            _legend(chart),
            element(
                "div",
                class_="chart",
                data_chart=chart.name,
                data_follows=" ".join(choice.group for choice in choices) or None,
                role="img",
                aria_label=chart.label,
            ),
            details("Show as a table", chart.table, open_=chart.opened),
        )


def panel(quantity: str, unit: str, *, height: int, series: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """One panel of a ``lanes`` chart, ``height`` pixels high, with its axis titled ``quantity [unit]``."""
    return {"axis": f"{quantity} [{unit}]", "unit": unit, "height": height, "series": list(series), **more}


def _selectors(name: str, choices: Sequence[Selector]) -> list[Markup]:
    """Controls of the choices that have more than one option."""
    several = len(choices) > 1
    return [
        view_selector(f"{name}-{choice.group}" if several else name, choice.group, choice.title, choice.choices)
        for choice in choices
        if len(choice.choices) > 1
    ]


def view_selector(name: str, group: str, title: str, choices: Sequence[str]) -> Markup:
    """Radio buttons, or a drop-down where there are many choices, that move all charts of ``group``."""
    if len(choices) > _MOST_BUTTONS:
        options = [element("option", choice, value=position) for position, choice in enumerate(choices)]
        chosen = element("select", options, data_group=group)
        return element("div", element("label", f"{title} ", chosen), class_="views")
    return radio_buttons(f"view-{name}", title, list(enumerate(choices)), data_group=group)


def radio_buttons(name: str, title: str, choices: Sequence[tuple[str | int, str]], **attributes: Attribute) -> Markup:
    """One of a few (value, label) choices, the first one chosen; ``attributes`` go to every input."""
    buttons = [
        element(
            "label",
            element("input", type="radio", name=name, value=value, checked=position == 0, **attributes),
            element("span", label),
        )
        for position, (value, label) in enumerate(choices)
    ]
    return element("fieldset", element("legend", title), element("div", buttons, class_="segmented"), class_="views")


def _legend(chart: Chart) -> Markup | None:
    if not chart.legend:
        return None
    items = []
    for entry in chart.legend:
        shape = " ".join(["swatch", *(name for name in ("line", "dashed") if getattr(entry, name))])
        content = (element("i", class_=shape, style=f"--c:var(--q-{entry.key})"), entry.name)
        if chart.toggles:
            toggled = {"data_toggles": chart.name, "data_series": entry.name}
            items.append(element("button", content, type="button", aria_pressed="true", **toggled))
        else:
            items.append(element("span", content, class_="key"))
    return element("ul", [element("li", item) for item in items], class_="legend", aria_label="Colours")
