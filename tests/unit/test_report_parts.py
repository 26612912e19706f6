"""Building blocks of the report: markup, numbers, packed arrays, clocks, colours."""

from __future__ import annotations

import base64
import re
import zlib
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from joulewright.model import Location, Site, Timeline
from joulewright.report.blobs import Blobs, decode
from joulewright.report.clock import local_starts, offsets, span_text, stamp, step_stamp, zone_label, zone_of
from joulewright.report.markup import Markup, details, element, escape, join, table
from joulewright.report.numbers import (
    THIN,
    compact,
    energy,
    number,
    percent,
    plain,
    plural,
    quantity,
    scaled_money,
    scientific,
    signed,
    tonnes,
    whole,
)
from joulewright.report.palette import QUANTITIES, site_key, theme_css

HOSTILE = "<script>alert(1)</script>"


def test_text_and_attributes_are_escaped_once() -> None:
    built = element("p", HOSTILE, element("b", "a & b"), title='say "hi"')
    assert built == ('<p title="say &quot;hi&quot;">&lt;script&gt;alert(1)&lt;/script&gt;<b>a &amp; b</b></p>')
    assert escape(escape("<")) == "&lt;"
    assert join(["x", None, 3, ("<", Markup("<i>"))]) == "x3&lt;<i>"


def test_attributes_that_are_off_are_left_out() -> None:
    assert element("input", disabled=True, checked=False, name=None, type="radio") == '<input disabled type="radio">'
    assert element("div", data_follows="site", class_="chart") == '<div data-follows="site" class="chart"></div>'


def test_table_has_headers_caption_and_a_focusable_box() -> None:
    built = table("Energy [MWh]", ["Site", "Import"], [["<a>", "1"], ["b", "2"]], foot=["all", "3"])
    assert "<caption>Energy [MWh]</caption>" in built
    assert built.count('scope="col"') == 2
    assert built.count('scope="row"') == 3
    assert 'tabindex="0"' in built
    assert "&lt;a&gt;" in built
    assert built.count('<td class="n">') == 3


def test_details_open_only_when_asked() -> None:
    assert details("more", "text") == "<details><summary>more</summary>text</details>"
    assert details("more", "text", open_=True).startswith("<details open>")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.00"),
        (999.95, "1_000"),
        (41.26, "41.3"),
        (-1234.5, "−1_234"),
        (1234567.8, "1_234_568"),
        (0.001234, "0.00123"),
        (3.2e-9, "3.2 × 10⁻⁹"),
        (float("nan"), "n/a"),
        (float("inf"), "n/a"),
    ],
)  # fmt: skip
def test_number(value: float, text: str) -> None:
    assert number(value).replace(THIN, "_") == text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (whole(15999.6), "16_000"),
        (whole(float("nan")), "n/a"),
        (quantity(2.5, "MW"), "2.50_MW"),
        (compact(9_950.0, "USD"), "9_950_USD"),
        (compact(12_345.0, "USD"), "12.3_k_USD"),
        (compact(-2.5e6, "USD"), "−2.50_M_USD"),
        (compact(4e9, "EUR"), "4.00_bn_EUR"),
        (energy(9_999.0), "9_999_MWh"),
        (energy(25_000.0), "25.0_GWh"),
        (energy(2.5e7), "25.0_TWh"),
        (tonnes(5_200_000.0), "5_200_t"),
        (percent(0.0008, 2), "0.08_%"),
        (percent(1.0), "100_%"),
        (plain(60.0), "60"),
        (scientific(-1.5e-7), "−1.5 × 10⁻⁷"),
        (signed("3", 1.0), "+3"),
        (signed("−3", -1.0), "−3"),
        (plural(1, "site"), "1 site"),
        (plural(0, "site"), "0 sites"),
    ],
)
def test_quantities(shown: str, text: str) -> None:
    assert shown.replace(THIN, "_") == text


def test_money_of_a_chart_shares_one_unit() -> None:
    assert scaled_money([1500.0, -200.0], "USD") == ([1.5, -0.2], "k USD")
    assert scaled_money([], "USD") == ([], "USD")


@given(st.floats(-1e12, 1e12).filter(lambda value: abs(value) > 1e-4))
def test_a_shown_number_is_close_to_the_value(value: float) -> None:
    read = float(number(value).replace(THIN, "").replace("−", "-"))
    assert read == pytest.approx(value, rel=6e-3)


