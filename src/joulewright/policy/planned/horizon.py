"""The moving plan behind the receding-horizon policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from joulewright.model import Route, Scenario
from joulewright.model.timeline import FloatArray
from joulewright.plan.constraints.demand import serving_head
from joulewright.plan.inputs import RouteIndex
from joulewright.plan.model import JointProgram
from joulewright.plan.moving_window import MovingWindow
from joulewright.plan.program import find_block
from joulewright.plan.two_stage import TwoStageWindow
from joulewright.policy.observation import Observation
from joulewright.policy.planned.expectation import Expectation, Guidance, Occupied, Window
from joulewright.policy.planned.horizon_options import HorizonOptions
from joulewright.policy.planned.long_view import has_budget, look_far, wants_long_view
from joulewright.policy.planned.recourse import REST, SetPoint

_SMALL_MW = 1e-7
_FULL = 1.0 - 1e-6
_SERVED = 1.0 - 1e-7


class Horizon:
    """Plans the next hours again and again, and tells what the plan says about a step.

    Parameters
    ----------
    scenario : Scenario
        What the policy was told of the plant.
    options : HorizonOptions
        Lengths and futures.
    """

    def __init__(self, scenario: Scenario, options: HorizonOptions) -> None:
        self._scenario = scenario
        self._options = options
        self.expectation = Expectation()
        self._program: _Program | None = None
        self._key: object = None
        self._values: FloatArray | None = None
        self._planned_at = 0
        self._notices: tuple[str, ...] = ()
        self._far = Guidance()
        self._far_at: int | None = None
        daily = max(1, round(24.0 / scenario.timeline.step_h))
        self._far_every = min(options.far_every, daily) if has_budget(scenario) else options.far_every
        self._paid_mw: dict[str, float] = {}

    def is_due(self, observation: Observation, *, news: bool = False) -> bool:
        """Whether to plan anew: the kept steps are over, or there is news that this step's plan does not know."""
        if self._program is None:
            return True
        if observation.step == self._planned_at:
            return False
        news = news or observation.notices != self._notices
        return news or observation.step >= self._planned_at + self._options.every

    def guidance(self, observation: Observation) -> Guidance:
        """Peaks that are paid for or to be expected, and the worth of carbon; looks far ahead where it is time."""
        step = observation.step
        for name, site in observation.sites.items():
            for window, peak_mw in site.peak_mw.items():
                self.pay(f"{name}/{window}", peak_mw)
        if wants_long_view(self._scenario) and (self._far_at is None or step >= self._far_at + self._far_every):
            self._far, self._far_at = look_far(observation, self._scenario, self._options.far), step
        peaks = dict(self._far.peak_mw)
        for key, peak_mw in self._paid_mw.items():
            peaks[key] = max(peak_mw, peaks.get(key, 0.0))
        return Guidance(peak_mw=peaks, carbon_price_per_kg=self._far.carbon_price_per_kg)

    def pay(self, key: str, import_mw: float) -> None:
        """Remember an import [MW] in a demand window ``site/window``."""
        self._paid_mw[key] = max(import_mw, self._paid_mw.get(key, 0.0))

    def plan(self, observation: Observation, occupied: Occupied | None = None) -> None:
        """Plan the next hours around jobs that are decided."""
        steps = min(self._options.window, observation.steps_left)
        guidance = self.guidance(observation)
        windows = tuple(
            self.expectation.window(observation, signals, steps=steps, occupied=occupied, guidance=guidance)
            for signals in self._futures(observation, steps)
        )
        if self._program is None or self._key != windows[0].key:
            self._program = _Program(self.expectation.scenario(observation, windows[0]), self._options)
            self._key = windows[0].key
        self._values = self._program.solve(windows, moved=observation.step - self._planned_at)
        self._planned_at, self._notices = observation.step, observation.notices

    def point(self, observation: Observation, site: str) -> SetPoint:
        """What the plan says about the power of a site in this step; rest where there is no plan."""
        if self._values is None or self._program is None:
            return REST
        return self._program.point(site, observation.step - self._planned_at, self._values)

    def routes(self, observation: Observation) -> dict[str, dict[Route, float]]:
        """Demand served on each route by service [token/s]: the plan's shares of the demand of this step."""
        if self._values is None or self._program is None:
            return {}
        return self._program.routes(observation, observation.step - self._planned_at, self._values)

    def _futures(self, observation: Observation, steps: int) -> list[dict[str, FloatArray]]:
        count = self._options.members
        if count == 1:
            return [self.expectation.signals(observation, steps)]

        def read(key: str, length: int) -> FloatArray:
            return observation.forecast.members(key, length, count)

        together = self.expectation.signals(observation, steps, read)
        return [{key: values[member] for key, values in together.items()} for member in range(count)]


