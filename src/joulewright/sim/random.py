"""Named streams of random numbers derived from one seed."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for every purpose, so that one more draw here changes nothing there.

    Parameters
    ----------
    seed : int
        Seed of the run, zero or positive.
    name : str
        What the numbers are for, e.g. ``events/grid-outage``; equal names give equal numbers.

    Returns
    -------
    numpy.random.Generator
        The same on every machine and in every process: the name enters by a hash of its UTF-8 bytes.

    Raises
    ------
    ValueError
        If the seed is negative or no integer, or the name is empty.

    References
    ----------
    Seeding from several integers: Numerical Recipes style entropy mixing of ``numpy.random.SeedSequence``,
    O'Neill (2014), PCG, HMC-CS-2014-0905.

    Examples
    --------
    >>> bool(stream(7, "events").random() == stream(7, "events").random())
    True
    >>> bool(stream(7, "events").random() == stream(7, "forecast").random())
    False
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0, for example 0")
    if not name:
        raise ValueError("the name of a random stream is empty; name what it is for, for example 'events'")
    hashed = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng([int(seed), hashed])
