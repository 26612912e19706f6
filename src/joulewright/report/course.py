"""How the runs of a training job follow each other: pauses, failures, moves and changes of size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from joulewright.check.span import begin, freed, goes_on
from joulewright.model import JobSchedule, Segment, Timeline
from joulewright.report.clock import span_text
from joulewright.report.numbers import plural

_MOST_MOVES = 6


@dataclass(frozen=True, kw_only=True)
class Course:
    """What interrupted a job.

    Attributes
    ----------
    runs : int
        Runs without a break; a change of size is none.
    pauses, failures, resizes : int
        Breaks on the same fleet, runs that a failure ended, and changes of size within a run.
    between_h, lost_h : float
        Time between the runs, and work that failures undid as hours at the reference size [h].
    path : tuple of str
        Sites in the order in which the job ran there; one where it never moved.
    """

    runs: int = 0
    pauses: int = 0
    failures: int = 0
    resizes: int = 0
    between_h: float = 0.0
    lost_h: float = 0.0
    path: tuple[str, ...] = ()


def course_of(timeline: Timeline, entry: JobSchedule) -> Course:
    """What interrupted a job.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=1800, steps=48)
    >>> whole = {"fleet": "h100", "accelerators": 8.0}
    >>> course = course_of(
    ...     day,
    ...     JobSchedule(
    ...         job="train",
    ...         segments=(
    ...             Segment(site="texas", first_step=0, stop_step=4, lost_h=0.5, **whole),
    ...             Segment(site="texas", first_step=6, stop_step=8, **whole),
    ...             Segment(site="ohio", first_step=8, stop_step=9, **whole),
    ...         ),
    ...     ),
    ... )
    >>> course.runs, course.failures, course.between_h, course.lost_h, course.path
    (3, 1, 1.0, 0.5, ('texas', 'ohio'))
    """
    segments = sorted(entry.segments, key=begin)
    pairs = list(pairwise(segments))
    breaks = [(one, other) for one, other in pairs if not goes_on(one, other)]
    return Course(
        runs=min(1, len(segments)) + len(breaks),
        pauses=sum(one.lost_h is None and one.site == other.site for one, other in breaks),
        failures=sum(segment.lost_h is not None for segment in segments),
        resizes=sum(goes_on(one, other) and one.accelerators != other.accelerators for one, other in pairs),
        between_h=timeline.step_h * sum(max(0.0, begin(other) - freed(one)) for one, other in breaks),
        lost_h=sum(segment.lost_h or 0.0 for segment in segments),
        path=_path(segments),
    )


def _path(segments: list[Segment]) -> tuple[str, ...]:
    sites = [segment.site for segment in segments]
    return tuple(site for position, site in enumerate(sites) if position == 0 or site != sites[position - 1])


def course_text(course: Course) -> str:
    """The course in a sentence without its full stop; empty where nothing interrupted the job.

    Examples
    --------
    >>> course_text(Course(runs=2, pauses=1, between_h=4.0, path=("texas",)))
    '2 runs with 4 h between them: 1 pause'
    """
    parts = [
        plural(course.pauses, "pause") if course.pauses else "",
        f"{plural(course.failures, 'failure')} that undid {_lost(course.lost_h)}" if course.failures else "",
        _moves(course.path) if len(course.path) > 1 else "",
        plural(course.resizes, "change") + " of size" if course.resizes else "",
    ]
    told = ", ".join(part for part in parts if part)
    if not told:
        return ""
    between = f" with {span_text(round(course.between_h, 2))} between them" if course.between_h > 0 else ""
    return f"{plural(course.runs, 'run')}{between}: {told}"


def _lost(hours: float) -> str:
    return f"{span_text(round(hours, 2))} of work" if hours > 0 else "no work"


def _moves(path: tuple[str, ...]) -> str:
    shown = " → ".join(path[: _MOST_MOVES + 1])
    return f"{plural(len(path) - 1, 'move')} ({shown}{' …' if len(path) > _MOST_MOVES + 1 else ''})"
