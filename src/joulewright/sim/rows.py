"""What a run notes down in every step, and how blocks of it become schedules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.account import SiteLoad
from joulewright.model import BatterySchedule, GeneratorSchedule, Scenario, ServiceSchedule, Site, SiteSchedule
from joulewright.model.timeline import FloatArray
from joulewright.sim.serving import Lane

_COMMON = (
    "facility_load_mw",
    "training_mw",
    "inference_mw",
    "idle_mw",
    "fixed_it_mw",
    "grid_import_mw",
    "grid_export_mw",
    "unserved_mw",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Some consecutive steps of a run.

    Attributes
    ----------
    first : int
        First step.
    sites : tuple of FloatArray
        One for every site, shape ``(steps, columns)``; see :class:`Layout`.
    serving : FloatArray
        Rates served on every lane, then rates left unserved of every demand [token/s], shape ``(steps, columns)``.
    """

    first: int
    sites: tuple[FloatArray, ...]
    serving: FloatArray

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(self.serving.shape[0])

    @classmethod
    def joined(cls, blocks: Sequence[Block]) -> Block:
        """Consecutive blocks as one."""
        sites = zip(*(block.sites for block in blocks), strict=True)
        return cls(
            first=blocks[0].first,
            sites=tuple(np.concatenate(values) for values in sites),
            serving=np.concatenate([block.serving for block in blocks]),
        )


class Layout:
    """Columns of the rows of a run.

    Parameters
    ----------
    scenario : Scenario
        Sites, services and regions; series are not read.
    lanes : sequence of Lane
        Routes that may be used.
    demands : sequence of (str, str)
        Service and region of each demand.

    Attributes
    ----------
    site_columns : tuple of tuple of str
        By site: load and exchange [MW]; power used of each plant; charge and discharge [MW] and energy at the end of
        the step [MWh] of each battery; output [MW] and state of each generator; accelerators that train and serve in
        each fleet.
    serving_columns : tuple of str
        Lanes and demands.
    """

    def __init__(self, scenario: Scenario, lanes: Sequence[Lane], demands: Sequence[tuple[str, str]]) -> None:
        self._scenario, self._lanes, self._demands = scenario, lanes, demands
        self.site_columns = tuple(tuple(_site_columns(site)) for site in scenario.sites)
        self._index = tuple({name: at for at, name in enumerate(names)} for names in self.site_columns)
        self.serving_columns = (
            *(
                f"{lane.service}/{lane.route.region}/{lane.route.site}/{lane.route.fleet}/served_token_s"
                for lane in lanes
            ),
            *(f"{service}/{region}/unserved_token_s" for service, region in demands),
        )

    def site_schedule(self, position: int, block: Block, energy_before_mwh: Sequence[float]) -> SiteSchedule:
        """Flows of a site; ``energy_before_mwh`` is the stored energy of each battery before the block."""
        site = self._scenario.sites[position]

        def column(name: str) -> FloatArray:
            return self._column(position, block, name)

        return SiteSchedule(
            grid_import_mw=column("grid_import_mw"),
            grid_export_mw=column("grid_export_mw"),
            unserved_mw=column("unserved_mw"),
            renewable_used_mw={plant.name: column(f"{plant.name}/renewable_used_mw") for plant in site.renewables},
            batteries={
                battery.name: BatterySchedule(
                    charge_mw=column(f"{battery.name}/charge_mw"),
                    discharge_mw=column(f"{battery.name}/discharge_mw"),
                    energy_mwh=np.concatenate(([before], column(f"{battery.name}/energy_mwh"))),
                )
                for battery, before in zip(site.batteries, energy_before_mwh, strict=True)
            },
            generators={
                generator.name: GeneratorSchedule(
                    output_mw=column(f"{generator.name}/output_mw"), on=column(f"{generator.name}/on") > 0.5
                )
                for generator in site.generators
            },
        )

    def site_load(self, position: int, block: Block) -> SiteLoad:
        """Load of a site."""
        fleets = self._scenario.sites[position].fleets

        def column(name: str) -> FloatArray:
            return self._column(position, block, name)

        return SiteLoad(
            training_accelerators={fleet.name: column(f"{fleet.name}/training_accelerators") for fleet in fleets},
            serving_accelerators={fleet.name: column(f"{fleet.name}/serving_accelerators") for fleet in fleets},
            training_mw=column("training_mw"),
            inference_mw=column("inference_mw"),
            idle_mw=column("idle_mw"),
            fixed_it_mw=column("fixed_it_mw"),
            facility_mw=column("facility_load_mw"),
        )

    def services(self, block: Block) -> dict[str, ServiceSchedule]:
        """Routing of every service; routes that are never used are left out."""
        schedules = {}
        for service in self._scenario.inference:
            used = [
                at for at, lane in enumerate(self._lanes) if lane.service == service.name and block.serving[:, at].any()
            ]
            unserved = {
                region: np.ascontiguousarray(block.serving[:, len(self._lanes) + at])
                for at, (name, region) in enumerate(self._demands)
                if name == service.name
            }
            schedules[service.name] = ServiceSchedule(
                routes=tuple(self._lanes[at].route for at in used),
                served_token_s=np.ascontiguousarray(block.serving[:, used].T),
                unserved_token_s=unserved,
                whole_replicas=bool(service.curves),
            )
        return schedules

    def _column(self, position: int, block: Block, name: str) -> FloatArray:
        return np.ascontiguousarray(block.sites[position][:, self._index[position][name]])


def _site_columns(site: Site) -> Iterator[str]:
    yield from _COMMON
    yield from (f"{plant.name}/renewable_used_mw" for plant in site.renewables)
    for quantity in ("charge_mw", "discharge_mw", "energy_mwh"):
        yield from (f"{battery.name}/{quantity}" for battery in site.batteries)
    for quantity in ("output_mw", "on"):
        yield from (f"{generator.name}/{quantity}" for generator in site.generators)
    for quantity in ("training_accelerators", "serving_accelerators"):
        yield from (f"{fleet.name}/{quantity}" for fleet in site.fleets)


class Notebook:
    """Rows of a run as plain lists, handed over as a block when there are enough.

    Parameters
    ----------
    sites : int
        Number of sites.
    """

    def __init__(self, sites: int) -> None:
        self._first = 0
        self._sites: list[list[list[float]]] = [[] for _ in range(sites)]
        self._serving: list[list[float]] = []

    @property
    def waiting(self) -> int:
        """Steps noted since the last block."""
        return len(self._serving)

    def add(self, sites: Sequence[list[float]], serving: list[float]) -> int:
        """Note down a step; the number of steps noted since the last block."""
        for rows, row in zip(self._sites, sites, strict=True):
            rows.append(row)
        self._serving.append(serving)
        return len(self._serving)

    def block(self) -> Block:
        """What was noted since the last block."""
        block = Block(
            first=self._first,
            sites=tuple(np.array(rows, dtype=np.float64) for rows in self._sites),
            serving=np.array(self._serving, dtype=np.float64),
        )
        self._first += len(self._serving)
        self._sites = [[] for _ in self._sites]
        self._serving = []
        return block
