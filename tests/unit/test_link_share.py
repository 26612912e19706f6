"""Transfers that share a link, worked by hand: 45 000 GB over 100 Gbit/s take an hour."""

from __future__ import annotations

import pytest

from joulewright.errors import ScenarioError
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.link_share import LinkShare

HOUR_GB = 45_000.0


def arrivals(*transfers, **options):
    """Times of arrival of (begin, size in link hours) in the order in which they arrive."""
    kernel, seen = Kernel(), []
    link = LinkShare(kernel, 100.0, **options)
    for number, (begin, hours) in enumerate(transfers):
        kernel.schedule(
            begin,
            lambda item: link.add(item[1] * HOUR_GB, lambda name: seen.append((name, kernel.now)), item[0]),
            (number, hours),
        )
    kernel.run()
    return seen


def test_one_transfer_has_the_whole_link():
    assert arrivals((0.5, 1.0)) == [(0, 1.5)]


def test_two_transfers_halve_each_other():
    assert arrivals((0.0, 1.0), (0.0, 1.0)) == [(0, 2.0), (1, 2.0)]


def test_a_second_transfer_slows_the_first_while_both_last():
    # Half is done when the second begins; the other half takes an hour beside it, then the second is alone.
    found = dict(arrivals((0.0, 1.0), (0.5, 1.0)))
    assert found == {0: pytest.approx(1.5), 1: pytest.approx(2.0)}


def test_a_short_transfer_overtakes():
    found = arrivals((0.0, 2.0), (0.5, 0.25))
    assert [name for name, _ in found] == [1, 0]
    assert dict(found) == {1: pytest.approx(1.0), 0: pytest.approx(2.25)}


def test_three_transfers():
    found = dict(arrivals((0.0, 1.0), (0.0, 2.0), (0.0, 3.0)))
    assert found == {0: pytest.approx(3.0), 1: pytest.approx(5.0), 2: pytest.approx(6.0)}


def test_the_link_starts_afresh_after_a_pause():
    assert dict(arrivals((0.0, 1.0), (5.0, 1.0), (5.0, 1.0)))[2] == pytest.approx(7.0)


def test_without_sharing_each_has_the_whole_link():
    assert arrivals((0.0, 1.0), (0.0, 1.0), shared=False) == [(0, 1.0), (1, 1.0)]


def test_nothing_arrives_at_once():
    assert arrivals((1.0, 0.0), (1.0, 1.0)) == [(0, 1.0), (1, 2.0)]


@pytest.mark.parametrize(("size", "bandwidth"), [(-1.0, 100.0), (1.0, 0.0), (1.0, -5.0)])
@pytest.mark.parametrize("shared", [True, False])
def test_sizes_and_bandwidths_make_sense(size, bandwidth, shared):
    with pytest.raises(ScenarioError, match=r"allowed|bandwidth"):
        LinkShare(Kernel(), bandwidth, shared=shared).add(size, print, None)
