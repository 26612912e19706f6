"""Hour-by-day maps of price, carbon intensity and net load in the site's own time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.report.clock import Instants, zone_label
from joulewright.report.figure import Chart, Figures, view_selector
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import number
from joulewright.report.view import ReportView, SiteView

_CLIP_PERCENT = 1.0


@dataclass(frozen=True, kw_only=True)
class _Map:
    name: str
    title: str
    unit: str
    scale: str
    caption: str


def heat_section(view: ReportView, figures: Figures) -> list[Markup]:
    """One selector and three maps; a map is left out where no site has its series."""
    maps = (
        _Map(
            name="heat-price",
            title="Import price",
            unit=f"{view.scenario.currency}/MWh",
            scale="price",
            caption="What a MWh from the grid costs, fees included.",
        ),
        _Map(
            name="heat-carbon",
            title="Carbon intensity",
            unit="kg/MWh",
            scale="carbon",
            caption=f"The {view.scenario.carbon.kind} {view.scenario.carbon.scope} series, which drives decisions.",
        ),
        _Map(
            name="heat-net",
            title="Net load on the grid",
            unit="MW",
            scale="net",
            caption=f"Import less export under this {view.noun}.",
        ),
    )
    charts = [chart for item in maps if (chart := _chart(view, item, figures)) is not None]
    if not charts:
        return []
    layout = "figures wide" if view.is_long else "figures"
    names = [site.name for site in view.sites]
    return [
        view_selector("heat", "site", "Site", names) if len(names) > 1 else Markup(""),
        element("div", [figures.add(chart, selector=False) for chart in charts], class_=layout),
    ]


def _series(view: ReportView, site: SiteView, name: str) -> FloatArray | None:
    if site.site.grid is None:
        return None
    if name == "heat-price":
        return site.site.grid.import_price_per_mwh
    if name == "heat-net":
        return site.net_import_mw
    intensity = view.scenario.deciding_intensity(site.site)
    return None if intensity is None else intensity.kg_per_mwh


def _chart(view: ReportView, item: _Map, figures: Figures) -> Chart | None:
    series = [_series(view, site, item.name) for site in view.sites]
    present = [values for values in series if values is not None]
    if not present:
        return None
    low, high, clipped = _range(np.concatenate(present))
    step_s = view.scenario.timeline.step_s
    blank = np.full(view.scenario.timeline.steps, np.nan)
    maps = [
        hour_by_day(site.local, blank if values is None else values, step_s=step_s)
        for site, values in zip(view.sites, series, strict=True)
    ]
    shared = {"low": low, "high": high, "clipped_low": clipped[0], "clipped_high": clipped[1]}
    views = [
        {"name": site.name, "days": days, "values": figures.blobs.add(cells.ravel()), "zone": zone_label(site.zone)}
        | shared
        for site, (days, cells) in zip(view.sites, maps, strict=True)
    ]
    return Chart(
        name=item.name,
        kind="heat",
        title=item.title,
        label=f"Map of {item.title.lower()} by day (across) and local hour (down) in {item.unit}.",
        caption=item.caption,
        views=views,
        settings={"unit": item.unit, "scale": item.scale, "title": item.title},
        group="site",
        table=_hour_table(item, view.sites, [cells for _, cells in maps]),
    )


def _range(values: FloatArray) -> tuple[float, float, tuple[bool, bool]]:
    """Colour range shared by all sites, cut where a few extreme values would wash out the rest."""
    low, high = (float(limit) for limit in np.percentile(values, (_CLIP_PERCENT, 100.0 - _CLIP_PERCENT)))
    low = low if low < 0.0 else max(0.0, low)
    if high - low < 1e-9:
        low, high = (max(0.0, low - 0.5) if low >= 0.0 else low - 0.5), high + 0.5
    return low, high, (float(values.min()) < low, float(values.max()) > high)


def hour_by_day(local: Instants, values: FloatArray, *, step_s: int = 3600) -> tuple[list[str], FloatArray]:
    """Mean of every local hour.

    Parameters
    ----------
    local : Instants
        Wall clock at the start of each step, shape ``(T,)``.
    values : FloatArray
        Series, shape ``(T,)``.
    step_s : int
        Length of a step [s]; a longer one counts in every hour it begins or covers.

    Returns
    -------
    tuple of (list of str, FloatArray)
        Local days and means of shape ``(D, 24)``, NaN where no step falls into an hour (the ends of the horizon, the
        hour skipped in spring).
    """
    inside = np.arange(0, step_s, 3600).astype("timedelta64[s]")
    hours = (local[:, np.newaxis] + inside).ravel()
    day_of = hours.astype("datetime64[D]")
    days = np.arange(day_of.min(), day_of.max() + np.timedelta64(1, "D"))
    cell = (hours - days[0].astype("datetime64[s]")) // np.timedelta64(3600, "s")
    sums, counts = np.zeros(24 * days.size), np.zeros(24 * days.size)
    np.add.at(sums, cell, np.repeat(values, inside.size))
    np.add.at(counts, cell, 1.0)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return [str(day) for day in days], means.reshape(-1, 24)


def _hour_table(item: _Map, sites: Sequence[SiteView], cells: Sequence[FloatArray]) -> Markup:
    """Mean over all days by local hour, one column per site."""
    rows = [[f"{hour:02d}:00", *(_mean(days[:, hour]) for days in cells)] for hour in range(24)]
    caption = f"{item.title}: mean over all days by local hour [{item.unit}]"
    return table(caption, ["Hour", *(site.name for site in sites)], rows)


def _mean(values: FloatArray) -> str:
    known = values[np.isfinite(values)]
    return number(float(known.mean())) if known.size else "n/a"
