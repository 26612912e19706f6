"""Which changes of a scenario are worth trying when nothing is feasible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np

from joulewright.model import Battery, Fleet, InferenceService, Scenario, Site, TrainingJob
from joulewright.model.timeline import IntArray
from joulewright.plan.constraints.demand import TOKEN_UNIT
from joulewright.plan.model import JointProgram
from joulewright.plan.relaxation import Relaxation, Slack

_PENALTY = 1e4


def candidates(joint: JointProgram, jobs: list[str]) -> Iterator[Relaxation]:
    """Limits of all sites, budgets, and what some jobs and all services ask for."""
    scenario = joint.inputs.scenario
    for site in scenario.sites:
        yield from _site_changes(joint, site)
    if scenario.carbon.excess_price_per_t is None:
        yield from _carbon_changes(joint)
    for name in jobs:
        yield from job_changes(scenario, scenario.job(name))
    for service in scenario.inference:
        if service.unserved_penalty_per_mtoken is None:
            rows = _block(joint, "demand", service.name, rows=True)
            slack = Slack(rows, 1.0, separate=True, per_unit=joint.inputs.step_h * 3600.0 * TOKEN_UNIT / 1e6)
            words = f"allow {{}} Mtoken of {service.name} unserved"
            yield replace(_serve_less(service.name), unit="Mtoken", words=words, slack=slack)


def job_changes(scenario: Scenario, job: TrainingJob) -> Iterator[Relaxation]:
    """More time for a job, fewer accelerators, or not running it at all."""
    timeline, name, key = scenario.timeline, job.name, f"training.{job.name}"
    spare_h = (timeline.steps - timeline.floor(job.deadline)) * timeline.step_h
    if spare_h > 0.0:

        def later(changed: Scenario, amount: float) -> Scenario:
            return _with_job(changed, replace(job, deadline=job.deadline + timedelta(hours=amount)))

        words = f"{name}.deadline +{{}} h"
        yield Relaxation("deadline", name, "h", f"{key}.deadline", words, later, step=timeline.step_h, largest=spare_h)
    if job.kind == "rigid" and job.gpus > 1:

        def smaller(changed: Scenario, amount: float) -> Scenario:
            return _with_job(changed, replace(job, gpus=max(1, job.gpus - int(amount))))

        step, most = float(max(1, job.gpus // 64)), float(job.gpus - 1)
        words = f"{name}.gpus -{{}}"
        yield Relaxation("gpus", name, "accelerators", f"{key}.gpus", words, smaller, step=step, largest=most)

    def dropped(changed: Scenario, _amount: float) -> Scenario:
        return changed.with_changes(training=tuple(other for other in changed.training if other.name != name))

    words = f"do not require {name}"
    yield Relaxation("drop-job", name, "", f"{key}.mandatory", words, dropped, amount_matters=False)


def service_changes(service: InferenceService) -> Iterator[Relaxation]:
    """A longer latency limit for a service, or a price for what is not served."""
    limit, key = service.latency_limit_ms, f"inference.{service.name}.latency_limit"
    if limit is not None:

        def slower(changed: Scenario, amount: float) -> Scenario:
            return _with_service(changed, replace(service, latency_limit_ms=limit + amount))

        yield Relaxation("latency-limit", service.name, "ms", key, f"{key} +{{}} ms", slower)
    yield _serve_less(service.name)


def _serve_less(name: str) -> Relaxation:
    def changed(scenario: Scenario, _amount: float) -> Scenario:
        service = next(item for item in scenario.inference if item.name == name)
        return _with_service(scenario, replace(service, unserved_penalty_per_mtoken=_PENALTY))

    key, words = f"inference.{name}.unserved_penalty", f"give {name} an unserved_penalty"
    return Relaxation("allow-unserved-demand", name, "", key, words, changed, amount_matters=False)


def job_rows(joint: JointProgram, name: str) -> IntArray:
    """Rows that make a job (and those equal to it) run."""
    families = ("assignment", "work", "one_fleet", "pinned_start", "first_location")
    found = [
        block.first + position
        for family in families
        for block in joint.program.rows.get(family, [])
        for position in range(block.size)
        if block.label(position) == name
    ]
    return np.array(found, dtype=np.int64)


def _block(joint: JointProgram, family: str, head: str, *, rows: bool = False) -> IntArray:
    families = joint.program.rows if rows else joint.program.variables
    found = [
        block.index.ravel()
        for block in families.get(family, [])
        if block.size and f"{block.label(0)},".startswith(f"{head},")
    ]
    return np.concatenate([*found, np.empty(0, np.int64)]).astype(np.int64)


def _with_site(scenario: Scenario, name: str, update: Callable[[Site], Site]) -> Scenario:
    return scenario.with_changes(sites=tuple(update(site) if site.name == name else site for site in scenario.sites))


def _with_job(scenario: Scenario, job: TrainingJob) -> Scenario:
    jobs = tuple(job if other.name == job.name else other for other in scenario.training)
    return scenario.with_changes(training=jobs)


def _with_service(scenario: Scenario, service: InferenceService) -> Scenario:
    services = tuple(service if other.name == service.name else other for other in scenario.inference)
    return scenario.with_changes(inference=services)


def _site_changes(joint: JointProgram, site: Site) -> Iterator[Relaxation]:
    if site.grid is not None:
        yield _more_import(joint, site.name, float(site.grid.import_limit_mw.max()))
    for battery in site.batteries:
        yield _more_energy(joint, site.name, battery)
        yield _more_power(joint, site.name, battery)
    for fleet in site.fleets:
        yield _more_accelerators(joint, site.name, fleet)
    if site.it_limit_mw is not None:
        yield _more_it_power(joint, site.name, float(site.it_limit_mw.max()))
    if site.unserved_power_penalty_per_mwh is None:
        yield _less_power(joint, site.name)


def _more_import(joint: JointProgram, name: str, limit_mw: float) -> Relaxation:
    def wider(site: Site, amount: float) -> Site:
        grid = site.grid
        return (
            site if grid is None else replace(site, grid=replace(grid, import_limit_mw=grid.import_limit_mw + amount))
        )

    def changed(scenario: Scenario, amount: float) -> Scenario:
        return _with_site(scenario, name, lambda site: wider(site, amount))

    slack = Slack(bounded=_block(joint, "grid_import", name))
    key, words, step = f"site.{name}.grid.import_limit", f"+{{}} MW import at {name}", 0.01 * max(1.0, limit_mw)
    return Relaxation("import-limit", name, "MW", key, words, changed, slack, step)


def _with_battery(scenario: Scenario, site: str, name: str, update: Callable[[Battery], Battery]) -> Scenario:
    def change(old: Site) -> Site:
        return replace(old, batteries=tuple(update(item) if item.name == name else item for item in old.batteries))

    return _with_site(scenario, site, change)


def _more_energy(joint: JointProgram, site: str, battery: Battery) -> Relaxation:
    def changed(scenario: Scenario, amount: float) -> Scenario:
        return _with_battery(scenario, site, battery.name, lambda old: replace(old, energy_mwh=old.energy_mwh + amount))

    head, key = f"{site}/{battery.name}", f"site.{site}.battery.{battery.name}.energy"
    slack, step = Slack(bounded=_block(joint, "energy", head)[1:]), 0.01 * max(1.0, battery.energy_mwh)
    return Relaxation("battery-energy", head, "MWh", key, f"+{{}} MWh battery {head}", changed, slack, step)


def _more_power(joint: JointProgram, site: str, battery: Battery) -> Relaxation:
    def stronger(old: Battery, amount: float) -> Battery:
        most = (old.charge_limit_mw + amount, old.discharge_limit_mw + amount)
        return replace(old, charge_limit_mw=most[0], discharge_limit_mw=most[1])

    def changed(scenario: Scenario, amount: float) -> Scenario:
        return _with_battery(scenario, site, battery.name, lambda old: stronger(old, amount))

    head, key = f"{site}/{battery.name}", f"site.{site}.battery.{battery.name}.power"
    flows = np.concatenate([_block(joint, "charge", head), _block(joint, "discharge", head)])
    step = 0.01 * max(1.0, battery.discharge_limit_mw)
    words = f"+{{}} MW battery {head}"
    return Relaxation("battery-power", head, "MW", key, words, changed, Slack(bounded=flows), step)


def _more_accelerators(joint: JointProgram, site: str, fleet: Fleet) -> Relaxation:
    def larger(old: Fleet, amount: float) -> Fleet:
        return replace(old, count=old.count + int(np.ceil(amount))) if old.name == fleet.name else old

    def changed(scenario: Scenario, amount: float) -> Scenario:
        return _with_site(
            scenario, site, lambda old: replace(old, fleets=tuple(larger(item, amount) for item in old.fleets))
        )

    head, key = f"{site}/{fleet.name}", f"site.{site}.fleet.{fleet.name}.count"
    rows, held = _block(joint, "accelerators", head, rows=True), _block(joint, "held", head)
    # Held accelerators alone have no row: the bound of their column is the limit.
    slack = Slack(rows, opened=held) if rows.size else Slack(bounded=held)
    step = float(max(1, fleet.count // 100))
    words = f"+{{}} accelerators in {head}"
    return Relaxation("accelerators", head, "accelerators", key, words, changed, slack, step)


def _more_it_power(joint: JointProgram, name: str, limit_mw: float) -> Relaxation:
    def changed(scenario: Scenario, amount: float) -> Scenario:
        def update(site: Site) -> Site:
            return site if site.it_limit_mw is None else replace(site, it_limit_mw=site.it_limit_mw + amount)

        return _with_site(scenario, name, update)

    slack, step = Slack(_block(joint, "it_limit", name, rows=True)), 0.01 * max(1.0, limit_mw)
    return Relaxation(
        "it-limit", name, "MW", f"site.{name}.it_limit", f"+{{}} MW IT limit at {name}", changed, slack, step
    )


def _less_power(joint: JointProgram, name: str) -> Relaxation:
    def changed(scenario: Scenario, _amount: float) -> Scenario:
        return _with_site(scenario, name, lambda site: replace(site, unserved_power_penalty_per_mwh=_PENALTY))

    rows = _block(joint, "balance", name, rows=True)
    slack = Slack(rows, 1.0, separate=True, per_unit=joint.inputs.step_h)
    key, words = f"site.{name}.unserved_power_penalty", f"allow {{}} MWh unserved at {name}"
    return Relaxation("allow-unserved-power", name, "MWh", key, words, changed, slack, amount_matters=False)


def _carbon_changes(joint: JointProgram) -> Iterator[Relaxation]:
    scenario = joint.inputs.scenario
    if scenario.carbon.budget_kg is not None:

        def changed(old: Scenario, amount: float) -> Scenario:
            budget_kg = (old.carbon.budget_kg or 0.0) + 1000.0 * amount
            return old.with_changes(carbon=replace(old.carbon, budget_kg=budget_kg))

        slack = Slack(_block(joint, "carbon_budget", "system", rows=True), per_unit=0.001)
        step = max(0.001, 1e-5 * scenario.carbon.budget_kg)
        yield Relaxation("carbon-budget", "system", "t", "carbon.budget", "+{} t carbon budget", changed, slack, step)
    for site in scenario.sites:
        if site.carbon_budget_kg is not None:
            yield _site_budget(joint, site.name, site.carbon_budget_kg)


def _site_budget(joint: JointProgram, name: str, budget_kg: float) -> Relaxation:
    def changed(scenario: Scenario, amount: float) -> Scenario:
        more_kg = budget_kg + 1000.0 * amount
        return _with_site(scenario, name, lambda site: replace(site, carbon_budget_kg=more_kg))

    slack, step = Slack(_block(joint, "carbon_budget", name, rows=True), per_unit=0.001), max(0.001, 1e-5 * budget_kg)
    key, words = f"site.{name}.carbon_budget", f"+{{}} t carbon budget at {name}"
    return Relaxation("carbon-budget", name, "t", key, words, changed, slack, step)
