"""The array form of wind plants against windpowerlib and its published power curves."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.errors import MissingExtraError
from joulewright.model import Timeline
from joulewright.physics import wind
from joulewright.physics.windpowerlib_model import wind_per_unit_windpowerlib

windpowerlib = pytest.importorskip("windpowerlib", reason="the extra wind is not installed")

MONTH = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=744)


def weather(scale: float = 6.0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    return {
        "wind_speed_m_s": generator.weibull(2.0, MONTH.steps) * scale,
        "temperature_c": generator.normal(12.0, 9.0, MONTH.steps),
        "pressure_pa": generator.normal(100_500.0, 900.0, MONTH.steps),
    }


@pytest.mark.parametrize("curve", ["cubic", "generic-230", "generic-400"])
def test_month_equals_model_chain(curve):
    series = weather()
    own = wind.wind_per_unit(MONTH, curve=curve, **series)
    theirs = wind_per_unit_windpowerlib(MONTH, curve=curve, **series)
    assert own == pytest.approx(theirs, abs=1e-9)
    assert own.mean() > 0.1


def test_only_the_cut_out_differs_in_strong_thin_air():
    series = weather(scale=14.0) | {"temperature_c": np.full(MONTH.steps, 35.0)}
    own = wind.wind_per_unit(MONTH, **series)
    theirs = wind_per_unit_windpowerlib(MONTH, **series)
    differs = np.abs(own - theirs) > 1e-9
    hub = wind.hub_wind_speed_m_s(series["wind_speed_m_s"], 10.0, 100.0)
    assert differs.any()
    assert (hub[differs] > 25.0).all()
    assert (own[differs] == 0.0).all()


# windpowerlib 0.2 still passes a keyword that pandas 3 deprecates.
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
@pytest.mark.parametrize("turbine", ["V112/3300", "V126/3300", "N131/3000", "E-115/3000", "SWT130/3600", "V100/1800"])
def test_generic_curve_follows_published_ones(turbine):
    machine = windpowerlib.WindTurbine(hub_height=100.0, turbine_type=turbine)
    area = np.pi * (machine.rotor_diameter / 2.0) ** 2
    curve = machine.power_curve
    speeds, published = curve["wind_speed"].to_numpy(), curve["value"].to_numpy() / curve["value"].max()
    used = (speeds >= 2.0) & (speeds <= 22.0)
    generic = wind.curve_power(speeds[used], wind.generic_curve(machine.nominal_power / area))
    assert np.abs(generic - published[used]).max() < 0.05
    assert abs(generic.mean() - published[used].mean()) < 0.01


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "windpowerlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'joulewright\[wind\]'"):
        wind_per_unit_windpowerlib(MONTH, wind_speed_m_s=5.0)
