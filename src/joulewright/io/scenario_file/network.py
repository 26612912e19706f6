"""Links, regions and the carbon policy."""

from __future__ import annotations

from collections.abc import Sequence

from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.places import known_names
from joulewright.io.scenario_file.tables import Table
from joulewright.model import CarbonPolicy, Link, Region


def read_link(document: Document, table: Table, sites: Sequence[str]) -> Link | None:
    """A link; None after reporting why it cannot be built."""
    known_names(document, table, "between", sites)
    between = table["between"]
    if between is not None and (len(between) != 2 or between[0] == between[1]):
        message = f"a link joins two different sites; found {list(between)}"
        document.add("P016", table.at("between"), message, help='write between = ["california", "texas"]')
        return None
    if table.wrong:
        return None
    return Link(
        between=between,
        latency_ms=table["latency"],
        bandwidth_gbit_s=table["bandwidth"],
        cost_per_gb=table["cost"],
    )


def read_region(document: Document, table: Table, sites: Sequence[str]) -> Region | None:
    """A region; None after reporting why it cannot be built."""
    known_names(document, table, "residency", sites)
    for site in table["latency"] or {}:
        if site not in sites:
            message = f"region {table.name!r} has a latency to site {site!r}, which does not exist"
            document.add_unknown((*table.at("latency"), site), message, sites, kind="site", name=site)
    if table.wrong:
        return None
    return Region(name=table.name, latency_ms=table["latency"] or {}, residency=table["residency"])


def read_carbon(document: Document, table: Table | None) -> CarbonPolicy:
    """The carbon policy; the default one where parts of it are wrong."""
    if table is None or table.wrong or (table["decides"] is not None and table["decides"].wrong):
        return CarbonPolicy()
    decides: Table | None = table["decides"]
    return CarbonPolicy(
        kind="average" if decides is None else decides["kind"],
        scope="direct" if decides is None else decides["scope"],
        price_per_t=table["price"],
        budget_kg=table["budget"],
        used_kg=table["used"],
        excess_price_per_t=table["excess_price"],
        credit_export=table["credit_export"],
    )


def check_deciding_series(document: Document, policy: CarbonPolicy, sites: Sequence[Table]) -> None:
    """Every site with a grid needs the deciding carbon series, unless carbon plays no role at all."""
    declared: dict[str, list[Table]] = {
        site.name: site["grid"].items("carbon_intensity") for site in sites if site["grid"] is not None
    }
    limited = policy.budget_kg is not None or any("carbon_budget" in site.given for site in sites)
    counts = any(declared.values()) or limited or policy.price_per_t != 0.0
    for site in sites:
        series = declared.get(site.name)
        if series is None or "carbon_intensity" in site["grid"].wrong or any(item.wrong for item in series):
            continue
        if (policy.kind, policy.scope) in {(item["kind"], item["scope"]) for item in series}:
            continue
        signal = f'kind = "{policy.kind}", scope = "{policy.scope}"'
        document.add(
            "C003",
            site["grid"].path,
            f"site {site.name!r} has a grid but no {policy.kind} {policy.scope} carbon series, which decides"
            + ("" if counts else "; its carbon is counted as zero"),
            severity="error" if counts else "warning",
            help=f"add carbon_intensity = {{ file = ..., column = ..., {signal} }}, or change carbon.decides",
        )
