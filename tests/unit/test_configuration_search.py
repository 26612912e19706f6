"""The choice of a configuration: figures by hand, shortage, refusals, zero requests, slices."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from joulewright.errors import InfeasibleError, ScenarioError
from joulewright.physics.accelerator import find_accelerator
from joulewright.physics.inference.deployment import coefficients
from joulewright.physics.inference.mig import slice_layouts
from joulewright.physics.inference.models import find_language_model
from joulewright.sim.processes.inference import Autoscaling, simulate_serving
from joulewright.sim.processes.inference.generate import TokenLengths, requests_from_demand
from joulewright.study.configuration import (
    Configurations,
    ConfigurationSpace,
    Operation,
    QuantileObjectives,
    ServiceNeed,
    Verification,
    configure,
    configure_slices,
    slices,
)
from joulewright.study.configuration.trial import Trial, Trials

QUICK = Verification(requests=512)
SPACE = ConfigurationSpace(accelerators=("H100", "L40S"), tensor_parallel=(1, 2), max_sequences=(64,))
CHAT = ServiceNeed(
    model=find_language_model("Llama-3.1-8B"),
    rate_per_s=[30.0, 10.0],
    input_tokens=TokenLengths(kind="lognormal", mean_tokens=300.0, most_tokens=2000),
    output_tokens=TokenLengths(kind="lognormal", mean_tokens=100.0, most_tokens=1000),
    objectives=QuantileObjectives(ttft_s=0.5, tpot_s=0.03),
    name="chat",
)


@cache
def chosen(minimise: str = "carbon") -> Configurations:
    return configure(
        CHAT,
        SPACE,
        minimise=minimise,  # type: ignore[arg-type]
        intensity_g_per_kwh=[100.0, 500.0],
        price_per_kwh=0.2,
        verification=QUICK,
        operation=Operation(accelerator_price_per_h={"H100-SXM": 2.0, "L40S": 0.5}),
    )


def test_figures_follow_from_powers_and_replicas() -> None:
    for item in chosen().evaluated:
        k = coefficients(item.deployment)
        load_s = 30.0 + item.deployment.weight_bytes / 2e9
        load_kwh = k.gpus * (k.loaded_idle_w + k.host_active_w) * load_s / 3.6e6
        kwh = item.power_w / 1e3 + np.roll(item.loads, -1) * load_kwh
        assert item.energy_kwh == pytest.approx(kwh.sum(), rel=1e-12)
        assert item.carbon_kg == pytest.approx(kwh @ [0.1, 0.5], rel=1e-12)
        price = {"H100-SXM": 2.0, "L40S": 0.5}[item.deployment.accelerator.name] * item.deployment.gpus
        assert item.cost == pytest.approx(0.2 * kwh.sum() + price * item.loaded.sum(), rel=1e-12)
        low, mid, high = item.deployment.accelerator.embodied_kg_per_h()
        assert item.embodied_range_kg == pytest.approx([value * item.gpus * 2 for value in (low, mid, high)])
        assert item.met
        assert item.gpus == item.gpus_needed == item.loaded.max() * item.deployment.gpus


def test_best_has_the_least_objective_and_keeps_the_objectives() -> None:
    for minimise, name in (("carbon", "carbon_kg"), ("energy", "energy_kwh"), ("cost", "cost")):
        found = chosen(minimise)
        assert getattr(found.best, name) == min(getattr(item, name) for item in found.evaluated)
        assert found.best is found.pareto[0]
        assert found.shortage == ""
    both = chosen("embodied+operational")
    assert both.best.carbon_kg is not None
    assert both.best.embodied_kg is not None
    assert both.best.carbon_kg + both.best.embodied_kg == min(
        (item.carbon_kg or 0.0) + (item.embodied_kg or 0.0) for item in both.evaluated
    )


def test_pareto_set_is_not_dominated() -> None:
    rows = np.array([list(item.figures().values()) for item in chosen().pareto])
    for at, row in enumerate(rows):
        others = np.delete(rows, at, axis=0)
        assert not ((others <= row).all(axis=1)).any()


def test_returned_configurations_meet_their_objectives_with_other_requests() -> None:
    trials = Trials(CHAT, Verification(requests=1024, margin_fraction=0.0), 99)
    for item in chosen().pareto:
        for rate, replicas in zip(CHAT.rate_per_s.tolist(), item.replicas.tolist(), strict=True):
            run = trials.run(coefficients(item.deployment), item.options, replicas=replicas, rate_per_s=rate)
            assert run.met
            assert run.tpot_s <= 0.03
            assert run.ttft_s <= 0.5


def test_curve_ends_at_the_capacity() -> None:
    for item in chosen().evaluated:
        assert item.curve.rate_token_s[0] == 0.0
        assert np.all(np.diff(item.curve.rate_token_s) > 0.0)
        assert np.all(np.diff(item.curve.power_mw) > 0.0)
        output = item.curve.rate_token_s[-1] * item.deployment.gpus / item.capacity_per_s
        assert output == pytest.approx(100.0, rel=0.2)


def test_equal_seeds_give_equal_results() -> None:
    again = configure(
        CHAT,
        SPACE,
        intensity_g_per_kwh=[100.0, 500.0],
        price_per_kwh=0.2,
        verification=QUICK,
        operation=Operation(accelerator_price_per_h={"H100-SXM": 2.0, "L40S": 0.5}),
    )
    assert [item.figures() for item in again.pareto] == [item.figures() for item in chosen().pareto]


def test_simulated_hours_take_what_was_said() -> None:
    """Two hours with replicas switched by the plan, as one simulation, against the figures of the configuration."""
    best = chosen().best
    trace = requests_from_demand(
        CHAT.rate_per_s * CHAT.output_tokens.expected_tokens,
        step_s=3600.0,
        input_tokens=CHAT.input_tokens,
        output_tokens=CHAT.output_tokens,
        seed=3,
    )
    schedule = tuple((3600.0 * hour, int(count)) for hour, count in enumerate(best.loaded))
    scaling = Autoscaling(schedule=schedule, least_replicas=0, load_s=30.0)
    run = simulate_serving(
        trace,
        best.deployment,
        replicas=int(best.loaded.max()),
        router="least-outstanding",
        options=replace(best.options, autoscaling=scaling, bin_s=60.0),
        span_s=(0.0, 7200.0),
    )
    assert run.quantile("ttft_s", 0.95) <= 0.5
    assert run.quantile("tpot_s", 0.95) <= 0.03
    assert run.total_energy_j / 3.6e6 == pytest.approx(best.energy_kwh, rel=0.04)


def test_too_few_accelerators_are_reported() -> None:
    found = configure(
        CHAT, replace(SPACE, accelerators=("L40S",), gpus_available=1), minimise="energy", verification=QUICK
    )
    best = found.best
    assert not best.met
    assert best.gpus == 1.0 < best.gpus_needed
    assert best.served_per_s + best.unserved_per_s == pytest.approx(CHAT.rate_per_s)
    assert best.unserved_requests == pytest.approx(float(best.unserved_per_s.sum()) * 3600.0)
    assert "L40S 64/2048 serves" in found.shortage
    assert f"{best.gpus_needed:g} accelerators would" in found.shortage
    enough = configure(
        CHAT,
        replace(SPACE, accelerators=("L40S",), tensor_parallel=(1,), gpus_available=int(best.gpus_needed)),
        minimise="energy",
        verification=QUICK,
    )
    assert enough.best.met


def test_every_reason_is_listed_if_nothing_fits() -> None:
    need = replace(CHAT, model=find_language_model("Llama-3.1-405B"))
    with pytest.raises(InfeasibleError) as caught:
        configure(need, replace(SPACE, precisions=("bf16", "mxfp4")), minimise="energy", verification=QUICK)
    text = str(caught.value)
    assert "none of 8 candidates can serve Llama-3.1-405B for 'chat'" in text
    assert "does not fit: its weights take 811.8 GB" in text
    assert "precision 'mxfp4' is not known to run on L40S" in text
    assert all(name in text for name in ("H100-SXM bf16 64/2048", "H100-SXM tp2 bf16", "L40S tp2 mxfp4"))


def test_objectives_that_no_device_reaches_say_how_far_off_they_are() -> None:
    fast = replace(CHAT, objectives=QuantileObjectives(ttft_s=0.004, tpot_s=None))
    with pytest.raises(InfeasibleError, match=r"0.95 quantile is TTFT .* ms of at most 4 ms, with a margin of 0.1"):
        configure(fast, SPACE, minimise="energy", verification=QUICK)
    with pytest.raises(
        InfeasibleError, match=r"a request alone takes .* ms per output token; asked for are 1 ms: relax tpot"
    ):
        configure(replace(CHAT, objectives=QuantileObjectives(tpot_s=0.001)), SPACE, minimise="energy")


def test_too_few_accelerators_for_one_replica_are_a_reason() -> None:
    with pytest.raises(
        InfeasibleError, match="a replica takes 2 accelerators and 1 are loaded at least; gpus_available is 1"
    ):
        configure(CHAT, replace(SPACE, tensor_parallel=(2,), gpus_available=1), minimise="energy")


def test_cache_too_small_for_a_request_is_a_reason() -> None:
    long = TokenLengths(kind="lognormal", mean_tokens=300.0, most_tokens=100_000)
    with pytest.raises(InfeasibleError, match=r"a request can have 101000 tokens, but the cache holds 32\d+;"):
        configure(
            replace(CHAT, input_tokens=long),
            replace(SPACE, accelerators=("A30",), tensor_parallel=(1,)),
            minimise="energy",
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "carbon_kg is asked for, but cannot be known: give intensity_g_per_kwh"),
        ({"minimise": "cost"}, "give price_per_kwh"),
        ({"minimise": "joy"}, "minimise is 'joy'; use carbon, energy"),
        ({"minimise": "energy", "pareto_over": ("speed",)}, "there is no figure 'speed'"),
        ({"intensity_g_per_kwh": [1.0, 2.0, 3.0]}, "the horizon has 2 steps"),
        ({"intensity_g_per_kwh": -1.0}, "allowed is at least 0"),
        ({"minimise": "cost", "price_per_kwh": [0.1, float("nan")]}, "price_per_kwh is nan"),
    ],
)
def test_bad_questions(options: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        configure(CHAT, SPACE, **options)  # type: ignore[arg-type]


def test_unknown_embodied_carbon_is_named_never_zero() -> None:
    space = ConfigurationSpace(accelerators=("H100", "RTX-4090"), tensor_parallel=(1,), precisions=("fp8",))
    for options in ({"minimise": "embodied+operational"}, {"pareto_over": ("embodied_kg",)}):
        with pytest.raises(ScenarioError, match="that of RTX-4090 is unknown"):
            configure(CHAT, space, intensity_g_per_kwh=100.0, **options)  # type: ignore[arg-type]
    found = configure(CHAT, replace(space, accelerators=("RTX-4090",)), minimise="energy", verification=QUICK)
    assert found.best.embodied_kg is None
    assert found.best.carbon_kg is None
    assert found.best.cost is None


@pytest.mark.parametrize(("least", "off", "watt"), [(1, "off", 90.0 + 125.0), (0, "off", 0.0), (2, "idle", 430.0)])
def test_zero_requests(least: int, off: str, watt: float) -> None:
    need = replace(CHAT, rate_per_s=np.zeros(24))
    found = configure(
        need,
        replace(SPACE, accelerators=("H100",), tensor_parallel=(1,)),
        minimise="energy",
        operation=Operation(least_replicas=least, off=off),  # type: ignore[arg-type]
    )
    assert found.best.energy_kwh == pytest.approx(24.0 * watt / 1e3)
    assert found.best.loaded.tolist() == [least] * 24
    assert found.best.gpus == least
    assert found.best.met
    assert found.simulations == 0


def test_rare_requests_cost_little_more_than_waiting() -> None:
    best = [
        configure(
            replace(CHAT, rate_per_s=[rate]),
            replace(SPACE, tensor_parallel=(1,)),
            minimise="energy",
            verification=QUICK,
        ).best
        for rate in (1e-300, 1e-6, 2e-6)
    ]
    waiting = (55.0 + 50.0) / 1e3
    assert best[0].energy_kwh == pytest.approx(waiting, rel=1e-12)
    first, second = (item.energy_kwh - waiting for item in best[1:])
    assert second == pytest.approx(2.0 * first, rel=1e-6)
    assert first > 0.0


def test_night_without_requests_switches_all_but_one_off() -> None:
    need = replace(CHAT, rate_per_s=[30.0, 0.0, 0.0])
    space = replace(SPACE, accelerators=("L40S",), tensor_parallel=(1,))
    on, off, idle = (
        configure(need, space, minimise="energy", verification=QUICK, operation=operation).best
        for operation in (Operation(), Operation(least_replicas=0), Operation(least_replicas=0, off="idle"))
    )
    assert on.replicas.tolist()[1:] == [0, 0]
    assert on.loaded.tolist()[1:] == [1, 1]
    assert off.loaded.tolist()[1:] == [0, 0]
    assert off.loads.tolist() == [int(off.replicas[0]), 0, 0]
    assert off.energy_kwh < on.energy_kwh < idle.energy_kwh


def test_slices_serve_within_their_objectives() -> None:
    small = replace(CHAT, rate_per_s=[6.0, 3.0])
    other = replace(CHAT, name="code", model=find_language_model("Qwen3-8B"), rate_per_s=[1.0])
    found = configure_slices([small, other], "H100", verification=QUICK)
    layout = slice_layouts()["h100"]
    for device in found.packing.devices:
        assert layout.problems(device.slices) == []
    for need in (small, other):
        shares = found.shares[need.name]
        assert sum(share.slices * share.rate_per_s for share in shares) == pytest.approx(float(need.rate_per_s.max()))
        assert all(share.trial.met for share in shares)
    assert any(item.label.startswith("chat on H100-SXM/1g.10gb") for item in found.refused)
    power = configure_slices([small, other], "H100", minimise="power", verification=QUICK)
    assert power.packing.cost > 195.0
    carbon = configure_slices([small, other], "H100", minimise="carbon", intensity_g_per_kwh=0.0, verification=QUICK)
    embodied = find_accelerator("H100").embodied_kg_per_h()[1]
    assert carbon.packing.cost == pytest.approx(embodied * len(carbon.packing.devices))


def test_slices_refuse_what_cannot_be() -> None:
    with pytest.raises(ScenarioError, match="names must be unique"):
        configure_slices([CHAT, CHAT], "H100")
    with pytest.raises(ScenarioError, match="L40S cannot be cut"):
        configure_slices([CHAT], "L40S")
    with pytest.raises(ScenarioError, match="minimise is 'speed'"):
        configure_slices([CHAT], "H100", minimise="speed")  # type: ignore[arg-type]
    with pytest.raises(ScenarioError, match="intensity_g_per_kwh is None"):
        configure_slices([CHAT], "H100", minimise="carbon")
    large = replace(CHAT, model=find_language_model("Llama-3.1-70B"))
    with pytest.raises(InfeasibleError, match=r"no slice can serve chat; use whole accelerators\n.*does not fit"):
        configure_slices([large], "H100")
    few = ConfigurationSpace(accelerators=("H100",), gpus_available=1)
    with pytest.raises(InfeasibleError, match="1 accelerators are too few for chat; at least"):
        configure_slices([replace(CHAT, rate_per_s=[300.0])], "H100", space=few, verification=QUICK)


def test_slices_that_stay_too_slow_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Trials.run

    def late(self: Trials, *arguments: Any, **given: Any) -> Trial:
        found = run(self, *arguments, **given)
        return found._replace(met=False) if given.get("fresh") else found

    monkeypatch.setattr(Trials, "run", late)
    monkeypatch.setattr(slices, "_LEAST_SHARE", 0.9)
    space = ConfigurationSpace(accelerators=("H100",), max_sequences=(64,))
    need = replace(CHAT, rate_per_s=[0.5])
    with pytest.raises(InfeasibleError, match="too slow at any rate"):
        configure_slices([need], "H100", space=space, verification=QUICK)


def test_of_equal_numbers_of_accelerators_the_smallest_slices_are_cut() -> None:
    need = replace(CHAT, rate_per_s=[0.2])
    found = configure_slices([need], "H100", verification=QUICK)
    (device,) = found.packing.devices
    assert [item.profile for item in device.slices] == ["1g.20gb"]
    assert found.packing.cost == 1.0
