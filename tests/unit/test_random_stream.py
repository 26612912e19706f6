"""Named streams of random numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from joulewright.sim.random import stream


def test_equal_names_give_equal_numbers_and_others_do_not():
    first = stream(3, "events").random(8)
    assert np.array_equal(first, stream(3, "events").random(8))
    assert np.array_equal(first, stream(np.int64(3), "events").random(8))
    for other in (stream(4, "events"), stream(3, "event"), stream(3, "events/a")):
        assert not np.any(first == other.random(8))


def test_a_stream_does_not_depend_on_draws_from_another():
    stream(3, "other").random(1000)
    assert stream(3, "events").random() == stream(3, "events").random()


def test_streams_are_the_same_in_another_process():
    code = "from joulewright.sim.random import stream; print(repr(float(stream(11, 'weather').random())))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) == stream(11, "weather").random()


def test_streams_are_not_correlated():
    one, other = stream(0, "a").standard_normal(20_000), stream(0, "b").standard_normal(20_000)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7", None])
def test_seeds_are_integers_from_zero_on(seed):
    with pytest.raises(ValueError, match="integer of at least 0"):
        stream(seed, "events")


def test_a_stream_has_a_name():
    with pytest.raises(ValueError, match="empty"):
        stream(0, "")
