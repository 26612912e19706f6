"""How fast one microgrid and a thousand designs are simulated, beside Vessim on the same inputs in the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.dispatch_peers import version
from benchmarks.microgrid_year import SIMPLE, Year, read_year, vessim_environment
from benchmarks.registry import Measurement, case
from joulewright.model import Battery
from joulewright.sim.microgrid import (
    MicrogridDesign,
    MicrogridInputs,
    design_grid,
    microgrid_inputs,
    prepare_kernels,
    simulate_designs,
    simulate_microgrid,
)

T = TypeVar("T")
_COMPILE = (
    "import time; from joulewright.sim.microgrid import prepare_kernels; "
    "begin = time.process_time(); prepare_kernels(); print(time.process_time() - begin)"
)
_PROBE = "from benchmarks.microgrid_year import probe; probe({days})"


@case("sim-speed", "CPU time of a microgrid year, headline metrics only, beside Vessim; a thousand designs; compiling")
def measure(smoke: bool) -> Measurement:
    """Take the least CPU time of several repetitions; compiling is measured apart, in fresh processes."""
    days, repeats = (2, 3) if smoke else (365, 15)
    prepare_kernels()
    figures: dict[str, float | None] = {}
    ratios: dict[str, float | None] = {}
    conditions: dict[str, Any] = {
        "vessim": version("vessim") or "not measured: not installed; pip install 'joulewright[bench]'",
        "recording": "energies and peaks of the grid, cost and carbon; Vessim without cost and carbon, no time series",
        "repeats": repeats,
    }
    for minutes in (60, 1):
        year = read_year(minutes).first(days)
        key = f"{minutes}min"
        figures[f"year_s_{key}"], figures[f"vessim_s_{key}"] = _pair(year, repeats)
        conditions[key] = f"{year.load_w.size} steps of {year.source}"
        peer_s, own_s = figures[f"vessim_s_{key}"], figures[f"year_s_{key}"]
        ratios[f"vs_vessim_{key}"] = None if peer_s is None or own_s is None else peer_s / own_s
    inputs = _hourly(read_year(60).first(days))
    designs = _designs()
    wall_s, cpu_s = _designs_s(inputs, designs, repeats)
    figures |= {f"designs_{len(designs)}_s": wall_s, f"designs_{len(designs)}_cpu_s": cpu_s}
    conditions["designs"] = f"{len(designs)} designs of {inputs.signals.size} h: solar, wind, battery with losses"
    figures["compile_s"], figures["cache_load_s"] = _compile_s()
    memory = json.loads(_python(_PROBE.format(days=days)))
    figures |= {"peak_rss_mib_1min": memory["peak"], "run_growth_mib_1min": memory["growth"]}
    return Measurement(figures=figures, ratios=ratios, conditions=conditions)


def _least(repeats: int, run: Callable[[], T], clock: Callable[[], float] = time.process_time) -> tuple[float, T]:
    """Least time of several runs and the last result."""
    times = []
    for _ in range(repeats):
        begin = clock()
        result = run()
        times.append(clock() - begin)
    return min(times), result


def _pair(year: Year, repeats: int) -> tuple[float, float | None]:
    """CPU seconds of both simulators, which must find the same import."""
    inputs = year.inputs()
    own_s, found = _least(repeats, lambda: simulate_microgrid(inputs, SIMPLE))
    if not version("vessim"):
        return own_s, None
    peer_s = []
    for _ in range(3 if year.load_w.size < 10_000 else 1):
        environment, recorder, until = vessim_environment(year)
        begin = time.process_time()
        environment.run(until=until)
        peer_s.append(time.process_time() - begin)
    bought = recorder.metrics["microgrids"]["site"]["grid_import"]
    if bought != found.figures["import_wh"]:
        raise RuntimeError(f"import is {found.figures['import_wh']!r} Wh here and {bought!r} Wh in Vessim")
    return own_s, min(peer_s)


def _hourly(year: Year) -> MicrogridInputs:
    peak_w = float(year.solar_w.max()) or 1.0
    return microgrid_inputs(
        step_s=year.step_s,
        load_mw=year.load_w / 1e6,
        per_unit={"solar": year.solar_w / 3e6, "wind": 1.0 - year.solar_w / peak_w},
        import_price_per_mwh=1e3 * year.price_per_kwh,
        export_price_per_mwh=40.0,
        carbon_kg_per_mwh=1e3 * year.carbon_kg_per_kwh,
    )


def _designs() -> list[MicrogridDesign]:
    """Ten sizes each of solar, wind and battery."""
    battery = Battery(
        name="battery",
        energy_mwh=4.0,
        min_energy_mwh=0.4,
        initial_energy_mwh=2.0,
        charge_limit_mw=1.0,
        discharge_limit_mw=1.0,
        charge_efficiency=0.95,
        discharge_efficiency=0.95,
        self_discharge_per_h=1e-5,
    )
    sizes = [0.5 * item for item in range(10)]
    return design_grid(
        MicrogridDesign(battery=battery), plants_mw={"solar": sizes, "wind": sizes}, battery_mwh=[4 * s for s in sizes]
    )


def _designs_s(inputs: MicrogridInputs, designs: list[MicrogridDesign], repeats: int) -> tuple[float, float]:
    """Least wall time and least CPU time of simulating all designs on all processors."""
    wall_s, _ = _least(repeats, lambda: simulate_designs(inputs, designs), time.perf_counter)
    cpu_s, _ = _least(repeats, lambda: simulate_designs(inputs, designs))
    return wall_s, cpu_s


def _compile_s() -> tuple[float, float]:
    """CPU seconds until both kernels are ready in a fresh process: compiled, and loaded from the cache."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (float(_python(_COMPILE, NUMBA_CACHE_DIR=folder)) for _ in range(2))
    return first, second


def _python(code: str, **variables: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[1],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
