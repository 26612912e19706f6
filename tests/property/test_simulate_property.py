"""Laws that hold in every run of the simulator, whatever a policy decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.account import settle, site_load
from joulewright.model import Event, Route, Timeline
from joulewright.policy.decision import JobAction, PowerDecision, SitePower, WorkDecision
from joulewright.policy.signals import replace_signals, signal_series
from joulewright.sim.simulate import simulate

SEEDS = st.integers(min_value=0, max_value=10_000)
SLACK = 1e-7  # what counts as the rounding of a solver


@pytest.fixture(scope="session")
def wild_case(random_case, tiny):
    """Function of a seed that gives a scenario, some events, and a policy that decides at random."""

    def make(seed):
        scenario, _ = random_case(seed)
        draw = np.random.default_rng(seed)
        sites = tuple(
            replace(
                site,
                grid=replace(
                    site.grid,
                    import_limit_mw=draw.uniform(0.0, 60.0, 6) * (draw.random(6) < 0.8),
                    export_limit_mw=draw.uniform(0.0, 10.0, 6) * (draw.random(6) < 0.8),
                    ramp_mw_per_h=float(draw.uniform(5.0, 40.0)) if draw.random() < 0.5 else None,
                ),
                batteries=(
                    replace(site.batteries[0], min_energy_mwh=0.0, initial_energy_mwh=float(draw.uniform(0, 10))),
                ),
                generators=(
                    replace(
                        site.generators[0],
                        min_load_mw=float(draw.uniform(0.0, 4.0)),
                        min_up_h=2.0,
                        min_down_h=2.0,
                        ramp_mw_per_h=3.0,
                        initially_on=bool(draw.random() < 0.5),
                        initial_output_mw=4.0,
                        initial_hours=float(draw.uniform(0.0, 3.0)),
                    ),
                ),
            )
            for site in scenario.sites
        )
        start = float(draw.uniform(0.0, 5.0))
        kinds = ("grid-outage", "demand-response", "generator-failure", "site-loss", "accelerator-failure")
        kind = str(draw.choice(kinds))
        component = {"generator-failure": "turbine", "accelerator-failure": "gpus"}.get(kind)
        event = Event(
            kind=kind,
            site="a",
            start=tiny.at(start),
            end=tiny.at(start + 1.7),
            component=component,
            limit_mw=3.0 if kind == "demand-response" else None,
            lost_fraction=0.6 if kind == "accelerator-failure" else None,
        )
        return scenario.with_changes(sites=sites), (event,)

    return make


def wild_work(draw):
    """Starts what waits where it fits, and routes demand at random, sometimes too much of it."""

    def work(observation):
        free = {name: site.free_accelerators["gpus"] for name, site in observation.sites.items()}
        actions = []
        for name, seen in observation.jobs.items():
            site = str(draw.choice(["a", "b"])) if seen.site is None else seen.site
            if seen.status in ("waiting", "paused") and free[site] >= seen.job.gpus and draw.random() < 0.6:
                actions.append(JobAction(job=name, kind="start", site=site, fleet="gpus"))
                free[site] -= seen.job.gpus
            elif (
                seen.status == "running" and seen.job.kind == "pausable" and seen.status_h > 0.0 and draw.random() < 0.3
            ):
                actions.append(JobAction(job=name, kind="pause"))
        routes = {
            Route(region="west", site=site, fleet="gpus"): float(draw.uniform(0.0, 3e5)) * (draw.random() < 0.7)
            for site in ("a", "b")
        }
        return WorkDecision(actions=tuple(actions), routes_token_s={"chat": routes} if draw.random() < 0.8 else None)

    return work


def wild_power(draw):
    """Asks batteries and generators for anything, also beyond their limits and both ways at once."""

    def power(observation):
        def some(most):
            return float(draw.uniform(0.0, most)) * (draw.random() < 0.6)

        return PowerDecision(
            sites={
                name: SitePower(
                    charge_mw={"store": some(8.0)},
                    discharge_mw={"store": some(8.0)},
                    generator_mw={"turbine": some(14.0)} if draw.random() < 0.6 else {},
                    export_limit_mw=some(5.0) if draw.random() < 0.3 else None,
                    import_limit_mw=some(50.0) if draw.random() < 0.2 else None,
                    renewable_limit_mw={"roof": some(10.0)} if draw.random() < 0.3 else {},
                )
                for name in observation.sites
                if draw.random() < 0.9
            }
        )

    return power


@pytest.fixture(scope="session")
def wild_run(wild_case, sim_case):
    """Function of a seed that gives a run of a random policy."""

    def make(seed):
        scenario, events = wild_case(seed)
        draw = np.random.default_rng(seed)
        return sim_case.run(
            scenario,
            events=events,
            on_work=wild_work(draw),
            on_power=wild_power(draw),
            between_ticks=bool(seed % 2),
        )

    return make


@given(seed=SEEDS)
def test_no_energy_appears_or_vanishes(wild_run, sim_case, seed):
    found = wild_run(seed)
    assert sim_case.imbalance_mw(found) < 1e-9 * 60.0
    ledger = settle(found.trajectory.scenario, found.trajectory.schedule)
    figures = ledger.summary()
    supply = figures["import_mwh"] + figures["renewable_mwh"] + figures["generator_mwh"] + figures["discharge_mwh"]
    use = figures["facility_load_mwh"] + figures["export_mwh"] + ledger.total("energy", "charge")
    assert supply + figures["unserved_mwh"] == pytest.approx(use, rel=1e-9, abs=1e-9)


@given(seed=SEEDS)
def test_stored_energy_follows_its_flows_and_stays_inside_its_bounds(wild_run, seed):
    trajectory = wild_run(seed).trajectory
    for site in trajectory.scenario.sites:
        battery = site.batteries[0]
        plan = trajectory.schedule.sites[site.name].batteries[battery.name]
        decay = battery.self_discharge_per_h
        gain = battery.charge_efficiency * plan.charge_mw - plan.discharge_mw / battery.discharge_efficiency
        hours = -np.expm1(-decay) / decay
        after = np.exp(-decay) * plan.energy_mwh[:-1] + hours * gain
        assert plan.energy_mwh[1:] == pytest.approx(after, rel=1e-9, abs=1e-9)
        assert plan.energy_mwh.min() >= battery.min_energy_mwh - SLACK
        assert plan.energy_mwh.max() <= battery.energy_mwh * (1.0 + SLACK)
        assert plan.charge_mw.max() <= battery.charge_limit_mw * (1.0 + SLACK)
        assert plan.discharge_mw.max() <= battery.discharge_limit_mw * (1.0 + SLACK)
        assert np.minimum(plan.charge_mw, plan.discharge_mw).max() <= SLACK


@given(seed=SEEDS)
def test_flows_keep_their_limits(wild_run, seed):
    trajectory = wild_run(seed).trajectory
    for site in trajectory.scenario.sites:
        flows = trajectory.schedule.sites[site.name]
        load = site_load(trajectory.scenario, trajectory.schedule, site).facility_mw
        assert (flows.grid_import_mw <= site.grid.import_limit_mw + 1e-7).all()
        assert (flows.grid_export_mw <= site.grid.export_limit_mw + 1e-7).all()
        assert (np.minimum(flows.grid_import_mw, flows.grid_export_mw) == 0.0).all()
        assert (flows.renewable_used_mw["roof"] <= site.renewables[0].available_mw + 1e-12).all()
        assert (flows.unserved_mw <= load * (1.0 + 1e-9) + 1e-9).all()
        everything = [flows.grid_import_mw, flows.grid_export_mw, flows.unserved_mw, *flows.renewable_used_mw.values()]
        assert min(values.min() for values in everything) >= 0.0


@given(seed=SEEDS)
def test_generators_keep_range_and_availability(wild_run, seed):
    trajectory = wild_run(seed).trajectory
    for site in trajectory.scenario.sites:
        unit = site.generators[0]
        plan = trajectory.schedule.sites[site.name].generators[unit.name]
        usable = unit.capacity_mw * unit.availability
        assert (plan.output_mw[~plan.on] == 0.0).all()
        assert (plan.output_mw <= usable * plan.on * (1.0 + SLACK)).all()
        assert (plan.output_mw[plan.on] >= min(unit.min_load_mw, unit.initial_output_mw) - 1e-6).all()


@given(seed=SEEDS)
def test_demand_is_served_or_unserved_and_accelerators_are_never_used_twice(wild_run, seed):
    trajectory = wild_run(seed).trajectory
    service = trajectory.schedule.services["chat"]
    total = service.served_token_s.sum(axis=0) + service.unserved_token_s["west"]
    assert total == pytest.approx(trajectory.scenario.inference[0].demand_token_s["west"], rel=1e-6)
    for site in trajectory.scenario.sites:
        load = site_load(trajectory.scenario, trajectory.schedule, site)
        for fleet in site.fleets:
            used = load.accelerators_in_use[fleet.name]
            assert (used <= fleet.available * (1.0 + 1e-6) + 1e-6).all()


@given(seed=SEEDS)
def test_the_load_of_the_run_is_the_load_of_the_ledger(wild_case, sim_case, seed):
    scenario, events = wild_case(seed)
    draw = np.random.default_rng(seed)
    policy = sim_case.Scripted(on_work=wild_work(draw), on_power=wild_power(draw), between_ticks=bool(seed % 2))
    trajectory = simulate(scenario, policy, events=events, forecaster="perfect").trajectory
    last = {}
    for observation in policy.seen:
        last[observation.step] = observation  # the power decision is the last of a step
    for site in trajectory.scenario.sites:
        load = site_load(trajectory.scenario, trajectory.schedule, site).facility_mw
        told = [last[step].sites[site.name].load_mw for step in range(6)]
        assert told == pytest.approx(load, rel=1e-9, abs=1e-9)


@given(seed=SEEDS)
def test_equal_arguments_give_equal_runs(wild_run, seed):
    one, other = wild_run(seed), wild_run(seed)
    assert one.figures == other.figures
    assert (one.clips, one.happenings, one.jobs) == (other.clips, other.happenings, other.jobs)
    assert one.trajectory.schedule.jobs == other.trajectory.schedule.jobs
    for name, flows in one.trajectory.schedule.sites.items():
        assert np.array_equal(flows.grid_import_mw, other.trajectory.schedule.sites[name].grid_import_mw)


@given(
    load=st.floats(0.0, 20.0),
    charge=st.floats(0.0, 6.0),
    discharge=st.floats(0.0, 6.0),
    output=st.floats(0.0, 12.0),
    solar=st.floats(0.0, 1.0),
    initial=st.floats(0.0, 10.0),
    parts=st.sampled_from([2, 3, 6, 60]),
)
def test_halving_the_step_keeps_energy(sim_case, tiny, load, charge, discharge, output, solar, initial, parts):
    charge, discharge = (charge, 0.0) if charge > discharge else (0.0, discharge)
    power = SitePower(charge_mw={"store": charge}, discharge_mw={"store": discharge}, generator_mw={"turbine": output})

    def figures(steps, step_s):
        site = tiny.site(
            steps,
            fixed_facility_power_mw=load,
            fleets=(),
            grid=tiny.grid(steps, export_limit_mw=60.0),
            renewables=(tiny.plant(solar, steps),),
            batteries=(tiny.battery(initial_energy_mwh=initial),),
            generators=(tiny.generator(steps, min_load_mw=1.0),),
        )
        scenario = tiny.scenario(site, steps=steps, step_s=step_s)
        return sim_case.run(scenario, on_power=lambda seen: PowerDecision(sites={"a": power}))

    coarse, fine = figures(4, 3600), figures(4 * parts, 3600 // parts)
    for key in ("facility_load_mwh", "discharge_mwh", "generator_mwh", "renewable_mwh", "unserved_mwh"):
        assert fine.figures[key] == pytest.approx(coarse.figures[key], rel=1e-9, abs=1e-6)
    net = [run.figures["import_mwh"] - run.figures["export_mwh"] for run in (coarse, fine)]
    assert net[0] == pytest.approx(net[1], rel=1e-9, abs=1e-6)
    stored = [run.trajectory.schedule.sites["a"].batteries["store"].energy_mwh[-1] for run in (coarse, fine)]
    assert stored[0] == pytest.approx(stored[1], abs=1e-6)


@given(seed=SEEDS, step=st.integers(0, 4), forecaster=st.sampled_from(["persistence", "diurnal-persistence"]))
def test_what_comes_later_changes_nothing_before(random_case, sim_case, tiny, seed, step, forecaster):
    scenario, _ = random_case(seed)
    draw = np.random.default_rng(seed)
    later = {
        key: np.where(np.arange(6) > step, values * draw.uniform(1.0, 1.5, 6), values)
        for key, values in signal_series(scenario).items()
        if not key.endswith(("per_unit", "pue"))
    }
    jobs = (*scenario.training, tiny.job("surprise", release=tiny.at(step + 0.5), gpus=3))
    changed = replace_signals(scenario, later).with_changes(training=jobs)
    outage = Event(kind="grid-outage", site="a", start=tiny.at(step + 1.0), end=tiny.at(6.0))
    for policy in ("solar-first+first-fit+nearest", "peak-shaving+cheapest-window+cheapest"):
        one = simulate(scenario, policy, seed=seed, forecaster=forecaster, events=())
        other = simulate(changed, policy, seed=seed, forecaster=forecaster, events=(outage,))
        _same_up_to(one.trajectory, other.trajectory, step)
    seen = []
    for facts, events in ((scenario, ()), (changed, (outage,))):
        script = sim_case.Scripted()
        simulate(facts, script, seed=seed, forecaster=forecaster, events=events)
        seen.append([_plain(item, 6 - step) for item in script.seen if item.step <= step])
    assert seen[0] == seen[1]


def _same_up_to(one, other, step):
    for name, flows in one.schedule.sites.items():
        twin = other.schedule.sites[name]
        assert np.array_equal(flows.grid_import_mw[: step + 1], twin.grid_import_mw[: step + 1])
        assert np.array_equal(
            flows.batteries["store"].energy_mwh[: step + 2], twin.batteries["store"].energy_mwh[: step + 2]
        )
        assert np.array_equal(
            flows.generators["turbine"].output_mw[: step + 1], twin.generators["turbine"].output_mw[: step + 1]
        )


def _plain(observation, steps):
    """All that an observation says, without the objects that say it."""
    sites = {
        name: {key: value for key, value in vars(site).items() if key != "site"}
        for name, site in observation.sites.items()
    }
    keys = ("a/import_price_per_mwh", "b/carbon_kg_per_mwh", "a/import_limit_mw", "chat/west/demand_token_s")
    expected = {key: observation.forecast.series(key, steps).tolist() for key in keys}
    said = (observation.time, observation.steps_left, observation.demand_token_s, observation.carbon_kg)
    return sites, expected, said, observation.notices, {name: vars(job) for name, job in observation.jobs.items()}


def test_a_day_is_a_day_at_every_step(sim_case, tiny):
    def run(step_s):
        steps = 86_400 // step_s
        scenario = tiny.scenario(tiny.site(steps, fixed_facility_power_mw=3.0), steps=steps)
        scenario = scenario.with_changes(timeline=Timeline(start=tiny.start, step_s=step_s, steps=steps))
        return sim_case.run(scenario).figures

    days = [run(step_s) for step_s in (900, 3600, 86_400)]
    for figures in days:
        assert figures["import_mwh"] == pytest.approx(24.0 * 3.15, rel=1e-12)
        assert figures["cost"] == pytest.approx(days[0]["cost"], rel=1e-12)