class _Program:
    """The program of a window and where its decisions are."""

    def __init__(self, scenario: Scenario, options: HorizonOptions) -> None:
        self._solve: Callable[[tuple[Window, ...], int], FloatArray | None]
        if options.members == 1:
            window = MovingWindow(scenario)
            self.joint: JointProgram = window.joint
            self._solve = lambda windows, moved: _solve_one(window, windows[0], moved)
        else:
            stages = TwoStageWindow(
                scenario,
                members=options.members,
                shared_steps=min(options.every, scenario.timeline.steps),
                risk_aversion=options.risk_aversion,
                tail_fraction=options.tail_fraction,
            )
            self.joint = stages.joint
            self._solve = lambda windows, _moved: _solve_many(stages, windows)
        self._sites = {site.name: _site_columns(self.joint, site.name) for site in scenario.sites}
        self._routes = tuple(_RouteColumns(self.joint, route) for route in self.joint.inputs.routes)
        self._plants = {site.name: tuple(plant.name for plant in site.renewables) for site in scenario.sites}

    def solve(self, windows: tuple[Window, ...], *, moved: int) -> FloatArray | None:
        """Values of the columns, their mean over all futures; None where the solver fails."""
        return self._solve(windows, moved)

    def point(self, site: str, step: int, values: FloatArray) -> SetPoint:
        """Planned power of a site in a step of the window."""
        columns = self._sites[site]

        def at(family: str) -> dict[str, float]:
            return {name: max(0.0, float(values[first + step])) for name, first in columns.get(family, {}).items()}

        def one(family: str) -> float:
            return sum(at(family).values())

        charge, discharge = at("charge"), at("discharge")
        for name in charge:
            both = min(charge[name], discharge[name])
            charge[name], discharge[name] = charge[name] - both, discharge[name] - both
        used_share = {}
        available = sum(float(self.joint.program.upper[first + step]) for first in columns["renewable_used"].values())
        used = one("renewable_used")
        if used < _FULL * available - _SMALL_MW:
            used_share = dict.fromkeys(self._plants[site], used / available)
        return SetPoint(
            charge_mw=charge,
            discharge_mw=discharge,
            generator_mw={name: power for name, power in at("generator_output").items() if power > _SMALL_MW},
            import_mw=one("grid_import"),
            export_mw=one("grid_export"),
            unserved_mw=one("unserved_power"),
            used_share=used_share,
        )

    def routes(self, observation: Observation, step: int, values: FloatArray) -> dict[str, dict[Route, float]]:
        """Demand served on each route by service [token/s]."""
        found: dict[str, dict[Route, float]] = {name: {} for name in observation.demand_token_s}
        for route in self._routes:
            planned = float(self.joint.program.row_upper[route.row + step])
            demand = observation.demand_token_s[route.service]
            found[route.service].update(route.share(demand, step, values, planned_demand=planned))
        return found


def _solve_one(window: MovingWindow, expected: Window, moved: int) -> FloatArray | None:
    window.move(expected.sites, expected.inference, steps=moved)
    solution = window.solve()
    return solution.values if solution.optimal else None


def _solve_many(stages: TwoStageWindow, windows: tuple[Window, ...]) -> FloatArray | None:
    solutions = stages.solve([(window.sites, window.inference) for window in windows])
    if not all(solution.optimal for solution in solutions):
        return None
    mean: FloatArray = np.mean([solution.values for solution in solutions], axis=0)
    return mean


def _site_columns(joint: JointProgram, site: str) -> dict[str, dict[str, int]]:
    """First column of every flow of a site, by family and component."""
    columns = joint.program.variables
    found: dict[str, dict[str, int]] = {}
    for family in ("grid_import", "grid_export", "renewable_used", "unserved_power"):
        block = find_block(columns, family, site)
        found[family] = {} if block is None else {"": block.first}
    for family in ("charge", "discharge", "generator_output"):
        heads = ((block.label(0).rpartition(",")[0], block.first) for block in columns.get(family, []))
        found[family] = {head[len(site) + 1 :]: first for head, first in heads if head.startswith(f"{site}/")}
    return found


class _RouteColumns:
    """Columns of demand that has equal options, and how it is shared among its regions."""

    def __init__(self, joint: JointProgram, route: RouteIndex) -> None:
        self.service = route.service.name
        self._regions = route.regions
        head = f"{self.service},{'+'.join(route.regions)}"
        self._first: dict[tuple[str, str, int], int] = {}
        for index in route.fleets:
            for point in range(len(route.service.points_on(index.fleet))):
                block = find_block(joint.program.variables, "served", serving_head(route, index, point))
                if block is not None:
                    self._first[index.site.name, index.fleet.name, point] = block.first
        rows = find_block(joint.program.rows, "demand", head)
        self.row = 0 if rows is None else rows.first
        latency = {region: joint.inputs.scenario.region(region).latency_ms for region in route.regions}
        pairs = ((region, place) for region in route.regions for place in self._first)
        # Nearest pairs first, as in the schedule of a plan.
        self._order = sorted(pairs, key=lambda pair: latency[pair[0]][pair[1][0]])

    def share(
        self, demand: Mapping[str, float], step: int, values: FloatArray, *, planned_demand: float
    ) -> dict[Route, float]:
        """Served on each route [token/s]: the planned part of the present demand; ``planned_demand`` is in Mtoken/s."""
        flows = {place: max(0.0, float(values[first + step])) for place, first in self._first.items()}
        left = {region: demand[region] for region in self._regions}
        planned = sum(flows.values())
        if planned <= 0.0:
            return {}
        part = planned / planned_demand
        scale = (1.0 if part > _SERVED else part) * sum(left.values()) / planned
        routes = {}
        for region, place in self._order:
            rate = min(flows[place] * scale, left[region])
            if rate > 0.0:
                routes[Route(region=region, site=place[0], fleet=place[1], point=place[2])] = rate
                flows[place], left[region] = flows[place] - rate / scale, left[region] - rate
        return routes
