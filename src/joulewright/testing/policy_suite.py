"""Contract of policies: what everyone who adds one runs, and what the built-in ones run too.

Write one test that goes through :data:`POLICY_CHECKS`::

    @pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
    def test_my_rule_keeps_the_contract(check):
        check(maker("my-rule:option=1"))

A check raises ``AssertionError`` with what was broken and where; errors of the policy pass through.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np

from joulewright.model import Scenario, Site
from joulewright.policy.base import AbstractPolicy, Information, PolicyFacts
from joulewright.policy.combine import make_policy
from joulewright.policy.decision import PowerDecision, SitePower, WorkDecision
from joulewright.policy.observation import Observation
from joulewright.policy.signals import replace_signals, signal_series
from joulewright.sim.simulate import Simulation, simulate
from joulewright.testing.observations import PresentOnly, facts_of
from joulewright.testing.trials import trial_scenario, trial_scenarios

PolicyMaker = Callable[[Scenario], AbstractPolicy]
"""Makes the policy under test for a scenario; only a policy that knows the future looks at the scenario."""

_KINDS = ("start", "pause", "resize", "migrate", "reject")
_LOOKS_AHEAD: frozenset[Information] = frozenset({"forecast", "plan", "future"})


def maker(text: str) -> PolicyMaker:
    """A maker of the policy that ``text`` asks for."""
    return lambda _: make_policy(text)


@dataclass(frozen=True, kw_only=True)
class Watched(AbstractPolicy):
    """A policy that is asked twice and whose decisions are looked at; what they were is kept in ``seen``.

    Attributes
    ----------
    policy : AbstractPolicy
        The one under test.
    hides_forecast : bool
        Whether forecasts tell the present only.
    seen : list
        Plain forms of all decisions, in order.
    """

    policy: AbstractPolicy
    hides_forecast: bool = False
    seen: list[Any] = field(default_factory=list)

    @property
    def specification(self) -> str:
        """That of the policy."""
        return self.policy.specification

    @property
    def between_ticks(self) -> bool:  # type: ignore[override]
        """That of the policy."""
        return self.policy.between_ticks

    def init(self, facts: PolicyFacts) -> Any:
        """State of the policy."""
        return self.policy.init(facts)

    def work(self, state: Any, observation: Observation) -> tuple[WorkDecision, Any]:
        """The decision on work, checked."""
        decision, after = self._ask(self.policy.work, state, observation)
        _check_work(decision, observation)
        return decision, after

    def power(self, state: Any, observation: Observation) -> tuple[PowerDecision, Any]:
        """The decision on power, checked."""
        decision, after = self._ask(self.policy.power, state, observation)
        _check_power(decision, observation)
        return decision, after

    def _ask(self, method: Callable[..., Any], state: Any, observation: Observation) -> Any:
        if self.hides_forecast:
            observation = replace(observation, forecast=PresentOnly(observation.forecast))
        before = plain(observation)
        decision, after = method(copy.copy(state), observation)
        again, _ = method(copy.copy(state), observation)
        where = f"{method.__name__} of {self.specification} in step {observation.step}"
        _require(plain(observation) == before, f"{where} changed the observation; copy what is to be changed")
        _require(
            plain(decision) == plain(again),
            f"{where} decided differently for the same state and observation: {decision} and {again}",
        )
        self.seen.append((observation.step, plain(decision)))
        return decision, after


def plain(value: Any) -> Any:
    """A value as nested tuples that can be compared; forecasts and other opaque objects are left out.

    Examples
    --------
    >>> plain({"a": np.array([1.0, 2.0])})
    (('a', (1.0, 2.0)),)
    """
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    if isinstance(value, Mapping):
        return tuple((plain(key), plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(map(repr, value)))
    if is_dataclass(value) and not isinstance(value, type):
        return tuple((item.name, plain(getattr(value, item.name))) for item in fields(value) if item.name != "forecast")
    return value if isinstance(value, (str, bytes, int, float, bool, type(None))) else repr(value)


def run(make: PolicyMaker, scenario: Scenario, *, forecaster: str = "perfect", hides: bool = False) -> Simulation:
    """A simulation of the policy, watched."""
    return simulate(scenario, Watched(policy=make(scenario), hides_forecast=hides), forecaster=forecaster)


def check_specification(make: PolicyMaker) -> None:
    """The specification makes the same policy again."""
    text = make(trial_scenario()).specification
    again = make_policy(text).specification
    _require(again == text, f"the specification {text!r} makes a policy whose specification is {again!r}")


def check_pickle(make: PolicyMaker) -> None:
    """The policy survives pickling, so that it can run in another process."""
    policy = make(trial_scenario())
    again = pickle.loads(pickle.dumps(policy))
    _require(again.specification == policy.specification, f"{policy.specification} pickles to {again.specification}")


def check_information(make: PolicyMaker) -> None:
    """The policy declares what it uses; one that declares no forecast lives without."""
    scenario = trial_scenario()
    uses = make(scenario).uses
    _require(bool(uses), "the policy declares no information in `uses`; the least is 'present'")
    run(make, scenario, hides=not uses & _LOOKS_AHEAD)


def check_never_sees_the_future(make: PolicyMaker) -> None:
    """Decisions are the same in two worlds that differ only later, told by a forecaster that knows the past only."""
    first = trial_scenario()
    if "future" in make(first).uses:
        return
    steps = first.timeline.steps
    half = steps // 2
    later = np.arange(steps) >= half
    changed = {
        key: np.where(later, values * 0.5 + 0.1 * values.mean(), values) for key, values in signal_series(first).items()
    }
    second = replace_signals(first, {key: values for key, values in changed.items() if not key.endswith("/pue")})
    seen = []
    for scenario in (first, second):
        watched = Watched(policy=make(first))
        simulate(scenario, watched, forecaster="persistence")
        seen.append([entry for entry in watched.seen if entry[0] < half])
    _require(bool(seen[0]), "the policy was never asked")
    for one, other in zip(*seen):
        _require(one == other, f"step {one[0]} is decided by what happens from step {half} on: {one[1]} and {other[1]}")


def check_repeats(make: PolicyMaker) -> None:
    """Two runs with the same seed are the same."""
    scenario = trial_scenario()
    one, other = (run(make, scenario, forecaster="day-ahead").figures for _ in range(2))
    _require(one == other, f"two runs of the same seed differ: {one} and {other}")


def check_finishes_required_jobs(make: PolicyMaker) -> None:
    """Where there is room for all, required jobs are done and all load is served."""
    found = run(make, trial_scenario())
    done = found.jobs["must"].done_fraction
    _require(done > 1.0 - 1e-6, f"the mandatory job 'must' is done to {done:.3f}; there was room for it")
    left = found.figures.get("unserved_mwh") or 0.0
    _require(left <= 1e-6, f"{left:g} MWh of load are unserved; grid, battery and generator could have carried them")


def check_survives(make: PolicyMaker, only: Iterable[str] | None = None) -> None:
    """Runs through outages, darkness, full and empty batteries, missing components, no work and too much of it."""
    for name, scenario in trial_scenarios().items():
        if only is None or name in only:
            with _Named(f"in trial {name!r}"):
                run(make, scenario)


class _Named:
    """Notes on whatever error passes where it came from."""

    def __init__(self, note: str) -> None:
        self._note = note

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(self._note)


POLICY_CHECKS: tuple[Callable[[PolicyMaker], None], ...] = (
    check_specification,
    check_pickle,
    check_information,
    check_never_sees_the_future,
    check_repeats,
    check_finishes_required_jobs,
    check_survives,
)
"""Everything a policy must pass; each takes a maker."""


def check_policy(make: PolicyMaker) -> None:
    """Run all of :data:`POLICY_CHECKS`."""
    for check in POLICY_CHECKS:
        check(make)


def first_decisions(policy: AbstractPolicy, observation: Observation, scenario: Scenario) -> tuple[Any, Any]:
    """Decisions on work and power of a policy that has seen nothing before."""
    state = policy.init(facts_of(scenario))
    work, state = policy.work(state, observation)
    power, _ = policy.power(state, observation)
    return work, power


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _check_work(decision: WorkDecision, observation: Observation) -> None:
    fleets = {(name, fleet) for name, site in observation.sites.items() for fleet in site.available_accelerators}
    for action in decision.actions:
        _require(action.job in observation.jobs, f"{action} names a job that is not released or has ended")
        _require(action.kind in _KINDS, f"{action} is of no known kind")
        if action.kind in ("start", "migrate"):
            _require((action.site, action.fleet) in fleets, f"{action} names no fleet; there are {sorted(fleets)}")
        if action.accelerators is not None:
            _number(action.accelerators, f"{action}")
    for service, routes in (decision.routes_token_s or {}).items():
        _require(service in observation.demand_token_s, f"routes name the unknown service {service!r}")
        for route, rate in routes.items():
            _require((route.site, route.fleet) in fleets, f"{route} of {service} names no fleet")
            _number(rate, f"{service} on {route}")


def _check_power(decision: PowerDecision, observation: Observation) -> None:
    for name, power in decision.sites.items():
        _require(name in observation.sites, f"power is decided for the unknown site {name!r}")
        for key, known in _components(observation.sites[name].site).items():
            for component, value in getattr(power, key).items():
                _require(component in known, f"{key} at {name} names {component!r}; there are {sorted(known)}")
                _number(value, f"{key} of {name}/{component}")
        both = set(_positive(power.charge_mw)) & set(_positive(power.discharge_mw))
        _require(not both, f"batteries {sorted(both)} at {name} charge and discharge at once")
        _limits(power, name)


def _limits(power: SitePower, name: str) -> None:
    for key in ("export_limit_mw", "import_limit_mw"):
        value = getattr(power, key)
        if value is not None:
            _number(value, f"{key} at {name}")


def _components(site: Site) -> dict[str, set[str]]:
    batteries = {item.name for item in site.batteries}
    return {
        "charge_mw": batteries,
        "discharge_mw": batteries,
        "generator_mw": {item.name for item in site.generators},
        "renewable_limit_mw": {item.name for item in site.renewables},
    }


def _positive(powers: Mapping[str, float]) -> list[str]:
    return [name for name, power in powers.items() if power > 1e-9]


def _number(value: float, what: str) -> None:
    _require(math.isfinite(value) and value >= 0.0, f"{what} is {value!r}; it must be a finite number of at least 0")
