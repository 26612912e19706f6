"""Durations and windows that had to be rounded to whole steps."""

from __future__ import annotations

from joulewright.model import Scenario

_SHOWN = 3


def rounding_notes(scenario: Scenario) -> tuple[str, ...]:
    """One note for all jobs whose duration is not a whole number of steps, and likewise for generators."""
    timeline = scenario.timeline
    late = []
    for job in scenario.training:
        hours = timeline.steps_for(job.duration_h) * timeline.step_h - job.duration_h
        if hours > 1e-9:
            late.append(f"{job.name} +{hours:.3g} h")
    units = []
    for site in scenario.sites:
        for generator in site.generators:
            for name in ("min_up_h", "min_down_h"):
                value = getattr(generator, name)
                hours = timeline.steps_for(value) * timeline.step_h - value
                if hours > 1e-9:
                    units.append(f"{site.name}/{generator.name}.{name} +{hours:.3g} h")
    return tuple(
        f"{len(found)} {what} rounded up to whole steps of {timeline.step_h:g} h: {', '.join(found[:_SHOWN])}"
        + (" and more" if len(found) > _SHOWN else "")
        for what, found in (("job durations are", late), ("minimum times are", units))
        if found
    )
