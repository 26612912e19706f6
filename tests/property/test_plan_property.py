"""What must hold for the exact plan of any scenario, tried on small random ones."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.account import site_load
from joulewright.check import violations
from joulewright.model import CarbonPolicy, DemandWindow, Link, Region, Timeline
from joulewright.plan import PlanOptions, plan
from joulewright.plan.baselines import BASELINES, run_baseline

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)
STEPS = 5
SEEDS = st.integers(0, 100_000)
MANY, FEW = settings(max_examples=25), settings(max_examples=12)


def benefit(scenario):
    result = plan(scenario, EXACT)
    assert result.schedule is not None
    return result.objective


@pytest.fixture(scope="session")
def random_scenario(tiny):
    """Function of a seed that gives a scenario of two sites in which power may go unserved, so a plan always exists."""

    def make(seed, *, work=True, **changes):
        draw = np.random.default_rng(seed)
        sites = [_site(tiny, draw, name, work=work) for name in ("a", "b")]
        values = {"carbon": CarbonPolicy(price_per_t=float(draw.uniform(0.0, 40.0)))}
        if work:
            values |= {
                "training": tuple(_job(tiny, draw, name) for name in ("one", "two", "three")),
                "inference": (
                    tiny.service(
                        STEPS,
                        demand=draw.uniform(0.0, 6e4, STEPS),
                        revenue_per_mtoken=2.0,
                        unserved_penalty_per_mtoken=float(draw.uniform(1.0, 5.0)),
                    ),
                ),
                "regions": (Region(name="west", latency_ms={"a": 5.0, "b": 9.0}),),
                "links": (Link(between=("a", "b"), bandwidth_gbit_s=100.0, cost_per_gb=0.05),),
            }
        return tiny.scenario(*sites, steps=STEPS, **(values | changes))

    return make


def _site(tiny, draw, name, *, work):
    window = DemandWindow(name="day", price_per_mw=float(draw.uniform(0.0, 80.0)), members=draw.random(STEPS) < 0.7)
    price = draw.uniform(10.0, 90.0, STEPS)
    states = {"min_load_mw": 1.0, "start_cost": 20.0, "min_up_h": 2.0} if work and draw.random() < 0.5 else {}
    return tiny.site(
        STEPS,
        name=name,
        pue=draw.uniform(1.0, 1.5, STEPS),
        grid=tiny.grid(
            STEPS,
            import_price_per_mwh=price,
            export_price_per_mwh=0.8 * price - 1.0,
            import_limit_mw=draw.uniform(3.0, 8.0, STEPS),
            export_limit_mw=2.0,
            carbon=draw.uniform(50.0, 700.0, STEPS),
            demand_windows=(window,),
        ),
        fleets=(tiny.fleet(STEPS, active_power_mw=0.08, idle_power_mw=0.01),) if work else (),
        fixed_facility_power_mw=tiny.series(draw.uniform(0.5, 2.0, STEPS), STEPS),
        renewables=(tiny.plant(draw.random(STEPS), STEPS, capacity_mw=2.0),),
        batteries=(tiny.battery(charge_efficiency=0.9, discharge_efficiency=0.9, wear_cost_per_mwh=3.0),),
        generators=(
            tiny.generator(STEPS, capacity_mw=2.5, fuel_cost_per_mwh=60.0, emission_kg_per_mwh=450.0, **states),
        ),
        unserved_power_penalty_per_mwh=800.0,
    )


def _job(tiny, draw, name):
    kind = str(draw.choice(["rigid", "rigid", "pausable", "elastic"]))
    sizes = {"min_gpus": 10, "max_gpus": 60} if kind == "elastic" else {}
    return tiny.job(
        name,
        kind=kind,
        gpus=int(draw.integers(20, 60)),
        duration_h=float(draw.choice([1.0, 1.5, 2.0, 3.0])),
        release=tiny.at(float(draw.integers(0, 2))),
        value=float(draw.uniform(50.0, 900.0)),
        migratable=kind != "rigid" and bool(draw.random() < 0.5),
        checkpoint_gb=50.0,
        **sizes,
    )


def budget_of(scenario, budget_kg):
    return scenario.with_changes(carbon=replace(scenario.carbon, budget_kg=budget_kg))


@MANY
@given(seed=SEEDS)
def test_power_balance_closes(random_scenario, seed):
    scenario = random_scenario(seed)
    schedule = plan(scenario, EXACT).schedule
    for site in scenario.sites:
        flows = schedule.sites[site.name]
        supply = flows.grid_import_mw + flows.unserved_mw + sum(flows.renewable_used_mw.values())
        supply = supply + sum(unit.output_mw for unit in flows.generators.values())
        use = site_load(scenario, schedule, site).facility_mw + flows.grid_export_mw
        supply = supply + sum(store.discharge_mw - store.charge_mw for store in flows.batteries.values())
        assert np.abs(supply - use).max() <= 1e-6


@MANY
@given(seed=SEEDS)
def test_the_objective_is_the_ledgers(random_scenario, seed):
    result = plan(random_scenario(seed), EXACT)
    assert result.objective == pytest.approx(result.ledger.benefit, rel=1e-6)
    assert result.bound >= result.objective - 1e-6 * max(1.0, abs(result.objective))


@MANY
@given(seed=SEEDS, share=st.floats(0.4, 1.1))
def test_joint_is_at_least_every_valid_baseline(random_scenario, seed, share):
    free = random_scenario(seed)
    scenario = budget_of(free, share * plan(free, EXACT).ledger.carbon_kg)
    joint = plan(scenario, EXACT)
    for name in BASELINES:
        result = run_baseline(name, scenario, EXACT)
        assert list(result.violations) == violations(scenario, result.schedule)
        if result.feasible:
            assert result.objective <= joint.objective + 1e-6 * max(1.0, joint.cost), name


@FEW
@given(seed=SEEDS, shares=st.tuples(st.floats(0.1, 1.0), st.floats(0.1, 1.0)))
def test_a_tighter_budget_is_never_better(random_scenario, seed, shares):
    scenario = random_scenario(seed)
    free = plan(scenario, EXACT)
    looser, tighter = (budget_of(scenario, share * free.ledger.carbon_kg) for share in sorted(shares, reverse=True))
    chain = [free.objective, benefit(looser), benefit(tighter)]
    assert np.diff(chain).max() <= 1e-6 * max(1.0, free.cost)


@FEW
@given(seed=SEEDS, more=st.floats(0.0, 20.0))
def test_more_battery_never_hurts(random_scenario, seed, more):
    """The batteries lose nothing at rest, so what is added can be left alone."""
    scenario = random_scenario(seed)

    def larger(site):
        stores = tuple(replace(store, energy_mwh=store.energy_mwh + more) for store in site.batteries)
        return replace(site, batteries=stores)

    grown = scenario.with_changes(sites=tuple(larger(site) for site in scenario.sites))
    before = plan(scenario, EXACT)
    assert benefit(grown) >= before.objective - 1e-6 * max(1.0, before.cost)


@FEW
@given(seed=SEEDS, order=st.permutations([0, 1, 2]))
def test_order_does_not_matter(random_scenario, seed, order):
    scenario = random_scenario(seed)
    shuffled = scenario.with_changes(
        sites=scenario.sites[::-1], training=tuple(scenario.training[position] for position in order)
    )
    before = plan(scenario, EXACT)
    assert benefit(shuffled) == pytest.approx(before.objective, abs=1e-6 * max(1.0, before.cost))


MONEY = ("price_per_mwh", "price_per_mw", "cost_per_mwh", "cost_per_h", "start_cost", "price_per_t", "value")
MONEY += ("revenue_per_mtoken", "penalty_per_mtoken", "penalty_per_mwh", "cost_per_gb", "value_per_mwh")
POWER = ("_mw", "_mwh", "capacity_mw", "ramp_mw_per_h")
PER_POWER = ("price_per_mwh", "price_per_mw", "cost_per_mwh", "kg_per_mwh", "penalty_per_mwh", "value_per_mwh")


def scaled(value, factors, name=""):
    """The value with every number whose field ends in one of the suffixes multiplied; the longest suffix counts."""
    if is_dataclass(value) and not isinstance(value, Timeline):
        return replace(
            value, **{part.name: scaled(getattr(value, part.name), factors, part.name) for part in fields(value)}
        )
    if isinstance(value, tuple):
        return tuple(scaled(item, factors, name) for item in value)
    if isinstance(value, int | float | np.ndarray) and not isinstance(value, bool):
        hits = [suffix for suffix in factors if name.endswith(suffix)]
        return value * factors[max(hits, key=len)] if hits else value
    return value


@FEW
@given(seed=SEEDS, factor=st.sampled_from([1e-2, 7.0, 1e2]))
def test_money_in_another_unit(random_scenario, seed, factor):
    scenario = random_scenario(seed)
    other = scaled(scenario, dict.fromkeys(MONEY, factor))
    before = plan(scenario, EXACT)
    assert benefit(other) == pytest.approx(factor * before.objective, abs=factor * 1e-6 * max(1.0, before.cost))


@FEW
@given(seed=SEEDS, factor=st.sampled_from([0.1, 3.0, 10.0]))
def test_power_in_another_unit(random_scenario, seed, factor):
    """All power and energy in a unit ``1/factor`` as large, all prices and intensities per such a unit."""
    scenario = random_scenario(seed)
    other = scaled(scenario, dict.fromkeys(POWER, factor) | dict.fromkeys(PER_POWER, 1.0 / factor))
    before = plan(scenario, EXACT)
    assert benefit(other) == pytest.approx(before.objective, abs=1e-6 * max(1.0, before.cost))


def doubled(value):
    """Every series with each of its values twice."""
    if is_dataclass(value) and not isinstance(value, Timeline):
        return replace(value, **{part.name: doubled(getattr(value, part.name)) for part in fields(value)})
    if isinstance(value, tuple):
        return tuple(doubled(item) for item in value)
    return np.repeat(value, 2) if isinstance(value, np.ndarray) else value


@FEW
@given(seed=SEEDS, share=st.floats(0.5, 1.0))
def test_splitting_steps_keeps_the_optimum(random_scenario, seed, share):
    """Without ramps and states half steps of equal prices allow nothing that whole steps do not."""
    free = random_scenario(seed, work=False)
    scenario = budget_of(free, share * plan(free, EXACT).ledger.carbon_kg)
    timeline = Timeline(start=scenario.timeline.start, step_s=1800, steps=2 * STEPS)
    halves = replace(scenario, timeline=timeline, sites=doubled(scenario.sites))
    before = plan(scenario, EXACT)
    assert benefit(halves) == pytest.approx(before.objective, abs=1e-6 * max(1.0, before.cost))
