"""The program of :mod:`benchmarks.dispatch_year` in linopy and in PyPSA, where they are installed."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from typing import Any

import numpy as np

from benchmarks.dispatch_year import (
    DISCHARGE_COST,
    EFFICIENCY,
    EXPORT_MW,
    EXPORT_PRICE,
    IMPORT_MW,
    INITIAL_MWH,
    LEAST_MWH,
    MOST_MWH,
    POWER_MW,
    Inputs,
)


def version(peer: str) -> str | None:
    """Version of an installed peer, None where it is absent."""
    try:
        return metadata.version(peer)
    except metadata.PackageNotFoundError:
        return None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the peers say about themselves; what their solver prints goes to stderr."""
    levels = {name: logging.getLogger(name).level for name in ("linopy", "pypsa")}
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def linopy_model(inputs: Inputs) -> Any:
    """A linopy model with one variable and one row family per line of the program."""
    linopy, pandas, xarray = (import_module(name) for name in ("linopy", "pandas", "xarray"))
    count = inputs.load_mw.size
    hours = pandas.RangeIndex(count, name="hour")
    model = linopy.Model()

    def series(values: Any) -> Any:
        return xarray.DataArray(np.broadcast_to(values, count), coords=[hours])

    def flow(name: str, limit: Any) -> Any:
        return model.add_variables(lower=0.0, upper=series(limit), name=name)

    bought, sold = flow("import", IMPORT_MW), flow("export", EXPORT_MW)
    solar, charge, discharge = flow("solar", inputs.solar_mw), flow("charge", POWER_MW), flow("discharge", POWER_MW)
    least, begin = np.full(count, LEAST_MWH), np.zeros(count)
    least[-1] = begin[0] = INITIAL_MWH
    energy = model.add_variables(lower=series(least), upper=series(MOST_MWH), name="energy")
    model.add_constraints(bought - sold + solar - charge + discharge == series(inputs.load_mw), name="balance")
    change = energy - energy.shift(hour=1) - EFFICIENCY * charge + (1.0 / EFFICIENCY) * discharge
    model.add_constraints(change == series(begin), name="storage")
    cost = series(inputs.price_per_mwh) * bought - EXPORT_PRICE * sold + DISCHARGE_COST * discharge
    model.add_objective(cost.sum())
    return model


def pypsa_network(inputs: Inputs) -> Any:
    """A PyPSA network; its storage unit counts energy from the lowest allowed level."""
    network = import_module("pypsa").Network()
    network.set_snapshots(range(inputs.load_mw.size))
    network.add("Carrier", "AC")
    network.add("Bus", "bus")
    network.add("Load", "load", bus="bus", p_set=inputs.load_mw)
    network.add("Generator", "import", bus="bus", p_nom=IMPORT_MW, marginal_cost=inputs.price_per_mwh)
    network.add("Generator", "export", bus="bus", p_nom=EXPORT_MW, marginal_cost=-EXPORT_PRICE, sign=-1.0)
    network.add("Generator", "solar", bus="bus", p_nom=4.0, p_max_pu=inputs.solar_mw / 4.0)
    network.add(
        "StorageUnit",
        "battery",
        bus="bus",
        p_nom=POWER_MW,
        max_hours=(MOST_MWH - LEAST_MWH) / POWER_MW,
        efficiency_store=EFFICIENCY,
        efficiency_dispatch=EFFICIENCY,
        state_of_charge_initial=INITIAL_MWH - LEAST_MWH,
        marginal_cost=DISCHARGE_COST,
    )
    return network


def end_energy(model: Any) -> Any:
    """The PyPSA model with the rule that the battery ends at least as full as it began, which PyPSA lacks."""
    stored = model.variables["StorageUnit-state_of_charge"]
    model.add_constraints(stored.isel(snapshot=-1) >= INITIAL_MWH - LEAST_MWH, name="end-energy")
    return model


def optimum(model: Any) -> float:
    """Solve with HiGHS; the objective.

    Raises
    ------
    RuntimeError
        If HiGHS does not end with an optimum.
    """
    status, condition = model.solve("highs", io_api="direct", output_flag=False, progress=False)
    if condition != "optimal":
        raise RuntimeError(f"the peer ended with {status!r}, {condition!r} instead of an optimum")
    return float(model.objective.value)
