"""Ledger rows of the work: jobs and inference services with their value, cost and service figures."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator

from joulewright.account import coefficients
from joulewright.account.entry import LedgerRow
from joulewright.account.load import routed_demand, segment_energy
from joulewright.account.work import job_outcome, reference_energy_mwh
from joulewright.model import InferenceService, JobSchedule, Scenario, Schedule, TrainingJob

_MTOKEN_PER_TOKEN_S_HOUR = 3600.0 / 1e6


class _Sums:
    """Exact sums by (site, section, item)."""

    def __init__(self) -> None:
        self._terms: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, site: str, section: str, item: str, *values: float) -> None:
        self._terms[site, section, item].extend(values)

    def total(self, site: str, section: str, item: str) -> float:
        return math.fsum(self._terms[site, section, item])

    def rows(self, unit: str) -> Iterator[LedgerRow]:
        for (site, section, item), terms in self._terms.items():
            yield LedgerRow(site, section, item, math.fsum(terms), unit)


def job_rows(scenario: Scenario, schedule: Schedule) -> Iterator[LedgerRow]:
    """Value, delay, transfers and energy beyond the horizon of the jobs, by the site where they end; counts."""
    counts = dict.fromkeys(("done", "late", "unfinished", "rejected", "deadlines met"), 0)
    money, work = _Sums(), _Sums()
    for job in scenario.training:
        entry = schedule.jobs[job.name]
        outcome = job_outcome(scenario, job, entry)
        counts["done"] += outcome.done
        counts["rejected"] += entry.rejected and not outcome.done
        counts["unfinished"] += not entry.rejected and not outcome.done
        counts["late"] += outcome.late
        counts["deadlines met"] += outcome.done and not outcome.late
        end = max(entry.segments, key=lambda segment: segment.stop_step, default=None)
        site = "" if end is None else end.site
        if outcome.done:
            money.add(site, "value", "jobs", job.value)
            work.add(site, "work", "training", outcome.horizon_fraction * reference_energy_mwh(scenario, job))
        if end is not None:
            money.add(site, "cost", "delay", coefficients.delay_cost(scenario, job, end.stop_step))
        _add_segment_costs(scenario, job, entry, money)
    yield from money.rows("currency")
    yield from work.rows("MWh")
    for item, count in counts.items():
        yield LedgerRow("", "jobs", item, float(count), "count")


def _add_segment_costs(scenario: Scenario, job: TrainingJob, entry: JobSchedule, money: _Sums) -> None:
    segments = sorted(entry.segments, key=lambda segment: segment.first_step)
    for segment in segments:
        if segment.stop_step > scenario.timeline.steps:
            price = coefficients.beyond_cost_per_it_mwh(scenario, scenario.site(segment.site))
            beyond_mwh = segment_energy(scenario, job, segment).beyond_it_mwh
            money.add(segment.site, "cost", "energy beyond horizon", price * beyond_mwh)
    for one, other in itertools.pairwise(segments):
        if one.site != other.site:
            cost = coefficients.transfer_cost(scenario, job, one.site, other.site)
            money.add(one.site, "cost", "data transfer", cost)


def service_rows(scenario: Scenario, schedule: Schedule) -> Iterator[LedgerRow]:
    """Revenue, penalties, tokens, served share and mean network latency of the inference services."""
    step_h = scenario.timeline.step_h
    money, work, tokens, delays = _Sums(), _Sums(), _Sums(), _Sums()
    for service, route, served in routed_demand(scenario, schedule):
        values = served.tolist()
        revenue = coefficients.served_revenue_per_token_s(scenario, service)
        money.add(route.site, "value", f"inference/{service.name}", revenue * math.fsum(values))
        served_token_s = math.fsum(values)
        point = service.serving
        busy_h = step_h * served_token_s / point.throughput_token_s
        work.add(route.site, "work", "inference", busy_h * point.active_power_mw)
        mtoken = step_h * _MTOKEN_PER_TOKEN_S_HOUR * served_token_s
        tokens.add("", "tokens", f"served/{service.name}", mtoken)
        latency = scenario.region(route.region).latency_ms.get(route.site, math.inf)
        delays.add("", "service", f"mean latency/{service.name}", 0.0 if mtoken == 0.0 else mtoken * latency)
    for service in scenario.inference:
        _add_demand(scenario, schedule, service, money, tokens)
    yield from money.rows("currency")
    yield from work.rows("MWh")
    yield from tokens.rows("Mtoken")
    yield from _quality_rows(scenario, tokens, delays)


def _add_demand(scenario: Scenario, schedule: Schedule, service: InferenceService, money: _Sums, tokens: _Sums) -> None:
    mtoken_per_token_s = scenario.timeline.step_h * _MTOKEN_PER_TOKEN_S_HOUR
    penalty = coefficients.unserved_cost_per_token_s(scenario, service)
    asked = math.fsum(itertools.chain.from_iterable(demand.tolist() for demand in service.demand_token_s.values()))
    left = schedule.services[service.name].unserved_token_s.values()
    unserved = math.fsum(itertools.chain.from_iterable(rate.tolist() for rate in left))
    tokens.add("", "tokens", f"asked/{service.name}", mtoken_per_token_s * asked)
    tokens.add("", "tokens", f"unserved/{service.name}", mtoken_per_token_s * unserved)
    if penalty is not None:
        money.add("", "cost", f"unserved inference/{service.name}", penalty * unserved)


def _quality_rows(scenario: Scenario, tokens: _Sums, delays: _Sums) -> Iterator[LedgerRow]:
    """Served share and token-weighted latency by service and of all services."""
    asked_all, served_all, delay_all = [], [], []
    for service in scenario.inference:
        asked = tokens.total("", "tokens", f"asked/{service.name}")
        served = tokens.total("", "tokens", f"served/{service.name}")
        delay = delays.total("", "service", f"mean latency/{service.name}")
        asked_all.append(asked)
        served_all.append(served)
        delay_all.append(delay)
        yield from ratio_rows(f"/{service.name}", asked, served, delay)
    yield from ratio_rows("", math.fsum(asked_all), math.fsum(served_all), math.fsum(delay_all))


def ratio_rows(suffix: str, asked: float, served: float, delay: float) -> Iterator[LedgerRow]:
    """Served share, and mean latency from tokens [Mtoken] times latency; nothing where nothing is asked or served."""
    if asked > 0.0:
        yield LedgerRow("", "service", f"served share{suffix}", served / asked, "fraction")
    if served > 0.0:
        yield LedgerRow("", "service", f"mean latency{suffix}", delay / served, "ms")
