"""Answers of the built-in schedulers."""

from __future__ import annotations

import math
from typing import Any

from joulewright.policy.dag.rules import Limit
from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.dag.arrays import World
from joulewright.sim.processes.dag.kernels.draws import uniform
from joulewright.sim.processes.dag.kernels.frontier import held, next_frontier, unassigned
from joulewright.sim.processes.dag.streams import ANSWER

NONE, FAIR, WORK = int(Limit.NONE), int(Limit.FAIR), int(Limit.WORK)


@compiled
def best_stage(w: World, number: int) -> Any:
    """First stage of the order in the frontier of a job; -1 if there is none."""
    longest = w.rule[0].stage_order == 1
    best = at = next_frontier(w, number, -1)
    while at >= 0:
        stage, first = w.stages[at], w.stages[best]
        if longest:
            if stage.path_ms > first.path_ms:
                best = at
        elif stage.rank >= 0 and (first.rank < 0 or stage.rank < first.rank):
            best = at
        at = next_frontier(w, number, at)
    return best


@compiled
def waiting(w: World, job: Any) -> bool:
    """True while a job has tasks promised to nobody."""
    if job.unstarted == 0:
        return False
    for at in range(job.first_stage, job.end_stage):  # noqa: SIM110
        if unassigned(w.stages[at]) > 0:
            return True
    return False


@compiled
def listed(w: World) -> tuple[int, int]:
    """Stage and executors that a list scheduler answers; stage -1 for none."""
    run, rule = w.run[0], w.rule[0]
    if run.source >= 0:
        at = best_stage(w, run.source)
        if at >= 0:
            return at, run.offered
    total = 0.0
    if rule.job_cap >= 2:
        for index in range(run.live):
            job = w.jobs[w.live[index]]
            if waiting(w, job):
                total += job.weight if rule.job_cap == 3 else 1.0
    best, best_key, best_room = -1, math.inf, 0
    for index in range(run.live):
        job = w.jobs[w.live[index]]
        cap = rule.executors
        if rule.job_cap >= 2 and total > 0.0:
            cap = math.ceil(rule.executors * (job.weight if rule.job_cap == 3 else 1.0) / total)
        room = cap - (job.granted if rule.job_cap == 0 else held(job))
        if room <= 0 or not waiting(w, job):
            continue
        at = best_stage(w, w.live[index])
        if at < 0:
            continue
        if rule.job_order == 0:
            best, best_room = at, room
            break
        key = float(job.unstarted_ms) if rule.job_order == 1 else -float(w.stages[at].path_ms)
        if key < best_key:
            best, best_key, best_room = at, key, room
    if best < 0:
        return -1, 0
    return best, max(1, min(unassigned(w.stages[best]), best_room, run.offered))


@compiled
def measured(w: World, number: int, at: int) -> float:
    """What the score of a stage is made of."""
    return float(w.stages[at].path_ms) if w.rule[0].score == 0 else float(w.jobs[number].unstarted_ms)


@compiled
def score_of(w: World, number: int, at: int, largest: float) -> float:
    """Score of a stage."""
    rule, share = w.rule[0], measured(w, number, at) / largest
    score = share if rule.score == 0 else 1.0 - share
    return score + rule.stay if number == w.run[0].source else score


@compiled
def find_rooms(w: World) -> None:
    """Executors that each job may get."""
    run, rule = w.run[0], w.rule[0]
    waiting_jobs = 0
    if rule.limit == FAIR:
        for index in range(run.live):
            waiting_jobs += waiting(w, w.jobs[w.live[index]])
    for index in range(run.live):
        number = w.live[index]
        job = w.jobs[number]
        job.room = rule.executors
        if rule.limit == NONE or number == run.source:
            continue
        if rule.limit == FAIR and waiting_jobs > 0:
            job.room = math.ceil(rule.executors / waiting_jobs)
        elif rule.limit == WORK:
            longest, at = 0, next_frontier(w, number, -1)
            while at >= 0:
                longest = max(longest, w.stages[at].path_ms)
                at = next_frontier(w, number, at)
            job.room = max(1, math.ceil(job.unstarted_ms / longest)) if longest > 0 else 0
        job.room -= held(job)


