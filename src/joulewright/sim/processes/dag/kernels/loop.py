"""The loop over events, compiled on its first call and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from joulewright.policy.dag import rules
from joulewright.sim.compiler import compiled, kept, source_stamp
from joulewright.sim.processes.dag.arrays import World
from joulewright.sim.processes.dag.kernels.events import arrive, executor_arrival, offer_again, task_end
from joulewright.sim.processes.dag.kernels.keys import NEVER, NEVER_MS, count_anew, set_key
from joulewright.sim.processes.dag.kernels.offers import offer_parked
from joulewright.sim.processes.dag.kernels.outages import outage

STUCK, FULL, LONG, SHORT = 1, 2, 3, 4
"""Why a loop stopped: nothing can happen any more, no room to record, a time beyond the keys, no outages left."""


@compiled
def _arrival_ms(w: World) -> Any:
    """Next arrival of a job."""
    run = w.run[0]
    return w.jobs[w.order[run.arrived]].arrival_ms if run.arrived < run.placed else NEVER_MS


@compiled
def _outside_ms(w: World) -> Any:
    """Next arrival of a job or outage of an executor."""
    run = w.run[0]
    if w.rule[0].executors_fail == 0:
        return _arrival_ms(w)
    if run.outage == w.outages.size:
        run.status = SHORT
        return NEVER_MS
    return min(_arrival_ms(w), w.outages[run.outage].time_ms)


@compiled
def _begin(w: World) -> None:
    run = w.run[0]
    run.begun = 1
    while _arrival_ms(w) == 0:
        arrive(w, False)
    offer_parked(w, w.jobs.size - 1)


def _stamped(stamp: int) -> Callable[[World], None]:
    @kept
    def dag_kernel(w: World) -> None:
        run, rule, last_step = w.run[0], w.rule[0], w.steps.size - 1
        run.stamp, run.status = stamp, 0
        if run.begun == 0 and run.until_ms > 0:
            _begin(w)
        step_end = (run.now_ms // rule.step_ms + 1) * rule.step_ms
        outside, last_row = _outside_ms(w), w.rows.size - w.executors.size
        while (run.live > 0 or run.arrived < run.placed) and run.status == 0:
            if run.rows > last_row:
                run.status = FULL
                return
            if run.sequence >= run.last_sequence:
                count_anew(w)
            key = w.keys[1]
            event = key >> run.time_bits if key != NEVER else NEVER_MS
            wake = step_end if run.deferred else NEVER_MS
            if key == NEVER and run.deferred == 0 and run.down == 0 and run.arrived == run.placed:
                # Failures and repairs of executors alone bring nothing about.
                outside = NEVER_MS
            time = min(outside, event, wake)
            if time >= run.until_ms:
                run.status = STUCK if time == NEVER_MS else 0
                return
            run.now_ms = time
            if time >= step_end:
                run.step = min(time // rule.step_ms, last_step)
                step_end = (time // rule.step_ms + 1) * rule.step_ms
            run.moment += 1
            run.again, run.deferred, run.offers_made = run.deferred, 0, 0
            if outside == time:
                if _arrival_ms(w) == time:
                    arrive(w, True)
                else:
                    outage(w)
                outside = _outside_ms(w)
            elif wake == time:
                run.offers_made = 1
            else:
                number = key & (run.leaves - 1)
                if w.executors[number].running:
                    task_end(w, number)
                else:
                    executor_arrival(w, number)
                if w.keys[run.leaves + number] == key:
                    set_key(w, number, NEVER)
            if run.again:
                offer_again(w)

    return dag_kernel


_HERE = Path(__file__).parent
dag_kernel = _stamped(source_stamp(_HERE, _HERE.parent, Path(rules.__file__)))
"""Handle the events before ``w.run.until_ms``, or until every job placed has ended, and say why it stopped."""
