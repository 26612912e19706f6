"""The decision in plain language: what to do, and how much better it is than a named baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import numpy as np

from joulewright.report.alternatives import Rival, best_rival
from joulewright.report.bottlenecks import bottlenecks
from joulewright.report.boxes import sentence_list, tile
from joulewright.report.clock import step_stamp, zone_label
from joulewright.report.markup import Child, Markup, element
from joulewright.report.numbers import (
    compact,
    energy,
    number,
    percent,
    plural,
    quantity,
    signed,
    tonnes,
    whole,
    without_noise,
)
from joulewright.report.view import ReportView

_MOST_NAMES = 6


def decision_section(view: ReportView, rivals: tuple[Rival, ...]) -> list[Markup]:
    """Headline, tiles and the list of what to do."""
    rival = best_rival(rivals)
    limits = list(bottlenecks(view))
    return [
        element("p", headline(view, rival), class_="headline"),
        element("dl", decision_tiles(view, rival), class_="tiles"),
        element("h3", "What to do"),
        sentence_list(_actions(view)),
        *([element("h3", "What limits the plan"), sentence_list(limits)] if limits else []),
    ]


def headline(view: ReportView, rival: Rival | None) -> str:
    """One or two sentences with the plan's figures and its lead over the best baseline that keeps every limit."""
    ledger, currency = view.ledger, view.scenario.currency
    if view.solved.violations:
        return f"Do not follow this plan as it stands: it breaks {plural(len(view.solved.violations), 'limit')}."
    done, asked = round(ledger.total("jobs", "done")), len(view.scenario.training)
    work = f"finishes {done} of {plural(asked, 'training job')}, " if asked else ""
    amount = compact(abs(ledger.benefit), currency)
    verb = f"earns {amount}" if ledger.benefit >= 0 else f"costs {amount} net"
    first = f"Follow this plan: it {work}{verb} and emits {tonnes(ledger.carbon_kg)} of carbon."
    return f"{first} {_lead(view, rival)}" if rival is not None else first


def _lead(view: ReportView, rival: Rival) -> str:
    gain = view.ledger.benefit - rival.benefit
    share = f" ({percent(gain / rival.cost, 2)} of its costs)" if rival.cost > 0 else ""
    money = f"{compact(abs(gain), view.scenario.currency)}{share} {'more' if gain >= 0 else 'less'}"
    work = "" if rival.change is None else _work_remark(rival.change.work_fraction)
    return (
        f"Against {rival.name}, the best baseline that keeps every limit, that is {money}, with "
        f"{_carbon_remark(view.ledger.carbon_kg, rival.carbon_kg)}{work}."
    )


def _carbon_remark(ours_kg: float, theirs_kg: float) -> str:
    change_kg = without_noise(ours_kg - theirs_kg)
    if not change_kg:
        return "the same carbon"
    relative = f" ({percent(abs(change_kg) / theirs_kg, 2)})" if theirs_kg > 0 else ""
    return f"{tonnes(abs(change_kg))}{relative} {'less' if change_kg < 0 else 'more'} carbon"


def _work_remark(fraction: float) -> str:
    if abs(fraction - 1.0) < 5e-4:
        return " for the same work"
    return f" while doing {percent(abs(fraction - 1.0), 2)} {'more' if fraction > 1 else 'less'} work"


