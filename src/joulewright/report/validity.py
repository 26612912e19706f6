"""How far the plan can be trusted: its certificate, the independent check, the data and the assumptions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from typing import Literal

from joulewright.check import Violation
from joulewright.errors import Diagnostic
from joulewright.model import GridConnection
from joulewright.report.boxes import Finding, finding_list, sentence_list
from joulewright.report.markup import Markup, details, element
from joulewright.report.numbers import THIN, compact, energy, percent, plural, quantity, scientific
from joulewright.report.sources import data_files, estimated_fraction, is_synthetic
from joulewright.report.view import ReportView

_RESIDUAL_MW = 1e-6
_MOST_BROKEN = 50
_FORESIGHT = (
    "Perfect foresight: prices, weather, demand and carbon intensity of the whole horizon are taken as known. "
    "A forecast would earn less."
)
_FEW_ESTIMATED, _FEW_FILLED = 0.05, 0.01
_STATUS = {
    "optimal": "Solved to the requested gap by the exact strategy.",
    "gap-reached": "Stopped at the requested gap.",
    "search-ended": "Stopped when no neighbourhood brought a better plan.",
    "time-limit": "Stopped by the time limit, which may cut elsewhere in another run.",
    "work-limit": "Stopped by the work limit.",
    "interrupted": "Interrupted; this is the best plan found until then.",
}
_SEVERITIES: tuple[Literal["error", "warning", "note"], ...] = ("error", "warning", "note")


def validity_findings(view: ReportView) -> tuple[Finding, ...]:
    """Findings about a plan in the order of the box."""
    return (
        _gap(view),
        _violations(view),
        residual_finding(view),
        _same_total(view),
        unserved_finding(view),
        *data_findings(view),
    )


def data_findings(view: ReportView) -> tuple[Finding, ...]:
    """What is to be said about the input data."""
    return (_estimated(view), _synthetic(view), _diagnostics(view))


def validity_section(view: ReportView) -> list[Markup]:
    """The findings, the assumptions and every diagnostic."""
    parts = [finding_list(validity_findings(view))]
    parts += assumption_parts(view, notes=view.solved.notes)
    if view.solved.violations:
        parts.append(
            details(f"Broken limits ({len(view.solved.violations)})", broken_list(view.solved.violations), open_=True)
        )
    return [*parts, *diagnostic_parts(view)]


def assumption_parts(view: ReportView, *, notes: Iterable[str] = ()) -> list[Markup]:
    """Assumptions and notes, ``notes`` after those about the scenario; nothing where there are none."""
    assumptions = [*_assumptions(view), *notes, *view.ledger.notes]
    return [element("h3", "Assumptions and notes"), sentence_list(assumptions)] if assumptions else []


def broken_list(violations: Sequence[Violation]) -> Markup:
    """The first broken limits."""
    return element("ul", [element("li", str(violation)) for violation in violations[:_MOST_BROKEN]])


def diagnostic_parts(view: ReportView) -> list[Markup]:
    """Every diagnostic, opened on demand; nothing without any."""
    found = view.scenario.diagnostics
    return [details(f"All diagnostics ({len(found)})", _diagnostic_list(found))] if found else []


def _gap(view: ReportView) -> Finding:
    result, currency = view.solved, view.scenario.currency
    status = _STATUS.get(result.status, result.status)
    if result.gap is None or result.objective is None or not math.isfinite(result.bound):
        return Finding(mood="warn", title="No certified gap", text=status)
    room = max(0.0, result.bound - result.objective)
    proof = "recomputed from dual prices" if result.bound_source == "lagrangian" else "from the solver's search tree"
    return Finding(
        mood="good" if result.gap <= 0.01 else "warn",
        title=f"Within {_small_percent(result.gap)} of the best possible plan",
        text=f"No plan can earn more than {compact(result.bound, currency, 5)}, {compact(room, currency)} above this "
        f"one: a bound {proof}, relative to the plan's costs. {status}",
    )


def _small_percent(fraction: float) -> str:
    return f"0.001{THIN}%" if 0.0 <= fraction < 1e-5 else percent(fraction, 2)


def _violations(view: ReportView) -> Finding:
    count = len(view.solved.violations)
    if count:
        return Finding(mood="bad", title=plural(count, "broken limit"), text="The independent check lists them below.")
    return Finding(
        mood="good",
        title="All limits hold",
        text="Checked by code that is independent of the planner and derives everything from scenario and schedule.",
    )


def residual_finding(view: ReportView) -> Finding:
    """Whether supply and use are equal in every step."""
    most = max((site.residual_mw for site in view.sites), default=0.0)
    text = "0" if most == 0.0 else scientific(most)
    return Finding(
        mood="good" if most <= _RESIDUAL_MW else "bad",
        title="Power balance closes" if most <= _RESIDUAL_MW else "Power balance does not close",
        text=f"Largest difference between supply and use in any step and site: {text}{THIN}MW.",
    )


def _same_total(view: ReportView) -> Finding:
    result, benefit = view.solved, view.ledger.benefit
    if result.objective is None:
        return Finding(
            mood="warn", title="No objective value", text="The planner reported none for the ledger to match."
        )
    distance = abs(result.objective + result.churn_cost - benefit) / max(1.0, abs(benefit))
    same = distance <= 1e-6
    return Finding(
        mood="good" if same else "bad",
        title="Planner and ledger agree" if same else "Planner and ledger differ",
        text=f"Objective and ledger total differ by {'0' if distance == 0 else scientific(distance)} of the total.",
    )


def unserved_finding(view: ReportView) -> Finding:
    """Whether power, inference or jobs are left unserved."""
    unserved = view.ledger.total("energy", "unserved")
    share = view.ledger.figure("service", "served share")
    left = 0.0 if share is None else max(0.0, 1.0 - share)
    rejected = round(view.ledger.total("jobs", "rejected"))
    if unserved <= 1e-6 and left <= 1e-9 and not rejected:
        return Finding(mood="good", title="Nothing is left unserved", text="All power, inference and jobs are served.")
    parts = [
        f"{energy(unserved)} of power" if unserved > 1e-6 else "",
        f"{percent(left)} of inference tokens" if left > 1e-9 else "",
        plural(rejected, "rejected job") if rejected else "",
    ]
    return Finding(mood="warn", title="Left unserved", text=f"{', '.join(part for part in parts if part)}.")


def _estimated(view: ReportView) -> Finding:
    share = estimated_fraction(view.scenario)
    files = data_files(view.scenario)
    filled = sum(file.interpolated for file in files)
    values = sum(file.rows * len(file.columns) for file in files)
    filled_text = (
        f"{plural(filled, 'value')} of the input files interpolated" if filled else "no value was interpolated"
    )
    return Finding(
        mood="good" if share <= _FEW_ESTIMATED and filled <= _FEW_FILLED * values else "warn",
        title=f"{'No' if share == 0.0 else percent(share)} estimated carbon data",
        text=f"Share of the deciding carbon series that its source marks as estimated; {filled_text}.",
    )


def _synthetic(view: ReportView) -> Finding:
    if not is_synthetic(view.scenario):
        return Finding(mood="good", title="No synthetic data declared", text="No input says that it was generated.")
    names = [file.path for file in data_files(view.scenario) if file.synthetic]
    return Finding(
        mood="warn",
        title="Synthetic data",
        text=f"Generated, not measured: {', '.join(names) if names else 'series of this scenario'}. Good for trying "
        "things out, not for decisions.",
    )


def _diagnostics(view: ReportView) -> Finding:
    counts = Counter(item.severity for item in view.scenario.diagnostics)
    text = ", ".join(plural(counts[severity], severity) for severity in _SEVERITIES if counts[severity])
    return Finding(
        mood="bad" if counts["error"] else "warn" if counts["warning"] else "good",
        title=plural(sum(counts.values()), "diagnostic") if counts else "No diagnostics",
        text=f"{text} while reading the scenario; listed below." if counts else "Every input was used as declared.",
    )


def _assumptions(view: ReportView) -> Iterator[str]:
    scenario = view.scenario
    if view.result is not None:
        yield _FORESIGHT
    carbon = scenario.carbon
    yield f"Carbon counts the {carbon.kind} {carbon.scope} intensity of grid import and the emissions of generators."
    if not carbon.credit_export:
        yield "Exported energy is not credited with avoided carbon."
    yield from _grid_assumptions([site.grid for site in scenario.sites if site.grid is not None])
    for site in scenario.sites:
        for battery in site.batteries:
            if battery.terminal_value_per_mwh is not None:
                worth = quantity(battery.terminal_value_per_mwh, f"{scenario.currency}/MWh")
                yield f"Energy left in {battery.name} at {site.name} is worth {worth}."
    for event in scenario.events if view.result is not None else ():
        start, end = event.start.astimezone(UTC), event.end.astimezone(UTC)
        yield f"Known event: {event.kind} at {event.site}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC."


def _grid_assumptions(grids: Sequence[GridConnection]) -> Iterator[str]:
    shares = [window.share for grid in grids for window in grid.demand_windows if window.share < 1.0]
    if shares:
        low, high = percent(min(shares)), percent(max(shares))
        span = low if low == high else f"{low} to {high}"
        yield f"Demand charges carry the part of the month that the horizon covers ({span})."
    if any(grid.flexible.assumed for grid in grids if grid.flexible is not None):
        yield "The curtailed hours of a flexible connection are assumed, not announced."


def _diagnostic_list(found: tuple[Diagnostic, ...]) -> Markup:
    order = {severity: position for position, severity in enumerate(_SEVERITIES)}
    moods = {"error": "bad", "warning": "warn", "note": "plain"}
    items = []
    for item in sorted(found, key=lambda one: order[one.severity]):
        place = ":".join(str(part) for part in (item.file, item.line) if part is not None)
        where = "  ".join(part for part in (place, item.key or "") if part)
        items.append(
            element(
                "li",
                element("span", f"{item.severity} {item.code}", class_=f"badge {moods[item.severity]}"),
                f" {item.message}",
                element("small", where) if where else None,
                element("small", f"Way out: {item.help}") if item.help else None,
            )
        )
    return element("ul", items, class_="diagnostics")