def test_packed_arrays_come_back() -> None:
    blobs = Blobs()
    series = np.array([3.0, np.nan, -1.0, 7.5])
    references = [blobs.add(series), blobs.add(np.full(3, 42.0)), blobs.add(np.full(2, np.nan)), blobs.add(series)]
    codes = np.frombuffer(zlib.decompress(base64.b64decode(blobs.payload())), dtype="<u2")
    entries = blobs.index()
    assert [reference["$"] for reference in references] == [0, 1, 2, 0]
    np.testing.assert_allclose(decode(entries[0], codes), series, atol=8.5 / 131_068)
    np.testing.assert_array_equal(decode(entries[1], codes), np.full(3, 42.0))
    assert np.isnan(decode(entries[2], codes)).all()


def test_packed_arrays_have_one_dimension() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        Blobs().add(np.zeros((2, 2)))


@given(hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6, allow_subnormal=False)))
def test_packing_error_is_a_fraction_of_the_range(values: np.ndarray) -> None:
    blobs = Blobs()
    blobs.add(values)
    codes = np.frombuffer(zlib.decompress(base64.b64decode(blobs.payload())), dtype="<u2")
    spread = float(values.max() - values.min())
    np.testing.assert_allclose(
        decode(blobs.index()[0], codes), values, atol=spread / 131_068 + 1e-9 * abs(values).max()
    )


def test_a_smooth_year_packs_small() -> None:
    hour = np.arange(8760)
    blobs = Blobs()
    blobs.add(50.0 + 20.0 * np.sin(hour / 24 * 2 * np.pi) + np.round(5 * np.sin(hour / 400.0), 1))
    assert len(blobs.payload()) < 8760 * 2


def test_local_clock_follows_daylight_saving() -> None:
    """Los Angeles leaves summer time on 2022-11-06 at 09:00 UTC: UTC-7 before, UTC-8 after."""
    day = Timeline(start=datetime(2022, 11, 6, 7, tzinfo=UTC), step_s=3600, steps=4)
    local = local_starts(day, "America/Los_Angeles")
    assert [str(instant)[11:16] for instant in local] == ["00:00", "01:00", "01:00", "02:00"]
    assert offsets(day, local, 0, 4) == [[0, -420], [2, -480]]
    assert offsets(day, local, 2, 4) == [[0, -480]]


def test_labels_of_time() -> None:
    timeline = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=1800, steps=4)
    assert step_stamp(timeline, 3, "UTC") == "Mon 4 Jul 2022, 01:30"
    assert stamp(datetime(2022, 1, 1, tzinfo=UTC), "Asia/Kolkata") == "Sat 1 Jan 2022, 05:30"
    assert zone_label("America/Argentina/Buenos_Aires") == "Buenos Aires time"
    assert [span_text(hours) for hours in (0.25, 2.0, 24.0, 96.0, 100.0)] == [
        "15 min",
        "2 h",
        "24 h",
        "4 days",
        "100 h",
    ]


def test_a_site_without_location_uses_utc() -> None:
    flat = np.ones(1)
    site = Site(name="a", pue=flat, fixed_it_power_mw=flat, fixed_facility_power_mw=flat)
    assert zone_of(site) == "UTC"
    place = Location(latitude_deg=0.0, longitude_deg=0.0, time_zone="Africa/Lagos")
    there = Site(name="a", pue=flat, fixed_it_power_mw=flat, fixed_facility_power_mw=flat, location=place)
    assert zone_of(there) == "Africa/Lagos"


def test_every_quantity_has_both_themes() -> None:
    css = theme_css()
    for name in QUANTITIES:
        assert css.count(f"--q-{name}:") == 3
    assert css.count("prefers-color-scheme:dark") == 1
    assert site_key(0) != site_key(1)
    assert site_key(9) == site_key(0)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("ink", ["ink", "muted", "accent", "good", "warn", "bad"])
@pytest.mark.parametrize("ground", ["page", "surface", "raised"])
def test_text_reads_on_its_ground(ink: str, ground: str) -> None:
    """WCAG asks for a contrast of at least 4.5 for text; both themes."""
    for block in theme_css().splitlines()[0], theme_css().splitlines()[2]:
        found = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{6})", block))
        one, other = sorted((_luminance(found[ink]), _luminance(found[ground])))
        assert (other + 0.05) / (one + 0.05) >= 4.5


def test_the_vendored_library_names_its_versions_and_licences() -> None:
    assets = resources.files("joulewright.report").joinpath("assets")
    banner = assets.joinpath("echarts.min.js").read_text("utf-8").splitlines()[0]
    licences = assets.joinpath("LICENSE-echarts.txt").read_text("utf-8")
    for text in ("ECharts 6.1.0", "zrender 6.1.0", "Apache-2.0", "BSD-3-Clause"):
        assert text in banner
    for text in ("Apache ECharts 6.1.0", "Apache License", "Baidu Inc.", "Mike Bostock"):
        assert text in licences
    record = (Path(__file__).resolve().parents[2] / "docs" / "design" / "echarts.md").read_text("utf-8")
    assert "echarts@6.1.0" in record
