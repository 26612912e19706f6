"""Every registered rule and policy passes the contract suite, and the suite catches those that break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from joulewright.model import Scenario
from joulewright.policy.base import AbstractPolicy, CombinedPolicy, PolicyFacts
from joulewright.policy.combine import make_policy
from joulewright.policy.decision import JobAction, PowerDecision, SitePower, WorkDecision
from joulewright.policy.observation import Observation
from joulewright.policy.planned.oracle import Oracle
from joulewright.policy.registry import entries
from joulewright.sim.simulate import simulate
from joulewright.testing import policy_suite
from joulewright.testing.observations import observe
from joulewright.testing.policy_suite import (
    POLICY_CHECKS,
    check_finishes_required_jobs,
    check_information,
    check_never_sees_the_future,
    check_pickle,
    check_policy,
    check_repeats,
    check_specification,
    check_survives,
    first_decisions,
    maker,
    run,
)
from joulewright.testing.trials import trial_scenario, trial_scenarios

SHORT = {
    "receding-horizon": "receding-horizon:window_h=12",
    "stochastic": "stochastic:window_h=12,members=2",
}
VARIANTS = (
    "first-fit:between_ticks=true+cheapest",
    "price-threshold:learn=forecast+earliest-deadline:between_ticks=true+cleanest",
    "time-of-use:charge_hours=1-5,discharge_hours=17-20/7-8+migrate-when-feasible:minimise=carbon+weighted",
    "peak-shaving:target_mw=0.5,reserve_fraction=0.3,generators=backup+carbon-window+nearest",
)
PLANNED = tuple(name for name, entry in entries().items() if entry.kind == "policy")
NAMES = (*entries(), *VARIANTS)


def make_for(name: str) -> Callable[[Scenario], AbstractPolicy]:
    if name == "oracle":
        return lambda scenario: Oracle().informed(scenario)
    return maker(SHORT.get(name, name))


@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_policies_keep_the_contract(name: str, check: Callable[..., None]) -> None:
    if name in PLANNED and check is check_survives:
        check(make_for(name), only=("single-site", "islanded", "no-jobs", "crowded"))
    else:
        check(make_for(name))


def test_all_checks_at_once() -> None:
    check_policy(maker("grid-first"))


# The suite fails where it should


@dataclass(frozen=True, kw_only=True)
class Broken(AbstractPolicy):
    """A good policy with one fault in it."""

    good: CombinedPolicy
    fault: Callable[[str, Any, Any, Observation], Any]

    @property
    def specification(self) -> str:
        return self.good.specification

    def init(self, facts: PolicyFacts) -> Any:
        return self.good.init(facts)

    def work(self, state: Any, observation: Observation) -> tuple[WorkDecision, Any]:
        decision, state = self.good.work(state, observation)
        return self.fault("work", decision, state, observation), state

    def power(self, state: Any, observation: Observation) -> tuple[PowerDecision, Any]:
        decision, state = self.good.power(state, observation)
        return self.fault("power", decision, state, observation), state


def broken(fault: Callable[..., Any]) -> Callable[[Scenario], AbstractPolicy]:
    def make(scenario: Scenario) -> AbstractPolicy:
        good = make_policy("grid-first")
        assert isinstance(good, CombinedPolicy)
        return Broken(good=good, fault=fault)

    return make


def east(**changes: Any) -> Callable[..., Any]:
    """A fault in the power of site ``east``."""

    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        return PowerDecision(sites={"east": SitePower(**changes)}) if method == "power" else decision

    return fault


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"charge_mw": {"nothing": 1.0}}, "names 'nothing'"),
        ({"charge_mw": {"battery": float("nan")}}, "is nan"),
        ({"discharge_mw": {"battery": -1.0}}, "is -1.0"),
        ({"generator_mw": {"engine": float("inf")}}, "is inf"),
        ({"import_limit_mw": -2.0}, "import_limit_mw at east is -2.0"),
        ({"charge_mw": {"battery": 0.1}, "discharge_mw": {"battery": 0.1}}, "charge and discharge at once"),
    ],
)
def test_wrong_powers_are_caught(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        run(broken(east(**changes)), trial_scenario())


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (JobAction(job="nobody", kind="start", site="east", fleet="pod"), "not released or has ended"),
        (JobAction(job="must", kind="start", site="east", fleet="shed"), "names no fleet"),
        (JobAction(job="must", kind="start", site="east", fleet="pod", accelerators=-1.0), "is -1.0"),
        (JobAction(job="must", kind="stop"), "of no known kind"),  # type: ignore[arg-type]
    ],
)
def test_wrong_actions_are_caught(action: JobAction, message: str) -> None:
    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        return replace(decision, actions=(action,)) if method == "work" else decision

    with pytest.raises(AssertionError, match=message):
        run(broken(fault), trial_scenario())


def test_wrong_routes_are_caught() -> None:
    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        return replace(decision, routes_token_s={"mail": {}}) if method == "work" else decision

    with pytest.raises(AssertionError, match="unknown service 'mail'"):
        run(broken(fault), trial_scenario())


def test_a_changed_observation_is_caught() -> None:
    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        observation.sites["east"].energy_mwh["battery"] = 0.0  # type: ignore[index]
        return decision

    with pytest.raises(AssertionError, match="changed the observation"):
        run(broken(fault), trial_scenario())


def test_moods_are_caught() -> None:
    asked: list[str] = []

    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        asked.append(method)
        if method == "work":
            return decision
        return PowerDecision(sites={"east": SitePower(export_limit_mw=float(len(asked)))})

    with pytest.raises(AssertionError, match="decided differently for the same state and observation"):
        run(broken(fault), trial_scenario())


def test_looking_ahead_without_saying_so_is_caught() -> None:
    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        observation.forecast.series("east/pue", 2)
        return decision

    with pytest.raises(Exception, match="declare 'forecast' in `uses`"):
        check_information(broken(fault))


def test_knowing_the_future_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that has found a way to the scenario of the simulation acts on its last price."""
    truth: list[Scenario] = []

    def leaking(scenario: Scenario, *arguments: Any, **options: Any) -> Any:
        truth.append(scenario)
        return simulate(scenario, *arguments, **options)

    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        if method == "work":
            return decision
        future = truth[-1].sites[0].grid.import_price_per_mwh[-1]  # type: ignore[union-attr]
        return PowerDecision(sites={"east": SitePower(export_limit_mw=float(future))})

    monkeypatch.setattr(policy_suite, "simulate", leaking)
    with pytest.raises(AssertionError, match="step 0 is decided by what happens from step 6 on"):
        check_never_sees_the_future(broken(fault))