def decision_tiles(view: ReportView, rival: Rival | None = None) -> list[Markup]:
    """Headline figures, each with its change against a rival where there is one."""
    ledger, currency = view.ledger, view.scenario.currency
    other = None if rival is None else rival.ledger
    name = "" if rival is None else rival.name
    used = ledger.total("energy", "facility load")
    used_before = None if other is None else other.total("energy", "facility load")
    benefit, cost, carbon_kg = (None,) * 3 if rival is None else (rival.benefit, rival.cost, rival.carbon_kg)
    tiles = [
        tile("Benefit", compact(ledger.benefit, currency), _delta(ledger.benefit, benefit, name, good="up")),
        tile("Cost", compact(ledger.cost, currency), _delta(ledger.cost, cost, name, good="down")),
        tile("Operational carbon", tonnes(ledger.carbon_kg), _delta(ledger.carbon_kg, carbon_kg, name, good="down")),
        tile("Electricity used", energy(used), _delta(used, used_before, name)),
    ]
    share = ledger.figure("service", "served share")
    if share is not None:
        latency = ledger.figure("service", "mean latency")
        note = "" if latency is None else f"mean round trip {quantity(latency, 'ms')}"
        tiles.append(tile("Inference served", percent(share, 4), note))
    if view.scenario.training:
        met = f"{plural(round(ledger.total('jobs', 'deadlines met')), 'deadline')} met"
        done = f"{whole(ledger.total('jobs', 'done'))} of {whole(len(view.scenario.training))}"
        tiles.append(tile("Training jobs done", done, met))
    return tiles


def _delta(value: float, reference: float | None, name: str, *, good: Literal["up", "down"] | None = None) -> Child:
    """Relative change against the baseline; ``good`` says which direction is for the better."""
    if reference is None or reference == 0.0:
        return None
    change = (value - reference) / abs(reference)
    text = signed(percent(change, 2), change)
    if abs(change) < 5e-4:
        return f"as {name}"
    mood = None if good is None else "better" if (change > 0) == (good == "up") else "worse"
    return [element("span", text, class_=mood), f" against {name}"]


def _actions(view: ReportView) -> Iterator[str]:
    yield from _job_actions(view)
    yield from _service_actions(view)
    yield from _energy_actions(view)


def _job_actions(view: ReportView) -> Iterator[str]:
    entries = view.schedule.jobs
    if not entries:
        return
    where = Counter(entry.segments[0].site for entry in entries.values() if not entry.rejected)
    shares = ", ".join(f"{count} at {site}" for site, count in where.most_common())
    if shares:
        yield f"Run {plural(sum(where.values()), 'training job')}: {shares}."
    rejected = [name for name, entry in entries.items() if entry.rejected]
    if rejected:
        listed = ", ".join(rejected[:_MOST_NAMES]) + (" and others" if len(rejected) > _MOST_NAMES else "")
        jobs = plural(len(rejected), "job")
        yield f"Reject {jobs} whose power costs more than they are worth or that do not fit: {listed}."


def _service_actions(view: ReportView) -> Iterator[str]:
    for name, plan in view.schedule.services.items():
        served: dict[str, float] = {}
        for route, rate in zip(plan.routes, plan.served_token_s, strict=True):
            served[route.site] = served.get(route.site, 0.0) + float(rate.sum())
        total = sum(served.values())
        if total > 0:
            ranked = sorted(served.items(), key=lambda item: -item[1])
            shares = ((site, rate / total) for site, rate in ranked)
            parts = ", ".join(f"{percent(share, 2)} at {site}" for site, share in shares if share > 5e-4)
            yield f"Serve {name}: {parts}."


def _energy_actions(view: ReportView) -> Iterator[str]:
    peaks = []
    for site in view.sites:
        imported = site.plan.grid_import_mw
        if imported.any():
            step = int(np.argmax(imported))
            when = step_stamp(view.scenario.timeline, step, site.zone)
            peaks.append(f"{site.name} {quantity(float(imported[step]), 'MW')} ({when} {zone_label(site.zone)})")
    if peaks:
        yield f"Keep grid import at or below: {'; '.join(peaks)}."
    cycles = [
        f"{number(view.ledger.total('battery', 'cycles', site.name))} full cycles at {site.name}"
        for site in view.sites
        if site.site.batteries
    ]
    if cycles:
        yield f"Use the batteries for {', '.join(cycles)}."
    exported, curtailed = view.ledger.total("energy", "export"), view.ledger.total("energy", "curtailed")
    if exported > 0.05 or curtailed > 0.05:
        yield f"Sell {energy(exported)} to the grid and leave {energy(curtailed)} of solar and wind unused."
