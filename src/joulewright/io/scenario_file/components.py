"""Batteries, generators and fleets of a site."""

from __future__ import annotations

import math

from joulewright.errors import ScenarioError
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.tables import Table
from joulewright.io.scenario_file.values import Share
from joulewright.model import Battery, Fleet, Generator
from joulewright.physics.accelerator import Accelerator, find_accelerator


def read_battery(document: Document, table: Table) -> Battery | None:
    """A battery; None after reporting why it cannot be built."""
    efficiencies = _efficiencies(document, table)
    limits, energy = _power_limits(document, table), table["energy"]
    if energy is None or efficiencies is None or limits is None:
        return None
    lowest, initial = _amount(table["min_energy"], energy), _amount(table["initial"], energy)
    if lowest is None or initial is None:
        return None
    if lowest > energy:
        message = f"min_energy {lowest:g} MWh exceeds the capacity {energy:g} MWh"
        document.add("P008", table.at("min_energy"), message, help="lower min_energy or raise energy")
    elif not lowest <= initial <= energy:
        message = f"initial energy {initial:g} MWh is outside the bounds {lowest:g} to {energy:g} MWh"
        document.add("P008", table.at("initial"), message, help='write e.g. initial = "50 %"')
    if table.wrong:
        return None
    return Battery(
        name=table.name,
        energy_mwh=energy,
        charge_limit_mw=limits[0],
        discharge_limit_mw=limits[1],
        charge_efficiency=efficiencies[0],
        discharge_efficiency=efficiencies[1],
        initial_energy_mwh=initial,
        min_energy_mwh=lowest,
        self_discharge_per_h=table["self_discharge"],
        terminal_value_per_mwh=table["terminal_value"],
        terminal_energy_mwh=table["terminal_energy"],
        wear_cost_per_mwh=table["wear_cost"],
    )


def _power_limits(document: Document, table: Table) -> tuple[float, float] | None:
    """Limits of charging and discharging [MW]; None after reporting that they are missing or given twice."""
    pair = ("charge_power", "discharge_power")
    special = [key for key in pair if key in table.given]
    if "power" in table.given and special:
        message = f"battery {table.name!r} gives both power and {special[0]}"
        document.add("S009", table.at(special[0]), message, help="keep power, or both special keys")
    missing = [key for key in pair if key not in table.given]
    if "power" not in table.given and missing and not table.wrong & {"power", *missing}:
        example = missing[0] if special else "power"
        document.add("S003", table.path, f"battery {table.name!r} has no {example}", help=f'add {example} = "50 MW"')
    charge, discharge = (table["power"] if table[key] is None else table[key] for key in pair)
    return None if charge is None or discharge is None else (charge, discharge)


def _efficiencies(document: Document, table: Table) -> tuple[float, float] | None:
    pair = ("charge_efficiency", "discharge_efficiency")
    special = [key for key in pair if key in table.given]
    if "round_trip_efficiency" in table.given and special:
        message = f"battery {table.name!r} gives both round_trip_efficiency and {special[0]}"
        document.add("S009", table.at(special[0]), message, help="keep one way of stating losses")
    round_trip = table["round_trip_efficiency"]
    if round_trip is not None:
        return math.sqrt(round_trip), math.sqrt(round_trip)
    missing = [key for key in pair if key not in table.given]
    if missing and "round_trip_efficiency" not in table.given and not table.wrong & {"round_trip_efficiency", *missing}:
        message = f"battery {table.name!r} has no {missing[0] if special else 'round_trip_efficiency'}"
        example = missing[0] if special else "round_trip_efficiency"
        document.add("S003", table.path, message, help=f'add {example} = "90 %"')
    charge, discharge = table[pair[0]], table[pair[1]]
    return None if charge is None or discharge is None else (charge, discharge)


def read_generator(reader: SignalReader, table: Table) -> Generator | None:
    """A generator; None after reporting why it cannot be built."""
    document = reader.document
    availability = reader.read(table["availability"])
    fuel_cost = reader.read(table["fuel_cost"])
    capacity, on = table["capacity"], bool(table["initially_on"])
    if capacity is None or table["min_load"] is None:
        return None
    least = _amount(table["min_load"], capacity) or 0.0
    output = table["initial_output"]
    if output is None:
        output = least if on else 0.0
    _check_state(document, table, least, output)
    if table.wrong or availability is None or fuel_cost is None:
        return None
    return Generator(
        name=table.name,
        capacity_mw=capacity,
        availability=availability,
        fuel_cost_per_mwh=fuel_cost,
        min_load_mw=least,
        ramp_mw_per_h=table["ramp"],
        min_up_h=table["min_up"],
        min_down_h=table["min_down"],
        start_cost=table["start_cost"],
        no_load_cost_per_h=table["no_load_cost"],
        emission_kg_per_mwh=table["emission"],
        no_load_emission_kg_per_h=table["no_load_emission"],
        start_emission_kg=table["start_emission"],
        initially_on=on,
        initial_hours=table["initial_hours"],
        initial_output_mw=output,
    )


