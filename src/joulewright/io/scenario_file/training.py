"""Training jobs, checked against the horizon and the fleets that could take them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.places import Places, by_accelerator, known_names
from joulewright.io.scenario_file.tables import Table
from joulewright.model import Timeline, TrainingJob

_ONLY = {
    "elastic": ("min_gpus", "max_gpus", "speed"),
    "pausable or elastic": ("min_run", "restart_loss", "migratable"),
}
_TOLERANCE_H = 1e-9


def read_job(document: Document, table: Table, places: Places, timeline: Timeline) -> TrainingJob | None:
    """A training job; None after reporting why it cannot be built."""
    known_names(document, table, "sites", places.sites)
    known_names(document, table, "site", places.sites)
    _check_kind(document, table)
    if table.wrong:
        return None
    job = TrainingJob(
        name=table.name,
        gpus=table["gpus"],
        duration_h=table["duration"],
        release=table["release"] or timeline.start,
        deadline=table["deadline"] or timeline.end,
        kind=table["kind"],
        sites=table["sites"],
        value=table["value"],
        mandatory=table["mandatory"],
        power_mw=table["power"],
        accelerator_speed=by_accelerator(document, table, "accelerator_speed", places),
        checkpoint_gb=table["checkpoint"],
        min_gpus=table["min_gpus"],
        max_gpus=table["max_gpus"],
        speed=table["speed"] or (),
        min_run_h=table["min_run"],
        restart_loss_h=table["restart_loss"],
        migratable=table["migratable"],
        running_since=table["running_since"],
        start=table["start"],
        site=table["site"],
        beyond=table["beyond"],
        delay_cost_per_h=table["delay_cost"],
    )
    if not job.mandatory and job.value == 0.0:
        message = f"job {job.name!r} has no value and is not mandatory; it is planned as one that must run"
        document.add(
            "P017", table.path, message, severity="warning", help='add value = "900000 USD" or mandatory = true'
        )
    if _check_times(document, table, job, timeline) and places.complete:
        _check_size(document, table, job, places, timeline)
    return job


def _check_kind(document: Document, table: Table) -> None:
    kind = table["kind"]
    for kinds, keys in _ONLY.items():
        for key in keys:
            if key in table.given and kind is not None and kind not in kinds and table[key]:
                message = f"{key} does not apply to a {kind} job"
                document.add("S014", table.at(key), message, help=f'remove it, or set kind = "{kinds.split()[-1]}"')
    if kind != "elastic" or {"gpus", "min_gpus", "max_gpus", "speed"} & table.wrong:
        return
    low, high = table["min_gpus"] or table["gpus"], table["max_gpus"] or table["gpus"]
    if low > high:
        message = f"the smallest size {low} exceeds the largest size {high}"
        document.add("P006", table.at("min_gpus"), message, help="min_gpus and max_gpus default to gpus")
        table.wrong.add("min_gpus")
    elif table["speed"]:
        _check_curve(document, table, sorted(table["speed"]), (low, high))


def _check_curve(document: Document, table: Table, points: list[tuple[float, float]], sizes: tuple[int, int]) -> None:
    """Report a speed curve that is not concave or does not span the sizes of its job."""
    at = table.at("speed")
    if any(b[0] <= a[0] for a, b in pairwise(points)) or points[0][0] <= 0 or points[0][1] <= 0:
        document.add(
            "P007", at, f"speed points {points} need distinct positive sizes and speeds", help="remove repeats"
        )
        return
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    steeper = next((i for i, (a, b) in enumerate(pairwise(slopes)) if b > a * (1 + 1e-9)), None)
    if steeper is not None:
        message = f"the speed curve is not concave: it gets steeper at {points[steeper + 1][0]:g} accelerators"
        document.add(
            "P007", at, message, help="every further accelerator may add at most as much speed as the one before"
        )
    if (points[0][0], points[-1][0]) != sizes:
        span = f"{points[0][0]:g} to {points[-1][0]:g}"
        message = f"speed points span {span} accelerators; the job spans {sizes[0]} to {sizes[1]}"
        document.add("P007", at, message, help="give a point for min_gpus and one for max_gpus")


def _check_times(document: Document, table: Table, job: TrainingJob, timeline: Timeline) -> bool:
    """Report dates that contradict each other; True if they are sound."""
    if job.deadline <= job.release:
        message = f"deadline {_iso(job.deadline)} is not after release {_iso(job.release)}"
        document.add("T031", table.at("deadline"), message, help="correct one of them")
        return False
    if job.release >= timeline.end or job.deadline <= timeline.start:
        message = (
            f"job {job.name!r} ({_iso(job.release)} to {_iso(job.deadline)}) lies outside the horizon "
            f"({_iso(timeline.start)} to {_iso(timeline.end)})"
        )
        document.add("T034", table.at("release"), message, help="correct its dates, extend [time] or remove the job")
        return False
    if job.start is not None and not job.release <= job.start < job.deadline:
        message = f"pinned start {_iso(job.start)} is outside its window {_iso(job.release)} to {_iso(job.deadline)}"
        document.add("T033", table.at("start"), message, help="correct start, release or deadline")
        return False
    if job.running_since is not None:
        if job.site is None:
            message = f"job {job.name!r} already runs but has no site"
            document.add("S003", table.at("running_since"), message, help='add site = "..."')
            return False
        if job.running_since > timeline.start:
            message = f"running_since {_iso(job.running_since)} is after the start of the horizon"
            document.add(
                "T037", table.at("running_since"), message, help="use start for a pinned start within the horizon"
            )
            return False
    return True


def _check_size(document: Document, table: Table, job: TrainingJob, places: Places, timeline: Timeline) -> None:
    """Report a job that is larger than every fleet it may use, or longer than its window on each of them."""
    allowed = [(site, fleet) for site, fleet in places.fleets if job.allows(site)]
    eligible = [fleet for _, fleet in allowed if job.fits(fleet)]
    if not eligible:
        largest = max(allowed, key=lambda pair: pair[1].count, default=None)
        fact = (
            "there is none"
            if largest is None
            else f"the largest is {largest[1].name} at {largest[0]} with {largest[1].count}"
        )
        message = f"job {job.name!r} needs {job.smallest} accelerators of one fleet; of the fleets it may use {fact}"
        document.add("P005", table.at("gpus"), message, help="lower gpus, allow more sites or enlarge a fleet")
        return
    fastest = job.speed_points[-1][1] if job.kind == "elastic" else 1.0
    needed = min(job.duration_on(fleet, timeline) for fleet in eligible) / fastest
    begin = max(job.first_step(timeline), 0 if job.start is None else timeline.ceil(job.start))
    window = (job.last_boundary(timeline) - begin) * timeline.step_h
    rounded = timeline.steps_for(needed) * timeline.step_h
    if rounded > window + _TOLERANCE_H:
        clipped = "" if timeline.end >= job.deadline or job.beyond else " (it ends with the horizon)"
        message = f"job {job.name!r} needs {rounded:g} h; its window has {max(0.0, window):g} h{clipped}"
        help = "move release or deadline" + (", extend time.end or set beyond = true" if clipped else "")
        document.add("T032", table.at("duration"), message, help=help)


def rounding_note(document: Document, jobs: Iterable[TrainingJob], timeline: Timeline) -> None:
    """One note on how much durations grow because they are rounded up to whole steps."""
    excess = [timeline.steps_for(job.duration_h) * timeline.step_h - job.duration_h for job in jobs]
    rounded = [hours for hours in excess if hours > _TOLERANCE_H]
    if rounded:
        message = (
            f"durations of {len(rounded)} training jobs are rounded up to whole steps, by {max(rounded):g} h at most"
        )
        help = "the last step of a job draws only its fraction of energy; a shorter step rounds less"
        document.add("T038", ("training",), message, severity="note", help=help)


def _iso(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ")
