"""A single microgrid over whole arrays: load, renewable plants, one battery and the grid, for one design or thousands.

The fast path beside the full simulator: no jobs, no generators, no forecasts; a rule that sees the present. The order
of a tick stands in :mod:`joulewright.sim.microgrid.reference`.
"""

from joulewright.sim.microgrid.bridge import microgrid_from_site, site_schedule
from joulewright.sim.microgrid.design import (
    MicrogridDesign,
    MicrogridRule,
    design_grid,
    peak_shaving,
    price_threshold,
    scaled_battery,
    self_consumption,
)
from joulewright.sim.microgrid.inputs import MicrogridInputs, VessimInputs, microgrid_inputs, vessim_inputs
from joulewright.sim.microgrid.simulate import (
    MicrogridResult,
    prepare_kernels,
    simulate_designs,
    simulate_microgrid,
)
from joulewright.sim.microgrid.vessim import SimpleBattery, VessimDesign, VessimGrid

__all__ = [
    "MicrogridDesign",
    "MicrogridInputs",
    "MicrogridResult",
    "MicrogridRule",
    "SimpleBattery",
    "VessimDesign",
    "VessimGrid",
    "VessimInputs",
    "design_grid",
    "microgrid_from_site",
    "microgrid_inputs",
    "peak_shaving",
    "prepare_kernels",
    "price_threshold",
    "scaled_battery",
    "self_consumption",
    "simulate_designs",
    "simulate_microgrid",
    "site_schedule",
    "vessim_inputs",
]
