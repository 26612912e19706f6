"""From planned power to the power of a step that turned out otherwise; every number is worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulewright.policy.observation import GeneratorState, SiteObservation
from joulewright.policy.planned.recourse import REST, SetPoint, site_power


@pytest.fixture
def seen(tiny):
    """A site with a half-full lossless battery of 10 MWh and 5 MW, and a generator of 4 to 10 MW that may start."""
    battery = tiny.battery(charge_efficiency=1.0, discharge_efficiency=1.0)
    site = tiny.site(1, batteries=(battery,), generators=(tiny.generator(1, min_load_mw=4.0),))
    return SiteObservation(
        site=site,
        import_limit_mw=20.0,
        export_limit_mw=6.0,
        import_price_per_mwh=50.0,
        export_price_per_mwh=30.0,
        carbon_kg_per_mwh=0.0,
        renewable_mw={"roof": 3.0},
        energy_mwh={"store": 5.0},
        generators={"turbine": GeneratorState(on=False, hours=9.0, output_mw=0.0)},
        usable_mw={"turbine": 10.0},
        load_mw=10.0,
    )


def settle(seen, point, **options):
    settled = site_power(seen, point, **({"step_h": 1.0, "cover": "grid"} | options))
    power = settled.power
    return power.charge_mw.get("store", 0.0), power.discharge_mw.get("store", 0.0), settled.net_import_mw


@pytest.mark.parametrize("cover", ["grid", "battery"])
def test_a_plan_that_comes_true_is_done(seen, cover):
    """10 MW of load, 3 MW of sun, 2 MW from the battery: 5 MW are bought."""
    point = SetPoint(discharge_mw={"store": 2.0}, import_mw=5.0)
    assert settle(seen, point, cover=cover) == (0.0, 2.0, 5.0)


def test_the_grid_takes_what_deviates(seen):
    point = SetPoint(charge_mw={"store": 1.0}, import_mw=8.0)
    assert settle(replace(seen, load_mw=12.0), point) == (1.0, 0.0, 10.0)


def test_the_battery_takes_what_deviates(seen):
    """2 MW more load: 1 MW less into the battery, then 1 MW out of it."""
    point = SetPoint(charge_mw={"store": 1.0}, import_mw=8.0)
    assert settle(replace(seen, load_mw=12.0), point, cover="battery") == (0.0, 1.0, 8.0)
    assert settle(replace(seen, load_mw=7.0), point, cover="battery") == (4.0, 0.0, 8.0)


def test_a_peak_that_is_paid_for_may_be_used_but_not_raised(seen):
    point = SetPoint(import_mw=7.0)
    paid = replace(seen, peak_mw={"july": 8.5, "evening": 9.0}, load_mw=13.0)
    assert settle(paid, point) == (0.0, 1.5, 8.5)


def test_a_planned_peak_stands(seen):
    point = SetPoint(import_mw=11.0, charge_mw={"store": 4.0})
    assert settle(replace(seen, peak_mw={"july": 2.0}), point) == (4.0, 0.0, 11.0)


def test_the_import_limit_is_kept_as_far_as_the_battery_goes(seen):
    """30 MW of load, 3 MW of sun: 7 MW over the limit, of which the battery holds 5 MWh."""
    point = SetPoint(import_mw=7.0)
    charge, discharge, net = settle(replace(seen, load_mw=30.0), point)
    assert (charge, discharge, net) == (0.0, 5.0, 22.0)


def test_short_steps_leave_power_not_energy_as_the_limit(seen):
    low = replace(seen, load_mw=30.0, energy_mwh={"store": 1.0})
    assert settle(low, SetPoint(import_mw=7.0), step_h=0.25)[1] == pytest.approx(4.0)


def test_batteries_are_not_sold_unplanned(seen):
    """The load is gone: of the planned 4 MW only what the load takes is discharged."""
    point = SetPoint(discharge_mw={"store": 4.0}, import_mw=3.0)
    assert settle(replace(seen, load_mw=5.0), point) == (0.0, 2.0, 0.0)
    assert settle(replace(seen, load_mw=1.0), point) == (0.0, 0.0, -2.0)


def test_planned_export_of_batteries_is_done(seen):
    point = SetPoint(discharge_mw={"store": 4.0}, export_mw=2.0)
    assert settle(replace(seen, load_mw=5.0), point) == (0.0, 4.0, -2.0)


def test_surplus_above_the_export_limit_is_stored(seen):
    """12 MW of sun for a load of 4 MW: 6 MW can be sold."""
    sunny = replace(seen, renewable_mw={"roof": 12.0}, load_mw=4.0)
    assert settle(sunny, REST) == (2.0, 0.0, -6.0)


def test_a_full_battery_takes_nothing(seen):
    sunny = replace(seen, renewable_mw={"roof": 12.0}, load_mw=4.0, energy_mwh={"store": 10.0})
    assert settle(sunny, REST) == (0.0, 0.0, -8.0)


def test_curtailment_keeps_its_share(seen):
    settled = site_power(seen, SetPoint(import_mw=8.5, used_share={"roof": 0.5}), step_h=1.0, cover="grid")
    assert settled.power.renewable_limit_mw == {"roof": 1.5}
    assert settled.net_import_mw == 8.5


def test_planned_shedding_limits_the_import(seen):
    point = SetPoint(import_mw=6.0, unserved_mw=1.0)
    settled = site_power(seen, point, step_h=1.0, cover="grid")
    assert settled.power.import_limit_mw == 6.0
    assert settled.net_import_mw == 6.0


class TestGenerators:
    def outputs(self, seen, planned, **changes):
        settled = site_power(
            replace(seen, **changes), SetPoint(generator_mw=planned, import_mw=3.0), step_h=1.0, cover="grid"
        )
        return dict(settled.power.generator_mw)

    @pytest.mark.parametrize(("planned", "given"), [(6.0, 6.0), (3.0, 4.0), (2.0, 4.0), (12.0, 10.0)])
    def test_output_is_kept_in_its_range(self, seen, planned, given):
        assert self.outputs(seen, {"turbine": planned}) == {"turbine": given}

    def test_less_than_half_of_the_least_load_is_off(self, seen):
        assert self.outputs(seen, {"turbine": 1.9}) == {}

    def test_unless_the_grid_cannot_do_without(self, seen):
        assert self.outputs(seen, {"turbine": 1.9}, load_mw=24.0) == {"turbine": 4.0}

    def test_one_that_failed_is_not_asked_for(self, seen):
        assert self.outputs(seen, {"turbine": 6.0}, usable_mw={"turbine": 0.0}) == {}

    def test_one_that_may_not_start_is_not_counted_on(self, seen, tiny):
        unit = tiny.generator(1, min_load_mw=4.0, min_down_h=12.0)
        assert self.outputs(seen, {"turbine": 6.0}, site=replace(seen.site, generators=(unit,))) == {}

    def test_one_that_may_not_stop_goes_on(self, seen, tiny):
        unit = tiny.generator(1, min_load_mw=4.0, min_up_h=6.0)
        young = {"turbine": GeneratorState(on=True, hours=2.0, output_mw=5.0)}
        given = self.outputs(seen, {}, site=replace(seen.site, generators=(unit,)), generators=young)
        assert given == {"turbine": 4.0}
