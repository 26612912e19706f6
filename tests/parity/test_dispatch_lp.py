"""A dispatch program with published optima: the model, linopy and PyPSA find the same cost to nine digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from joulewright.account import settle
from joulewright.check import violations
from joulewright.plan.extraction import read_schedule
from joulewright.plan.formulation import build
from joulewright.plan.solver import pass_program, read_solution

ROOT = Path(__file__).resolve().parents[2]

# Optima and imported energy [MWh] of the first T hours with HiGHS 1.15.1.
VECTORS = {
    24: (2825.250957783112, 18.1434813),
    48: (5426.563921932081, 34.6999068),
    168: (20386.25030934835, 130.8650664),
    720: (85336.60465745974, 547.4627070),
    8760: (751707.1267056465, 4973.5391688),
}


@pytest.fixture
def dispatch(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import dispatch_year

    return dispatch_year


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import dispatch_peers

    return dispatch_peers


@pytest.fixture
def year(shared, dispatch):
    """The reference year; without the reference folder the test skips."""
    inputs = dispatch.read_inputs()
    assert inputs.source == "inputs_60min.npz"
    return inputs


def solve(scenario):
    joint = build(scenario)
    highs = pass_program(joint.program)
    highs.run()
    solution = read_solution(highs)
    assert solution.optimal
    return joint, solution


@pytest.mark.parametrize("hours", VECTORS)
def test_optima_are_exact(year, dispatch, hours):
    joint, solution = solve(dispatch.scenario(year.hours(0, hours)))
    assert joint.program.shape == (2 * hours, 6 * hours + 1)
    assert solution.objective == pytest.approx(VECTORS[hours][0], rel=1e-9)


@pytest.mark.parametrize("hours", [24, 48, 168])
def test_the_ledger_settles_the_same_cost(year, dispatch, hours):
    scenario = dispatch.scenario(year.hours(0, hours))
    joint, solution = solve(scenario)
    schedule = read_schedule(joint, solution.values, "relaxation")
    assert violations(scenario, schedule) == []
    assert settle(scenario, schedule).benefit == pytest.approx(-VECTORS[hours][0], rel=1e-9)


@pytest.mark.parametrize("hours", [24, 48])
def test_what_is_unique_in_the_optimum(year, dispatch, hours):
    """Trajectories are degenerate, but import prices have two levels, so imported energy is not: losses are paid."""
    scenario = dispatch.scenario(year.hours(0, hours))
    joint, solution = solve(scenario)
    site = read_schedule(joint, solution.values, "relaxation").sites["site"]
    assert site.grid_import_mw.sum() == pytest.approx(VECTORS[hours][1], rel=1e-6)
    stored = site.batteries["battery"]
    assert stored.energy_mwh[-1] == pytest.approx(2.0, abs=1e-9)
    assert (stored.charge_mw * stored.discharge_mw == 0.0).all()


def test_wear_in_both_directions_equals_wear_on_discharge(dispatch, year):
    """The scenario pays w per MW each way; the reference 0.002 per MW discharged."""
    joint, solution = solve(dispatch.scenario(year.hours(0, 48)))
    (charge,), (discharge,) = (joint.program.variables[name] for name in ("charge", "discharge"))
    paid = float(
        joint.program.cost[charge.first] * (charge.values(solution.values) + discharge.values(solution.values)).sum()
    )
    assert paid == pytest.approx(0.002 * float(discharge.values(solution.values).sum()), rel=1e-9)


@pytest.mark.parametrize("hours", [24, 168])
def test_linopy_agrees(year, dispatch, peers, hours):
    pytest.importorskip("linopy", reason="linopy is not installed; pip install 'joulewright[bench]'")
    with peers.quiet():
        model = peers.linopy_model(year.hours(0, hours))
        assert (model.ncons, model.nvars) == (2 * hours, 6 * hours)
        assert peers.optimum(model) == pytest.approx(VECTORS[hours][0], rel=1e-9)


def test_pypsa_agrees(year, peers):
    pytest.importorskip("pypsa", reason="pypsa is not installed; pip install 'joulewright[bench]'")
    with peers.quiet():
        network = peers.pypsa_network(year.hours(0, 168))
        model = peers.end_energy(network.optimize.create_model())
        assert peers.optimum(model) == pytest.approx(VECTORS[168][0], rel=1e-9)


def test_a_peer_without_an_optimum_is_an_error(year, dispatch, peers):
    pytest.importorskip("linopy", reason="linopy is not installed; pip install 'joulewright[bench]'")
    short = year.hours(0, 24)
    short.load_mw[:] = 50.0
    with peers.quiet(), pytest.raises(RuntimeError, match="instead of an optimum"):
        peers.optimum(peers.linopy_model(short))


def test_synthetic_inputs_stand_in_where_the_reference_is_absent(dispatch, monkeypatch, tmp_path):
    monkeypatch.setenv("JOULEWRIGHT_SHARED", str(tmp_path))
    inputs = dispatch.read_inputs()
    assert (inputs.source, inputs.load_mw.size) == ("synthetic", 8760)
    assert set(np.unique(inputs.price_per_mwh)) == {150.0, 300.0}
    assert solve(dispatch.scenario(inputs.hours(0, 24)))[1].objective > 0.0


def test_the_benchmark_prints_one_document_with_every_key():
    command = [sys.executable, "-m", "benchmarks", "run", "plan-build", "--smoke", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"build_s_base", "build_s_year", "handover_s_base", "handover_s_year"} <= set(found["figures"])
    assert set(found["ratios"]) == {"vs_pypsa_build", "vs_linopy_build", "rolling_vs_highspy"}
    assert found["figures"]["objective_error_year"] < 1e-9
    assert 0.0 < found["figures"]["build_s_year"] < 0.05


def test_an_absent_peer_is_a_null_ratio_that_says_so():
    code = (
        "import sys, json; sys.argv = ['x']\n"
        "from benchmarks import dispatch_peers, case_plan_build\n"
        "dispatch_peers.version = lambda peer: None\n"
        "found = case_plan_build.measure(True)\n"
        "print(json.dumps([found.ratios, found.conditions['pypsa'], found.conditions['linopy']]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    ratios, pypsa, linopy = json.loads(done.stdout)
    assert (ratios["vs_pypsa_build"], ratios["vs_linopy_build"]) == (None, None)
    assert ratios["rolling_vs_highspy"] > 0.0
    assert pypsa == linopy == "not installed; pip install 'joulewright[bench]'"
