"""How long the joint model takes to build, beside PyPSA and linopy, and to change in place, beside raw highspy."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from benchmarks import dispatch_peers
from benchmarks.dispatch_year import OPTIMA, Inputs, read_inputs, scenario
from benchmarks.instances import BASE, SMALL, generate, grid_folder
from benchmarks.registry import Measurement, case
from joulewright.model import Scenario
from joulewright.plan.formulation import build
from joulewright.plan.rolling_window import RollingWindow
from joulewright.plan.solver import pass_program

T = TypeVar("T")
WINDOW_H, STRIDE_H = 48, 24


@case("plan-build", "CPU time to build the joint model and to change a 48 h window in place, beside peers")
def measure(smoke: bool) -> Measurement:
    """Take the least CPU time of several repetitions of everything."""
    repeats = 2 if smoke else 15
    year = read_inputs().hours(0, WINDOW_H if smoke else 8760)
    figures: dict[str, float | None] = {"build_s_base": None, "handover_s_base": None}
    conditions: dict[str, Any] = {"inputs": year.source, "hours": year.load_mw.size, "repeats": repeats}
    if any(grid_folder().glob("*.csv.gz")):
        size = SMALL if smoke else BASE
        figures["build_s_base"], figures["handover_s_base"], shape = _build(generate(size), repeats)
        conditions["base"] = (
            f"{size.sites} sites, {size.hours} h, {size.jobs} jobs: {shape[0]} rows, {shape[1]} columns"
        )
    else:
        conditions["base"] = "not measured: the grid data are absent"
    figures["build_s_year"], figures["handover_s_year"], conditions["year_rows_columns"] = _build(
        scenario(year), repeats
    )
    peers = _peer_builds(year, 1 if smoke else 3)
    objectives = {"joulewright": _optimum(year)} | {name: found[1] for name, found in peers.items()}
    known = OPTIMA[year.load_mw.size] if year.source != "synthetic" else objectives["joulewright"]
    figures["objective_error_year"] = max(abs(value / known - 1.0) for value in objectives.values())
    ours_s, raw_s = _rolling(year, smoke)
    figures |= {"rolling_ms": 1e3 * ours_s, "highspy_ms": 1e3 * raw_s}
    ratios: dict[str, float | None] = {"rolling_vs_highspy": ours_s / raw_s}
    for peer in ("pypsa", "linopy"):
        built_s = peers[peer][0] if peer in peers else None
        figures[f"{peer}_build_s"] = built_s
        ratios[f"vs_{peer}_build"] = None if built_s is None else built_s / figures["build_s_year"]
        conditions[peer] = dispatch_peers.version(peer) or "not installed; pip install 'joulewright[bench]'"
    return Measurement(figures=figures, ratios=ratios, conditions=conditions | {"objectives": objectives})


def _least_cpu_s(repeats: int, run: Callable[[], T]) -> tuple[float, T]:
    """Least CPU time of several runs, the collector off, and the last result."""
    times, result = [], run()
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        begin = time.process_time()
        result = run()
        times.append(time.process_time() - begin)
        gc.enable()
    return min(times), result


def _build(wanted: Scenario, repeats: int) -> tuple[float, float, tuple[int, int]]:
    """CPU seconds to build a scenario's model and to hand it to HiGHS, and its rows and columns."""
    build_s, joint = _least_cpu_s(repeats, lambda: build(wanted))
    handover_s, _ = _least_cpu_s(repeats, lambda: pass_program(joint.program))
    return build_s, handover_s, joint.program.shape


def _optimum(year: Inputs) -> float:
    return RollingWindow(scenario(year)).solve().objective


def _peer_builds(year: Inputs, repeats: int) -> dict[str, tuple[float, float]]:
    """CPU seconds to build and the optimum of every peer that is installed."""
    found = {}
    with dispatch_peers.quiet():
        if dispatch_peers.version("linopy"):
            built_s, model = _least_cpu_s(repeats, lambda: dispatch_peers.linopy_model(year))
            found["linopy"] = (built_s, dispatch_peers.optimum(model))
        if dispatch_peers.version("pypsa"):
            network = dispatch_peers.pypsa_network(year)
            built_s, model = _least_cpu_s(repeats, network.optimize.create_model)
            found["pypsa"] = (built_s, dispatch_peers.optimum(dispatch_peers.end_energy(model)))
    return found


def _rolling(year: Inputs, smoke: bool) -> tuple[float, float]:
    """CPU seconds for one window with us and with raw highspy, which must find the same optima."""
    count = 4 if smoke else (year.load_mw.size - WINDOW_H) // STRIDE_H + 1
    starts = [STRIDE_H * item % (year.load_mw.size - WINDOW_H + 1) for item in range(count)]
    windows = [year.hours(first, WINDOW_H) for first in starts]
    ours, raw = [], []
    # Side by side, so that other load on the machine falls on both.
    for _ in range(2 if smoke else 5):
        ours.append(_with_window(windows))
        raw.append(_with_highspy(windows))
    if not np.allclose(ours[0][1], raw[0][1], rtol=1e-9, atol=0.0):
        raise RuntimeError("the rolling window and raw highspy found different optima")
    return min(item[0] for item in ours) / count, min(item[0] for item in raw) / count


def _with_window(windows: list[Inputs]) -> tuple[float, list[float]]:
    window = RollingWindow(scenario(windows[0]))
    stored = window.joint.program.variables["energy"][0].first + STRIDE_H
    energy_mwh, optima, limits = 2.0, [], (np.full(WINDOW_H, 2.0), np.full(WINDOW_H, 1.0))
    begin = time.process_time()
    for part in windows:
        window.set_prices("site", import_price_per_mwh=part.price_per_mwh, export_price_per_mwh=40.0)
        window.set_limits("site", import_limit_mw=limits[0], export_limit_mw=limits[1])
        window.set_renewables("site", part.solar_mw)
        window.set_load("site", part.load_mw)
        window.set_initial_energy("site", "battery", energy_mwh)
        solution = window.solve()
        energy_mwh = float(solution.values[stored])
        optima.append(solution.objective)
    return time.process_time() - begin, optima


def _with_highspy(windows: list[Inputs]) -> tuple[float, list[float]]:
    program = build(scenario(windows[0])).program
    highs: Any = pass_program(program)
    columns = {name: blocks[0].index.astype(np.int32) for name, blocks in program.variables.items()}
    balance, ends = program.rows["balance"][0].index.astype(np.int32), columns["energy"][[0, -1]]
    bought, sold, used = (columns[name] for name in ("grid_import", "grid_export", "renewable_used"))
    stored, zero, size = int(columns["energy"][STRIDE_H]), np.zeros(WINDOW_H), WINDOW_H
    energy_mwh, optima, limits = 2.0, [], (np.full(WINDOW_H, 2.0), np.full(WINDOW_H, 1.0))
    export_cost = np.full(WINDOW_H, -40.0)
    begin = time.process_time()
    for part in windows:
        highs.changeColsCost(size, bought, part.price_per_mwh)
        highs.changeColsCost(size, sold, export_cost)
        highs.changeColsBounds(size, bought, zero, limits[0])
        highs.changeColsBounds(size, sold, zero, limits[1])
        highs.changeColsBounds(size, used, zero, part.solar_mw)
        highs.changeRowsBounds(size, balance, part.load_mw, part.load_mw)
        highs.changeColsBounds(2, ends, np.array([energy_mwh, energy_mwh]), np.array([energy_mwh, 4.0]))
        highs.run()
        energy_mwh = float(highs.getSolution().col_value[stored])
        optima.append(highs.getInfo().objective_function_value)
    return time.process_time() - begin, optima
