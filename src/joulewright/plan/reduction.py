"""Scenarios without one of their flexibilities."""

from __future__ import annotations

from dataclasses import replace

from joulewright.model import Scenario, Site


def reduce_scenario(scenario: Scenario, without: frozenset[str]) -> Scenario:
    """The scenario without batteries, local generation or export, as asked for.

    ``routing`` and ``shifting`` are rules of the model and leave the scenario as it is.
    """
    if not without & {"battery", "generation", "export"}:
        return scenario
    return scenario.with_changes(sites=tuple(_reduce_site(site, without) for site in scenario.sites))


def _reduce_site(site: Site, without: frozenset[str]) -> Site:
    if "battery" in without:
        site = replace(site, batteries=())
    if "generation" in without:
        site = replace(site, generators=(), renewables=())
    if "export" in without and site.grid is not None:
        site = replace(site, grid=replace(site.grid, export_limit_mw=0.0 * site.grid.export_limit_mw))
    return site
