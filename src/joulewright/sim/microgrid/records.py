"""Records that the plain and the compiled implementation share: signals, designs, totals and series.

A record is a structured array. Its layout is part of the type that a kernel is compiled for, so a changed layout can
never meet an old kernel from the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RecordArray = NDArray[np.void]


def _floats(*names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.float64) for name in names])


SIGNALS = _floats(
    "load_mw",
    "import_price_per_mwh",
    "export_price_per_mwh",
    "carbon_kg_per_mwh",
    "import_limit_mw",
    "export_limit_mw",
)
"""What a microgrid sees in a step; renewable power per unit stands in a matrix of its own."""

DESIGN = _floats(
    "capacity_mwh",
    "least_mwh",
    "initial_mwh",
    "charge_limit_mw",
    "discharge_limit_mw",
    "charge_efficiency",
    "discharge_efficiency",
    "retention",
    "effective_h",
    "low_per_mwh",
    "high_per_mwh",
    "import_target_mw",
)
"""Battery and rule of a design; an absent battery has no capacity and no power."""

TOTALS = _floats(
    "load_mwh",
    "renewable_mwh",
    "curtailed_mwh",
    "unserved_mwh",
    "import_mwh",
    "export_mwh",
    "charge_mwh",
    "discharge_mwh",
    "peak_import_mw",
    "peak_export_mw",
    "import_cost",
    "export_revenue",
    "carbon_kg",
    "final_energy_mwh",
)
"""What a run adds up."""

SERIES = _floats(
    "load_mw",
    "renewable_mw",
    "curtailed_mw",
    "unserved_mw",
    "grid_import_mw",
    "grid_export_mw",
    "charge_mw",
    "discharge_mw",
    "energy_mwh",
)
"""What a run records in a step; the energy is the one before the step."""

VESSIM_SIGNALS = _floats("load_w", "solar_w", "import_price_per_kwh", "export_price_per_kwh", "carbon_kg_per_kwh")
"""What a microgrid of the compatible mode sees in a step."""

VESSIM_DESIGN = _floats(
    "solar_scale",
    "charge_power_w",
    "max_import_w",
    "max_export_w",
    "ramp_up_w",
    "ramp_down_w",
    "initial_grid_w",
    "capacity_wh",
    "min_soc",
    "initial_soc",
    "power_limit_w",
    "cells",
    "empty_wh",
    "full_wh",
    "empty_wh_per_w",
    "full_wh_per_w",
    "discharge_limit_w",
    "charge_limit_w",
    "discharge_factor",
    "charge_efficiency",
    "discharge_cutoff_w",
    "charge_cutoff_w",
)
"""Battery, grid connection and policy of the compatible mode.

The last eleven describe a C-L-C battery; where it has no cells the battery is a simple one, and without capacity there
is none.
"""

VESSIM_TOTALS = _floats(
    "consumed_wh",
    "produced_wh",
    "curtailed_wh",
    "unserved_wh",
    "import_wh",
    "export_wh",
    "charge_wh",
    "discharge_wh",
    "peak_import_w",
    "peak_export_w",
    "import_cost",
    "export_revenue",
    "carbon_kg",
    "final_level_wh",
    "final_soc",
)
"""What a run of the compatible mode adds up."""

VESSIM_SERIES = _floats("p_delta_w", "p_battery_w", "p_grid_w", "unserved_w", "curtailed_w", "soc", "level_wh")
"""What a run of the compatible mode records in a step; state of charge and level are those before the step."""


def record(layout: np.dtype[np.void], **values: float) -> tuple[float, ...]:
    """The values in the order of the layout; what is not given is 0.

    Raises
    ------
    KeyError
        If a value has no place in the layout.
    """
    names: tuple[str, ...] = layout.names or ()
    unknown = values.keys() - set(names)
    if unknown:
        raise KeyError(f"{sorted(unknown)} have no place in a record of {names}")
    return tuple(values.get(name, 0.0) for name in names)


def fields(array: RecordArray) -> dict[str, Any]:
    """Contiguous columns of a record array by name."""
    return {name: np.ascontiguousarray(array[name]) for name in array.dtype.names or ()}
