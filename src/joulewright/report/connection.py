"""What a firm plus flexible grid connection delivers and withholds."""

from __future__ import annotations

from joulewright.account import ConnectionReport, connection_report
from joulewright.report.clock import span_text
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import energy, number, plain, plural, quantity, whole
from joulewright.report.view import ReportView


def connection_section(view: ReportView) -> list[Markup]:
    """One sentence per site and the table; nothing without a flexible connection."""
    reports = connection_report(view.scenario, view.schedule)
    if not reports:
        return []
    unserved = {site.name: view.step_h * float(site.plan.unserved_mw.sum()) for site in view.sites}
    rows = [
        [
            report.site,
            number(report.firm_limit_mw),
            number(report.peak_import_mw),
            plain(report.curtailed_h),
            whole(report.curtailments),
            plain(report.longest_curtailment_h),
            number(report.withheld_mwh),
            number(report.above_firm_mwh),
            plain(report.above_firm_h),
            number(unserved[report.site]),
            "n/a" if report.curtailed_hours_per_year is None else plain(report.curtailed_hours_per_year),
        ]
        for report in reports
    ]
    header = [
        "Site",
        "Firm [MW]",
        "Peak import [MW]",
        "Curtailed [h]",
        "Events",
        "Longest event [h]",
        "Withheld [MWh]",
        "Above firm [MWh]",
        "Above firm [h]",
        "Unserved [MWh]",
        "Allowed [h/year]",
    ]
    return [
        element("ul", [element("li", _sentence(report, unserved[report.site])) for report in reports], class_="plain"),
        table("Flexible connections over the horizon", header, rows),
    ]


def _sentence(report: ConnectionReport, unserved_mwh: float) -> str:
    assumed = " These hours are assumed (the dearest ones), not a calendar of the operator." if report.assumed else ""
    served = "all load is served" if unserved_mwh <= 1e-6 else f"{energy(unserved_mwh)} of load is left unserved"
    firm, peak = quantity(report.firm_limit_mw, "MW"), quantity(report.peak_import_mw, "MW")
    events, longest = plural(report.curtailments, "event"), span_text(report.longest_curtailment_h)
    return (
        f"{report.site} may always import {firm} and peaks at {peak}. The flexible part is withdrawn for "
        f"{span_text(report.curtailed_h)} in {events}, the longest {longest}; {served}.{assumed}"
    )
