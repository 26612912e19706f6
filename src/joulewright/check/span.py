"""When a segment begins, stops and frees its accelerators, in steps from the start of the horizon."""

from __future__ import annotations

from joulewright.model import Segment, Timeline

TOLERANCE_STEPS = 1e-6


def begin(segment: Segment) -> float:
    """Where it begins to run [steps].

    Examples
    --------
    >>> begin(Segment(site="a", fleet="f", first_step=3, stop_step=6, accelerators=8, first_fraction=0.25))
    3.75
    """
    return segment.first_step + 1.0 - segment.first_fraction


def stop(segment: Segment) -> float:
    """Where it stops running [steps].

    Examples
    --------
    >>> stop(Segment(site="a", fleet="f", first_step=3, stop_step=6, accelerators=8, last_fraction=0.25))
    5.25
    """
    return segment.stop_step - 1.0 + segment.last_fraction


def freed(segment: Segment) -> float:
    """Where its accelerators are free again [steps]: with its end, or at the end of the last step as in a plan.

    Examples
    --------
    >>> freed(Segment(site="a", fleet="f", first_step=3, stop_step=6, accelerators=8, last_fraction=0.25))
    6.0
    """
    return stop(segment) if segment.frees_at_end else float(segment.stop_step)


def running_hours(timeline: Timeline, segment: Segment) -> float:
    """Hours in which it runs [h]."""
    return timeline.step_h * (stop(segment) - begin(segment))


def goes_on(one: Segment, other: Segment) -> bool:
    """Whether ``other`` follows ``one`` on the same fleet without a break or a failure."""
    same = one.site == other.site and one.fleet == other.fleet and one.lost_h is None
    return same and abs(freed(one) - begin(other)) <= TOLERANCE_STEPS
