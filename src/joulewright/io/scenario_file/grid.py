"""The grid connection of a site: limits, prices, demand charges, carbon and market factors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from joulewright.io.scenario_file.demand_charges import demand_windows
from joulewright.io.scenario_file.fields import tables
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.tables import Table, reference_signal
from joulewright.model import CarbonIntensity, FlexibleConnection, GridConnection, Location, MarketFactors
from joulewright.model.disturbance import SiteEvents
from joulewright.model.timeline import BoolArray, FloatArray


def read_grid(
    reader: SignalReader, table: Table, location: Location | None, events: SiteEvents
) -> GridConnection | None:
    """A grid connection without its events; None after reporting why it cannot be built.

    The events only say which steps we assume to be curtailed: none where there is a calendar, else the dearest.
    """
    document, timeline = reader.document, reader.timeline
    prices = _prices(reader, table)
    limits = _import_limit(reader, table, events, prices)
    export_limit = reader.read(table["export_limit"])
    carbon = _carbon(reader, table)
    market = _market(reader, table)
    windows = demand_windows(document, table.items("demand_charge"), location, timeline)
    if prices is not None and export_limit is not None and table["export_price"] is None and export_limit.any():
        help = 'add export_price = { factor = 0.9 } or export_price = "0 USD/MWh"'
        message = "export is allowed but has no export_price; it earns nothing"
        document.add("S011", table.at("export_limit"), message, severity="warning", help=help)
    if prices is None or limits is None or export_limit is None or table.wrong:
        return None
    return GridConnection(
        import_limit_mw=limits.import_mw,
        export_limit_mw=export_limit,
        import_price_per_mwh=prices.paid,
        export_price_per_mwh=prices.received,
        demand_windows=windows,
        carbon_intensities=carbon,
        ramp_mw_per_h=table["ramp"],
        flexible=limits.flexible,
        market=market,
        import_fee_per_mwh=prices.fee,
        **prices.link,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prices:
    """Paid with the fee and received; ``link`` says how a relative export price follows the energy price."""

    paid: FloatArray
    received: FloatArray
    fee: FloatArray | None
    link: dict[str, float]


def _prices(reader: SignalReader, table: Table) -> _Prices | None:
    """Import price with fees and export price; the export price may refer to the energy price before fees."""
    energy, fee = reader.read(table["price"]), reader.read(table["import_fee"])
    export = table["export_price"]
    received = reader.read(export)
    if energy is None or fee is None:
        return None
    link: dict[str, float] = {}
    if export is None:
        received = np.zeros_like(energy)
    elif export.relative:
        received = export.factor * energy + export.offset
        link = {"export_factor": export.factor, "export_offset_per_mwh": export.offset}
    if received is None:
        return None
    return _Prices(paid=energy + fee, received=received, fee=fee if fee.any() else None, link=link)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Limits:
    import_mw: FloatArray
    flexible: FlexibleConnection | None = None


def _import_limit(reader: SignalReader, table: Table, events: SiteEvents, prices: _Prices | None) -> _Limits | None:
    """Import limit, from ``import_limit`` or from the firm and flexible parts."""
    document = reader.document
    plain, firm = reader.read(table["import_limit"]), table["firm_limit"]
    flexible = reader.read(table["flexible_limit"])
    split = [key for key in ("firm_limit", "flexible_limit", "curtailed_hours") if key in table.given]
    if "import_limit" in table.given:
        if split:
            message = f"grid gives both import_limit and {split[0]}"
            document.add(
                "S009", table.at(split[0]), message, help="keep import_limit, or firm_limit and flexible_limit"
            )
        return None if plain is None else _Limits(import_mw=plain)
    missing = [key for key in ("firm_limit", "flexible_limit") if key not in table.given]
    if missing and table.wrong & {"import_limit", *missing}:
        return None
    if missing:
        key = missing[0] if split else "import_limit"
        document.add("S003", table.path, f"grid has no {key}", help=f'add {key} = "60 MW"')
        return None
    if firm is None or flexible is None or prices is None or table.wrong:
        return None
    price = events.spiked(prices.paid, added=0.0 if prices.fee is None else prices.fee)
    return _firm_and_flexible(reader, table, events, (flexible, price))


def _firm_and_flexible(
    reader: SignalReader, table: Table, events: SiteEvents, series: tuple[FloatArray, FloatArray]
) -> _Limits:
    """Import limit of a firm and a flexible part, and the terms; ``series`` are the flexible limit and the price."""
    firm, (flexible, price) = table["firm_limit"], series
    curtailed, assumed = _curtailed(reader, table, events, price)
    connection = FlexibleConnection(
        firm_limit_mw=firm,
        flexible_limit_mw=flexible,
        curtailed=curtailed,
        curtailed_hours_per_year=table["curtailed_hours"],
        assumed=assumed,
    )
    return _Limits(import_mw=firm + np.where(curtailed, 0.0, flexible), flexible=connection)


def _curtailed(reader: SignalReader, table: Table, events: SiteEvents, price: FloatArray) -> tuple[BoolArray, bool]:
    """Steps without the flexible part: none where events tell, else the dearest steps, which are our assumption."""
    hours, timeline = table["curtailed_hours"], reader.timeline
    curtailed = np.zeros(timeline.steps, dtype=np.bool_)
    if not hours or any(event.kind == "curtailment" for event in events.events):
        return curtailed, False
    year = timeline.start.year
    year_h = (datetime(year + 1, 1, 1, tzinfo=UTC) - datetime(year, 1, 1, tzinfo=UTC)).total_seconds() / 3600.0
    count = min(timeline.steps, timeline.steps_for(hours * timeline.hours / year_h))
    dearest = np.lexsort((np.arange(timeline.steps), -price))[:count]
    curtailed[dearest] = True
    message = (
        f"no curtailment events are given; the {count} dearest steps are assumed to be curtailed "
        f"({hours:g} h of {year_h:g} h a year, pro rata of {timeline.hours:g} h)"
    )
    help = 'add [[event]] with kind = "curtailment" for the real calendar'
    reader.document.add("S011", table.at("curtailed_hours"), message, severity="note", help=help)
    return curtailed, True


def _carbon(reader: SignalReader, table: Table) -> tuple[CarbonIntensity, ...]:
    """Every declared carbon series, one for each kind and scope."""
    found: dict[str, CarbonIntensity] = {}
    for item in table.items("carbon_intensity"):
        series = _intensity(reader, item)
        if series is not None and series.key in found:
            message = f"carbon_intensity {series.kind} {series.scope} is given twice"
            reader.document.add("C012", item.path, message, help="keep one series for each kind and scope")
        if series is not None:
            found[series.key] = series
    return tuple(found.values())


def _intensity(reader: SignalReader, item: Table) -> CarbonIntensity | None:
    """One carbon series; None after reporting why it cannot be read."""
    given = {"value", "file", "column"} & item.given.keys()
    if given not in ({"value"}, {"file", "column"}):
        message = f"carbon_intensity gives {' and '.join(sorted(given)) or 'no values'}"
        help = 'give file and column, or value = "400 kg/MWh"'
        if not item.wrong & {"value", "file", "column"}:
            reader.document.add("S009" if "value" in given else "S003", item.path, message, help=help)
        return None
    signal = reference_signal(item, replace(tables()["carbon_intensity"]["value"], type="signal"))
    if "value" in given:
        signal = replace(signal, constant=item["value"], reference=None)
    if item.wrong:
        return None
    values = reader.read(signal)
    if values is None:
        return None
    return CarbonIntensity(
        kind=item["kind"],
        scope=item["scope"],
        kg_per_mwh=values,
        estimated_fraction=reader.estimated_fraction(signal),
        source=item["source"] or item["file"] or "constant",
    )


def _market(reader: SignalReader, table: Table) -> MarketFactors | None:
    """Contractual instruments and market factors, where any is given."""
    keys = ("certificates", "instrument_intensity", "residual_intensity", "carbon_free_fraction")
    if not any(key in table.given for key in keys):
        return None
    certificates_mw = reader.read(table["certificates"])
    residual, free = reader.read(table["residual_intensity"]), reader.read(table["carbon_free_fraction"])
    timeline = reader.timeline
    if certificates_mw is None:
        certificates_mw = np.zeros(timeline.steps)
    return MarketFactors(
        certificates_mwh=certificates_mw * timeline.step_h,
        instrument_kg_per_mwh=table["instrument_intensity"] or 0.0,
        residual_kg_per_mwh=residual,
        carbon_free_fraction=free,
    )
