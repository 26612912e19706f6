"""The ledger: energy, cost, carbon, water and service figures of a schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from joulewright.account.entry import ADDITIVE_UNITS, SECTIONS, LedgerRow
from joulewright.account.load import site_load
from joulewright.account.site_rows import excess_row, series_keys, site_rows
from joulewright.account.work_rows import job_rows, service_rows
from joulewright.errors import MissingExtraError
from joulewright.model import Scenario, Schedule

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What a schedule uses, costs, emits and achieves.

    Attributes
    ----------
    planner, currency : str
        What made the schedule, and the currency of all money.
    carbon_series : str
        The series that counts in section ``carbon``, e.g. ``average-direct``.
    rows : tuple of LedgerRow
        Every figure; sites in file order, scenario-wide rows last.
    notes : tuple of str
        What a reader must know: figures that are partial or were counted as zero.

    Notes
    -----
    Costs, carbon and flows are positive; earnings stand in section ``value``. Carbon in section ``carbon``
    is operational, under the deciding series, and holds a (negative) credit for export only when the
    scenario asks for it; ``export credit by series`` shows what such a credit would be.
    """

    planner: str
    currency: str
    carbon_series: str
    rows: tuple[LedgerRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        """All costs, without job values and revenues [currency]."""
        return self.total("cost")

    @property
    def benefit(self) -> float:
        """Value of completed work plus revenues less all costs: what a plan maximises [currency].

        Batteries with a terminal value count with what they gained over the horizon.
        """
        return math.fsum([self.total("value"), -self.cost])

    @property
    def carbon_kg(self) -> float:
        """Operational carbon under the deciding series [kg]."""
        return self.total("carbon")

    @property
    def carbon_by_series_kg(self) -> dict[str, float | None]:
        """Operational carbon under every declared series [kg]; None where some site with a grid lacks the series."""
        keys = dict.fromkeys(row.item.split("/")[0] for row in self.rows if row.section == "carbon by series")
        partial = {note.split()[1] for note in self.notes if note.startswith("series ")}
        return {key: None if key in partial else self.total("carbon by series", key) for key in keys}

    def select(self, section: str, item: str | None = None, site: str | None = None) -> Iterator[LedgerRow]:
        """Rows of a section; ``item`` also matches its parts (``fuel`` finds ``fuel/turbine``).

        Raises
        ------
        KeyError
            If the section or item does not exist in :data:`SECTIONS`.
        """
        if section not in SECTIONS:
            raise KeyError(f"no ledger section {section!r}; there are {sorted(SECTIONS)}")
        known = SECTIONS[section]
        if item is not None and known and item.split("/")[0] not in known:
            raise KeyError(f"no item {item!r} in ledger section {section!r}; there are {list(known)}")
        for row in self.rows:
            if row.section != section or (site is not None and row.site != site):
                continue
            if item is None or row.item == item or row.item.startswith(f"{item}/"):
                yield row

    def total(self, section: str, item: str | None = None, site: str | None = None) -> float:
        """Exact sum over the rows that :meth:`select` yields; 0.0 when there are none.

        Raises
        ------
        KeyError
            If the section or item does not exist.
        ValueError
            If the rows do not add up: mixed units, or peaks, shares and latencies of several places.
        """
        rows = list(self.select(section, item, site))
        units = {row.unit for row in rows}
        if len(rows) > 1 and (len(units) > 1 or not units <= set(ADDITIVE_UNITS)):
            raise ValueError(
                f"{len(rows)} rows of {section!r} in {sorted(units)} do not add up; name one item and site"
            )
        return math.fsum(row.value for row in rows)

    def figure(self, section: str, item: str, site: str = "") -> float | None:
        """Value of one row exactly as named, or None where the ledger has none."""
        for row in self.select(section, item, site):
            if row.item == item:
                return row.value
        return None

    def summary(self) -> dict[str, float | None]:
        """Headline figures; None marks what does not apply."""
        asked = self.total("energy", "renewable") + self.total("energy", "curtailed")
        return {
            "benefit": self.benefit,
            "value": self.total("value"),
            "cost": self.cost,
            "carbon_kg": self.carbon_kg,
            "carbon_kg_per_it_mwh": self.figure("intensity", "carbon per it energy"),
            "facility_load_mwh": self.total("energy", "facility load"),
            "it_mwh": self.total("it energy"),
            "import_mwh": self.total("energy", "import"),
            "export_mwh": self.total("energy", "export"),
            "renewable_mwh": self.total("energy", "renewable"),
            "generator_mwh": self.total("energy", "generator"),
            "discharge_mwh": self.total("energy", "discharge"),
            "curtailed_mwh": self.total("energy", "curtailed"),
            "curtailed_fraction": self.total("energy", "curtailed") / asked if asked > 0.0 else None,
            "unserved_mwh": self.total("energy", "unserved"),
            "peak_import_mw": max((row.value for row in self.select("peak", "import")), default=None),
            "jobs_done": self.total("jobs", "done"),
            "jobs_late": self.total("jobs", "late"),
            "jobs_unfinished": self.total("jobs", "unfinished"),
            "jobs_rejected": self.total("jobs", "rejected"),
            "deadlines_met": self.total("jobs", "deadlines met"),
            "served_fraction": self.figure("service", "served share"),
            "mean_latency_ms": self.figure("service", "mean latency"),
            "water_l": self.total("water") if any(self.select("water")) else None,
        }

    def frame(self) -> polars.DataFrame:
        """All rows as a polars frame with the columns site, section, item, value and unit."""
        import polars

        return polars.DataFrame(self._columns(), schema_overrides={"value": polars.Float64})

    def to_pandas(self) -> Any:
        """All rows as a pandas frame.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("pandas is not installed; run: pip install 'joulewright[pandas]'") from error
        return pandas.DataFrame(self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        return {part.name: [getattr(row, part.name) for row in self.rows] for part in fields(LedgerRow)}


def settle(scenario: Scenario, schedule: Schedule) -> Ledger:
    """Account for a schedule.

    Parameters
    ----------
    scenario : Scenario
        The facts, with prices and carbon series.
    schedule : Schedule
        Decisions for every job, service and site. It need not satisfy the limits: what it breaks is
        found by ``joulewright.check``.

    Returns
    -------
    Ledger
        Its ``benefit`` is the figure that planning maximises.

    Raises
    ------
    KeyError
        If the schedule lacks a job, service, site or component of the scenario, or names unknown ones.

    Notes
    -----
    Operational carbon of a step of ``h`` hours is ``h (CI import + EF output + EF_on on)`` plus the emission
    of starts. A demand charge is ``rate x share x (max(peak so far, highest import) - peak so far)``.
    """
    rows: list[LedgerRow] = []
    for site in scenario.sites:
        rows += site_rows(scenario, site, schedule.sites[site.name], site_load(scenario, schedule, site))
    rows += job_rows(scenario, schedule)
    rows += service_rows(scenario, schedule)
    carbon_kg = math.fsum(row.value for row in rows if row.section == "carbon")
    rows += excess_row(scenario, "", scenario.carbon.used_kg + carbon_kg, scenario.carbon.budget_kg)
    rows += intensity_rows(scenario, rows)
    return Ledger(
        planner=schedule.planner,
        currency=scenario.currency,
        carbon_series=f"{scenario.carbon.kind}-{scenario.carbon.scope}",
        rows=tuple(rows),
        notes=tuple(_notes(scenario, schedule)),
    )


def intensity_rows(scenario: Scenario, rows: list[LedgerRow]) -> Iterator[LedgerRow]:
    """Operational carbon per MWh of IT energy, by site and overall."""
    for name in (*(site.name for site in scenario.sites), ""):
        chosen = [row for row in rows if name in ("", row.site)]
        carbon_kg = math.fsum(row.value for row in chosen if row.section == "carbon")
        it_mwh = math.fsum(row.value for row in chosen if row.section == "it energy")
        if it_mwh > 0.0:
            yield LedgerRow(name, "intensity", "carbon per it energy", carbon_kg / it_mwh, "kg/MWh")


def _notes(scenario: Scenario, schedule: Schedule) -> Iterator[str]:
    decides = f"{scenario.carbon.kind}-{scenario.carbon.scope}"
    keys = series_keys(scenario.sites)
    for site in scenario.sites:
        if site.grid is None:
            continue
        if scenario.deciding_intensity(site) is None:
            yield f"site {site.name} declares no {decides} carbon intensity; its import counts as 0 kg"
        declared = {series.key for series in site.grid.carbon_intensities}
        for key in keys:
            if key not in declared:
                yield f"series {key} is not declared at {site.name}; no total is given for it"
    for site in scenario.sites:
        if site.unserved_power_penalty_per_mwh is None and schedule.sites[site.name].unserved_mw.any():
            yield f"site {site.name} leaves load unserved without a price for it; the cost leaves it out"
