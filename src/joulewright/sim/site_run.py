"""One site while time goes on: its load, its devices, and the peaks and carbon metered so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulewright.account.coefficients import generator_coefficients
from joulewright.model import Scenario
from joulewright.policy.decision import SitePower
from joulewright.sim.device import SLACK
from joulewright.sim.journal import Journal
from joulewright.sim.observe import SiteSignals, SiteView
from joulewright.sim.plant import Conditions, Flows, SitePlant


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetWork:
    """What the accelerators of a fleet do: how many train and serve, and the IT power of both [MW]."""

    training: float
    serving: float
    training_mw: float
    serving_mw: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Mean load of a site [MW], as in :class:`joulewright.account.SiteLoad`, and its critical part."""

    work: Sequence[FleetWork]
    training_mw: float
    inference_mw: float
    idle_mw: float
    it_mw: float
    facility_mw: float
    critical_mw: float


class SiteRun:
    """State of a site.

    Parameters
    ----------
    truth : Scenario
        The facts as they turn out.
    position : int
        Which of its sites.
    journal : Journal
        Notes what is clipped and what happens.

    Attributes
    ----------
    present : Present
        Signals of the step that was looked at last.
    site : Site
        Its parameters.
    carbon_kg : float
        Operational carbon so far [kg].
    """

    def __init__(self, truth: Scenario, position: int, journal: Journal) -> None:
        self.site = site = truth.sites[position]
        self._journal = journal
        self._signals = SiteSignals(truth, position)
        self._plant = SitePlant(site, truth.timeline.step_h)
        self._state = self._plant.initial_state()
        self._peaks_mw = self._signals.initial_peaks_mw()
        units = (generator_coefficients(truth, generator) for generator in site.generators)
        self._emission = [(unit.output_carbon_kg, unit.on_carbon_kg, unit.start_carbon_kg) for unit in units]
        self.present = self._signals.at(0)
        self.carbon_kg = 0.0

    def look(self, step: int) -> None:
        """Go to a step."""
        self.present = self._signals.at(step)

    def load(self, work: Sequence[FleetWork]) -> Load:
        """Load of the site; the formula is that of :func:`joulewright.account.site_load`."""
        present, idle_mw, training_mw, inference_mw = self.present, 0.0, 0.0, 0.0
        for fleet, own in zip(self.site.fleets, work, strict=True):
            available = present.available_accelerators[fleet.name]
            idle_mw += fleet.idle_power_mw * (available - own.training - own.serving)
            training_mw += own.training_mw
            inference_mw += own.serving_mw
        it_mw = training_mw + inference_mw + idle_mw + present.fixed_it_power_mw
        return Load(
            work=work,
            training_mw=training_mw,
            inference_mw=inference_mw,
            idle_mw=idle_mw,
            it_mw=it_mw,
            facility_mw=present.pue * it_mw + present.fixed_facility_power_mw,
            critical_mw=present.pue * (inference_mw + present.fixed_it_power_mw) + present.fixed_facility_power_mw,
        )

    def view(self, load: Load, free: Sequence[float]) -> SiteView:
        """What a policy sees of it; free accelerators are those that the limit of IT power has room for."""
        room_mw = self.present.it_limit_mw - load.it_mw
        shown = {}
        for fleet, count in zip(self.site.fleets, free, strict=True):
            extra_mw = fleet.active_power_mw - fleet.idle_power_mw
            shown[fleet.name] = count if count * extra_mw <= room_mw else max(0.0, room_mw / extra_mw)
        return SiteView(
            plant=self._state,
            peaks_mw=self._peaks_mw,
            free=shown,
            load_mw=load.facility_mw,
            critical_mw=load.critical_mw,
        )

    def settle(self, power: SitePower, load: Load) -> Flows:
        """Flows of the step; devices, peaks and carbon take their new state.

        Raises
        ------
        PolicyError
            If the decision cannot be interpreted.
        """
        present, before = self.present, self._state
        conditions = Conditions(
            load_mw=load.facility_mw,
            critical_mw=load.critical_mw,
            import_limit_mw=present.import_limit_mw,
            export_limit_mw=present.export_limit_mw,
            renewable_mw=tuple(present.renewable_mw.values()),
            usable_mw=tuple(present.usable_mw.values()),
        )
        flows, self._state = self._plant.step(before, power, conditions, self._journal)
        if load.it_mw > present.it_limit_mw * (1.0 + SLACK):
            self._journal.happen("it-limit", self.site.name, load.it_mw - present.it_limit_mw)
        for window in present.windows:
            self._peaks_mw[window] = max(self._peaks_mw[window], flows.import_mw)
        self.carbon_kg += present.import_carbon_kg * flows.import_mw - present.export_credit_kg * flows.export_mw
        for unit, state, on, output_mw in zip(
            self._emission, before.generators, flows.on, flows.output_mw, strict=True
        ):
            self.carbon_kg += unit[0] * output_mw + unit[1] * on + unit[2] * (on and not state.on)
        return flows

    def row(self, load: Load, flows: Flows) -> list[float]:
        """The step as :class:`joulewright.sim.rows.Layout` orders it."""
        return [
            load.facility_mw,
            load.training_mw,
            load.inference_mw,
            load.idle_mw,
            self.present.fixed_it_power_mw,
            flows.import_mw,
            flows.export_mw,
            flows.unserved_mw,
            *flows.renewable_mw,
            *flows.charge_mw,
            *flows.discharge_mw,
            *self._state.energy_mwh,
            *flows.output_mw,
            *flows.on,
            *(own.training for own in load.work),
            *(own.serving for own in load.work),
        ]
