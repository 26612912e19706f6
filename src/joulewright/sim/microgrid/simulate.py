"""One microgrid over whole arrays: a single design, or many at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Any, Literal, overload

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.sim.microgrid import reference
from joulewright.sim.microgrid.design import MicrogridDesign
from joulewright.sim.microgrid.inputs import MicrogridInputs, VessimInputs, microgrid_inputs, vessim_inputs
from joulewright.sim.microgrid.records import (
    DESIGN,
    SERIES,
    TOTALS,
    VESSIM_DESIGN,
    VESSIM_SERIES,
    VESSIM_TOTALS,
    RecordArray,
    fields,
)
from joulewright.sim.microgrid.vessim import VessimDesign

Recording = Literal["metrics", "series"]
Engine = Literal["compiled", "reference"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MicrogridResult:
    """What came of one design.

    Attributes
    ----------
    figures : mapping of str to float
        Totals, peaks and final state by name; each name ends in its unit. A figure whose price or intensity is not
        given is left out.
    series : mapping of str to FloatArray
        Every flow, shape ``(T,)``, and the state of the battery, shape ``(T + 1,)``, by name; empty unless asked for.
    compile_s : float
        Part of the call that went into compiling the kernel or loading it from the cache on disk [s].
    """

    figures: Mapping[str, float]
    series: Mapping[str, FloatArray]
    compile_s: float = 0.0


@overload
def simulate_microgrid(
    inputs: MicrogridInputs, design: MicrogridDesign, *, record: Recording = ..., engine: Engine = ...
) -> MicrogridResult: ...


@overload
def simulate_microgrid(
    inputs: VessimInputs, design: VessimDesign, *, record: Recording = ..., engine: Engine = ...
) -> MicrogridResult: ...


def simulate_microgrid(
    inputs: MicrogridInputs | VessimInputs,
    design: MicrogridDesign | VessimDesign,
    *,
    record: Recording = "metrics",
    engine: Engine = "compiled",
) -> MicrogridResult:
    """Simulate one microgrid.

    Parameters
    ----------
    inputs : MicrogridInputs or VessimInputs
        Signals in MW, or in W for the mode that is compatible with Vessim 0.16.
    design : MicrogridDesign or VessimDesign
        Capacities and rule, of the same mode.
    record : {"metrics", "series"}
        Headline figures only, in memory that does not grow with the number of steps, or every series too.
    engine : {"compiled", "reference"}
        The compiled kernel or the plain implementation, which takes about a thousand times longer; both give the same
        numbers.

    Returns
    -------
    MicrogridResult
        In MW: ``load_mwh``, ``renewable_mwh`` (available), ``curtailed_mwh``, ``unserved_mwh``, ``import_mwh``,
        ``export_mwh``, ``charge_mwh``, ``discharge_mwh``, ``peak_import_mw``, ``peak_export_mw``, ``import_cost``,
        ``export_revenue``, ``carbon_kg``, ``final_energy_mwh``, ``final_soc_fraction`` and ``cycles`` (mean of both
        directions per capacity). In W: the same in W and Wh with ``consumed_wh``, ``produced_wh``,
        ``final_level_wh`` and ``final_soc``. Demand charges, wear and penalties are for the ledger.

    Raises
    ------
    ScenarioError
        If inputs and design do not belong together, or the rule needs prices that the inputs do not have.

    Examples
    --------
    One MW of solar at noon serves a load of 0.4 MW; what is left is exported:

    >>> inputs = microgrid_inputs(step_s=3600, load_mw=[0.4, 0.4], per_unit={"solar": [1.0, 0.0]})
    >>> found = simulate_microgrid(inputs, MicrogridDesign(plants_mw={"solar": 1.0}), engine="reference")
    >>> found.figures["export_mwh"], found.figures["import_mwh"]
    (0.6, 0.4)
    """
    if record not in ("metrics", "series"):
        raise ScenarioError(f"record is {record!r}; allowed are 'metrics' and 'series'")
    mode = _mode(inputs, [design])
    series = np.empty(inputs.signals.size if record == "series" else 0, mode.series)
    totals = np.zeros(1, mode.totals)
    compile_s = _run(mode, inputs, (design,), totals, series, engine=engine, threads=1)
    figures = {name: float(column[0]) for name, column in _figures(mode, inputs, (design,), totals).items()}
    recorded = fields(series) if series.size else {}
    for name, final in mode.states.items():
        if series.size:
            recorded[name] = np.append(recorded[name], figures[final])
    return MicrogridResult(figures=figures, series=recorded, compile_s=compile_s)


@overload
def simulate_designs(
    inputs: MicrogridInputs, designs: Sequence[MicrogridDesign], *, threads: int | None = ..., engine: Engine = ...
) -> dict[str, FloatArray]: ...


@overload
def simulate_designs(
    inputs: VessimInputs, designs: Sequence[VessimDesign], *, threads: int | None = ..., engine: Engine = ...
) -> dict[str, FloatArray]: ...


def simulate_designs(
    inputs: MicrogridInputs | VessimInputs,
    designs: Sequence[MicrogridDesign] | Sequence[VessimDesign],
    *,
    threads: int | None = None,
    engine: Engine = "compiled",
) -> dict[str, FloatArray]:
    """Simulate many designs on the same inputs.

    Parameters
    ----------
    inputs : MicrogridInputs or VessimInputs
        Signals.
    designs : sequence of MicrogridDesign or VessimDesign
        The N designs, at least one.
    threads : int or None
        Threads to use; None takes one per processor. The numbers do not depend on it.
    engine : {"compiled", "reference"}
        As in :func:`simulate_microgrid`.

    Returns
    -------
    dict of str to FloatArray
        The figures of :func:`simulate_microgrid`, each of shape ``(N,)``.

    Raises
    ------
    ScenarioError
        If there is no design, or one does not fit the inputs.
    """
    mode = _mode(inputs, designs)
    totals = np.zeros(len(designs), mode.totals)
    workers = _processors() if threads is None else threads
    if workers < 1:
        raise ScenarioError(f"threads is {threads}; allowed is at least 1")
    _run(mode, inputs, designs, totals, np.empty(0, mode.series), engine=engine, threads=workers)
    return _figures(mode, inputs, designs, totals)


@dataclass(frozen=True, kw_only=True)
class _Mode:
    """Layouts, kernel and derived figures of one mode."""

    kernel: str
    inputs: type
    designs: type
    totals: np.dtype[np.void]
    series: np.dtype[np.void]
    states: Mapping[str, str]
    moved: tuple[str, str]
    capacity: Callable[[Any], float]


_MICROGRID = _Mode(
    kernel="microgrid_kernel",
    inputs=MicrogridInputs,
    designs=MicrogridDesign,
    totals=TOTALS,
    series=SERIES,
    states={"energy_mwh": "final_energy_mwh"},
    moved=("charge_mwh", "discharge_mwh"),
    capacity=lambda design: design.battery.energy_mwh if design.battery else 0.0,
)
_VESSIM = _Mode(
    kernel="vessim_kernel",
    inputs=VessimInputs,
    designs=VessimDesign,
    totals=VESSIM_TOTALS,
    series=VESSIM_SERIES,
    states={"soc": "final_soc", "level_wh": "final_level_wh"},
    moved=("charge_wh", "discharge_wh"),
    capacity=lambda design: design.battery.capacity_wh if design.battery else 0.0,
)


def _mode(inputs: Any, designs: Sequence[Any]) -> _Mode:
    """The mode of inputs and designs, after a check that they fit together."""
    mode = _VESSIM if isinstance(inputs, VessimInputs) else _MICROGRID
    others = {type(item).__name__ for item in designs if not isinstance(item, mode.designs)}
    if others or not designs or type(inputs) is not mode.inputs:
        raise ScenarioError(
            f"{type(inputs).__name__} go with one {mode.designs.__name__} or more; "
            f"found {', '.join(sorted(others)) or f'{len(designs)} designs'}"
        )
    if mode is _MICROGRID:
        for design in designs:
            _check_fit(inputs, design)
    return mode


def _check_fit(inputs: Any, design: Any) -> None:
    unknown = design.plants_mw.keys() - set(inputs.plants)
    if unknown:
        raise ScenarioError(
            f"the design has plants {sorted(unknown)} without a profile; per_unit has {list(inputs.plants)}"
        )
    if design.rule.uses_price and "import_cost" in inputs.absent:
        raise ScenarioError("the rule compares import prices and the inputs have none; give import_price_per_mwh")


def _run(
    mode: _Mode,
    inputs: Any,
    designs: Sequence[Any],
    totals: RecordArray,
    series: RecordArray,
    *,
    engine: Engine,
    threads: int,
) -> float:
    """Fill in the totals and series; the seconds that compiling took."""
    if engine not in ("compiled", "reference"):
        raise ScenarioError(f"engine is {engine!r}; allowed are 'compiled' and 'reference'")
    if engine == "reference":
        for design, total in zip(designs, totals, strict=True):
            _run_plainly(inputs, design, total, series)
        return 0.0
    kernel, compile_s = _ready(mode.kernel)
    arguments = _arguments(inputs, designs)
    bounds = np.linspace(0, len(designs), min(threads, len(designs)) + 1).astype(int)

    def run(part: slice) -> None:
        kernel(*arguments[0], *(array[part] for array in arguments[1]), totals[part], series)

    parts = [slice(int(first), int(stop)) for first, stop in pairwise(bounds)]
    if len(parts) == 1:
        run(parts[0])
    else:
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(run, parts))
    return compile_s


def _run_plainly(inputs: Any, design: Any, total: RecordArray, series: RecordArray) -> None:
    if isinstance(inputs, MicrogridInputs):
        reference.run_microgrid(inputs, design, _plants_mw(inputs, design), total, series)
    else:
        reference.run_vessim(inputs, design, total, series)


def _plants_mw(inputs: MicrogridInputs, design: MicrogridDesign) -> FloatArray:
    return np.array([design.plants_mw.get(name, 0.0) for name in inputs.plants], dtype=np.float64)


def _arguments(inputs: Any, designs: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What all designs share, and arrays with a row for each design."""
    if isinstance(inputs, VessimInputs):
        rows = np.array([design.values() for design in designs], VESSIM_DESIGN)
        return (inputs.step_s, inputs.last_step_s, inputs.signals), (rows,)
    rows = np.array([design.values(inputs.step_s) for design in designs], DESIGN)
    plants = np.array([_plants_mw(inputs, design) for design in designs]).reshape(len(designs), len(inputs.plants))
    return (inputs.step_s / 3600.0, inputs.signals, inputs.profiles), (rows, plants)


