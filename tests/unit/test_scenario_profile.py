"""Inference services with a profile: read, planned, simulated, and refused."""

from __future__ import annotations

from typing import Any

import pytest

from joulewright.account import settle, site_load
from joulewright.check import violations
from joulewright.plan import PlanOptions, plan
from joulewright.sim.simulate import simulate

PLAIN = 'throughput = "2400 token/s"\nactive_power = "640 W"\n'
PROFILE = 'profile = "Llama-3.1-8B"\ninput_tokens = 500\noutput_tokens = 250\n'


def with_profile(files: Any, extra: str = "", **changes: Any) -> Any:
    return files.read((PLAIN, PROFILE + extra), **changes)


def test_points_and_curves_for_every_accelerator(files: Any) -> None:
    service = with_profile(files, 'tpot = "25 ms"\n').inference[0]
    assert service.listed_only
    assert set(service.serving_on) == set(service.curves) == {"H100-SXM", "A100-SXM"}
    h100, a100 = service.serving_on["H100-SXM"], service.serving_on["A100-SXM"]
    assert h100.throughput_token_s > 1.3 * a100.throughput_token_s
    curve = service.curves["H100-SXM"]
    assert curve.accelerators == 1
    assert curve.rate_token_s[-1] == h100.throughput_token_s
    assert curve.power_mw[-1] == h100.active_power_mw
    # A waiting replica draws more than an idle accelerator.
    assert curve.power_mw[0] > with_profile(files).sites[0].fleets[0].idle_power_mw


def test_tighter_limits_give_less_throughput(files: Any) -> None:
    rates = [
        with_profile(files, f'tpot = "{limit} ms"\n').inference[0].serving.throughput_token_s for limit in (40, 15, 10)
    ]
    assert rates[0] >= rates[1] > rates[2]


def test_a_replica_takes_the_fewest_accelerators_that_keep_the_limit(files: Any) -> None:
    large = PROFILE.replace("8B", "70B")
    for limit, size in (("100 ms", 4), ("15 ms", 8)):
        service = files.read((PLAIN, f'{large}tpot = "{limit}"\n')).inference[0]
        assert service.curves["H100-SXM"].accelerators <= size
    fixed = files.read((PLAIN, f"{large}tensor_parallel = 8\n")).inference[0]
    assert fixed.curves["H100-SXM"].accelerators == 8


def test_an_accelerator_that_is_too_small_is_left_out_with_a_note(files: Any) -> None:
    scenario = files.read((PLAIN, PROFILE.replace("8B", "70B") + 'tensor_parallel = 2\nprecision = "fp8"\n'))
    assert set(scenario.inference[0].serving_on) == {"H100-SXM"}
    (note,) = [item for item in scenario.diagnostics if item.code == "S016"]
    assert note.severity == "note"
    assert "A100-SXM" in note.message
    assert not scenario.inference[0].runs_on(scenario.sites[1].fleets[0])


def test_plan_and_simulation(files: Any) -> None:
    scenario = with_profile(files, 'tpot = "25 ms"\n')
    result = plan(scenario, PlanOptions(strategy="exact", time_limit_s=20, gap=0.01))
    assert result.schedule is not None
    assert violations(scenario, result.schedule) == []
    assert result.objective == pytest.approx(settle(scenario, result.schedule).benefit, rel=1e-6)
    run = simulate(scenario, "grid-first+first-fit+nearest", forecaster="perfect").trajectory
    assert run is not None
    assert violations(run.scenario, run.schedule) == []
    service = scenario.inference[0]
    point = service.serving_on["H100-SXM"]
    load = site_load(run.scenario, run.schedule, run.scenario.site("a"))
    fraction_mw = 240_000 / point.throughput_token_s * point.active_power_mw
    # Whole replicas along the curve draw a little more than fractions of full ones.
    assert fraction_mw <= float(load.inference_mw[0]) <= 1.02 * fraction_mw


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (PROFILE.replace("Llama-3.1-8B", "Lama-3.1-8B"), "S016", "'Lama-3.1-8B'"),
        (PROFILE.replace("input_tokens = 500\n", ""), "S003", "has a profile but no input_tokens"),
        (PROFILE + 'throughput = "1000 token/s"\n', "S014", "gives both a profile and throughput"),
        (PLAIN + 'tpot = "20 ms"\n', "S014", "gives tpot, which needs a profile"),
        (PROFILE + 'tpot = "1 ms"\n', "S016", "no accelerator of the sites can serve"),
        (PROFILE + 'precision = "fp5"\n', "S016", "no accelerator of the sites can serve"),
        (PROFILE + 'power_cap = "50 W"\n', "S016", "no accelerator of the sites can serve"),
        (PROFILE.replace("500", "0"), "P001", "0 is out of range; allowed is > 0"),
        (PROFILE.replace("500", "500000"), "S016", "no accelerator of the sites can serve"),
        ("", "S003", "has no throughput"),
    ],
)
def test_profiles_that_cannot_be_used(files: Any, text: str, code: str, message: str) -> None:
    found = files.problems((PLAIN, text))
    assert any(message in item.message and item.code.startswith(code) for item in found), found


def test_why_no_accelerator_serves_is_told(files: Any) -> None:
    (problem,) = files.problems((PLAIN, PROFILE + 'tpot = "1 ms"\n'))
    assert "ms per token for a request alone; allowed are any and 1 ms" in problem.help
