"""Why a training job runs where and when it does, in figures a reader can weigh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.account.load import running_fraction
from joulewright.check.span import begin, stop
from joulewright.model import Fleet, JobSchedule, Segment, Site, TrainingJob
from joulewright.model.timeline import FloatArray
from joulewright.report.clock import at_position, span_text, stamp
from joulewright.report.course import course_of, course_text
from joulewright.report.numbers import compact, percent, plural, quantity, tonnes
from joulewright.report.view import ReportView

_CLOSE = 1.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Options:
    """Every start a rigid job could have.

    Attributes
    ----------
    costs : FloatArray
        Cost of the job's power from each start [currency], shape ``(N,)``.
    sites : int
        Sites they lie at.
    earliest_cost : float
        Cost of the cheapest among the earliest possible starts [currency].
    """

    costs: FloatArray
    sites: int
    earliest_cost: float


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """Energy [MWh], and cost [currency] and carbon [kg] of that energy bought from the grid when it is used."""

    energy_mwh: float
    grid_cost: float
    grid_carbon_kg: float


def power_price(view: ReportView, site: Site) -> FloatArray | None:
    """Price of power at ``site`` [currency/MWh], shape ``(T,)``: the plan's own where there is one, else of import."""
    duals = view.duals
    if duals is not None and site.name in duals.power_price_per_mwh:
        return np.asarray(duals.power_price_per_mwh[site.name])
    return None if site.grid is None else site.grid.import_price_per_mwh


def run_cost(starts: range, steps: int, *, last_fraction: float, cost_per_step: FloatArray) -> FloatArray:
    """Cost of a run of ``steps`` steps from every start, shape ``(len(starts),)``; steps past the horizon are free.

    Examples
    --------
    >>> run_cost(range(0, 2), 2, last_fraction=0.5, cost_per_step=np.array([4.0, 2.0, 6.0])).tolist()
    [5.0, 5.0]
    """
    reach = np.concatenate(([0.0], np.cumsum(np.concatenate((cost_per_step, np.zeros(steps))))))
    first = np.arange(starts.start, starts.stop)
    last = reach[first + steps] - reach[first + steps - 1]
    return reach[first + steps - 1] - reach[first] + last_fraction * last


def job_options(view: ReportView, job: TrainingJob) -> Options | None:
    """Cost of the job's power from every start on every fleet; None for other kinds or where power has no price."""
    if job.kind != "rigid":
        return None
    costs, earliest, sites = [], [], set()
    for site, fleet in view.scenario.fleets():
        price = power_price(view, site)
        if price is None or not (job.allows(site.name) and job.fits(fleet)):
            continue
        found = _fleet_costs(view, job, (site, fleet), price)
        if found.size:
            costs.append(found)
            earliest.append(float(found[0]))
            sites.add(site.name)
    if not costs:
        return None
    return Options(costs=np.concatenate(costs), sites=len(sites), earliest_cost=min(earliest))


def _fleet_costs(view: ReportView, job: TrainingJob, place: tuple[Site, Fleet], price: FloatArray) -> FloatArray:
    (site, fleet), timeline = place, view.scenario.timeline
    starts = job.start_range(fleet, timeline)
    duration_h = job.duration_on(fleet, timeline)
    steps = timeline.steps_for(duration_h)
    if not starts or steps == 0:
        return np.zeros(0)
    power_mw = job.gpus * job.power_on(fleet)
    fraction = duration_h / timeline.step_h - (steps - 1)
    return run_cost(starts, steps, last_fraction=fraction, cost_per_step=timeline.step_h * power_mw * site.pue * price)


def job_reason(view: ReportView, job: TrainingJob, entry: JobSchedule) -> str:
    """One or two sentences: what interrupted the job, and how its start compares with the others it could have had."""
    told = course_text(course_of(view.scenario.timeline, entry)) if view.result is None else ""
    sentences = (f"{told}." if told else "", _start_reason(view, job, entry))
    return " ".join(sentence for sentence in sentences if sentence)


def _start_reason(view: ReportView, job: TrainingJob, entry: JobSchedule) -> str:
    options = job_options(view, job)
    if entry.rejected:
        return _absence(view, job, options)
    if job.running_since is not None:
        return "It was running already and goes on."
    if job.start is not None:
        return "Its start is pinned in the scenario."
    if options is None or len(entry.segments) > 1:
        return ""
    if options.costs.size == 1:
        return "It has only one possible start."
    return _comparison(view, job, entry.segments[0], options)


def _absence(view: ReportView, job: TrainingJob, options: Options | None) -> str:
    worth = f"Its value is {compact(job.value, view.scenario.currency)}"
    if view.result is None:
        return f"Did not run within the horizon. {worth}."
    if options is None:
        return f"Rejected. {worth}."
    least = compact(float(options.costs.min()), view.scenario.currency)
    return f"Rejected. {worth}; power alone would cost at least {least}, before what it takes from other jobs."