def _figures(mode: _Mode, inputs: Any, designs: Sequence[Any], totals: RecordArray) -> dict[str, FloatArray]:
    """Totals and what follows from them, each of shape ``(designs,)``."""
    figures = {name: column for name, column in fields(totals).items() if name not in inputs.absent}
    capacity = np.array([mode.capacity(design) for design in designs])
    known = np.where(capacity > 0.0, capacity, 1.0)
    charge, discharge = (figures[name] for name in mode.moved)
    figures["cycles"] = np.where(capacity > 0.0, 0.5 * (charge + discharge) / known, 0.0)
    if mode is _MICROGRID:
        figures["final_soc_fraction"] = np.where(capacity > 0.0, figures["final_energy_mwh"] / known, 0.0)
    return figures


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_READY: set[str] = set()


def _ready(name: str) -> tuple[Callable[..., None], float]:
    """The kernel, compiled or loaded on its first use, and the seconds that this took."""
    begin = time.perf_counter()
    kernel: Callable[..., None] = getattr(_kernels(), name)
    if name in _READY:
        return kernel, 0.0
    if name == _MICROGRID.kernel:
        shared, rows = _arguments(microgrid_inputs(step_s=3600, load_mw=[0.0]), [MicrogridDesign()])
        kernel(*shared, *rows, np.zeros(1, TOTALS), np.empty(0, SERIES))
    else:
        shared, rows = _arguments(vessim_inputs(step_s=3600, load_w=[0.0]), [VessimDesign()])
        kernel(*shared, *rows, np.zeros(1, VESSIM_TOTALS), np.empty(0, VESSIM_SERIES))
    _READY.add(name)
    return kernel, time.perf_counter() - begin


@lru_cache(maxsize=1)
def _kernels() -> Any:
    """The compiled kernels; importing them imports the compiler, so it waits until they are needed."""
    return import_module("joulewright.sim.microgrid.kernels")


def prepare_kernels() -> float:
    """Compile both kernels or load them from the cache on disk; the seconds that this took [s].

    Examples
    --------
    >>> first_s = prepare_kernels()
    >>> prepare_kernels()
    0.0
    """
    return _ready(_MICROGRID.kernel)[1] + _ready(_VESSIM.kernel)[1]
