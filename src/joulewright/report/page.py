"""Builds the report: one HTML file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from joulewright.errors import DataError
from joulewright.model import Scenario
from joulewright.plan.result import PlanResult
from joulewright.report.alternatives import Rival, read_front, read_rivals
from joulewright.report.balance import balance_section
from joulewright.report.books import ledger_section
from joulewright.report.clock import span_text, stamp, zone_label
from joulewright.report.connection import connection_section
from joulewright.report.curves import curve_section
from joulewright.report.decision import decision_section
from joulewright.report.figure import Figures, radio_buttons
from joulewright.report.heatmaps import heat_section
from joulewright.report.jobs import job_section
from joulewright.report.markup import Child, Markup, element
from joulewright.report.numbers import plural
from joulewright.report.palette import theme_css
from joulewright.report.rivals import rivals_section
from joulewright.report.routing import routing_section
from joulewright.report.sources import is_synthetic, sources_section
from joulewright.report.storage import storage_section
from joulewright.report.tradeoff import front_section
from joulewright.report.validity import validity_section
from joulewright.report.view import ReportView, build_view
from joulewright.report.waterfall import carbon_section

_SYNTHETIC = "synthetic data"
_THEMES = (("system", "System"), ("light", "Light"), ("dark", "Dark"))
_WITH_INPUT_SERIES = frozenset({"balance", "heat", "routing", "storage", "curves", "carbon"})


def write_report(
    path: Path | str,
    *,
    scenario: Scenario,
    result: PlanResult,
    comparisons: Sequence[Any] = (),
    pareto: Sequence[Any] = (),
    run_document: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report of a plan as one HTML file and return its path.

    Parameters
    ----------
    path : Path or str
        File to write; an existing one is replaced.
    scenario : Scenario
        What was planned.
    result : PlanResult
        The plan with its ledger.
    comparisons : sequence
        Rows with ``name`` and ``ledger`` (or ``benefit``, ``cost`` and ``carbon_kg``), and optionally ``description``,
        ``violations`` and ``change``.
    pareto : sequence
        Rows with ``benefit``, ``carbon_kg`` and ``abatement_cost_per_t``.
    run_document : mapping or None
        The run document: command, versions and input hashes for the last section.

    Raises
    ------
    ValueError
        If the result holds no plan.
    DataError
        If the file cannot be written.
    """
    text = render_report(
        scenario=scenario, result=result, comparisons=comparisons, pareto=pareto, run_document=run_document
    )
    target = Path(path)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write the report {str(target)!r}: {error.strerror}; name a writable path") from error
    return target


def render_report(
    *,
    scenario: Scenario,
    result: PlanResult,
    comparisons: Sequence[Any] = (),
    pareto: Sequence[Any] = (),
    run_document: Mapping[str, Any] | None = None,
) -> str:
    """The report as text; see :func:`write_report` for the parameters.

    Raises
    ------
    ValueError
        If the result holds no plan.
    """
    if result.schedule is None or result.ledger is None:
        raise ValueError(f"the result with status {result.status!r} holds no plan; there is nothing to report")
    view = build_view(scenario, result, result.schedule, result.ledger, run_document or {})
    figures = Figures()
    rivals = read_rivals(comparisons, view.ledger)
    parts = _parts(view, figures, rivals, pareto)
    return _document(view, figures, [part for part in parts if part.content])


@dataclass(frozen=True)
class _Part:
    """A section: identifier, title, lead and content."""

    name: str
    title: str
    lead: str
    content: list[Markup]


def _parts(view: ReportView, figures: Figures, rivals: tuple[Rival, ...], pareto: Sequence[Any]) -> list[_Part]:
    """Every section in reading order; what does not apply has no content."""
    own_hours = f"Hours and days are those of {_clocks(view)}."
    return [
        _Part("decision", "Decision", "", decision_section(view, rivals)),
        _Part("validity", "Validity", "What was proved and checked, and what was assumed.", validity_section(view)),
        _Part("balance", "Power", "", balance_section(view, figures)),
        _Part("heat", "Hours and days", own_hours, heat_section(view, figures)),
        _Part("jobs", "Training", "", job_section(view, figures)),
        _Part("routing", "Inference", "", routing_section(view, figures)),
        _Part("storage", "Batteries", "", storage_section(view, figures)),
        _Part(
            "curves", "Duration curves", "How often a level is reached over the horizon.", curve_section(view, figures)
        ),
        _Part("rivals", "Comparison with baselines", "", rivals_section(view, figures, rivals)),
        _Part("carbon", "Carbon", "", carbon_section(view, figures)),
        _Part("front", "Price of carbon", "", front_section(view, figures, read_front(pareto))),
        _Part("connection", "Flexible connection", "", connection_section(view)),
        _Part("ledger", "Ledger", "Costs are positive; money earned stands under value.", ledger_section(view)),
        _Part("sources", "Provenance", "Where the numbers come from.", sources_section(view)),
    ]


