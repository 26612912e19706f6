"""Sections that a plan and a simulated run share: what was operated when, and its books."""

from __future__ import annotations

from joulewright.report.balance import balance_section
from joulewright.report.books import ledger_section
from joulewright.report.clock import span_text, stamp, zone_label
from joulewright.report.connection import connection_section
from joulewright.report.curves import curve_section
from joulewright.report.document import Section
from joulewright.report.figure import Figures
from joulewright.report.heatmaps import heat_section
from joulewright.report.jobs import job_section
from joulewright.report.markup import Markup
from joulewright.report.numbers import plural
from joulewright.report.routing import routing_section
from joulewright.report.sources import is_synthetic, sources_section
from joulewright.report.storage import storage_section
from joulewright.report.view import ReportView
from joulewright.report.waterfall import carbon_section

SYNTHETIC = "synthetic data"

_MOST_NAMES = 6
_LEVELS = "How often a level is reached over the horizon."
_BOOKS = "Costs are positive; money earned stands under value."


def operation_sections(view: ReportView, figures: Figures) -> list[Section]:
    """Power, work and storage step by step."""
    own_hours = f"Hours and days are those of {_clocks(view)}."
    return [
        _measured(view, "balance", "Power", balance_section(view, figures)),
        _measured(view, "heat", "Hours and days", heat_section(view, figures), lead=own_hours),
        Section(name="jobs", title="Training", content=job_section(view, figures)),
        _measured(view, "routing", "Inference", routing_section(view, figures)),
        _measured(view, "storage", "Batteries", storage_section(view, figures)),
        _measured(view, "curves", "Duration curves", curve_section(view, figures), lead=_LEVELS),
    ]


def emission_section(view: ReportView, figures: Figures) -> Section:
    """Where the carbon comes from."""
    return _measured(view, "carbon", "Carbon", carbon_section(view, figures))


def account_sections(view: ReportView) -> list[Section]:
    """The flexible connection, the ledger and the sources of all numbers."""
    return [
        Section(name="connection", title="Flexible connection", content=connection_section(view)),
        Section(name="ledger", title="Ledger", content=ledger_section(view), lead=_BOOKS),
        Section(name="sources", title="Provenance", content=sources_section(view), lead="Where the numbers come from."),
    ]


def horizon_facts(view: ReportView) -> tuple[str, str]:
    """When and where, and whose clock the charts follow."""
    timeline = view.scenario.timeline
    sites = ", ".join(site.name for site in view.sites[:_MOST_NAMES]) + ("…" if len(view.sites) > _MOST_NAMES else "")
    return (
        f"{stamp(timeline.start, 'UTC')} to {stamp(timeline.end, 'UTC')} UTC ({span_text(timeline.hours)}, "
        f"steps of {span_text(timeline.step_h)}) · {plural(len(view.sites), 'site')}: {sites}",
        f"Charts follow the clock of {_clocks(view)}.",
    )


def _measured(view: ReportView, name: str, title: str, content: list[Markup], *, lead: str = "") -> Section:
    """A section that shows input series, with a warning where these were generated."""
    mark = SYNTHETIC if is_synthetic(view.scenario) else ""
    return Section(name=name, title=title, content=content, lead=lead, badge=mark)


def _clocks(view: ReportView) -> str:
    """Whose clock the charts follow."""
    zones = list(dict.fromkeys(zone_label(site.zone) for site in view.sites))
    if len(zones) == 1:
        return zones[0]
    return f"the site ({', '.join(zones[:_MOST_NAMES])}{' and others' if len(zones) > _MOST_NAMES else ''})"
