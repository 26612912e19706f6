"""Generators: commitment, minimum up and down times, ramps.

Constraint (12), three-variable form (Rajan and Takriti 2005 for the up and down times): on/off ``u`` is
binary, start ``v`` and stop ``w`` follow. A unit without minimum load, start, no-load cost or minimum times needs
none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.account import coefficients
from joulewright.model import Generator
from joulewright.plan.model import Model
from joulewright.plan.program import Block, Term


def add_commitment(model: Model) -> None:
    """Add output and, where needed, commitment of every generator."""
    scenario = model.inputs.scenario
    price = coefficients.carbon_price_per_kg(scenario)
    for position, site in enumerate(scenario.sites):
        for generator in site.generators:
            name = f"{site.name}/{generator.name}"
            unit = coefficients.generator_coefficients(scenario, generator)
            output = model.builder.variable(
                "generator_output",
                model.inputs.steps,
                model.label(name),
                upper=generator.capacity_mw * generator.availability,
                cost=unit.output_cost + price * unit.output_carbon_kg,
            )
            model.supply[position].append(Term(model.steps, output.index, 1.0))
            model.emit(position, output, unit.output_carbon_kg)
            if needs_commitment(generator):
                _add_states(model, position, name, (generator, output))
            elif generator.ramp_mw_per_h is not None:
                _add_plain_ramp(model, name, generator, output)


def needs_commitment(generator: Generator) -> bool:
    """Whether the unit's on/off state matters for cost, carbon or limits."""
    return any(
        (
            generator.min_load_mw,
            generator.start_cost,
            generator.no_load_cost_per_h,
            generator.start_emission_kg,
            generator.no_load_emission_kg_per_h,
            generator.min_up_h,
            generator.min_down_h,
        )
    )


@dataclass(frozen=True, eq=False)
class _Unit:
    """A committed generator with its columns, one per step."""

    generator: Generator
    name: str
    output: Block
    on: Block
    start: Block
    stop: Block


def _add_states(model: Model, position: int, name: str, parts: tuple[Generator, Block]) -> None:
    unit = _state_variables(model, position, name, parts)
    _add_switching(model, unit)
    _add_output_limit(model, unit)
    timeline, generator = model.inputs.scenario.timeline, unit.generator
    if generator.min_load_mw:
        limits = [Term(model.steps, unit.output.index, 1.0), Term(model.steps, unit.on.index, -generator.min_load_mw)]
        model.builder.add_rows("min_load", model.inputs.steps, model.label(name), limits, lower=0.0)
    up, down = timeline.steps_for(generator.min_up_h), timeline.steps_for(generator.min_down_h)
    if up > 1:
        _add_window(model, ("min_up", name), (unit.start, unit.on, up), sign=-1.0)
    if down > 1:
        _add_window(model, ("min_down", name), (unit.stop, unit.on, down), sign=1.0)
    if generator.ramp_mw_per_h is not None:
        _add_ramp(model, unit)


def _state_variables(model: Model, position: int, name: str, parts: tuple[Generator, Block]) -> _Unit:
    generator, output = parts
    builder, count, label = model.builder, model.inputs.steps, model.label(name)
    rates = coefficients.generator_coefficients(model.inputs.scenario, generator)
    price = coefficients.carbon_price_per_kg(model.inputs.scenario)
    lower, upper = _forced(model, generator)
    on_cost = rates.on_cost + price * rates.on_carbon_kg
    start_cost = rates.start_cost + price * rates.start_carbon_kg
    on = builder.variable("on", count, label, lower=lower, upper=upper, cost=on_cost, integer=True)
    start = builder.variable("start_up", count, label, upper=1.0, cost=start_cost)
    stop = builder.variable("shut_down", count, label, upper=1.0)
    model.emit(position, on, rates.on_carbon_kg)
    model.emit(position, start, rates.start_carbon_kg)
    return _Unit(generator, name, output, on, start, stop)


def _add_switching(model: Model, unit: _Unit) -> None:
    """``start - stop = on[t] - on[t-1]`` with the state before the horizon."""
    steps = model.steps
    before = np.zeros(steps.size)
    before[0] = float(unit.generator.initially_on)
    terms = [
        Term(steps, unit.start.index, 1.0),
        Term(steps, unit.stop.index, -1.0),
        Term(steps, unit.on.index, -1.0),
        Term(steps[1:], unit.on.index[:-1], 1.0),
    ]
    model.builder.add_rows("commitment", steps.size, model.label(unit.name), terms, lower=-before, upper=-before)