def _amount(value: float | Share | None, whole: float) -> float | None:
    """A value that may be given as a share of a whole."""
    return value.of(whole) if isinstance(value, Share) else value


def _check_state(document: Document, table: Table, least: float, output: float) -> None:
    """Report a least load or an initial output that the generator cannot have."""
    capacity, on = table["capacity"], table["initially_on"]
    if least > capacity:
        message = f"min_load {least:g} MW exceeds the capacity {capacity:g} MW"
        document.add("P009", table.at("min_load"), message, help='write it as a share, e.g. min_load = "40 %"')
    elif on and not least <= output <= capacity:
        message = f"initial_output {output:g} MW of a running unit is outside {least:g} to {capacity:g} MW"
        document.add("P013", table.at("initial_output"), message, help="correct it, or set initially_on = false")
    elif not on and output > 0:
        message = f"initial_output is {output:g} MW but the unit is off before the horizon"
        document.add("P013", table.at("initial_output"), message, help="set initially_on = true")


def read_fleet(reader: SignalReader, table: Table) -> Fleet | None:
    """A fleet with the power of the catalogue where the file gives none; None after reporting a problem."""
    document = reader.document
    availability = reader.read(table["availability"])
    if table["accelerator"] is None:
        return None
    known, figures = _accelerator(document, table)
    (active, host), (idle, idle_host) = (_power_mw(table, known, state) for state in ("active", "idle"))
    if active is not None and idle is not None and idle > active:
        message = f"idle power {idle * 1e6:g} W exceeds active power {active * 1e6:g} W, host shares included"
        document.add("P014", table.at("idle_power"), message, help="correct one of them")
    if table.wrong or availability is None or active is None or idle is None:
        return None
    if figures:
        message = f"catalogue figures of {known.name if known else ''} that are not published: {', '.join(figures)}"
        help = "give active_power, idle_power and host_power where they matter"
        document.add("P015", table.path, message, severity="note", help=help)
    return Fleet(
        name=table.name,
        accelerator=table["accelerator"] if known is None else known.name,
        count=table["count"],
        availability=availability,
        active_power_mw=active,
        idle_power_mw=idle,
        host_power_mw=host,
        host_idle_power_mw=idle_host,
    )


def _accelerator(document: Document, table: Table) -> tuple[Accelerator | None, list[str]]:
    """Catalogue entry, and which of its figures that matter here are assumptions."""
    try:
        found = find_accelerator(table["accelerator"])
    except ScenarioError as error:
        missing = [key for key in ("active_power", "idle_power") if key not in table.given]
        if missing:
            help = f"use a catalogue name, or give {' and '.join(missing)}"
            document.add("S008", table.at("accelerator"), str(error), help=help)
            table.wrong.add("accelerator")
        return None, []
    uses = {"idle": "idle_power", "power": "active_power", "host": "host_power"}
    return found, [flag for flag in found.flags if uses.get(flag.split("-")[0], flag) not in {*table.given, flag}]


def _power_mw(table: Table, known: Accelerator | None, state: str) -> tuple[float | None, float]:
    """Power of one accelerator with its host share, active or idle, and that share [MW]; None when unknown."""
    board, host = table[f"{state}_power"], table["host_power"]
    if state == "idle" and table["host_idle_power"] is not None:
        host = table["host_idle_power"]
    if known is not None:
        catalogue = {
            "active": (known.board_power_w, known.host_power_w),
            "idle": (known.idle_power_w, known.host_idle_power_w),
        }[state]
        board = catalogue[0] * 1e-6 if board is None else board
        host = catalogue[1] * 1e-6 if host is None else host
    host_mw = float(host or 0.0)
    return None if board is None else float(board + host_mw), host_mw


def canonical_accelerator(name: str) -> str:
    """Catalogue name of an accelerator's spelling; the spelling itself where the catalogue has none."""
    try:
        return find_accelerator(name).name
    except ScenarioError:
        return name
