"""Generators: output range, commitment, minimum times and ramps (equation 12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from joulewright.check.violation import Judge, Limit, Violation
from joulewright.model import Generator, GeneratorSchedule, Scenario, Schedule


def generators(judge: Judge, scenario: Scenario, schedule: Schedule) -> Iterator[Violation]:
    """Every generator of every site."""
    for site in scenario.sites:
        for generator in site.generators:
            plan, where = schedule.sites[site.name].generators[generator.name], f"{site.name}/{generator.name}"
            yield from _range(judge, generator, plan, where)
            yield from _minimum_times(judge, generator, plan, where)
            yield from _ramps(judge, generator, plan, where)


def _range(judge: Judge, generator: Generator, plan: GeneratorSchedule, where: str) -> Iterator[Violation]:
    whole = Limit(constraint="commitment", where=where, quantity="Commitment off 0 or 1", unit="count", absolute=True)
    on = plan.on.astype(float)
    yield from judge.series(whole, np.abs(on - np.round(on)), 0.0)
    least = Limit(constraint="generator-range", where=where, quantity="Output", unit="MW", sense="at least")
    yield from judge.series(least, plan.output_mw, generator.min_load_mw * on)
    usable = generator.capacity_mw * generator.availability
    unavailable = replace(whole, quantity="Commitment without available capacity")
    yield from judge.series(unavailable, on * (usable <= 0.0), 0.0)
    most = Limit(constraint="generator-range", where=where, quantity="Output", unit="MW")
    yield from judge.series(most, plan.output_mw, usable * on)


def _minimum_times(judge: Judge, generator: Generator, plan: GeneratorSchedule, where: str) -> Iterator[Violation]:
    """Every finished stay on or off must last its minimum; the time before the horizon counts for the first.

    A stop is excused in a step whose available capacity is below the least output.
    """
    timeline = judge.timeline
    on = plan.on.astype(bool)
    usable = generator.capacity_mw * generator.availability
    forced_off = (usable < generator.min_load_mw - 1e-9) | (usable <= 0.0)
    since, before_h = 0, generator.initial_hours
    for step in np.flatnonzero(on != np.concatenate(([generator.initially_on], on[:-1]))).tolist():
        family, least_h = ("min-down", generator.min_down_h) if on[step] else ("min-up", generator.min_up_h)
        least = timeline.steps_for(max(0.0, least_h - before_h))
        limit = Limit(
            constraint=family,
            where=where,
            quantity="Time off" if on[step] else "Time on",
            unit="steps",
            sense="at least",
        )
        if on[step] or not forced_off[step]:
            yield from judge.scalar(limit, step - since, least, step)
        since, before_h = step, 0.0


def _ramps(judge: Judge, generator: Generator, plan: GeneratorSchedule, where: str) -> Iterator[Violation]:
    """While on, output changes by at most R per step; a start or stop allows max(R, least output)."""
    if generator.ramp_mw_per_h is None:
        return
    ramp = generator.ramp_mw_per_h * judge.timeline.step_h
    jump = max(ramp, generator.min_load_mw)
    on = plan.on.astype(bool)
    before = np.concatenate(([generator.initially_on], on[:-1]))
    change = np.diff(plan.output_mw, prepend=generator.initial_output_mw * generator.initially_on)
    up = Limit(constraint="generator-ramp", where=where, quantity="Rise of output", unit="MW")
    yield from judge.series(up, change, ramp * before + jump * (on & ~before))
    down = Limit(constraint="generator-ramp", where=where, quantity="Fall of output", unit="MW")
    yield from judge.series(down, -change, ramp * on + jump * (before & ~on))
