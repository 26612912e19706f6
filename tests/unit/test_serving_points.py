"""Services with several operating points and power curves: plans take straight lines, the simulator whole replicas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulewright.account import settle, site_load
from joulewright.check import violations
from joulewright.io.frames import routing_frame
from joulewright.model import Region, Route, Scenario, ServiceSchedule, ServingCurve, ServingPoint
from joulewright.physics.serving import serving_draw, split_replicas, whole_replicas
from joulewright.plan import plan
from joulewright.plan.options import PlanOptions
from joulewright.sim.simulate import simulate

FAST = ServingPoint(throughput_token_s=1000.0, active_power_mw=0.008)
FRUGAL = ServingPoint(throughput_token_s=600.0, active_power_mw=0.003)
CURVE = ServingCurve(accelerators=4, rate_token_s=(0.0, 600.0, 1000.0), power_mw=(0.0015, 0.003, 0.008))


def scenario(tiny: Any, demand: Any, *, curve: bool = True, steps: int = 2, **changes: Any) -> Scenario:
    service = tiny.service(
        steps,
        demand=demand,
        serving=FAST,
        serving_on={"H100-SXM": FAST},
        further_on={"H100-SXM": (FRUGAL,)},
        curves={"H100-SXM": CURVE} if curve else {},
        listed_only=True,
        **changes,
    )
    regions = (Region(name="west", latency_ms={"a": 10.0}),)
    return tiny.scenario(inference=(service,), regions=regions, steps=steps)  # type: ignore[no-any-return]


def routed(entry: ServiceSchedule) -> dict[int, list[float]]:
    return {route.point: served.round(6).tolist() for route, served in zip(entry.routes, entry.served_token_s)}


def test_a_plan_takes_the_frugal_point_while_accelerators_last(tiny: Any) -> None:
    # 100 accelerators: 30,000 token/s take 50 at the frugal point. 80,000 need both: a + b = 100 accelerators with
    # 1000 a + 600 b = 80,000 give a = 50 and b = 50.
    facts = scenario(tiny, [30_000.0, 80_000.0])
    result = plan(facts, PlanOptions(strategy="exact"))
    assert result.schedule is not None
    entry = result.schedule.services["chat"]
    assert routed(entry) == {0: [0.0, 50_000.0], 1: [30_000.0, 30_000.0]}
    assert violations(facts, result.schedule) == []
    load = site_load(facts, result.schedule, facts.sites[0])
    assert load.serving_accelerators["gpus"].tolist() == pytest.approx([50.0, 100.0])
    assert load.inference_mw.tolist() == pytest.approx([0.15, 0.55])
    assert load.idle_mw.tolist() == pytest.approx([0.05, 0.0])
    assert result.objective == pytest.approx(settle(facts, result.schedule).benefit, rel=1e-9)


def test_accelerators_that_are_not_listed_do_not_serve(tiny: Any) -> None:
    other = tiny.site(name="b", fleets=(tiny.fleet(accelerator="A100-SXM"),))
    regions = (Region(name="west", latency_ms={"a": 10.0, "b": 5.0}),)
    facts = scenario(tiny, 10_000.0).with_changes(sites=(tiny.site(), other), regions=regions)
    result = plan(facts, PlanOptions(strategy="exact"))
    assert result.schedule is not None
    assert {route.site for route in result.schedule.services["chat"].routes} == {"a"}
    entry = result.schedule.services["chat"]
    wrong = replace(entry, routes=tuple(replace(route, site="b") for route in entry.routes))
    found = violations(facts, replace(result.schedule, services={"chat": wrong}))
    assert any("does not run on A100-SXM" in item.message for item in found)


def test_the_simulator_follows_the_curve_with_whole_replicas(tiny: Any) -> None:
    # 9,000 token/s at 1000 each in replicas of 4: two full, the third with a quarter of 4,000.
    facts = scenario(tiny, 9_000.0)
    run = simulate(facts, "grid-first+first-fit+nearest", forecaster="perfect").trajectory
    assert run is not None
    load = site_load(facts, run.schedule, facts.sites[0])
    part_mw = 4 * (0.0015 + 250.0 / 600.0 * 0.0015)
    assert load.serving_accelerators["gpus"].tolist() == [12.0, 12.0]
    assert load.inference_mw.tolist() == pytest.approx([8 * 0.008 + part_mw] * 2)
    assert violations(run.scenario, run.schedule) == []
    frame = routing_frame(facts, run.schedule)
    assert frame["power_mw"].to_list() == pytest.approx([8 * 0.008 + part_mw] * 2)
    assert frame["accelerators"].to_list() == [12.0, 12.0]


def test_following_a_plan_keeps_its_points(tiny: Any) -> None:
    facts = scenario(tiny, [28_800.0, 28_800.0])
    schedule = plan(facts, PlanOptions(strategy="exact")).schedule
    assert schedule is not None
    run = simulate(facts, "receding-horizon:window_h=2,jobs=milp", forecaster="perfect").trajectory
    assert run is not None
    # 28,800 token/s are 12 replicas of 4 x 600: nothing is left over, so the line and the curve agree.
    assert routed(run.schedule.services["chat"]) == routed(schedule.services["chat"]) == {1: [28_800.0, 28_800.0]}
    assert settle(facts, schedule).benefit == pytest.approx(settle(facts, run.schedule).benefit)


@pytest.mark.parametrize(("count", "served"), [(10, 8_000.0), (3, 0.0), (12, 9_000.0)])
def test_replicas_that_do_not_fit_are_not_started(tiny: Any, count: int, served: float) -> None:
    facts = scenario(tiny, 9_000.0, unserved_penalty_per_mtoken=1.0)
    facts = facts.with_changes(sites=(tiny.site(fleets=(tiny.fleet(count=count),)),))
    run = simulate(facts, "grid-first+first-fit+nearest", forecaster="perfect").trajectory
    assert run is not None
    entry = run.schedule.services["chat"]
    assert sum(entry.served_token_s, np.zeros(2)).tolist() == pytest.approx([served, served])
    assert entry.unserved_token_s["west"].tolist() == pytest.approx([9_000.0 - served] * 2)
    assert violations(run.scenario, run.schedule) == []


def test_regions_share_a_replica(tiny: Any) -> None:
    facts = scenario(tiny, 2_500.0)
    service = facts.inference[0]
    demand = {"west": np.full(2, 2_500.0), "east": np.full(2, 500.0)}
    regions = (*facts.regions, Region(name="east", latency_ms={"a": 60.0}))
    facts = facts.with_changes(inference=(replace(service, demand_token_s=demand),), regions=regions)
    run = simulate(facts, "grid-first+first-fit+nearest", forecaster="perfect").trajectory
    assert run is not None
    frame = routing_frame(facts, run.schedule).filter(start=facts.timeline.start)
    power_mw = 4 * float(CURVE.power_at(750.0))
    # One replica of 4 with 3,000 of 4,000 token/s, five sixths of it for the west.
    assert dict(zip(frame["region"], frame["power_mw"])) == pytest.approx(
        {"west": power_mw * 5 / 6, "east": power_mw / 6}
    )


def test_the_draw_of_no_demand_is_nothing(tiny: Any) -> None:
    facts = scenario(tiny, 0.0)
    for whole in (False, True):
        accelerators, power_mw = serving_draw(
            facts.inference[0], facts.sites[0].fleets[0], np.zeros((2, 3)), whole_replicas=whole
        )
        assert accelerators.tolist() == power_mw.tolist() == [0.0] * 3


def test_a_point_that_does_not_exist_is_an_error(tiny: Any) -> None:
    facts = scenario(tiny, 0.0)
    with pytest.raises(IndexError):
        facts.inference[0].point_on(facts.sites[0].fleets[0], 2)


def test_replicas_within_rounding_are_whole() -> None:
    full, rest = split_replicas(np.array([3.0 - 1e-12, 1e6 - 1e-5, 0.5]))
    assert full.tolist() == [3.0, 1e6, 0.0]
    assert rest.tolist() == [0.0, 0.0, 0.5]


def test_routes_default_to_the_first_point() -> None:
    assert Route(region="r", site="s", fleet="f").point == 0


@pytest.mark.parametrize("load", [0.0, 1e-12, 0.3, 1.0, 2.0 - 1e-10, 2.0 + 1e-10, 2.0 + 1e-6, 41_000.0 + 1e-6, 7.99])
def test_one_load_takes_the_replicas_of_a_series(load: float) -> None:
    full, rest = split_replicas(np.array([load]))
    assert whole_replicas(load) == int(full[0]) + int(rest[0] > 0.0)