def _forced(model: Model, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the on state that the initial state and the availability impose."""
    timeline, count = model.inputs.scenario.timeline, model.inputs.steps
    lower, upper = np.zeros(count), np.ones(count)
    needed_h = generator.min_up_h if generator.initially_on else generator.min_down_h
    held = timeline.steps_for(max(0.0, needed_h - generator.initial_hours))
    if generator.initially_on:
        lower[:held] = 1.0
    else:
        upper[:held] = 0.0
    usable = generator.capacity_mw * generator.availability
    upper[(usable < generator.min_load_mw - 1e-9) | (usable <= 0.0)] = 0.0
    return np.minimum(lower, upper), upper


def _add_window(model: Model, names: tuple[str, str], parts: tuple[Block, Block, int], *, sign: float) -> None:
    """Rows ``sum of switches in the last n steps <= on`` (sign -1) or ``<= 1 - on`` (sign +1)."""
    switch, on, length = parts
    steps, count = model.steps, model.inputs.steps
    offsets = np.arange(min(length, count))
    rows = np.repeat(steps, offsets.size)
    source = rows - np.tile(offsets, count)
    inside = source >= 0
    terms = [Term(rows[inside], switch.index[source[inside]], 1.0), Term(steps, on.index, sign)]
    model.builder.add_rows(names[0], count, model.label(names[1]), terms, upper=float(sign > 0))


def _switch_limit(model: Model, generator: Generator) -> float:
    """Highest output in the first and last step of a run [MW]: the ramp, but at least the minimum load."""
    if generator.ramp_mw_per_h is None:
        return generator.capacity_mw
    return min(generator.capacity_mw, max(_ramp_mw(model, generator), generator.min_load_mw))


def _add_output_limit(model: Model, unit: _Unit) -> None:
    """``p <= Pmax on - (Pmax - SU) start[t] - (Pmax - SD) stop[t+1]``, tight for runs of two steps and more.

    Morales-Espana, Latorre and Ramos (2013), doi 10.1109/TPWRS.2013.2251373, eqs. (8) and (9). Runs that may last
    one step get the two reductions in rows of their own.
    """
    steps, generator = model.steps, unit.generator
    usable = generator.capacity_mw * generator.availability
    spare = np.maximum(0.0, usable - _switch_limit(model, generator))
    limit = [Term(steps, unit.output.index, 1.0), Term(steps, unit.on.index, -usable)]
    at_start = Term(steps, unit.start.index, spare)
    at_stop = Term(steps[:-1], unit.stop.index[1:], spare[:-1])
    label = model.label(unit.name)
    if model.inputs.scenario.timeline.steps_for(generator.min_up_h) >= 2:
        model.builder.add_rows("output_limit", steps.size, label, [*limit, at_start, at_stop], upper=0.0)
        return
    model.builder.add_rows("output_limit", steps.size, label, [*limit, at_start], upper=0.0)
    if spare.any():
        model.builder.add_rows("stop_limit", steps.size, label, [*limit, at_stop], upper=0.0)


def _add_ramp(model: Model, unit: _Unit) -> None:
    """Ramps, tight for two steps: ``p[t] - p[t-1] <= (R + Pmin) on[t] - Pmin on[t-1] + (SU - Pmin - R) start[t]``.

    Damci-Kurt, Kucukyavuz, Rajan and Atamturk (2016), doi 10.1007/s10107-015-0919-9; the ramp down is mirrored.
    """
    generator, steps, label = unit.generator, model.steps, model.label(unit.name)
    low, ramp = generator.min_load_mw, _ramp_mw(model, generator)
    if ramp >= generator.capacity_mw:
        return
    above = ramp + low - _switch_limit(model, generator)
    was_on = np.zeros(steps.size)
    was_on[0] = float(generator.initially_on)
    was_output = was_on * generator.initial_output_mw
    rise = [*_change(model, unit.output, 1.0), Term(steps, unit.on.index, -(ramp + low))]
    rise += [Term(steps[1:], unit.on.index[:-1], low), Term(steps, unit.start.index, above)]
    model.builder.add_rows("ramp_up", steps.size, label, rise, upper=was_output - low * was_on)
    fall = [*_change(model, unit.output, -1.0), Term(steps, unit.on.index, low)]
    fall += [Term(steps[1:], unit.on.index[:-1], -(ramp + low)), Term(steps, unit.stop.index, above)]
    model.builder.add_rows("ramp_down", steps.size, label, fall, upper=(ramp + low) * was_on - was_output)


def _add_plain_ramp(model: Model, name: str, generator: Generator, output: Block) -> None:
    ramp = _ramp_mw(model, generator)
    before = np.zeros(model.inputs.steps)
    before[0] = generator.initial_output_mw if generator.initially_on else 0.0
    change, label = _change(model, output, 1.0), model.label(name)
    model.builder.add_rows("ramp", before.size, label, change, lower=before - ramp, upper=before + ramp)


def _ramp_mw(model: Model, generator: Generator) -> float:
    """Largest change of output from one step to the next [MW]."""
    return float(np.float64(generator.ramp_mw_per_h) * model.inputs.step_h)


def _change(model: Model, output: Block, sign: float) -> list[Term]:
    """``sign (p[t] - p[t-1])``, the output before the horizon left out."""
    steps = model.steps
    return [Term(steps, output.index, sign), Term(steps[1:], output.index[:-1], -sign)]