def _comparison(view: ReportView, job: TrainingJob, segment: Segment, options: Options) -> str:
    site = view.scenario.site(segment.site)
    price = power_price(view, site)
    if price is None:
        return ""
    window, used_mwh = _energy_use(view, job, segment)
    return _ranking(view, float(used_mwh @ price[window]), options)


def _energy_use(view: ReportView, job: TrainingJob, segment: Segment) -> tuple[slice, FloatArray]:
    """Steps of a segment within the horizon and its energy at the meter in each of them [MWh]."""
    site = view.scenario.site(segment.site)
    window = slice(segment.first_step, min(segment.stop_step, view.scenario.timeline.steps))
    hours = view.step_h * running_fraction(segment)[: max(0, window.stop - window.start)]
    return window, hours * segment.accelerators * job.power_on(site.fleet(segment.fleet)) * site.pue[window]


def _ranking(view: ReportView, chosen: float, options: Options) -> str:
    """The chosen cost among those of all possible starts."""
    count, currency = options.costs.size, view.scenario.currency
    cheaper = int(np.count_nonzero(options.costs < chosen - 1e-6 * abs(chosen)))
    starts = f"{plural(count, 'possible start')}{'' if options.sites == 1 else f' at {options.sites} sites'}"
    cost = f"Power for this start costs {compact(chosen, currency)}"
    if cheaper > count / 2:
        least = compact(float(options.costs.min()), currency)
        others = f"{plural(cheaper, 'start')} of {starts} would be cheaper (from {least})"
        return f"{cost}. {others}{'.' if view.result is None else ', so other jobs or limits decide here.'}"
    rank = "the cheapest" if cheaper == 0 else f"cheaper than {percent(1.0 - cheaper / count, 2)}"
    early = ""
    if options.earliest_cost > chosen * _CLOSE:
        early = f"; starting as early as possible would cost {compact(options.earliest_cost, currency)}"
    return f"{cost}, {rank} of {starts}{early}."


def job_grid_facts(view: ReportView, job: TrainingJob, entry: JobSchedule) -> JobFacts:
    """Energy of the job at the meter, and its cost and carbon if all of it came from the grid at that time."""
    energy = cost = carbon = 0.0
    for segment in entry.segments:
        site = view.scenario.site(segment.site)
        window, used = _energy_use(view, job, segment)
        energy += float(used.sum())
        intensity = view.scenario.deciding_intensity(site)
        if site.grid is not None:
            cost += float(used @ site.grid.import_price_per_mwh[window])
        if intensity is not None:
            carbon += float(used @ intensity.kg_per_mwh[window])
    return JobFacts(energy_mwh=energy, grid_cost=cost, grid_carbon_kg=carbon)


def job_rows(view: ReportView, job: TrainingJob, entry: JobSchedule) -> list[list[str]]:
    """Label and value pairs shown when a job is pointed at."""
    zone = "UTC" if entry.rejected else view.site(entry.segments[0].site).zone
    rows = [
        ["Kind", f"{job.kind}, {plural(job.gpus, 'accelerator')}, {span_text(job.duration_h)}"],
        ["May run", f"{stamp(job.release, zone)} to {stamp(job.deadline, zone)}"],
    ]
    if not entry.rejected:
        rows += _run_rows(view, job, entry)
    if job.value:
        rows.append(["Value", compact(job.value, view.scenario.currency)])
    return rows


def _run_rows(view: ReportView, job: TrainingJob, entry: JobSchedule) -> list[list[str]]:
    """What there is to say about a job that runs."""
    timeline, zone = view.scenario.timeline, view.site(entry.segments[0].site).zone
    facts, course = job_grid_facts(view, job, entry), course_text(course_of(timeline, entry))
    record = view.records.get(job.name)
    end_h = stop(entry.segments[-1]) * timeline.step_h
    slack_h = (job.deadline - timeline.start).total_seconds() / 3600.0 - end_h
    where = sorted({f"{segment.site} · {segment.fleet}" for segment in entry.segments})
    rows = [["Runs at", ", ".join(where)], ["Starts", stamp(at_position(timeline, begin(entry.segments[0])), zone)]]
    if course:
        rows.append(["Course", course])
    if record is not None and record.end_h is None:
        rows.append(["At the end", f"{percent(record.done_fraction)} of the work is done"])
    else:
        rows.append(["Slack", span_text(round(slack_h, 2)) if slack_h >= 0 else f"late by {span_text(-slack_h)}"])
    return [
        *rows,
        ["Energy", quantity(facts.energy_mwh, "MWh")],
        ["Grid cost then", compact(facts.grid_cost, view.scenario.currency)],
        ["Grid carbon then", tonnes(facts.grid_carbon_kg)],
    ]
