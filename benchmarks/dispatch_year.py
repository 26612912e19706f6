"""Hourly dispatch of one site with solar, a battery and the grid: a linear program with known optima.

``min sum of price import - 40 export + 0.002 discharge`` (per MWh; the last term per MW and step) subject to
``import - export + solar - charge + discharge = load`` and ``energy[t+1] = energy[t] + 0.95 charge - discharge / 0.95``
with import up to 2 MW, export up to 1 MW, a battery of 1 MW between 0.4 and 4 MWh that starts with 2 MWh and ends
with at least as much. The optima below hold for the first T hours of the input file, whatever the solver.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from joulewright.model import Battery, GridConnection, RenewablePlant, Scenario, Site, Timeline
from joulewright.model.timeline import FloatArray

OPTIMA = {
    24: 2825.250957783112,
    48: 5426.563921932081,
    168: 20386.25030934835,
    720: 85336.60465745974,
    8760: 751707.1267056465,
}
IMPORT_MW, EXPORT_MW, EXPORT_PRICE = 2.0, 1.0, 40.0
POWER_MW, LEAST_MWH, MOST_MWH, INITIAL_MWH, EFFICIENCY = 1.0, 0.4, 4.0, 2.0, 0.95
DISCHARGE_COST = 0.002


@dataclass(frozen=True)
class Inputs:
    """Load and available solar power [MW] and import price [per MWh] of every hour, and where they come from."""

    load_mw: FloatArray
    solar_mw: FloatArray
    price_per_mwh: FloatArray
    source: str

    def hours(self, first: int, count: int) -> Inputs:
        """A part of the inputs."""
        part = slice(first, first + count)
        return Inputs(self.load_mw[part], self.solar_mw[part], self.price_per_mwh[part], self.source)


def read_inputs() -> Inputs:
    """The reference year where its file is present, else a synthetic one without known optima."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("JOULEWRIGHT_SHARED", root.parent / "shared"))
    path = folder / "reference" / "vessim" / "inputs_60min.npz"
    if not path.exists():
        return _synthetic()
    with np.load(path) as data:
        return Inputs(data["load_w"] / 1e6, data["solar_w"] / 1e6, data["price"] * 1e3, path.name)


def _synthetic(hours: int = 8760) -> Inputs:
    random, clock = np.random.default_rng(7), np.arange(hours) % 24
    sun = 3.0 * np.clip(np.sin((clock - 6.0) / 12.0 * np.pi), 0.0, None) * random.uniform(0.2, 1.0, hours)
    price = np.where((clock >= 17) & (clock < 21), 300.0, 150.0)
    return Inputs(random.uniform(0.85, 1.15, hours), sun, price, "synthetic")


def scenario(inputs: Inputs) -> Scenario:
    """The program as a scenario.

    Wear is paid in both directions here, in the program on discharge only. A battery that ends as it began charges
    ``discharge / efficiency^2``, so ``w (charge + discharge) = 0.002 discharge`` where ``w`` is
    ``0.002 / (1 + 1 / efficiency^2)``; one that ends fuller pays more. The optima are equal because the program's own
    ends as it began: the horizon ends at night, when every MWh costs something.
    """
    hours = inputs.load_mw.size
    wear = DISCHARGE_COST / (1.0 + 1.0 / EFFICIENCY**2)
    battery = Battery(
        name="battery",
        energy_mwh=MOST_MWH,
        min_energy_mwh=LEAST_MWH,
        initial_energy_mwh=INITIAL_MWH,
        charge_limit_mw=POWER_MW,
        discharge_limit_mw=POWER_MW,
        charge_efficiency=EFFICIENCY,
        discharge_efficiency=EFFICIENCY,
        wear_cost_per_mwh=2.0 * wear,
    )
    grid = GridConnection(
        import_limit_mw=np.full(hours, IMPORT_MW),
        export_limit_mw=np.full(hours, EXPORT_MW),
        import_price_per_mwh=inputs.price_per_mwh,
        export_price_per_mwh=np.full(hours, EXPORT_PRICE),
    )
    site = Site(
        name="site",
        pue=np.ones(hours),
        fixed_it_power_mw=np.zeros(hours),
        fixed_facility_power_mw=inputs.load_mw,
        grid=grid,
        renewables=(RenewablePlant(name="solar", kind="solar", capacity_mw=4.0, per_unit=inputs.solar_mw / 4.0),),
        batteries=(battery,),
    )
    timeline = Timeline(start=datetime(2026, 1, 1, tzinfo=UTC), step_s=3600, steps=hours)
    return Scenario(name="dispatch", timeline=timeline, sites=(site,))
