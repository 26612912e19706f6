"""Why a job runs where and when it does: what its best alternatives would cost, each solved again.

``explain_hour`` of :mod:`joulewright.plan.hours` belongs to the same questions and can be imported from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from joulewright.account.load import job_energy
from joulewright.account.work import continues, job_outcome, segment_hours
from joulewright.errors import InfeasibleError
from joulewright.model import JobSchedule, Scenario, TrainingJob
from joulewright.model.timeline import FloatArray
from joulewright.plan.hours import HourExplanation, SiteHour, explain_hour
from joulewright.plan.inputs import build_inputs
from joulewright.plan.options import PlanOptions
from joulewright.plan.placement import Run, single_runs, site_price, window_sums
from joulewright.plan.planner import plan
from joulewright.plan.reduction import reduce_scenario
from joulewright.plan.resolve import Figures, Resolver
from joulewright.plan.result import PlanResult

_AT_ONE_PLACE = 2
_THERE, _HERE = "cheapest there", "next cheapest here"
_HELD = (
    "all other jobs and the states of generators are held; requests, batteries, output and grid are planned anew for "
    "each alternative (a linear program)"
)
_ANEW = "everything else is planned anew for each alternative"


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to run the job, and what the plan would lose by it.

    Attributes
    ----------
    what : str
        Why this alternative is looked at, e.g. ``cheapest elsewhere``.
    site, fleet, start : str or None
        Where and from when (ISO 8601); None for a job that is not run, and without a start where it is free.
    benefit_change, cost_change, carbon_change_kg : float or None
        Differences from the plan [currency, currency, kg]; None where it is not possible.
    note : str
        Why it is not possible, or what else changes.
    """

    what: str
    site: str | None = None
    fleet: str | None = None
    start: str | None = None
    benefit_change: float | None = None
    cost_change: float | None = None
    carbon_change_kg: float | None = None
    note: str = ""

    def __str__(self) -> str:
        place = "is not run" if self.site is None else f"{self.site}/{self.fleet}"
        if self.start is not None:
            place += f" from {_clock(datetime.fromisoformat(self.start))}"
        head = f"{place} ({self.what})"
        if self.benefit_change is None or self.cost_change is None or self.carbon_change_kg is None:
            return f"{head}: {self.note or 'not possible'}"
        changes = (
            f"benefit {_signed(self.benefit_change, 0)}, cost {_signed(self.cost_change, 0)}, "
            f"carbon {_signed(self.carbon_change_kg / 1000.0, 3)} t"
        )
        return f"{head}: {changes}" + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True, kw_only=True)
