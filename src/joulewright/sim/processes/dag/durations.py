"""How long a task takes, and the random numbers of a run: pure functions of the seed and of what is drawn.

A number depends on nothing but its keys, so two schedulers meet the same luck, and the compiled loop the same as the
plain one. Which list of a :class:`~joulewright.model.dag.WaveTable` holds:

1. First task of the executor in the job: ``fresh_ms``; where empty ``first_ms`` plus the warm-up of the cluster.
2. Another task of the stage that the executor just worked on: ``rest_ms``; where empty as in 3.
3. First task in another stage: ``first_ms``; where empty ``fresh_ms``.

Between two measured numbers of executors one of both is drawn, the nearer one more often: the lower one ``l`` with
probability ``(h - n) / (h - l)``; outside the range the nearest holds.
"""

from __future__ import annotations

from joulewright.model.dag import WaveTable

_MASK = (1 << 64) - 1
FRESH, FIRST, REST = 0, 1, 2


def mixed(number: int) -> int:
    """A 64-bit number in which every bit depends on every bit of ``number``.

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA, doi 10.1145/2660193.2660195.
    """
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def uniform(seed: int, purpose: int, first: int, second: int) -> float:
    """A number in (0, 1) that belongs to a seed, a purpose and two keys.

    Examples
    --------
    >>> uniform(1, 2, 3, 4) == uniform(1, 2, 3, 4) != uniform(1, 2, 4, 3)
    True
    """
    number = mixed(mixed(mixed(mixed(seed) ^ purpose) ^ first) ^ second)
    return ((number >> 11) + 0.5) / 9007199254740992.0


def measured_at(executors: tuple[int, ...], count: int, chance: float) -> int:
    """Position of the number of executors whose durations hold for ``count`` of them.

    Examples
    --------
    >>> measured_at((10, 20), 11, 0.89), measured_at((10, 20), 11, 0.91)
    (0, 1)
    """
    if count <= executors[0]:
        return 0
    for position in range(1, len(executors)):
        if count <= executors[position]:
            low, high = executors[position - 1], executors[position]
            return position - 1 if chance < (high - count) / (high - low) else position
    return len(executors) - 1


def wave_ms(table: WaveTable, kind: int, position: int, chance: float) -> tuple[int, bool]:
    """Duration of a task [ms], and whether it warms up first."""
    fresh, first, rest = table.fresh_ms[position], table.first_ms[position], table.rest_ms[position]
    values, warm = first or fresh, False
    if kind == FRESH:
        values, warm = (fresh, False) if fresh else (first, True)
    elif kind == REST and rest:
        values = rest
    return values[int(chance * len(values))], warm
