"""How far the microgrid trajectory is from Vessim's: recorded results, and a live run where Vessim is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.dispatch_peers import version
from benchmarks.microgrid_year import CLC, COLUMNS, SIMPLE, Year, read_year, reference_folder, vessim_environment
from benchmarks.registry import Measurement, case
from joulewright.sim.microgrid import MicrogridResult, simulate_microgrid

_RECORDED = {
    "max_abs_diff_simple_60": ("vessim_out_simple_60min.npz", 60, SIMPLE),
    "max_abs_diff_simple_5": ("vessim_out_simple_5min.npz", 5, SIMPLE),
    "max_abs_diff_clc_60": ("vessim_out_clc_60min.npz", 60, CLC),
}


@case("sim-parity", "Largest difference between the microgrid trajectory and Vessim's, recorded and live")
def measure(smoke: bool) -> Measurement:
    """Compare power, state of charge and stored energy of every step."""
    figures: dict[str, float | None] = {}
    conditions: dict[str, Any] = {"columns": list(COLUMNS.values()), "unit": "W, Wh and 1, whichever differs most"}
    for key, (name, minutes, design) in _RECORDED.items():
        path = reference_folder() / name
        if not path.exists():
            figures[key], conditions[key] = None, f"not measured: {name} is absent"
            continue
        found = simulate_microgrid(read_year(minutes).inputs(), design, record="series")
        with np.load(path) as data:
            columns = {column: data[column.replace(".", "__")] for column in COLUMNS.values()}
        figures[key], conditions[key] = _difference(found, columns), f"{columns['p_grid'].size} steps of {name}"
    conditions["vessim"] = version("vessim") or "not installed; pip install 'joulewright[bench]'"
    days = 14 if smoke else 365
    for key, minutes, clc in (("live_simple_60", 60, False), ("live_simple_5", 5, False), ("live_clc_60", 60, True)):
        year = read_year(minutes).first(1 if smoke and minutes == 5 else days)
        figures[f"max_abs_diff_{key}"] = _live(year, clc) if version("vessim") else None
        conditions[key] = f"{year.load_w.size} steps of {year.source}"
    return Measurement(figures=figures, conditions=conditions)


def _live(year: Year, clc: bool) -> float:
    """Largest difference to a run of Vessim, the state at the horizon included."""
    environment, recorder, until = vessim_environment(year, clc=clc, series=True)
    ended = environment.run(until=until).states["site"]["dispatch_states"]["battery"]
    found = simulate_microgrid(year.inputs(), CLC if clc else SIMPLE, record="series")
    frame = recorder.to_df()
    last = abs(found.figures["final_level_wh"] - float(ended["charge_level"]))
    return max(last, _difference(found, {column: frame[column].to_numpy() for column in COLUMNS.values()}))


def _difference(found: MicrogridResult, columns: dict[str, Any]) -> float:
    sizes = {name: columns[column].size for name, column in COLUMNS.items()}
    return max(
        float(np.abs(found.series[name][: sizes[name]] - columns[column]).max()) for name, column in COLUMNS.items()
    )
