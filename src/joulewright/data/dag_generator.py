"""Made-up data-processing jobs: layered, fork-join, and shaped like the queries of a decision-support benchmark."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.dag import DagJob, DagStage, WaveTable

MEASURED_AT = (5, 10, 20, 40, 60, 80, 100)
"""Numbers of executors at which wave tables have durations."""

_DRAWS = 12
_SHUFFLE_TASKS = 200
_OVERHEAD_MS = 900
_Shape = Sequence[tuple[tuple[int, ...], int, float]]
"""Parents, number of tasks and mean duration [ms] of each stage."""


def generate_dag_jobs(
    kind: str, *, jobs: int, seed: int = 0, mean_gap_ms: float = 30_000.0, waves: bool = False
) -> tuple[DagJob, ...]:
    """Jobs of made-up stages that arrive at random: not measurements of anything.

    Parameters
    ----------
    kind : {"layered", "fork-join", "tpch-like"}
        ``layered``: 2 to 6 layers of 1 to 4 stages, each with parents in the layer above. ``fork-join``: stages that
        split into branches and join again, one to three times. ``tpch-like``: scans joined two by two into one result,
        2 to 18 stages, with task counts and durations of the size that Spark shows for TPC-H on 2 to 50 GB.
    jobs : int
        How many, at least 1.
    seed : int
        Equal seeds give equal jobs; a job does not depend on how many follow.
    mean_gap_ms : float
        Mean of the exponential time between arrivals [ms]; the first job arrives at 0.
    waves : bool
        True for durations that depend on the number of executors, see :class:`~joulewright.model.dag.WaveTable`: total
        task time grows to two to six times from 5 to 100 executors. Otherwise durations are exact.

    Returns
    -------
    tuple of DagJob
        In order of arrival.

    Raises
    ------
    ScenarioError
        If the kind is unknown or a number out of range.

    Examples
    --------
    >>> one, two = generate_dag_jobs("fork-join", jobs=2, seed=3)
    >>> one.arrival_ms, two.arrival_ms > 0, one == generate_dag_jobs("fork-join", jobs=1, seed=3)[0]
    (0, True, True)
    """
    if kind not in _SHAPES:
        raise ScenarioError(f"there is no kind of job {kind!r} to generate; use {', '.join(_SHAPES)}")
    if jobs < 1 or not 0.0 <= mean_gap_ms < np.inf or seed < 0:
        raise ScenarioError(
            f"{jobs!r} jobs with a mean gap of {mean_gap_ms!r} ms and seed {seed!r}; give at least 1 job, "
            "and a gap and a seed of at least 0"
        )
    made, arrival = [], 0
    for number in range(jobs):
        random = np.random.default_rng([seed, number, zlib.crc32(kind.encode())])
        arrival += int(random.exponential(mean_gap_ms)) if number else 0
        growth = float(random.uniform(0.23, 0.59)) if waves else 0.0
        stages = tuple(
            _stage(f"s{position}", tuple(f"s{parent}" for parent in parents), tasks, mean_ms, growth, random)
            for position, (parents, tasks, mean_ms) in enumerate(_SHAPES[kind](random))
        )
        made.append(DagJob(name=f"{kind}-{number}", arrival_ms=arrival, stages=stages))
    return tuple(made)


def _stage(
    name: str, parents: tuple[str, ...], tasks: int, mean_ms: float, growth: float, random: np.random.Generator
) -> DagStage:
    if not growth:
        return DagStage(name=name, parents=parents, task_ms=_durations(mean_ms, tasks, random))
    means = [mean_ms * (count / MEASURED_AT[0]) ** growth for count in MEASURED_AT]
    first = tuple(_durations(mean, _DRAWS, random) for mean in means)
    rest = tuple(_durations(0.8 * mean, _DRAWS, random) for mean in means)
    fresh = tuple(tuple(value + _OVERHEAD_MS for value in values) for values in first)
    table = WaveTable(executors=MEASURED_AT, fresh_ms=fresh, first_ms=first, rest_ms=rest)
    expected = round(float(np.mean([value for values in (*first, *rest) for value in values])))
    return DagStage(name=name, parents=parents, task_ms=(expected,) * tasks, waves=table)


def _durations(mean_ms: float, count: int, random: np.random.Generator) -> tuple[int, ...]:
    """Log-normal durations with a spread of 40 % [ms]."""
    spread = 0.385
    factors = np.exp(spread * random.standard_normal(count) - spread**2 / 2.0)
    return tuple(np.maximum(1, np.rint(mean_ms * factors)).astype(int).tolist())


def _tasks(random: np.random.Generator, median: float) -> int:
    return int(np.clip(np.rint(median * np.exp(0.8 * random.standard_normal())), 1, 20.0 * median))


def _layered(random: np.random.Generator) -> _Shape:
    shape: list[tuple[tuple[int, ...], int, float]] = []
    above: list[int] = []
    for _ in range(int(random.integers(2, 7))):
        layer = []
        for _ in range(int(random.integers(1, 5))):
            wanted = int(random.integers(1, len(above) + 1)) if above else 0
            parents = tuple(sorted(random.choice(above, wanted, replace=False).tolist())) if wanted else ()
            layer.append(len(shape))
            shape.append((parents, _tasks(random, 20.0), float(np.exp(random.normal(7.6, 0.6)))))
        above = layer
    return shape


def _fork_join(random: np.random.Generator) -> _Shape:
    shape: list[tuple[tuple[int, ...], int, float]] = [((), _tasks(random, 8.0), 2000.0)]
    for _ in range(int(random.integers(1, 4))):
        fork = len(shape) - 1
        branches = int(random.integers(2, 6))
        shape += [((fork,), _tasks(random, 25.0), float(np.exp(random.normal(7.6, 0.5)))) for _ in range(branches)]
        shape.append((tuple(range(fork + 1, fork + 1 + branches)), _tasks(random, 5.0), 1500.0))
    return shape


def _tpch_like(random: np.random.Generator) -> _Shape:
    size = float(random.choice([1.0, 2.0, 5.0]))
    scans = int(random.integers(1, 9))
    shape: list[tuple[tuple[int, ...], int, float]] = [
        ((), _tasks(random, 10.0 * size), float(np.exp(random.normal(7.8, 0.6)))) for _ in range(scans)
    ]
    open_ends = list(range(scans))
    while len(open_ends) > 1:
        pair = tuple(sorted(int(open_ends.pop(int(random.integers(len(open_ends))))) for _ in range(2)))
        open_ends.append(len(shape))
        shape.append((pair, _SHUFFLE_TASKS, 120.0 * size * float(np.exp(random.normal(0.0, 0.7)))))
    for tasks in (_SHUFFLE_TASKS, 1)[: int(random.integers(1, 3))]:
        shape.append(((len(shape) - 1,), tasks, 150.0 * size))
    return shape


_SHAPES: Mapping[str, Callable[[np.random.Generator], _Shape]] = {
    "layered": _layered,
    "fork-join": _fork_join,
    "tpch-like": _tpch_like,
}