def test_a_wrong_specification_is_caught() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Misnamed(Broken):
        @property
        def specification(self) -> str:
            return "solar-first"

    def make(scenario: Scenario) -> AbstractPolicy:
        good = make_policy("grid-first")
        assert isinstance(good, CombinedPolicy)
        return Misnamed(good=good, fault=lambda method, decision, state, observation: decision)

    with pytest.raises(AssertionError, match="makes a policy whose specification is 'solar-first\\+first-fit"):
        check_specification(make)


def test_what_cannot_be_pickled_is_caught() -> None:
    with pytest.raises(Exception, match=r"(?i)pickle"):
        check_pickle(broken(lambda method, decision, state, observation: decision))


def test_idleness_is_caught() -> None:
    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        return replace(decision, actions=()) if method == "work" else decision

    with pytest.raises(AssertionError, match=r"the mandatory job 'must' is done to 0\.000"):
        check_finishes_required_jobs(broken(fault))


def test_shed_load_is_caught() -> None:
    with pytest.raises(AssertionError, match="MWh of load are unserved"):
        check_finishes_required_jobs(broken(east(import_limit_mw=0.0)))


def test_a_crash_names_its_trial() -> None:
    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        if observation.sites["east"].site.grid is None:
            raise ZeroDivisionError("no grid")
        return decision

    with pytest.raises(ZeroDivisionError) as caught:
        check_survives(broken(fault))
    assert caught.value.__notes__ == ["in trial 'no-grid'"]


def test_chance_is_caught() -> None:
    drawn: list[float] = []

    def fault(method: str, decision: Any, state: Any, observation: Observation) -> Any:
        if method == "work" and observation.step == 0:
            drawn.append(1.0)
        limit = 0.0 if len(drawn) > 2 and observation.step > 0 else None
        return decision if method == "work" else PowerDecision(sites={"east": SitePower(export_limit_mw=limit)})

    with pytest.raises(AssertionError, match="two runs of the same seed differ"):
        check_repeats(broken(fault))


def test_trials_cover_what_they_say() -> None:
    trials = trial_scenarios()
    assert [site.name for site in trials["single-site"].sites] == ["east"]
    assert all(site.grid is None for site in trials["no-grid"].sites)
    assert trials["islanded"].sites[0].grid.import_limit_mw.min() == 0.0  # type: ignore[union-attr]
    assert max(site.renewables[0].per_unit.max() for site in trials["dark"].sites) == 0.0
    assert trials["full-battery"].sites[0].batteries[0].initial_energy_mwh == 2.0
    assert trials["empty-battery"].sites[0].batteries[0].initial_energy_mwh == pytest.approx(0.1)
    assert trials["no-work"].training == trials["no-work"].inference == ()
    assert trials["quarter-hours"].timeline.step_h == 0.25


def test_one_decision_without_a_simulation() -> None:
    scenario = trial_scenario()
    work, power = first_decisions(make_policy("solar-first"), observe(scenario), scenario)
    assert {action.job for action in work.actions} == {"rigid", "must"}
    assert power.sites["east"].charge_mw == {}
