"""Settings and fixtures of the property tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("joulewright", max_examples=40, deadline=None, derandomize=True)
settings.load_profile("joulewright")


@pytest.fixture(scope="session")
def random_case(tiny):
    """Function of a seed that gives a scenario of two sites and a schedule that is valid by construction."""

    def make(seed):
        draw = np.random.default_rng(seed)
        scenario = _scenario(tiny, draw)
        return scenario, _schedule(tiny, scenario, draw)

    return make


def _scenario(tiny, draw, steps=6):
    from joulewright.model import CarbonPolicy, DemandWindow, Link, MarketFactors, Region

    def site(name):
        window = DemandWindow(name="day", price_per_mw=500.0, members=draw.random(steps) < 0.5, peak_so_far_mw=20.0)
        grid = tiny.grid(
            steps,
            carbon_intensities=(
                tiny.intensity(draw.uniform(50.0, 600.0, steps), steps),
                tiny.intensity(draw.uniform(50.0, 900.0, steps), steps, kind="marginal"),
            ),
            import_price_per_mwh=draw.uniform(-20.0, 90.0, steps),
            export_price_per_mwh=draw.uniform(-20.0, 60.0, steps),
            demand_windows=(window,),
            market=MarketFactors(
                certificates_mwh=draw.uniform(0.0, 20.0, steps),
                residual_kg_per_mwh=draw.uniform(300.0, 600.0, steps),
                carbon_free_fraction=draw.random(steps),
            ),
        )
        return tiny.site(
            steps,
            name=name,
            grid=grid,
            pue=draw.uniform(1.0, 1.6, steps),
            fixed_it_power_mw=10.0,
            fixed_facility_power_mw=10.0,
            renewables=(tiny.plant(draw.random(steps), steps),),
            batteries=(tiny.battery(self_discharge_per_h=0.01, terminal_value_per_mwh=30.0, wear_cost_per_mwh=5.0),),
            generators=(tiny.generator(steps, emission_kg_per_mwh=500.0, start_emission_kg=30.0, start_cost=80.0),),
            fleets=(tiny.fleet(steps, count=400),),
            unserved_power_penalty_per_mwh=1000.0,
        )

    return tiny.scenario(
        site("a"),
        site("b"),
        steps=steps,
        carbon=CarbonPolicy(price_per_t=50.0, budget_kg=1000.0, excess_price_per_t=90.0),
        links=(Link(between=("a", "b"), bandwidth_gbit_s=400.0, cost_per_gb=0.1),),
        regions=(Region(name="west", latency_ms={"a": 10.0, "b": 40.0}),),
        inference=(tiny.service(steps, demand=5e4, revenue_per_mtoken=0.4, unserved_penalty_per_mtoken=4.0),),
        training=(
            tiny.job("short", duration_h=1.5, delay_cost_per_h=3.0),
            tiny.job("long", duration_h=4.0, beyond=True, gpus=60),
            tiny.job("pause", kind="pausable", duration_h=3.0, migratable=True, checkpoint_gb=10.0),
            tiny.job("spare", gpus=8),
        ),
    )


def _schedule(tiny, scenario, draw, steps=6):
    def site():
        return str(draw.choice(["a", "b"]))

    start = int(draw.integers(0, 5))
    begin = int(draw.integers(0, 6))
    pause = int(draw.integers(1, 3))
    jobs = {
        "short": [tiny.run(start, start + 2, site=site(), last_fraction=0.5)],
        "long": [tiny.run(begin, begin + 4, site=site(), accelerators=60.0)],
        "pause": [tiny.run(0, 1, site=site()), tiny.run(1 + pause, 3 + pause, site=site())],
    }
    split = draw.uniform(0.0, 2.5e4, (2, steps))
    flows = {}
    for name in ("a", "b"):
        charging = draw.random(steps) < 0.5
        power = draw.uniform(0.0, 0.5, steps)
        plant = next(entry for entry in scenario.sites if entry.name == name).renewables[0]
        flows[name] = {
            "renewable_used_mw": {"roof": plant.available_mw * draw.random(steps)},
            "batteries": {"store": (power * charging, 0.4 * power * ~charging)},
            "generators": {"turbine": 5.0 * draw.random(steps) * (draw.random(steps) < 0.5)},
            "unserved_mw": draw.random(steps) * (draw.random(steps) < 0.2),
        }
    routes = {("west", "a", "gpus"): split[0], ("west", "b", "gpus"): split[1]}
    return tiny.schedule(scenario, jobs=jobs, services={"chat": routes}, flows=flows)
