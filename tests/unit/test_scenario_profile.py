"""Inference services with a profile: read, planned, simulated, and refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulewright.account import settle, site_load
from joulewright.check import violations
from joulewright.io.language_model_file import write_calibration
from joulewright.physics.accelerator import find_accelerator
from joulewright.physics.inference.calibrate import Calibration
from joulewright.physics.inference.constants import constants_for
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
        (PROFILE + 'power_cap = "100 W"\n', "S016", "no accelerator of the sites can serve"),
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


H100 = 'accelerator = "H100-SXM"\ncount = 4096\n'
SECOND = H100 + '[[site.fleet]]\nname = "old"\naccelerator = "H100-SXM"\ncount = 64\n'
CONFIG = {
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}


def test_a_fleet_with_powers_of_its_own_has_a_curve_of_its_own(files: Any) -> None:
    plain = with_profile(files)
    own = 'active_power = "400 W"\nidle_power = "150 W"\nhost_power = "250 W"\nhost_idle_power = "90 W"\n'
    service = files.read((PLAIN, PROFILE), (H100, H100 + own)).inference[0]
    assert set(service.curves) == {"H100-SXM", "A100-SXM"}
    before, after = (item.curves["H100-SXM"] for item in (plain.inference[0], service))
    # Waiting draws 20 W above the fleet's idle power and the idle host share: 150 + 20 + 90 W.
    assert after.power_mw[0] == pytest.approx(260e-6, rel=1e-9)
    assert before.power_mw[0] == pytest.approx((90.0 + 125.0) * 1e-6, rel=1e-9)
    # Full replicas draw the fleet's 400 W and no more, and all of the host share; the limit slows them down.
    assert (after.power_mw[-1], max(after.power_mw)) == pytest.approx((650e-6, 650e-6))
    assert 0.5 * before.rate_token_s[-1] < after.rate_token_s[-1] < before.rate_token_s[-1]
    capped = with_profile(files, 'power_cap = "400 W"\n').inference[0].curves["H100-SXM"]
    assert capped.rate_token_s == pytest.approx(after.rate_token_s)


def test_a_fleet_below_the_floor_of_caps_cannot_serve(files: Any) -> None:
    scenario = files.read((PLAIN, PROFILE), (H100, H100 + 'active_power = "120 W"\nidle_power = "60 W"\n'))
    (note,) = [item for item in scenario.diagnostics if item.code == "S016"]
    assert "power_cap_w is 120 W on H100-SXM; allowed is above 183.75 W" in note.help
    assert set(scenario.inference[0].curves) == {"A100-SXM"}


def test_a_fleet_that_may_draw_more_than_the_catalogue_says_is_not_limited(files: Any) -> None:
    larger = files.read((PLAIN, PROFILE), (H100, H100 + 'active_power = "800 W"\n')).inference[0]
    found, plain = (item.curves["H100-SXM"] for item in (larger, with_profile(files).inference[0]))
    assert found.rate_token_s == plain.rate_token_s
    # Only steps with prompts reach 700 W.
    assert plain.power_mw[-1] < found.power_mw[-1] < 1.1 * plain.power_mw[-1]


def test_fleets_of_one_accelerator_that_differ_in_power_are_told_apart(files: Any) -> None:
    scenario = files.read((PLAIN, PROFILE), (H100, SECOND + 'idle_power = "200 W"\n'))
    service = scenario.inference[0]
    pod, old = scenario.sites[0].fleets
    assert pod.kind != old.kind
    assert set(service.curves) == {pod.kind, old.kind, "A100-SXM"}
    assert service.curve_on(old).power_mw[0] - service.curve_on(pod).power_mw[0] == pytest.approx(130e-6)
    assert service.curve_on(scenario.sites[1].fleets[0]) is service.curves["A100-SXM"]
    run = simulate(scenario, "grid-first+first-fit+nearest", forecaster="perfect").trajectory
    assert run is not None
    assert violations(run.scenario, run.schedule) == []
    result = plan(scenario, PlanOptions(strategy="exact", time_limit_s=20, gap=0.01))
    assert result.schedule is not None
    assert violations(scenario, result.schedule) == []


def test_equal_fleets_share_a_curve(files: Any) -> None:
    scenario = files.read((PLAIN, PROFILE), (H100, SECOND))
    assert set(scenario.inference[0].curves) == {"H100-SXM", "A100-SXM"}


def test_only_sites_of_the_service_count(files: Any) -> None:
    scenario = with_profile(files, 'sites = ["b"]\n')
    assert set(scenario.inference[0].serving_on) == {"A100-SXM"}
    assert not [item for item in scenario.diagnostics if item.code == "S016"]
    large = PROFILE.replace("8B", "405B") + 'sites = ["b"]\n'
    (problem,) = files.problems((PLAIN, large))
    assert "no accelerator of b can serve" in problem.message


def test_a_fleet_that_draws_nothing_under_load_cannot_serve(files: Any) -> None:
    own = 'active_power = "0 W"\nidle_power = "0 W"\n'
    scenario = files.read((PLAIN, PROFILE), (H100, H100 + own))
    (note,) = [item for item in scenario.diagnostics if item.code == "S016"]
    assert "fleet 'pod' draw 0 W under load and 0 W idle" in note.help


@pytest.mark.parametrize("name", ["mine/config.json", "mine", "./mine"])
def test_a_model_of_a_configuration_beside_the_scenario(files: Any, name: str) -> None:
    (files.folder / "mine").mkdir()
    path = files.folder / "mine" / "config.json"
    path.write_text(json.dumps(CONFIG))
    scenario = files.read((PLAIN, PROFILE.replace("Llama-3.1-8B", name)))
    same = with_profile(files).inference[0].serving_on["H100-SXM"]
    assert scenario.inference[0].serving_on["H100-SXM"].throughput_token_s == pytest.approx(
        same.throughput_token_s, rel=1e-3
    )
    (fact,) = scenario.provenance["series"]
    assert (fact["key"], fact["file"]) == ("inference.chat.profile", name)
    assert fact["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine/config.json", None, "language model 'mine/config.json' cannot be read: there is no file"),
        ("./mine", None, "language model './mine' cannot be read: there is no file"),
        ("mine/config.json", "{", "config.json is not JSON"),
        ("mine/config.json", "[]", "holds list; it must hold one JSON object"),
        ("mine/config.json", "{}", "'num_hidden_layers' of the configuration of 'mine' is None"),
        ("mine", "{}", "'num_hidden_layers' of the configuration of 'mine' is None"),
        ("mine", None, "language model 'mine' is not in the catalogue"),
        ("Llama-3.1-8B", json.dumps(CONFIG), "is a name of the catalogue and a path; write './Llama-3.1-8B'"),
    ],
)
def test_configurations_that_cannot_be_used(files: Any, name: str, content: str | None, message: str) -> None:
    if content is not None:
        folder = files.folder / Path(name.removesuffix("/config.json"))
        folder.mkdir()
        (folder / "config.json").write_text(content)
    (problem,) = files.problems((PLAIN, PROFILE.replace("Llama-3.1-8B", name)))
    assert problem.code == "S016"
    assert message in problem.message
    assert "path of a config.json" in problem.help


FIRST_KEY = 'constants = "H100-1"\n'


def calibration(folder: Path, accelerator: str, **changes: Any) -> None:
    """A calibration beside the scenario whose engine draws and takes what is said."""
    device = find_accelerator(accelerator)
    constants = replace(constants_for(device), name="mine", fitted=None, **changes)
    folder.mkdir()
    found = Calibration(constants=constants, accelerator=device.name, prompts={}, errors=(), warnings=())
    write_calibration(folder / "calibration.json", found)


def test_constants_of_a_calibration_beside_the_scenario(files: Any) -> None:
    calibration(files.folder / "fit", "H100", p0_w=200.0, eta_b=0.6)
    plain = with_profile(files).inference[0]
    for name in ("fit", "./fit", "fit/calibration.json"):
        scenario = with_profile(files, f'constants = "{name}"\n')
        service = scenario.inference[0]
        # Slower reads of weights and a higher power without traffic, on the accelerator that was calibrated alone.
        assert service.curves["H100-SXM"].rate_token_s[-1] < 0.9 * plain.curves["H100-SXM"].rate_token_s[-1]
        assert service.curves["A100-SXM"] == plain.curves["A100-SXM"]
        (note,) = [item for item in scenario.diagnostics if item.code == "S016"]
        assert note.severity == "note"
        assert note.message == "inference 'chat' has no constants of A100-SXM; it takes A100-1"
        (fact,) = scenario.provenance["series"]
        assert (fact["key"], fact["file"]) == ("inference.chat.constants", name)
        path = files.folder / "fit" / "calibration.json"
        assert fact["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_constants_of_several_accelerators(files: Any) -> None:
    calibration(files.folder / "slow", "A100", eta_b=0.4)
    plain, other = with_profile(files).inference[0], with_profile(files, 'constants = "H100-1; slow"\n')
    assert [item for item in other.diagnostics if item.code == "S016"] == []
    service = other.inference[0]
    assert service.curves["H100-SXM"] == with_profile(files, FIRST_KEY).inference[0].curves["H100-SXM"]
    assert service.curves["H100-SXM"] != plain.curves["H100-SXM"]
    assert service.curves["A100-SXM"].rate_token_s[-1] < plain.curves["A100-SXM"].rate_token_s[-1]


def test_plan_with_own_constants(files: Any) -> None:
    """More power in a calibration is more power in a plan."""
    factor = 1.5
    known = constants_for(find_accelerator("H100"))
    watts = {key: factor * getattr(known, key) for key in ("p0_w", "weight_power_w", "kv_power_w", "compute_power_w")}
    calibration(files.folder / "fit", "H100", **watts)
    loads = []
    for extra in ("", 'constants = "fit"\n'):
        scenario = with_profile(files, 'sites = ["a"]\ntpot = "25 ms"\n' + extra)
        result = plan(scenario, PlanOptions(strategy="exact", time_limit_s=20, gap=0.01))
        assert result.schedule is not None
        assert violations(scenario, result.schedule) == []
        loads.append(float(site_load(scenario, result.schedule, scenario.site("a")).inference_mw.sum()))
    # Idle power and the host share stay, and no accelerator draws more than its 700 W.
    assert 1.05 < loads[1] / loads[0] <= factor


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (PLAIN + FIRST_KEY, "S014", "gives constants, which needs a profile"),
        (PROFILE + 'constants = "B200-1"\n', "S016", "the constants 'B200-1' are of B200, which no fleet of"),
        (PROFILE + 'constants = "H100-9"\n', "S016", "constants 'H100-9' are neither a file nor a known set"),
        (PROFILE + 'constants = "H100-1; H100-2"\n', "S016", "two sets of constants of H100-SXM, the second 'H100-2'"),
        (PROFILE + 'constants = "H100-1"\nsites = ["b"]\n', "S016", "of H100-SXM, which no fleet of"),
        (PROFILE + 'constants = "broken.json"\n', "S016", "broken.json is not JSON"),
        (PROFILE + 'constants = ";"\n', "S016", "constants is ';'"),
    ],
)
def test_constants_that_cannot_be_used(files: Any, text: str, code: str, message: str) -> None:
    (files.folder / "broken.json").write_text("{")
    found = files.problems((PLAIN, text))
    assert any(message in item.message and item.code == code for item in found), found