class JobExplanation:
    """Why a job runs there and then.

    Attributes
    ----------
    job, kind, currency : str
        Name, kind and the currency of all money.
    site, fleet, start, end : str or None
        What the plan does with it; None for a rejected job.
    places : tuple of str
        Every ``site/fleet`` it runs on, in time order.
    accelerators, least_accelerators, most_accelerators : float
        Reference size, and the smallest and largest size it runs at; the last two are 0 for a rejected job.
    duration_h : float
        Work, as hours at the reference size [h].
    runs : int
        Runs without a break; a job may change its size within one.
    running_h, breaks_h : float
        Time in which it runs, and time between its runs [h].
    done_fraction : float
        Part of its whole work done within the horizon.
    energy_mwh : float
        Energy at the meter [MWh].
    release, deadline : str
        When it may run (ISO 8601).
    slack_h : float or None
        Time left between its end and its deadline [h].
    power_price_per_mwh, import_price_per_mwh, carbon_kg_per_mwh : float or None
        Means over the hours it runs: marginal price of power in the plan, price of import [currency/MWh] and carbon
        intensity of import [kg/MWh].
    alternatives : tuple of Alternative
        Best first.
    method : str
        What was solved again and what was held.
    """

    job: str
    kind: str
    currency: str
    site: str | None
    fleet: str | None
    start: str | None
    end: str | None
    places: tuple[str, ...]
    accelerators: float
    least_accelerators: float
    most_accelerators: float
    duration_h: float
    runs: int
    running_h: float
    breaks_h: float
    done_fraction: float
    energy_mwh: float
    release: str
    deadline: str
    slack_h: float | None
    power_price_per_mwh: float | None
    import_price_per_mwh: float | None
    carbon_kg_per_mwh: float | None
    alternatives: tuple[Alternative, ...]
    method: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join([*self._decision(), *self._alternatives()])

    def _decision(self) -> Iterator[str]:
        window = f"{_clock(datetime.fromisoformat(self.release))} to {_clock(datetime.fromisoformat(self.deadline))}"
        if self.start is None or self.end is None:
            yield f"{self.job} is not run; it could run from {window}."
            return
        span = f"{_clock(datetime.fromisoformat(self.start))} to {_clock(datetime.fromisoformat(self.end))}"
        sizes = dict.fromkeys(f"{size:,.0f}" for size in (self.least_accelerators, self.most_accelerators))
        size = f"{' to '.join(sizes)} accelerators, {self.energy_mwh:,.1f} MWh"
        yield f"{self.job} runs at {', then '.join(self.places)} from {span} ({size})."
        if self.kind != "rigid":
            yield f"  It {self._course()}."
        slack = "" if self.slack_h is None else f"; {self.slack_h:g} h are left until its deadline"
        yield f"  It may run from {window}{slack}."
        prices = []
        if self.power_price_per_mwh is not None:
            prices.append(f"power is worth {self.power_price_per_mwh:,.2f} {self.currency}/MWh")
        if self.import_price_per_mwh is not None:
            prices.append(f"the grid asks {self.import_price_per_mwh:,.2f} {self.currency}/MWh")
        if self.carbon_kg_per_mwh is not None:
            prices.append(f"its carbon intensity is {self.carbon_kg_per_mwh:,.0f} kg/MWh")
        if prices:
            yield f"  On average over these hours {', '.join(prices)}."

    def _course(self) -> str:
        """How a job that may pause or change its size gets its work done."""
        count = self.runs - 1
        breaks = f"in {self.runs} runs with {count} break{'s' if count > 1 else ''} of {self.breaks_h:g} h in all"
        done = f"{100.0 * self.done_fraction:.4g} % of its work"
        text = f"runs {self.running_h:g} h {breaks if count else 'without a break'} and does {done}"
        if self.kind == "elastic":
            text += (
                f", which takes {self.duration_h:g} h at its reference size of {self.accelerators:,.0f} accelerators"
            )
        return text

    def _alternatives(self) -> Iterator[str]:
        if not self.alternatives:
            yield "  It has no alternative: no other site or start fits its window."
            return
        yield f"  Alternatives, as changes to the whole plan in {self.currency}:"
        for item in self.alternatives:
            yield f"    {item}"
        yield f"  Here {self.method}."


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A run to try: without a start wherever it is best, without a run not at all."""

    what: tuple[str, ...]
    run: Run | None = None
    start: int | None = None


def explain_job(
    scenario: Scenario,
    result: PlanResult,
    name: str,
    options: PlanOptions | None = None,
    *,
    thorough: bool = False,
) -> JobExplanation:
    """Say why a job runs there and then, by what its best alternatives would cost.

    Looked at are the cheapest start at every other fleet, the next best starts where it runs, the earliest
    start, and not running it where that is allowed.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    result : PlanResult
        A plan of this scenario.
    name : str
        A training job.
    options : PlanOptions, optional
        For the solves of a thorough explanation; those of the plan by default.
    thorough : bool
        True to plan everything anew with the job pinned at each alternative. Otherwise all other jobs and the states
        of generators are held, which is quick; the true difference is then at most as large.

    Raises
    ------
    KeyError
        If there is no such job.
    ValueError
        If the result holds no plan.
    """
    if result.schedule is None:
        raise ValueError(f"the search ended as {result.status!r} without a plan, so there is nothing to explain")
    without = frozenset(result.options.get("without", ()))
    scenario = reduce_scenario(scenario, without)
    job, entry = scenario.job(name), result.schedule.jobs[name]
    candidates = _candidates(scenario, result, job, entry)
    tried = _select(_solve_again(scenario, result, name, (candidates, without)))
    alternatives = [alternative for _, alternative in tried]
    if thorough:
        options = replace(options or PlanOptions(without=without), previous=None, churn_cost=0.0)
        alternatives = [_plan_anew(scenario, result, job, (item, options)) for item, _ in tried]
    alternatives.sort(key=lambda item: np.inf if item.benefit_change is None else -item.benefit_change)
    return _explanation(scenario, result, job, tuple(alternatives), method=_ANEW if thorough else _HELD)


def _candidates(scenario: Scenario, result: PlanResult, job: TrainingJob, entry: JobSchedule) -> list[_Candidate]:
    inputs = build_inputs(scenario)
    groups = [item for item in (*inputs.rigid, *inputs.divisible) if job.name in item.names]
    if not groups:  # It has finished before the horizon.
        return []
    runs = list(single_runs(inputs, groups[0]))
    here = None if entry.rejected else (entry.segments[0].site, entry.segments[0].fleet, entry.start_step)
    found = [item for run in runs for item in _on_fleet(scenario, result, job, (run, here))]
    if runs:
        first = min(runs, key=lambda run: run.starts.start)
        if (*_place(first), first.starts.start) != here:
            found.append(_Candidate(("as early as possible",), first, first.starts.start))
    if not (job.required or entry.rejected):
        found.append(_Candidate(("rejected",)))
    return _distinct(found)


def _place(run: Run) -> tuple[str, str]:
    return run.fleet.site.name, run.fleet.fleet.name


def _on_fleet(
    scenario: Scenario, result: PlanResult, job: TrainingJob, parts: tuple[Run, tuple[str, str, int] | None]
) -> Iterator[_Candidate]:
    """Promising runs on one fleet; ``here`` is where and when the job runs now."""
    run, here = parts
    there = here is None or _place(run) != here[:2]
    if job.kind == "rigid":
        for start in _promising(scenario, result, run):
            if here is None or (*_place(run), start) != here:
                yield _Candidate((_THERE if there else _HERE,), run, start)
    elif there:
        yield _Candidate((_THERE,), run, None)
    elif here is not None and here[2] in run.starts:
        yield _Candidate(("without a pause",), run, here[2])


def _distinct(found: list[_Candidate]) -> list[_Candidate]:
    """The candidates with those that mean the same joined."""
    kept: dict[tuple[int | None, int | None], _Candidate] = {}
    for item in found:
        key = (None if item.run is None else item.run.fleet.position, item.start)
        known = kept.get(key)
        kept[key] = item if known is None else replace(known, what=tuple(dict.fromkeys((*known.what, *item.what))))
    return list(kept.values())


def _promising(scenario: Scenario, result: PlanResult, run: Run) -> list[int]:
    """Starts that are cheap by the plan's marginal prices, and by those of the grid.

    Where nothing is bought a marginal price may be anything up to that of the grid, so both are looked at.
    """
    site, fleet, duals = run.fleet.site, run.fleet.fleet, result.duals
    more_mw = run.gpus * site.pue * (run.place.power_mw - fleet.idle_power_mw)
    costs = [more_mw * site_price(scenario, site)]
    if duals is not None:
        held = duals.accelerator_price_per_h.get(f"{site.name}/{fleet.name}", 0.0 * costs[0])
        costs.append(more_mw * duals.power_price_per_mwh.get(site.name, 0.0 * costs[0]) + run.gpus * held)
    starts: list[int] = []
    for cost in costs:
        order = np.argsort(window_sums(run, cost), kind="stable")[: _AT_ONE_PLACE + 1]
        starts += [run.starts[int(item)] for item in order]
    return list(dict.fromkeys(starts))


def _select(tried: list[tuple[_Candidate, Alternative]]) -> list[tuple[_Candidate, Alternative]]:
    """The best start at every other fleet, the best few where the job runs, and what is there for another reason."""
    left: dict[tuple[str, int], int] = {}
    chosen = []
    for item, alternative in sorted(tried, key=lambda pair: -_rank(pair[1])):
        kept = [what for what in item.what if what not in (_THERE, _HERE)]
        for what in (what for what in item.what if what in (_THERE, _HERE) and item.run is not None):
            place = (what, -1 if item.run is None else item.run.fleet.position)
            left[place] = left.get(place, 1 if what == _THERE else _AT_ONE_PLACE) - 1
            if left[place] >= 0:
                kept.insert(0, what)
        if kept:
            item = replace(item, what=tuple(kept))
            chosen.append((item, replace(alternative, what=", ".join(kept))))
    return chosen


def _rank(alternative: Alternative) -> float:
    return -np.inf if alternative.benefit_change is None else alternative.benefit_change


def _solve_again(
    scenario: Scenario, result: PlanResult, job: str, parts: tuple[list[_Candidate], frozenset[str]]
) -> list[tuple[_Candidate, Alternative]]:
    candidates, without = parts
    if result.schedule is None or not candidates:
        return []
    resolver = Resolver(scenario, result.schedule, without)
    base = resolver.base()
    found = []
    for item in candidates:
        empty = _empty(scenario, item)
        if base is None:
            note = "the schedule itself breaks limits, so nothing can be compared"
            found.append((item, replace(empty, note=note)))
            continue
        figures, note = resolver.solve(job, item.run, item.start)
        found.append((item, _compared(empty, base, figures, note)))
    return found


def _plan_anew(
    scenario: Scenario, result: PlanResult, job: TrainingJob, parts: tuple[_Candidate, PlanOptions]
) -> Alternative:
    item, options = parts
    timeline, empty = scenario.timeline, _empty(scenario, item)
    if item.run is None:
        jobs = tuple(other for other in scenario.training if other.name != job.name)
    else:
        start = job.start if item.start is None else timeline.at(item.start)
        pinned = replace(job, site=item.run.fleet.site.name, start=start, mandatory=True)
        jobs = tuple(pinned if other.name == job.name else other for other in scenario.training)
    try:
        other = plan(scenario.with_changes(training=jobs), options)
    except InfeasibleError as error:
        return replace(empty, note=f"not possible: {str(error).splitlines()[0]}")
    if other.ledger is None or result.ledger is None:
        return replace(empty, note=f"no plan was found: the search ended as {other.status!r}")
    base = Figures(result.ledger.benefit, result.ledger.cost, result.ledger.carbon_kg)
    return _compared(empty, base, Figures(other.ledger.benefit, other.ledger.cost, other.ledger.carbon_kg), "")


def _empty(scenario: Scenario, item: _Candidate) -> Alternative:
    if item.run is None:
        return Alternative(what=", ".join(item.what))
    start = None if item.start is None else scenario.timeline.at(item.start).isoformat()
    index = item.run.fleet
    return Alternative(what=", ".join(item.what), site=index.site.name, fleet=index.fleet.name, start=start)


def _compared(empty: Alternative, base: Figures, other: Figures | None, note: str) -> Alternative:
    if other is None:
        return replace(empty, note=note)
    return replace(
        empty,
        benefit_change=other.benefit - base.benefit,
        cost_change=other.cost - base.cost,
        carbon_change_kg=other.carbon_kg - base.carbon_kg,
        note=note,
    )


def _explanation(
    scenario: Scenario,
    result: PlanResult,
    job: TrainingJob,
    alternatives: tuple[Alternative, ...],
    *,
    method: str,
) -> JobExplanation:
    timeline = scenario.timeline
    entry = JobSchedule(job=job.name) if result.schedule is None else result.schedule.jobs[job.name]
    runs = sorted(entry.segments, key=lambda segment: segment.first_step)
    first = runs[0] if runs else None
    end = max((segment.stop_step for segment in runs), default=None)
    breaks_h = [timeline.step_h * (b.first_step - a.stop_step) for a, b in pairwise(runs) if not continues(a, b)]
    power, bought, carbon = _means(scenario, result, entry)
    energy = 0.0 if result.schedule is None else job_energy(scenario, result.schedule)[job.name].facility_mwh
    return JobExplanation(
        job=job.name,
        kind=job.kind,
        currency=scenario.currency,
        site=None if first is None else first.site,
        fleet=None if first is None else first.fleet,
        start=None if first is None else timeline.at(first.first_step).isoformat(),
        end=None if end is None else timeline.at(end).isoformat(),
        places=tuple(dict.fromkeys(f"{segment.site}/{segment.fleet}" for segment in runs)),
        accelerators=float(job.gpus),
        least_accelerators=min((segment.accelerators for segment in runs), default=0.0),
        most_accelerators=max((segment.accelerators for segment in runs), default=0.0),
        duration_h=job.duration_h,
        runs=len(breaks_h) + bool(runs),
        running_h=sum(segment_hours(scenario, segment) for segment in runs),
        breaks_h=sum(breaks_h),
        done_fraction=job_outcome(scenario, job, entry).horizon_fraction,
        energy_mwh=energy,
        release=job.release.isoformat(),
        deadline=job.deadline.isoformat(),
        slack_h=None if end is None else (job.last_boundary(timeline) - end) * timeline.step_h,
        power_price_per_mwh=power,
        import_price_per_mwh=bought,
        carbon_kg_per_mwh=carbon,
        alternatives=alternatives,
        method=method,
    )


def _means(
    scenario: Scenario, result: PlanResult, entry: JobSchedule
) -> tuple[float | None, float | None, float | None]:
    """Means over the steps a job runs: marginal price of power, price of import, carbon intensity."""
    values: list[list[FloatArray | None]] = [[], [], []]
    for segment in entry.segments:
        site, duals = scenario.site(segment.site), result.duals
        chosen = slice(segment.first_step, segment.stop_step)
        series = scenario.deciding_intensity(site)
        values[0].append(None if duals is None else duals.power_price_per_mwh[site.name][chosen])
        values[1].append(None if site.grid is None else site.grid.import_price_per_mwh[chosen])
        values[2].append(None if series is None else series.kg_per_mwh[chosen])
    power, bought, carbon = map(_mean, values)
    return power, bought, carbon


def _mean(parts: list[FloatArray | None]) -> float | None:
    """Mean over all steps; None where there are none or one part is not known."""
    known = [part for part in parts if part is not None]
    return float(np.concatenate(known).mean()) if known and len(known) == len(parts) else None


def _signed(value: float, digits: int) -> str:
    """A change with its sign; what rounds to nothing has none."""
    rounded = round(value, digits)
    return f"{rounded:+,.{digits}f}" if rounded else "0"


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%d %b %H:%M} UTC"


__all__ = ["Alternative", "HourExplanation", "JobExplanation", "SiteHour", "explain_hour", "explain_job"]
