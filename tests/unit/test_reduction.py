"""Scenarios without one of their flexibilities."""

from __future__ import annotations

import pytest

from joulewright.plan.reduction import reduce_scenario


@pytest.fixture
def rich(tiny):
    site = tiny.site(3, batteries=(tiny.battery(),), generators=(tiny.generator(3),), renewables=(tiny.plant(0.5, 3),))
    return tiny.scenario(site, tiny.site(3, name="island", grid=None), steps=3)


def reduced(scenario, *without):
    return reduce_scenario(scenario, frozenset(without)).sites[0]


def test_batteries_go(rich):
    site = reduced(rich, "battery")
    assert (site.batteries, len(site.generators), len(site.renewables)) == ((), 1, 1)


def test_generation_is_generators_solar_and_wind(rich):
    site = reduced(rich, "generation")
    assert (site.generators, site.renewables, len(site.batteries)) == ((), (), 1)


def test_export_becomes_a_limit_of_zero_and_import_stays(rich):
    grid = reduced(rich, "export").grid
    assert grid.export_limit_mw.tolist() == [0.0, 0.0, 0.0]
    assert grid.import_limit_mw.tolist() == [100.0, 100.0, 100.0]


def test_an_islanded_site_has_no_export_to_lose(rich):
    assert reduce_scenario(rich, frozenset({"export"})).sites[1].grid is None


def test_several_go_together(rich):
    site = reduced(rich, "battery", "generation", "export")
    assert (site.batteries, site.generators, site.renewables) == ((), (), ())


def test_the_given_scenario_is_left_alone(rich):
    reduced(rich, "battery", "export")
    assert len(rich.sites[0].batteries) == 1
    assert rich.sites[0].grid.export_limit_mw[0] == 50.0


@pytest.mark.parametrize("without", [(), ("routing",), ("shifting",), ("routing", "shifting")])
def test_rules_of_the_model_leave_the_scenario_as_it_is(rich, without):
    assert reduce_scenario(rich, frozenset(without)) is rich
