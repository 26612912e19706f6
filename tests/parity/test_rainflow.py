"""Our rainflow counting against the package of that name."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.physics.ageing import rainflow as counted

package = pytest.importorskip("rainflow", reason="the package rainflow is not installed")


def listed(cycles) -> list[tuple[float, float, float]]:
    """Depth, mean and count, sorted and rounded."""
    return sorted((round(float(depth), 12), round(float(mean), 12), float(count)) for depth, mean, count in cycles)


def cycles_of(series: np.ndarray) -> tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]:
    """Our cycles and theirs, which may have one of no depth."""
    found = counted(series)
    ours = zip(found.depth_fraction, found.mean_fraction, found.count, strict=True)
    return listed(ours), listed(cycle[:3] for cycle in package.extract_cycles(series) if cycle[0] > 0.0)


@pytest.mark.parametrize("seed", range(40))
def test_random_series_with_plateaus(seed):
    """Series of three and more values: the package finds nothing in two."""
    generator = np.random.default_rng(seed)
    for _ in range(50):
        ours, theirs = cycles_of(generator.integers(0, 6, generator.integers(3, 60)) / 5.0)
        assert ours == theirs


def test_a_year_of_quarter_hours():
    generator = np.random.default_rng(5)
    day = 0.5 + 0.4 * np.sin(np.arange(35_040) * 2.0 * np.pi / 96.0)
    series = np.clip(day + 0.1 * generator.normal(size=day.size), 0.0, 1.0)
    ours, theirs = cycles_of(series)
    assert len(ours) > 5000
    assert ours == theirs


def test_cycles_close_in_the_same_order():
    series = np.random.default_rng(2).random(500)
    found = counted(series)
    theirs = np.array([cycle[:1] for cycle in package.extract_cycles(series)])[:, 0]
    assert found.depth_fraction == pytest.approx(theirs)