@inlined
def next_candidate(w: World, number: int, after: int) -> Any:
    """Next stage of the frontier of a job that has room; -1 if there is none."""
    return next_frontier(w, number, after) if w.jobs[number].room > 0 else -1


@compiled
def sampled(w: World) -> tuple[int, int, float]:
    """Stage, executors and relative importance that a sampling scheduler answers; stage -1 for none."""
    run, rule = w.run[0], w.rule[0]
    largest = 0.0
    find_rooms(w)
    for index in range(run.live):
        at = next_candidate(w, w.live[index], -1)
        while at >= 0:
            largest = max(largest, measured(w, w.live[index], at))
            at = next_candidate(w, w.live[index], at)
    best, best_key, best_score, top = -1, -math.inf, 0.0, -math.inf
    for index in range(run.live):
        at = next_candidate(w, w.live[index], -1)
        while at >= 0:
            score = score_of(w, w.live[index], at, largest)
            top = max(top, score)
            chance = uniform(run.seed, ANSWER, run.answers, at)
            key = score / rule.temperature - math.log(-math.log(chance))
            if key > best_key:
                best, best_key, best_score = at, key, score
            at = next_candidate(w, w.live[index], at)
    if best < 0:
        return -1, 0, 1.0
    stage = w.stages[best]
    amount = min(unassigned(stage), run.offered, w.jobs[stage.job].room)
    return best, amount, math.exp((best_score - top) / rule.temperature)


@compiled
def answer(w: World) -> tuple[int, int, bool]:
    """Stage, executors, and whether there is work that shall wait."""
    run, rule, step = w.run[0], w.rule[0], w.steps[w.run[0].step]
    room = rule.executors
    if rule.has_quota or rule.green_fraction >= 0.0:
        room = (step.quota if rule.has_quota else run.green_quota) - run.active
        if room <= 0:
            if run.busy > 0:
                return -1, 0, True
            room = 1
    if not rule.sampled:
        at, amount = listed(w)
        return at, min(amount, room), False
    at, amount, importance = sampled(w)
    if at >= 0 and rule.gamma > 0.0:
        rise = math.expm1(rule.gamma * importance) / math.expm1(rule.gamma)
        psi = step.base_psi + (step.high_psi - step.base_psi) * rise
        if psi < step.signal and run.busy > 0:
            return -1, 0, True
        kept = amount - min(math.ceil(amount * step.shrink), amount)
        amount = max(1, int(amount - rule.gamma * kept))
    return at, min(amount, room), False


@compiled
def green_quota(w: World) -> Any:
    """Quota of GreenHadoop for the work queued now."""
    run, rule = w.run[0], w.rule[0]
    work, capacity = float(run.queued_ms // rule.step_ms), float(rule.executors)
    rest = 1.0 - (run.now_ms % rule.step_ms) / rule.step_ms
    share = w.share[run.step]
    width = share.size
    while width > 1 and math.isnan(share[width - 1]):
        width -= 1
    green = brown = width
    got_green = got_brown = 0.0
    for ahead in range(width):
        part = rest if ahead == 0 else 1.0
        got_green += part * math.floor(share[ahead] * capacity)
        got_brown += part * capacity
        if green == width and got_green >= work:
            green = ahead + 1
        if brown == width and got_brown >= work:
            brown = ahead + 1
    window = max(1, math.ceil((1.0 - rule.green_fraction) * green + rule.green_fraction * brown))
    renewable = 0.0
    for ahead in range(min(window, width)):
        renewable += (rest if ahead == 0 else 1.0) * share[ahead] * capacity
    lacking = max(0.0, (work - renewable) / window)
    return min(rule.executors, max(1, int(share[0] * capacity + lacking)))
