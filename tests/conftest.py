"""Fixtures every test tier shares."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the real grid data and reference results; the test skips where it is absent."""
    folder = Path(os.environ.get("JOULEWRIGHT_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"the reference data folder {folder.name!r} is absent; set JOULEWRIGHT_SHARED to its path")
    return folder


class Tiny:
    """Factories of small scenarios and schedules that can be worked by hand; series given as numbers are constant.

    The default site has 100 accelerators (10 kW active, 1 kW idle) behind a PUE of 1.5 and a grid connection
    of 100 MW in and 50 MW out at 50 and 30 per MWh with 400 kg/MWh: idle it draws 0.15 MW.
    """

    start = datetime(2022, 7, 4, tzinfo=UTC)

    def at(self, hours: float) -> datetime:
        """Instant ``hours`` after the start."""
        return self.start + timedelta(hours=hours)

    def series(self, value: Any, steps: int) -> np.ndarray:
        """Constant or given values, shape ``(T,)``."""
        return np.broadcast_to(np.asarray(value, dtype=float), (steps,)).copy()

    def intensity(self, value: Any, steps: int = 2, kind: str = "average", scope: str = "direct") -> Any:
        from joulewright.model import CarbonIntensity

        return CarbonIntensity(kind=kind, scope=scope, kg_per_mwh=self.series(value, steps), source="test")

    def grid(self, steps: int = 2, *, carbon: Any = 400.0, **changes: Any) -> Any:
        from joulewright.model import GridConnection

        values: dict[str, Any] = {
            "import_limit_mw": 100.0,
            "export_limit_mw": 50.0,
            "import_price_per_mwh": 50.0,
            "export_price_per_mwh": 30.0,
        }
        if carbon is not None:
            values["carbon_intensities"] = (self.intensity(carbon, steps),)
        values |= changes
        return GridConnection(
            **{
                key: self.series(value, steps) if key.endswith(("_mw", "mwh")) else value
                for key, value in values.items()
            }
        )

    def fleet(self, steps: int = 2, name: str = "gpus", **changes: Any) -> Any:
        from joulewright.model import Fleet

        values = {"accelerator": "H100-SXM", "count": 100, "active_power_mw": 0.01, "idle_power_mw": 0.001} | changes
        values["availability"] = self.series(changes.get("availability", 1.0), steps)
        return Fleet(name=name, **values)

    def generator(self, steps: int = 2, name: str = "turbine", **changes: Any) -> Any:
        from joulewright.model import Generator

        values = {"capacity_mw": 10.0, "availability": 1.0, "fuel_cost_per_mwh": 60.0} | changes
        series = {key: self.series(values.pop(key), steps) for key in ("availability", "fuel_cost_per_mwh")}
        return Generator(name=name, **values, **series)

    def battery(self, name: str = "store", **changes: Any) -> Any:
        from joulewright.model import Battery

        values = {
            "energy_mwh": 10.0,
            "charge_limit_mw": 5.0,
            "discharge_limit_mw": 5.0,
            "charge_efficiency": 0.8,
            "discharge_efficiency": 0.5,
            "initial_energy_mwh": 5.0,
        }
        return Battery(name=name, **(values | changes))

    def plant(self, per_unit: Any, steps: int = 2, name: str = "roof", capacity_mw: float = 10.0) -> Any:
        from joulewright.model import RenewablePlant

        values = self.series(per_unit, steps)
        return RenewablePlant(name=name, kind="solar", capacity_mw=capacity_mw, per_unit=values)

    def site(self, steps: int = 2, name: str = "a", **changes: Any) -> Any:
        from joulewright.model import Site

        values = {"pue": 1.5, "fixed_it_power_mw": 0.0, "fixed_facility_power_mw": 0.0} | changes
        for key in ("pue", "fixed_it_power_mw", "fixed_facility_power_mw", "it_limit_mw"):
            if key in values:
                values[key] = self.series(values[key], steps)
        values.setdefault("grid", self.grid(steps))
        values.setdefault("fleets", (self.fleet(steps),))
        return Site(name=name, **values)

    def job(self, name: str = "train", **changes: Any) -> Any:
        from joulewright.model import TrainingJob

        values = {"gpus": 40, "duration_h": 1.0, "release": self.start, "deadline": self.at(48.0), "value": 500.0}
        return TrainingJob(name=name, **(values | changes))

    def service(self, steps: int = 2, name: str = "chat", demand: Any = 2e4, **changes: Any) -> Any:
        """A service of 1000 token/s and 5 kW per accelerator with demand in region ``west``."""
        from joulewright.model import InferenceService, ServingPoint

        point = ServingPoint(throughput_token_s=1000.0, active_power_mw=0.005)
        values = {"serving": point, "demand_token_s": {"west": self.series(demand, steps)}} | changes
        return InferenceService(name=name, **values)

    def scenario(self, *sites: Any, steps: int = 2, step_s: int = 3600, **changes: Any) -> Any:
        from joulewright.model import Scenario, Timeline

        timeline = Timeline(start=self.start, step_s=step_s, steps=steps)
        return Scenario(name="tiny", timeline=timeline, sites=sites or (self.site(steps),), **changes)

    def run(self, first: int, stop: int, **changes: Any) -> Any:
        """A segment on the fleet ``gpus`` of site ``a``."""
        from joulewright.model import Segment

        values = {"site": "a", "fleet": "gpus", "accelerators": 40.0, "first_step": first, "stop_step": stop}
        return Segment(**(values | changes))

    def schedule(
        self,
        scenario: Any,
        *,
        jobs: Mapping[str, Any] | None = None,
        services: Mapping[str, Any] | None = None,
        flows: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Any:
        """A schedule: segments by job, routes by service, flows by site; import covers what is left of the load.

        ``services`` maps a name to {(region, site, fleet): rate}; what is not routed stays unserved. ``flows``
        maps a site to fields of its schedule.
        """
        from joulewright.account import site_load
        from joulewright.model import JobSchedule, Schedule, SiteSchedule

        given = flows or {}
        entries = {
            job.name: JobSchedule(job=job.name, segments=tuple((jobs or {}).get(job.name, ())))
            for job in scenario.training
        }
        routed = {
            item.name: self._service(scenario, item, (services or {}).get(item.name, {})) for item in scenario.inference
        }
        schedule = Schedule(planner="hand", jobs=entries, services=routed, sites={})
        sites = {}
        for site in scenario.sites:
            load_mw = site_load(scenario, schedule, site).facility_mw
            sites[site.name] = self._flows(site, load_mw, dict(given.get(site.name, {})), scenario.timeline.step_h)
        return Schedule(
            planner="hand", jobs=entries, services=routed, sites={k: SiteSchedule(**v) for k, v in sites.items()}
        )

    def _service(self, scenario: Any, service: Any, rates: Mapping[tuple[str, str, str], Any]) -> Any:
        from joulewright.model import Route, ServiceSchedule

        steps = scenario.timeline.steps
        routes = tuple(Route(region=region, site=site, fleet=fleet) for region, site, fleet in rates)
        served = np.array([self.series(rate, steps) for rate in rates.values()]).reshape(len(routes), steps)
        left = {region: demand.copy() for region, demand in service.demand_token_s.items()}
        for row, route in zip(served, routes, strict=True):
            left[route.region] -= row
        return ServiceSchedule(routes=routes, served_token_s=served, unserved_token_s=left)

    def _flows(self, site: Any, load_mw: np.ndarray, given: dict[str, Any], step_h: float) -> dict[str, Any]:
        from joulewright.model import GeneratorSchedule

        steps = load_mw.size
        renewable = {
            p.name: self.series(given.get("renewable_used_mw", {}).get(p.name, 0.0), steps) for p in site.renewables
        }
        batteries, generators = {}, {}
        for battery in site.batteries:
            charge, discharge = given.get("batteries", {}).get(battery.name, (0.0, 0.0))
            batteries[battery.name] = self.stored(
                battery, self.series(charge, steps), self.series(discharge, steps), step_h
            )
        for generator in site.generators:
            output = self.series(given.get("generators", {}).get(generator.name, 0.0), steps)
            generators[generator.name] = GeneratorSchedule(output_mw=output, on=output > 0.0)
        flows = {key: self.series(given.get(key, 0.0), steps) for key in ("grid_export_mw", "unserved_mw")}
        need = load_mw + flows["grid_export_mw"] - flows["unserved_mw"]
        need = need - sum(renewable.values()) - sum(plan.output_mw for plan in generators.values())
        need = need + sum(plan.charge_mw - plan.discharge_mw for plan in batteries.values())
        flows["grid_import_mw"] = self.series(given.get("grid_import_mw", need), steps)
        return flows | {"renewable_used_mw": renewable, "batteries": batteries, "generators": generators}

    def stored(self, battery: Any, charge: np.ndarray, discharge: np.ndarray, step_h: float = 1.0) -> Any:
        """A battery schedule with the stored energy that follows from its flows."""
        from joulewright.model import BatterySchedule

        decay = battery.self_discharge_per_h
        keep = np.exp(-decay * step_h)
        hours = (1.0 - keep) / decay if decay > 0.0 else step_h
        energy = [battery.initial_energy_mwh]
        for one, other in zip(charge, discharge, strict=True):
            net = battery.charge_efficiency * one - other / battery.discharge_efficiency
            energy.append(keep * energy[-1] + hours * net)
        return BatterySchedule(charge_mw=charge, discharge_mw=discharge, energy_mwh=np.array(energy))


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    """Factories of small scenarios and schedules."""
    return Tiny()


TINY_SCENARIO = """\
schema = "joulewright/scenario/1"
name = "tiny"
currency = "USD"
[time]
start = 2022-07-04T00:00:00Z
end = 2022-07-05T00:00:00Z
step = "1 h"
[carbon]
decides = { kind = "average", scope = "direct" }
price = "10 USD/t"
budget = "500 t"
[[site]]
name = "a"
location = { latitude = 37.4, longitude = -121.9, time_zone = "America/Los_Angeles" }
cooling = { model = "constant", pue = 1.25 }
[site.grid]
import_limit = "20 MW"
export_limit = "5 MW"
price = "50 USD/MWh"
export_price = { factor = 0.5, offset = "-1 USD/MWh" }
carbon_intensity = { value = "400 kg/MWh", kind = "average", scope = "direct" }
[[site.solar]]
capacity = "4 MW"
profile = "25 %"
[[site.battery]]
energy = "8 MWh"
power = "4 MW"
round_trip_efficiency = "81 %"
[[site.generator]]
name = "turbine"
capacity = "3 MW"
min_load = "40 %"
fuel_cost = "60 USD/MWh"
emission = "490 kg/MWh"
[[site.fleet]]
name = "pod"
accelerator = "H100-SXM"
count = 4096
[[site]]
name = "b"
pue = 1.1
[site.grid]
import_limit_mw = 10
price = "70 USD/MWh"
carbon_intensity = { value = "300 g/kWh", kind = "average", scope = "direct" }
[[site.fleet]]
name = "pod"
accelerator = "A100-SXM"
count = 2048
[[link]]
between = ["a", "b"]
latency = "32 ms"
bandwidth = "100 Gbit/s"
[[region]]
name = "west"
latency = { a = "9 ms", b = "41 ms" }
[[training]]
name = "tune"
kind = "rigid"
gpus = 1024
duration = "6 h"
release = 2022-07-04T02:00:00Z
deadline = 2022-07-04T20:00:00Z
sites = ["a"]
value = "50_000 USD"
[[inference]]
name = "chat"
latency_limit = "60 ms"
throughput = "2400 token/s"
active_power = "640 W"
demand = { west = "240_000 token/s" }
revenue = "0.4 USD/Mtoken"
unserved_penalty = "4 USD/Mtoken"
"""


@pytest.fixture(scope="session")
def tiny_scenario_text() -> str:
    """A scenario file of two sites and a day without any series file: everything in it is constant."""
    return TINY_SCENARIO


class ScenarioFiles:
    """Scenario files written to a folder of their own, and what reading them gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edit(self, *edits: tuple[str, str], text: str = TINY_SCENARIO) -> str:
        """The text with every edit made; an edit that finds nothing is a mistake of the test."""
        for old, new in edits:
            if old not in text:
                raise ValueError(f"the scenario does not hold {old!r}")
            text = text.replace(old, new)
        return text

    def path(self, text: str = TINY_SCENARIO) -> Path:
        """The text as a file."""
        path = self.folder / "scenario.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def series(self, text: str, name: str = "series.csv") -> str:
        """A file beside the scenario."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def hourly(self, columns: Mapping[str, Any], *, hours: int = 24, name: str = "series.csv", note: str = "") -> str:
        """An hourly CSV file from the start of the tiny scenario; numbers are constant columns."""
        values = {key: np.broadcast_to(np.asarray(value), (hours,)).tolist() for key, value in columns.items()}
        start = datetime(2022, 7, 4, tzinfo=UTC)
        rows = [
            ",".join([f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%MZ}", *(str(v[hour]) for v in values.values())])
            for hour in range(hours)
        ]
        head = f"# {note}\n" if note else ""
        return self.series(head + "\n".join([",".join(["utc", *values]), *rows]) + "\n", name)

    def read(self, *edits: tuple[str, str], text: str = TINY_SCENARIO, overrides: Any = ()) -> Any:
        """The scenario of the edited text."""
        from joulewright.io.scenario_file import read_scenario

        return read_scenario(self.path(self.edit(*edits, text=text)), overrides, use_cache=False)

    def problems(self, *edits: tuple[str, str], text: str = TINY_SCENARIO, overrides: Any = ()) -> list[Any]:
        """Errors that reading the edited text raises."""
        from joulewright.errors import ScenarioError

        with pytest.raises(ScenarioError) as caught:
            self.read(*edits, text=text, overrides=overrides)
        return [problem for problem in caught.value.problems if problem.severity == "error"]


@pytest.fixture
def files(tmp_path: Path) -> ScenarioFiles:
    """Reads edited versions of the tiny scenario file."""
    return ScenarioFiles(tmp_path)


@pytest.fixture(scope="session")
def report_case() -> Any:
    """Builders of a hand-built plan of three sites, from ``report_case.py`` next to this file."""
    return _beside("report_case")


@pytest.fixture(scope="session")
def study_report_case() -> Any:
    """Builders of hand-made studies, from ``study_report_case.py`` next to this file."""
    return _beside("study_report_case")


@pytest.fixture(scope="session")
def page_case() -> Any:
    """Pages in a real browser, from ``page_case.py`` next to this file."""
    return _beside("page_case")


@pytest.fixture(scope="session")
def spark_case() -> Any:
    """Lines of Spark event logs, from ``spark_case.py`` next to this file."""
    return _beside("spark_case")


@pytest.fixture(scope="session")
def sim_case() -> Any:
    """Policies and runs of the simulator, from ``sim_case.py`` next to this file."""
    return _beside("sim_case")


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"tests/{name}.py is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