def _clocks(view: ReportView) -> str:
    """Whose clock the charts follow."""
    zones = list(dict.fromkeys(zone_label(site.zone) for site in view.sites))
    if len(zones) == 1:
        return zones[0]
    return f"the site ({', '.join(zones[:6])}{' and others' if len(zones) > 6 else ''})"


def _section(view: ReportView, part: _Part) -> Markup:
    marked = part.name in _WITH_INPUT_SERIES and is_synthetic(view.scenario)
    badge = [" ", element("span", _SYNTHETIC, class_="badge warn")] if marked else None
    lead = element("p", part.lead, class_="lead") if part.lead else None
    title = element("h2", part.title, badge)
    return element("section", title, lead, part.content, id=part.name, class_=part.name, aria_label=part.title)


def _document(view: ReportView, figures: Figures, parts: list[_Part]) -> str:
    title = f"{view.scenario.name}: joint compute and energy plan"
    spec = {"charts": figures.specs, "arrays": figures.blobs.index()}
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(theme_css() + _asset("report.css"))),
    )
    entries = [element("li", element("a", part.title, href=f"#{part.name}")) for part in parts]
    contents = element("nav", element("ol", entries), class_="contents", aria_label="Contents")
    body = element(
        "body",
        element("a", "Skip to the report", href="#decision", class_="skip"),
        element(
            "div",
            _masthead(view),
            element("noscript", element("p", "Charts need JavaScript; every chart has a table that does not.")),
            element("div", contents, element("main", [_section(view, part) for part in parts]), class_="layout"),
            class_="page",
        ),
        element("script", _json(spec), type="application/json", id="jw-spec"),
        element("script", Markup(figures.blobs.payload()), type="text/plain", id="jw-data"),
        *(element("script", Markup(_asset(name))) for name in ("echarts.min.js", "page.js", "charts.js")),
        element("script", Markup("jw.start();")),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _masthead(view: ReportView) -> Markup:
    timeline = view.scenario.timeline
    badges = [_status_badge(view)]
    if is_synthetic(view.scenario):
        badges.append(element("span", _SYNTHETIC, class_="badge warn"))
    sites = ", ".join(site.name for site in view.sites[:6]) + ("…" if len(view.sites) > 6 else "")
    return element(
        "header",
        element(
            "div",
            element("p", "joulewright · joint compute and energy plan", class_="eyebrow"),
            element("h1", view.scenario.name),
            element(
                "p",
                f"{stamp(timeline.start, 'UTC')} to {stamp(timeline.end, 'UTC')} UTC ({span_text(timeline.hours)}, "
                f"steps of {span_text(timeline.step_h)}) · {plural(len(view.sites), 'site')}: {sites}",
                class_="meta",
            ),
            element("p", f"Charts follow the clock of {_clocks(view)}.", class_="meta"),
            element("ul", [element("li", badge) for badge in badges], class_="badges"),
        ),
        element("div", radio_buttons("theme", "Theme", _THEMES, data_theme=True), class_="theme"),
        class_="masthead",
    )


def _status_badge(view: ReportView) -> Child:
    if view.result.violations:
        return element("span", f"breaks {plural(len(view.result.violations), 'limit')}", class_="badge bad")
    return element("span", "keeps every limit", class_="badge good")


def _asset(name: str) -> str:
    """A text file that ships with the package, safe inside a script or style element."""
    text = resources.files("joulewright.report").joinpath(f"assets/{name}").read_text("utf-8")
    return text.replace("</script", "<\\/script")


def _json(value: object) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
