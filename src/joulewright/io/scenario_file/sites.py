"""Sites with everything installed at them."""

from __future__ import annotations

from collections.abc import Sequence

from joulewright.io.scenario_file.components import read_battery, read_generator
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.grid import read_grid
from joulewright.io.scenario_file.horizon import zone
from joulewright.io.scenario_file.renewables import RenewableReader
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.tables import Table
from joulewright.io.scenario_file.weather import read_pue, read_weather
from joulewright.model import Fleet, Location, Site
from joulewright.model.disturbance import SiteEvents


def read_site(
    reader: SignalReader, table: Table, here: SiteEvents, fleets: Sequence[Fleet], *, use_cache: bool = True
) -> Site | None:
    """A site without its events; None after reporting why it cannot be built.

    Parameters
    ----------
    reader : SignalReader
        Reads series and keeps problems.
    table : Table
        The site's table.
    here : SiteEvents
        Events of the site.
    fleets : sequence of Fleet
        Fleets of the site.
    use_cache : bool
        Whether computed profiles are kept on disk.
    """
    location = _location(reader.document, table["location"])
    weather = read_weather(reader, table["weather"], location)
    renewables = RenewableReader(
        reader=reader,
        weather=weather,
        location=location,
        elevation_m=(table["location"]["elevation"] or 0.0) if table["location"] else 0.0,
        use_cache=use_cache,
    )
    plants = [renewables.plant(item) for kind in ("solar", "wind") for item in table.items(kind)]
    _check_plant_names(reader.document, table)
    batteries = [read_battery(reader.document, item) for item in table.items("battery")]
    generators = [read_generator(reader, item) for item in table.items("generator")]
    grid = None if table["grid"] is None else read_grid(reader, table["grid"], location, here)
    pue = read_pue(reader, table, weather)
    fixed_it, fixed_facility = reader.read(table["fixed_it_power"]), reader.read(table["fixed_facility_power"])
    it_limit = reader.read(table["it_limit"])
    if reader.document.failed or pue is None or fixed_it is None or fixed_facility is None:
        return None
    return Site(
        name=table.name,
        pue=pue,
        fixed_it_power_mw=fixed_it,
        fixed_facility_power_mw=fixed_facility,
        location=location,
        grid=grid,
        renewables=tuple(plant for plant in plants if plant is not None),
        batteries=tuple(battery for battery in batteries if battery is not None),
        generators=tuple(generator for generator in generators if generator is not None),
        fleets=tuple(fleets),
        it_limit_mw=it_limit,
        carbon_budget_kg=table["carbon_budget"],
        unserved_power_penalty_per_mwh=table["unserved_power_penalty"],
        water_l_per_it_kwh=table["water_usage"],
        temperature_c=weather["temperature"],
    )


def _location(document: Document, table: Table | None) -> Location | None:
    """Position of the site; a stand-in where parts of it were refused, so that other checks can go on."""
    if table is None:
        return None
    known = "UTC"
    if table["time_zone"] is not None:
        with document.collect(table.at("time_zone")):
            known = zone(table["time_zone"]).key
    return Location(latitude_deg=table["latitude"] or 0.0, longitude_deg=table["longitude"] or 0.0, time_zone=known)


def _check_plant_names(document: Document, table: Table) -> None:
    """Solar and wind plants of a site share one list of names."""
    solar = {item.name for item in table.items("solar")}
    for item in table.items("wind"):
        if item.name in solar:
            message = f"wind plant {item.name!r} has the name of a solar plant"
            document.add("S007", item.at("name"), message, help="give every plant of a site its own name")
