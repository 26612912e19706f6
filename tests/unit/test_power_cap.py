"""Speed and energy under a power cap, against published fits and medians."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.physics.power_cap import TRAINING_FITS, CapCurve, default_fit

CURVES = st.builds(
    lambda floor, knee, draw, exponent: CapCurve(
        floor_w=floor, knee_w=floor + knee, draw_w=floor + knee + draw, exponent=exponent
    ),
    st.floats(1.0, 200.0),
    st.floats(20.0, 400.0),
    st.floats(0.0, 300.0),
    st.floats(0.05, 1.0),
)


@pytest.mark.parametrize(
    ("device", "board_w", "draw_w", "speeds"),
    [
        ("V100", 250.0, 200.0, {100: 0.6484, 125: 0.7700, 150: 0.8612, 200: 1.0, 250: 1.0}),
        ("A40", 300.0, 250.0, {100: 0.2816, 125: 0.4883, 150: 0.6276, 200: 0.8362}),
        ("RTX6000", 260.0, 220.0, {100: 0.4899, 150: 0.8109, 200: 0.9559}),
    ],
)
def test_fits_reproduce_their_values(device: str, board_w: float, draw_w: float, speeds: dict[int, float]) -> None:
    curve = TRAINING_FITS[device].curve(board_w, draw_w)
    found = curve.speed_fraction(list(speeds))
    assert found.tolist() == pytest.approx(list(speeds.values()), abs=6e-5)


@pytest.mark.parametrize(("device", "board_w"), [("v100", 250.0), ("a40", 300.0)])
def test_fits_are_near_the_measured_traces(shared: Path, device: str, board_w: float) -> None:
    """The training time of every job at every cap, relative to its uncapped run, within twice the stated error."""
    file = shared / "data" / "inference" / "power_caps" / f"summary_power_{device}.csv"
    jobs: dict[tuple[str, ...], list[tuple[float, float, float]]] = {}
    with file.open(newline="") as stream:
        for row in csv.DictReader(stream):
            key = tuple(
                value for name, value in row.items() if name in ("dataset", "network", "batch_size", "optimizer")
            )
            jobs.setdefault(key, []).append(
                (float(row["power_limit"]), float(row["average_power"]), float(row["time_per_epoch"]))
            )
    fit, errors = TRAINING_FITS[device.upper()], []
    for runs in jobs.values():
        _, draw_w, fastest_s = max(runs)
        if draw_w < 1.2 * fit.floor_fraction * board_w:
            continue  # A job that hardly loads the device is not slowed by any cap.
        curve = fit.curve(board_w, draw_w)
        errors += [
            abs(float(curve.speed_fraction(cap)) / (fastest_s / time_s) - 1.0)
            for cap, _, time_s in runs
            if cap > curve.least_cap_w
        ]
    assert fit.error_fraction is not None
    assert len(errors) > 50
    assert np.mean(errors) <= 2.0 * fit.error_fraction


@given(CURVES, st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_speed_rises_and_is_concave(curve: CapCurve, one: float, other: float) -> None:
    caps = curve.least_cap_w * 1.001 + np.array([one, other, (one + other) / 2.0]) * curve.draw_w
    low, high, middle = curve.speed_fraction(caps)
    assert middle >= (low + high) / 2.0 - 1e-12
    assert (low <= high + 1e-12) == (caps[0] <= caps[1] + 1e-9) or low == pytest.approx(high)
    assert 0.0 < middle <= 1.0


@given(CURVES)
def test_no_cap_takes_less_energy_than_the_thriftiest(curve: CapCurve) -> None:
    best = curve.thriftiest_cap_w()
    if best <= curve.least_cap_w:
        return
    caps = np.linspace(curve.least_cap_w * 1.0001, curve.draw_w, 400)
    caps = caps[caps > curve.least_cap_w]
    if caps.size:
        assert curve.energy_fraction(best) <= curve.energy_fraction(caps).min() * (1.0 + 1e-9)


def test_a_cap_above_the_draw_changes_nothing() -> None:
    curve = default_fit("decode").curve(700.0, 400.0)
    assert float(curve.power_w(650.0)) == 400.0
    assert float(curve.speed_fraction(650.0)) == float(curve.energy_fraction(650.0)) == 1.0
    # Decoding keeps its speed down to three quarters of its draw.
    assert float(curve.speed_fraction(300.0)) == 1.0
    assert float(curve.energy_fraction(300.0)) == 0.75


def test_bad_caps_and_curves_are_refused() -> None:
    curve = CapCurve(floor_w=100.0, draw_w=300.0, knee_w=300.0, exponent=0.4)
    with pytest.raises(ScenarioError, match="a cap of 104 W is too close to the 100 W"):
        curve.speed_fraction([200.0, 104.0])
    with pytest.raises(ScenarioError, match="allowed is above 105 W"):
        curve.energy_fraction(float("nan"))
    with pytest.raises(ScenarioError, match="floor 300 W, knee 200 W and draw 250 W"):
        CapCurve(floor_w=300, knee_w=200, draw_w=250, exponent=0.4)
    with pytest.raises(ScenarioError, match=r"exponent is 1.5; allowed is above 0 up to 1"):
        CapCurve(floor_w=100.0, draw_w=300.0, knee_w=300.0, exponent=1.5)
    with pytest.raises(ScenarioError, match="there is no phase 'idle'"):
        default_fit("idle")
