"""Generators: commitment, minimum up and down times, ramps.

Constraint (12), three-variable form (Rajan and Takriti 2005 for the up and down times): on/off ``u`` is
binary, start ``v`` and stop ``w`` follow. A unit without minimum load, start, no-load cost or minimum times needs
none of them.
"""

from __future__ import annotations

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


def _add_states(model: Model, position: int, name: str, parts: tuple[Generator, Block]) -> None:
    generator, output = parts
    scenario, builder, steps, count = model.inputs.scenario, model.builder, model.steps, model.inputs.steps
    unit = coefficients.generator_coefficients(scenario, generator)
    price = coefficients.carbon_price_per_kg(scenario)
    lower, upper = _forced(model, generator)
    on = builder.variable(
        "on",
        count,
        model.label(name),
        lower=lower,
        upper=upper,
        cost=unit.on_cost + price * unit.on_carbon_kg,
        integer=True,
    )
    start = builder.variable(
        "start_up", count, model.label(name), upper=1.0, cost=unit.start_cost + price * unit.start_carbon_kg
    )
    stop = builder.variable("shut_down", count, model.label(name), upper=1.0)
    model.emit(position, on, unit.on_carbon_kg)
    model.emit(position, start, unit.start_carbon_kg)
    before = np.zeros(count)
    before[0] = float(generator.initially_on)
    builder.add_rows(
        "commitment",
        count,
        model.label(name),
        [
            Term(steps, start.index, 1.0),
            Term(steps, stop.index, -1.0),
            Term(steps, on.index, -1.0),
            Term(steps[1:], on.index[:-1], 1.0),
        ],
        lower=-before,
        upper=-before,
    )
    _add_output_limit(model, name, generator, (output, on, start, stop))
    if generator.min_load_mw:
        limits = [Term(steps, output.index, 1.0), Term(steps, on.index, -generator.min_load_mw)]
        builder.add_rows("min_load", count, model.label(name), limits, lower=0.0)
    timeline = scenario.timeline
    up, down = timeline.steps_for(generator.min_up_h), timeline.steps_for(generator.min_down_h)
    if up > 1:
        _add_window(model, ("min_up", name), (start, on, up), sign=-1.0)
    if down > 1:
        _add_window(model, ("min_down", name), (stop, on, down), sign=1.0)
    if generator.ramp_mw_per_h is not None:
        _add_ramp(model, name, generator, (output, on, start, stop))


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


def _add_window(
    model: Model, names: tuple[str, str], parts: tuple[Block, Block, int], *, sign: float
) -> None:
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
    return min(generator.capacity_mw, max(generator.ramp_mw_per_h * model.inputs.step_h, generator.min_load_mw))


def _add_output_limit(model: Model, name: str, generator: Generator, blocks: tuple[Block, Block, Block, Block]) -> None:
    """``p <= Pmax on - (Pmax - SU) start[t] - (Pmax - SD) stop[t+1]``, tight for runs of two steps and more.

    Morales-Espana, Latorre and Ramos (2013), doi 10.1109/TPWRS.2013.2251373, eqs. (8) and (9). Runs that may last
    one step get the two reductions in rows of their own.
    """
    output, on, start, stop = blocks
    steps = model.steps
    usable = generator.capacity_mw * generator.availability
    spare = np.maximum(0.0, usable - _switch_limit(model, generator))
    limit = [Term(steps, output.index, 1.0), Term(steps, on.index, -usable)]
    at_start = Term(steps, start.index, spare)
    at_stop = Term(steps[:-1], stop.index[1:], spare[:-1])
    if model.inputs.scenario.timeline.steps_for(generator.min_up_h) >= 2:
        model.builder.add_rows("output_limit", steps.size, model.label(name), [*limit, at_start, at_stop], upper=0.0)
        return
    model.builder.add_rows("output_limit", steps.size, model.label(name), [*limit, at_start], upper=0.0)
    if spare.any():
        model.builder.add_rows("stop_limit", steps.size, model.label(name), [*limit, at_stop], upper=0.0)


def _add_ramp(
    model: Model, name: str, generator: Generator, blocks: tuple[Block, Block, Block, Block]
) -> None:
    """Ramps, tight for two steps: ``p[t] - p[t-1] <= (R + Pmin) on[t] - Pmin on[t-1] + (SU - Pmin - R) start[t]``.

    Damci-Kurt, Kucukyavuz, Rajan and Atamturk (2016), doi 10.1007/s10107-015-0919-9; the ramp down is mirrored.
    """
    output, on, start, stop = blocks
    steps, low = model.steps, generator.min_load_mw
    ramp = float(np.float64(generator.ramp_mw_per_h) * model.inputs.step_h)
    if ramp >= generator.capacity_mw:
        return
    switch = _switch_limit(model, generator)
    was_on = np.zeros(steps.size)
    was_on[0] = float(generator.initially_on)
    was_output = was_on * generator.initial_output_mw
    rise = [Term(steps, output.index, 1.0), Term(steps[1:], output.index[:-1], -1.0)]
    rise += [Term(steps, on.index, -(ramp + low)), Term(steps[1:], on.index[:-1], low)]
    rise.append(Term(steps, start.index, ramp + low - switch))
    model.builder.add_rows("ramp_up", steps.size, model.label(name), rise, upper=was_output - low * was_on)
    fall = [Term(steps, output.index, -1.0), Term(steps[1:], output.index[:-1], 1.0)]
    fall += [Term(steps[1:], on.index[:-1], -(ramp + low)), Term(steps, on.index, low)]
    fall.append(Term(steps, stop.index, ramp + low - switch))
    model.builder.add_rows("ramp_down", steps.size, model.label(name), fall, upper=(ramp + low) * was_on - was_output)


def _add_plain_ramp(model: Model, name: str, generator: Generator, output: Block) -> None:
    steps = model.steps
    ramp = float(np.float64(generator.ramp_mw_per_h) * model.inputs.step_h)
    before = np.zeros(steps.size)
    before[0] = generator.initial_output_mw if generator.initially_on else 0.0
    change = [Term(steps, output.index, 1.0), Term(steps[1:], output.index[:-1], -1.0)]
    model.builder.add_rows(
        "ramp", steps.size, model.label(name), change, lower=before - ramp, upper=before + ramp
    )
