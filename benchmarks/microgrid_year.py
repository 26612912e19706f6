"""A year of one microgrid: its inputs, its battery, and the same in Vessim where that is installed.

A load of about 1 MW, 3 MW of solar and a battery of 4 MWh. The reference files hold it hour by hour and in steps of
5 minutes; the 1-minute year holds every 5-minute value for five minutes. Where the files are absent a synthetic year
stands in.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.physics.clc_battery import ClcBattery
from joulewright.sim.microgrid import (
    SimpleBattery,
    VessimDesign,
    VessimInputs,
    prepare_kernels,
    simulate_microgrid,
    vessim_inputs,
)

CAPACITY_WH, INITIAL_SOC, MIN_SOC, C_RATE = 4e6, 0.5, 0.1, 0.25
CELLS = int(CAPACITY_WH / 19.14)
SIMPLE = VessimDesign(
    battery=SimpleBattery(
        capacity_wh=CAPACITY_WH, initial_soc_fraction=INITIAL_SOC, min_soc_fraction=MIN_SOC, c_rate_per_h=C_RATE
    )
)
CLC = VessimDesign(
    battery=ClcBattery(cells=CELLS, initial_soc_fraction=INITIAL_SOC, min_soc_fraction=MIN_SOC, cutoff_of="pack")
)
#: Series here, and the column of the same quantity in what Vessim records.
COLUMNS = {
    "p_delta_w": "p_delta",
    "p_grid_w": "p_grid",
    "p_battery_w": "dispatch_states.battery.current_power",
    "soc": "dispatch_states.battery.soc",
    "level_wh": "dispatch_states.battery.charge_level",
}


@dataclass(frozen=True)
class Year:
    """Load and solar power [W], price [per kWh], intensity [kg/kWh] of every step, its length [s], and the source."""

    step_s: int
    load_w: FloatArray
    solar_w: FloatArray
    price_per_kwh: FloatArray
    carbon_kg_per_kwh: FloatArray
    source: str

    def first(self, days: int) -> Year:
        """The first days."""
        part = slice(0, days * 86_400 // self.step_s)
        series = (self.load_w, self.solar_w, self.price_per_kwh, self.carbon_kg_per_kwh)
        return Year(self.step_s, *(values[part] for values in series), self.source)

    def inputs(self) -> VessimInputs:
        """The year as checked inputs."""
        return vessim_inputs(
            step_s=self.step_s,
            load_w=self.load_w,
            solar_w=self.solar_w,
            import_price_per_kwh=self.price_per_kwh,
            carbon_kg_per_kwh=self.carbon_kg_per_kwh,
        )


def reference_folder() -> Path:
    """Where the inputs and results of Vessim lie, if they are there."""
    root = Path(__file__).resolve().parents[1]
    return Path(os.environ.get("JOULEWRIGHT_SHARED", root.parent / "shared")) / "reference" / "vessim"


def read_year(minutes: int) -> Year:
    """The year in steps of 60, 5 or 1 minutes."""
    held = 5 if minutes == 1 else 1
    path = reference_folder() / f"inputs_{minutes * held}min.npz"
    if not path.exists():
        return _synthetic(minutes)
    with np.load(path) as data:
        series = [np.repeat(data[name], held) for name in ("load_w", "solar_w", "price", "ci")]
    note = path.name if held == 1 else f"{path.name}, every value held for {held} minutes"
    return Year(60 * minutes, *series, note)


def _synthetic(minutes: int) -> Year:
    """A year with the same shape: hours drawn once, a ripple within them."""
    random, hours = np.random.default_rng(7), np.arange(8760)
    clock = np.arange(8760 * 60 // minutes) * minutes / 60.0
    sun = np.clip(np.sin((clock % 24.0 - 6.0) / 12.0 * np.pi), 0.0, None)
    ripple = 1.0 + 0.02 * np.sin(2.0 * np.pi * clock * 3.0)
    load = np.repeat(random.uniform(0.85e6, 1.1e6, hours.size), 60 // minutes) * ripple
    solar = 3e6 * sun * np.repeat(random.uniform(0.1, 0.7, hours.size), 60 // minutes) * ripple
    evening = (clock % 24.0 >= 17.0) & (clock % 24.0 < 21.0)
    return Year(60 * minutes, load, solar, np.where(evening, 0.30, 0.15), 0.4 - 0.11 * sun, "synthetic")


def vessim_environment(year: Year, *, clc: bool = False, series: bool = False) -> tuple[Any, Any, float]:
    """Vessim's environment and recorder for the year, ready to run once, and its horizon [s]."""
    vessim, pandas = import_module("vessim"), import_module("pandas")
    offsets = np.arange(year.load_w.size) * year.step_s

    def trace(values: FloatArray) -> Any:
        return vessim.Trace(pandas.Series(values, index=offsets))

    battery: Any
    if clc:
        battery = vessim.ClcBattery("battery", number_of_cells=CELLS, initial_soc=INITIAL_SOC, min_soc=MIN_SOC)
    else:
        battery = vessim.SimpleBattery(
            "battery", capacity=CAPACITY_WH, initial_soc=INITIAL_SOC, min_soc=MIN_SOC, c_rate=C_RATE
        )
    environment = vessim.Environment(sim_start="2026-01-01", step_size=year.step_s)
    environment.add_microgrid(
        actors=[vessim.Consumer("load", trace(year.load_w)), vessim.Producer("solar", trace(year.solar_w))],
        dispatchables=[battery, vessim.GridConnection()],
        name="site",
    )
    recorder = environment.add_controller(vessim.Recorder(timeseries=series))
    return environment, recorder, float(year.load_w.size * year.step_s)


def probe(days: int) -> None:
    """Print what simulating a 1-minute year with metrics only does to the memory of this process [MiB]."""
    inputs = read_year(1).first(days).inputs()
    prepare_kernels()
    simulate_microgrid(read_year(60).first(1).inputs(), SIMPLE)
    before_mib = peak_mib()
    simulate_microgrid(inputs, SIMPLE)
    print(json.dumps({"peak": peak_mib(), "growth": peak_mib() - before_mib}))


def peak_mib() -> float:
    """Largest memory this process has had resident [MiB].

    On Linux what ``getrusage`` says starts from the parent's figure, so the kernel's own page is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 1024.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024.0
