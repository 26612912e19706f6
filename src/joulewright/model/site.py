"""A site: its grid connection, plants, batteries, cooling and fleets."""

from __future__ import annotations

from dataclasses import dataclass, field

from joulewright.model.fleet import Fleet
from joulewright.model.signal import CarbonIntensity, CarbonKind, CarbonScope
from joulewright.model.timeline import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where a site is: latitude and longitude [deg, north and east positive] and IANA time zone."""

    latitude_deg: float
    longitude_deg: float
    time_zone: str


@dataclass(frozen=True, kw_only=True, eq=False)
class DemandWindow:
    """One billing window of a demand charge: a calendar month crossed with a time-of-use window.

    The charge is ``price_per_mw x share x (peak - peak_so_far_mw)`` where ``peak`` is the highest mean
    import of any step in ``members`` and at least ``peak_so_far_mw``.

    Attributes
    ----------
    name : str
        E.g. ``demand 2022-07`` or ``summer-peak 2022-07``.
    price_per_mw : float
        Rate per MW and month [currency/MW].
    members : BoolArray
        Steps of the window, shape ``(T,)``.
    peak_so_far_mw : float
        Peak already metered in this billing month [MW].
    share : float
        Part of the monthly rate that this horizon carries, within [0, 1].
    """

    name: str
    price_per_mw: float
    members: BoolArray
    peak_so_far_mw: float = 0.0
    share: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class FlexibleConnection:
    """Terms of a firm plus flexible (interruptible) connection, for reporting.

    The import limit in :class:`GridConnection` already holds what is left in curtailed steps.

    Attributes
    ----------
    firm_limit_mw : float
        Import that is always allowed [MW].
    flexible_limit_mw : FloatArray
        Further import allowed outside curtailment [MW], shape ``(T,)``.
    curtailed : BoolArray
        Steps in which the flexible part is withdrawn, shape ``(T,)``.
    curtailed_hours_per_year : float or None
        Most hours a year the operator may withdraw it, where the contract says so [h].
    assumed : bool
        True where the curtailed steps are our assumption (dearest hours first), not a calendar.
    """

    firm_limit_mw: float
    flexible_limit_mw: FloatArray
    curtailed: BoolArray
    curtailed_hours_per_year: float | None = None
    assumed: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class MarketFactors:
    """Contractual instruments for market-based carbon figures at one site.

    Attributes
    ----------
    certificates_mwh : FloatArray
        Deliverable certificates with the vintage of each step [MWh], shape ``(T,)``.
    instrument_kg_per_mwh : float
        Factor of the certificates' devices [kg/MWh].
    residual_kg_per_mwh : FloatArray or None
        Residual-mix factor for unmatched volume [kg/MWh], shape ``(T,)``.
    carbon_free_fraction : FloatArray or None
        Carbon-free share of grid supply, shape ``(T,)``, within [0, 1].
    """

    certificates_mwh: FloatArray
    instrument_kg_per_mwh: float = 0.0
    residual_kg_per_mwh: FloatArray | None = None
    carbon_free_fraction: FloatArray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class GridConnection:
    """The link between a site and the public grid. All series have shape ``(T,)``.

    Attributes
    ----------
    import_limit_mw, export_limit_mw : FloatArray
        Limits of each step [MW], curtailment applied; events as far as the scenario says so.
    import_price_per_mwh, export_price_per_mwh : FloatArray
        Energy price paid for import (fees included) and received for export [currency/MWh]; may be negative.
    demand_windows : tuple of DemandWindow
        Billing windows of the demand charges.
    carbon_intensities : tuple of CarbonIntensity
        One per kind and scope.
    ramp_mw_per_h : float or None
        Largest change of net import per hour [MW/h].
    flexible : FlexibleConnection or None
        Terms of a flexible connection.
    market : MarketFactors or None
        Factors of market-based accounting.
    import_fee_per_mwh : FloatArray or None
        Part of the import price that a price spike leaves as it is [currency/MWh]; None means no fee.
    export_factor : float or None
        Where the export price is ``export_factor x (import price - fee) + export_offset_per_mwh``, so that it moves
        with a price spike; None where it is a series of its own.
    export_offset_per_mwh : float
        See ``export_factor`` [currency/MWh].
    """

    import_limit_mw: FloatArray
    export_limit_mw: FloatArray
    import_price_per_mwh: FloatArray
    export_price_per_mwh: FloatArray
    demand_windows: tuple[DemandWindow, ...] = ()
    carbon_intensities: tuple[CarbonIntensity, ...] = ()
    ramp_mw_per_h: float | None = None
    flexible: FlexibleConnection | None = None
    market: MarketFactors | None = None
    import_fee_per_mwh: FloatArray | None = None
    export_factor: float | None = None
    export_offset_per_mwh: float = 0.0

    def carbon_intensity(self, kind: CarbonKind, scope: CarbonScope) -> CarbonIntensity | None:
        """Declared series of this kind and scope, or None."""
        for series in self.carbon_intensities:
            if series.kind == kind and series.scope == scope:
                return series
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class RenewablePlant:
    """A solar or wind plant with its available power.

    Attributes
    ----------
    name : str
        Unique at its site.
    kind : str
        ``solar`` or ``wind``.
    capacity_mw : float
        Rated AC power [MW].
    per_unit : FloatArray
        Available power per MW of capacity, shape ``(T,)``, within [0, 1].
    """

    name: str
    kind: str
    capacity_mw: float
    per_unit: FloatArray

    @property
    def available_mw(self) -> FloatArray:
        """Power that could be used in each step [MW], shape ``(T,)``."""
        return self.capacity_mw * self.per_unit


@dataclass(frozen=True, kw_only=True)
class Battery:
    """A battery. Efficiencies are fractions in (0, 1]; power is measured at the terminals.

    Attributes
    ----------
    name : str
        Unique at its site.
    energy_mwh, min_energy_mwh : float
        Usable capacity and lowest allowed stored energy [MWh].
    charge_limit_mw, discharge_limit_mw : float
        Power limits at the terminals [MW].
    charge_efficiency, discharge_efficiency : float
        Fractions in (0, 1].
    self_discharge_per_h : float
        Decay rate sigma of stored energy [1/h].
    initial_energy_mwh : float
        Stored energy at the start [MWh].
    terminal_value_per_mwh : float or None
        Worth of stored energy at the end [currency/MWh]; None asks for at least the initial energy.
    wear_cost_per_mwh : float
        Cost of a full cycle's MWh at the terminals; half is charged on each direction [currency/MWh].
    terminal_energy_mwh : float or None
        Least stored energy at the end [MWh]; None means the initial energy, or none where it has a terminal value.
    """

    name: str
    energy_mwh: float
    charge_limit_mw: float
    discharge_limit_mw: float
    charge_efficiency: float
    discharge_efficiency: float
    initial_energy_mwh: float
    min_energy_mwh: float = 0.0
    self_discharge_per_h: float = 0.0
    terminal_value_per_mwh: float | None = None
    wear_cost_per_mwh: float = 0.0
    terminal_energy_mwh: float | None = None

    @property
    def least_final_energy_mwh(self) -> float:
        """Stored energy that must be left at the end [MWh]."""
        if self.terminal_energy_mwh is not None:
            return self.terminal_energy_mwh
        return self.min_energy_mwh if self.terminal_value_per_mwh is not None else self.initial_energy_mwh


@dataclass(frozen=True, kw_only=True, eq=False)
class Generator:
    """A dispatchable generator with unit commitment.

    Attributes
    ----------
    name : str
        Unique at its site.
    capacity_mw, min_load_mw : float
        Rated power and least power while on [MW].
    availability : FloatArray
        Usable fraction of the capacity in each step, shape ``(T,)``; 0 forces the unit off.
    fuel_cost_per_mwh : FloatArray
        Fuel and variable cost of output [currency/MWh], shape ``(T,)``.
    ramp_mw_per_h : float or None
        Largest change of output per hour while on [MW/h].
    min_up_h, min_down_h : float
        Shortest time on and off [h].
    start_cost, no_load_cost_per_h : float
        Cost of a start [currency] and of every hour on [currency/h].
    emission_kg_per_mwh, no_load_emission_kg_per_h, start_emission_kg : float
        Carbon of output [kg/MWh], of every hour on [kg/h] and of a start [kg].
    initially_on : bool
        State before the horizon.
    initial_hours : float
        How long that state has lasted [h].
    initial_output_mw : float
        Output just before the horizon [MW].
    """

    name: str
    capacity_mw: float
    availability: FloatArray
    fuel_cost_per_mwh: FloatArray
    min_load_mw: float = 0.0
    ramp_mw_per_h: float | None = None
    min_up_h: float = 0.0
    min_down_h: float = 0.0
    start_cost: float = 0.0
    no_load_cost_per_h: float = 0.0
    emission_kg_per_mwh: float = 0.0
    no_load_emission_kg_per_h: float = 0.0
    start_emission_kg: float = 0.0
    initially_on: bool = False
    initial_hours: float = 8760.0
    initial_output_mw: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """A data-centre site. All series have shape ``(T,)``.

    Attributes
    ----------
    name : str
        Unique in the scenario.
    location : Location or None
        Position and time zone.
    grid : GridConnection or None
        None for an islanded site.
    renewables : tuple of RenewablePlant
        Solar and wind plants.
    batteries, generators, fleets : tuple
        Components, each uniquely named.
    pue : FloatArray
        Facility power per IT power, at least 1.
    fixed_it_power_mw, fixed_facility_power_mw : FloatArray
        Load outside the plan, before and after PUE [MW].
    it_limit_mw : FloatArray or None
        Largest IT power [MW].
    carbon_budget_kg : float or None
        Operational carbon allowed over the horizon [kg].
    unserved_power_penalty_per_mwh : float or None
        Price of facility load left unserved [currency/MWh]; None forbids it.
    water_l_per_it_kwh : float or None
        Water usage effectiveness [L/kWh of IT energy].
    temperature_c : FloatArray or None
        Outdoor dry-bulb temperature [degC], for reports.
    """

    name: str
    pue: FloatArray
    fixed_it_power_mw: FloatArray
    fixed_facility_power_mw: FloatArray
    location: Location | None = None
    grid: GridConnection | None = None
    renewables: tuple[RenewablePlant, ...] = ()
    batteries: tuple[Battery, ...] = ()
    generators: tuple[Generator, ...] = ()
    fleets: tuple[Fleet, ...] = ()
    it_limit_mw: FloatArray | None = None
    carbon_budget_kg: float | None = None
    unserved_power_penalty_per_mwh: float | None = None
    water_l_per_it_kwh: float | None = None
    temperature_c: FloatArray | None = field(default=None)

    def fleet(self, name: str) -> Fleet:
        """Fleet of that name.

        Raises
        ------
        KeyError
            If the site has no such fleet.
        """
        for fleet in self.fleets:
            if fleet.name == name:
                return fleet
        raise KeyError(f"site {self.name!r} has no fleet {name!r}; it has {[fleet.name for fleet in self.fleets]}")
