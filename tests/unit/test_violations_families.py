"""One valid schedule with every component; each limit is broken in turn and only its family may be reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.check import FAMILIES, violations
from joulewright.model import CarbonPolicy, JobSchedule, Link, Region

STEPS = 8


class Case:
    """The valid scenario and schedule, with helpers that change one thing in either."""

    def __init__(self, tiny):
        self.tiny = tiny
        site = tiny.site(
            STEPS,
            grid=tiny.grid(STEPS, ramp_mw_per_h=200.0),
            renewables=(tiny.plant(0.5, STEPS), tiny.plant(1.0, STEPS, name="field", capacity_mw=60.0)),
            batteries=(tiny.battery(),),
            generators=(tiny.generator(STEPS, min_load_mw=2.0, min_up_h=2.0, min_down_h=2.0, ramp_mw_per_h=3.0),),
            fixed_facility_power_mw=8.0,
            it_limit_mw=5.0,
            carbon_budget_kg=1e6,
        )
        self.scenario = tiny.scenario(
            site,
            tiny.site(STEPS, name="b"),
            steps=STEPS,
            links=(Link(between=("a", "b"), bandwidth_gbit_s=100.0),),
            regions=(Region(name="west", latency_ms={"a": 10.0, "b": 80.0}),),
            inference=(tiny.service(STEPS, latency_limit_ms=50.0, unserved_penalty_per_mtoken=4.0),),
            training=(
                tiny.job(duration_h=2.0, mandatory=True, start=tiny.at(1.0), gpus=30),
                tiny.job("pause", kind="pausable", duration_h=3.0, min_run_h=1.0, gpus=20, sites=("a", "b")),
                tiny.job("move", kind="pausable", duration_h=2.0, migratable=True, checkpoint_gb=100.0, gpus=10),
                tiny.job("grow", kind="elastic", duration_h=2.0, min_gpus=10, max_gpus=40, gpus=20),
            ),
            carbon=CarbonPolicy(budget_kg=1e6),
        )
        self.runs = {
            "train": [self.run(1, 3, 30)],
            "pause": [self.run(0, 2, 20), self.run(4, 5, 20)],
            "move": [self.run(0, 1, 10), self.run(2, 3, 10, site="b")],
            "grow": [self.run(5, 6, 40)],
        }
        self.rates = {("west", "a", "gpus"): [2e4, 1e4] + [2e4] * (STEPS - 2)}
        self.flows = {
            "renewable_used_mw": {"roof": [1.0, 2.0] + [0.0] * (STEPS - 2)},
            "batteries": {"store": ([2.5] + [0.0] * (STEPS - 1), [0.0, 0.0, 1.0] + [0.0] * (STEPS - 3))},
            "generators": {"turbine": [0.0, 3.0, 4.0, 2.0] + [0.0] * (STEPS - 4)},
        }

    def run(self, first, stop, accelerators, **changes):
        return self.tiny.run(first, stop, accelerators=float(accelerators), **changes)

    def schedule(self):
        return self.tiny.schedule(self.scenario, jobs=self.runs, services={"chat": self.rates}, flows={"a": self.flows})

    def at_site(self, **changes):
        """Change site ``a`` of the scenario, not the schedule."""
        schedule = self.schedule()
        sites = (replace(self.scenario.sites[0], **changes), self.scenario.sites[1])
        self.scenario = self.scenario.with_changes(sites=sites)
        return self.scenario, schedule

    def with_job(self, name, **changes):
        jobs = tuple(replace(job, **changes) if job.name == name else job for job in self.scenario.training)
        self.scenario = self.scenario.with_changes(training=jobs)
        return self.scenario, self.schedule()

    def with_runs(self, name, *runs):
        self.runs[name] = list(runs)
        return self.scenario, self.schedule()

    def with_flows(self, **changes):
        self.flows |= changes
        return self.scenario, self.schedule()

    def with_result(self, change):
        """Let ``change`` edit the arrays of the finished schedule of site ``a``."""
        schedule = self.schedule()
        change(schedule.sites["a"])
        return self.scenario, schedule

    def turbine(self, **changes):
        return self.at_site(generators=(replace(self.scenario.sites[0].generators[0], **changes),))

    def store(self, **changes):
        return self.at_site(batteries=(replace(self.scenario.sites[0].batteries[0], **changes),))

    def grid(self, **changes):
        return self.at_site(grid=replace(self.scenario.sites[0].grid, **changes))


def _structure(case):
    schedule = case.schedule()
    return case.scenario, replace(schedule, jobs=dict(schedule.jobs) | {"x": JobSchedule(job="x")})


def _finite(case):
    return case.with_result(lambda flows: flows.grid_import_mw.__setitem__(3, np.nan))


def _sign(case):
    def change(flows):
        flows.unserved_mw[6] -= 1.0
        flows.grid_import_mw[6] += 1.0

    return case.with_result(change)


def _balance(case):
    return case.with_result(lambda flows: flows.grid_import_mw.__setitem__(6, flows.grid_import_mw[6] + 0.1))


def _storage(case):
    return case.with_result(lambda flows: flows.batteries["store"].energy_mwh.__setitem__(slice(4, None), 5.5))


def _demand(case):
    schedule = case.schedule()
    schedule.services["chat"].unserved_token_s["west"][1] += 500.0
    return case.scenario, schedule


def _routing(case):
    schedule = case.schedule()
    service = replace(case.scenario.inference[0], latency_limit_ms=5.0)
    return case.scenario.with_changes(inference=(service,)), schedule


def _unserved(case):
    schedule = case.schedule()
    service = replace(case.scenario.inference[0], unserved_penalty_per_mtoken=None)
    return case.scenario.with_changes(inference=(service,)), schedule


def _capacity(case):
    case.at_site(fleets=(replace(case.scenario.sites[0].fleets[0], count=55),))
    return case.scenario, case.schedule()


def _export_limit(case):
    late = np.eye(STEPS)[6]
    sun = case.flows["renewable_used_mw"] | {"field": 59.27 * late}  # the load is 8.27 MW
    return case.with_flows(renewable_used_mw=sun, grid_export_mw=51.0 * late)


def _carbon_budget(case):
    return case.scenario.with_changes(carbon=CarbonPolicy(budget_kg=1000.0)), case.schedule()


def _commitment(case):
    schedule = case.schedule()
    plan = schedule.sites["a"].generators["turbine"]
    halves = replace(plan, on=np.where(np.arange(STEPS) == 3, 0.6, plan.on.astype(float)))
    site = replace(schedule.sites["a"], generators={"turbine": halves})
    return case.scenario, replace(schedule, sites=dict(schedule.sites) | {"a": site})


BREAKS = {
    "structure": _structure,
    "finite": _finite,
    "sign": _sign,
    "assignment": lambda case: case.with_runs("train"),
    "window": lambda case: case.with_job("pause", deadline=case.tiny.at(4.0)),
    "pinned": lambda case: case.with_runs("train", case.run(2, 4, 30)),
    "eligibility": lambda case: case.with_job("pause", sites=("b",)),
    "size": lambda case: case.with_job("grow", max_gpus=30, speed=((10.0, 0.5), (40.0, 2.0))),
    "overlap": lambda case: case.with_runs("pause", case.run(0, 2, 20), case.run(1, 2, 20)),
    "continuity": lambda case: case.with_runs("train", case.run(1, 2, 30), case.run(2, 3, 30)),
    "duration": lambda case: case.with_runs("pause", case.run(0, 2, 20)),
    "min-run": lambda case: case.with_job("pause", min_run_h=2.0),
    "single-site": lambda case: case.with_job("move", migratable=False),
    "transfer": lambda case: case.with_job("move", checkpoint_gb=1e5),
    "capacity": _capacity,
    "it-limit": lambda case: case.at_site(it_limit_mw=np.full(STEPS, 0.5)),
    "demand": _demand,
    "routing": _routing,
    "unserved": _unserved,
    "balance": _balance,
    "renewable": lambda case: case.at_site(
        renewables=(case.tiny.plant(0.15, STEPS), case.scenario.sites[0].renewables[1])
    ),
    "import-limit": lambda case: case.grid(import_limit_mw=np.full(STEPS, 9.0)),
    "export-limit": _export_limit,
    "grid-ramp": lambda case: case.grid(ramp_mw_per_h=2.0),
    "exclusivity": lambda case: case.with_flows(grid_export_mw=0.5),
    "battery-power": lambda case: case.store(charge_limit_mw=2.0),
    "storage": _storage,
    "storage-bound": lambda case: case.store(energy_mwh=6.0),
    "storage-end": lambda case: case.with_flows(batteries={"store": (0.0, [0.0, 0.0, 1.0] + [0.0] * (STEPS - 3))}),
    "commitment": _commitment,
    "generator-range": lambda case: case.turbine(capacity_mw=3.5),
    "min-up": lambda case: case.turbine(min_up_h=4.0),
    "min-down": lambda case: case.turbine(min_down_h=2.0, initial_hours=0.5),
    "generator-ramp": lambda case: case.turbine(ramp_mw_per_h=1.5),
    "carbon-budget": _carbon_budget,
    "site-carbon-budget": lambda case: case.at_site(carbon_budget_kg=1000.0),
}


def test_the_base_breaks_nothing(tiny):
    case = Case(tiny)
    assert violations(case.scenario, case.schedule()) == []


def test_every_family_has_a_case():
    assert set(BREAKS) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_broken_limit_is_reported_as_its_family_only(tiny, family):
    found = violations(*BREAKS[family](Case(tiny)))
    assert {violation.constraint for violation in found} == {family}, [str(violation) for violation in found]
    for violation in found:
        assert violation.amount > 0.0
        assert violation.message
        assert violation.steps >= 1
