"""What a study is asked to do, and the cases it consists of."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from joulewright.errors import PolicyError, ScenarioError
from joulewright.io.scenario_file import read_scenario
from joulewright.model import Scenario
from joulewright.policy.base import AbstractPolicy
from joulewright.policy.combine import make_policy
from joulewright.policy.forecast import AbstractForecaster, make_forecaster
from joulewright.study.result import ORACLE, Inference, RunKey, Variant
from joulewright.study.sweep import variants_of


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedPolicy:
    """A policy that no text can make, such as one that follows a given plan, and what it is called in a study."""

    name: str
    policy: AbstractPolicy


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyRequest:
    """A scenario, what is varied, and the policies to compare.

    Attributes
    ----------
    scenario : str, Path or Scenario
        File, or a scenario that was read with ``apply_events=False`` or built.
    policies : tuple of str or NamedPolicy
        Specifications, or policies themselves; the first one is what the others are compared with.
    overrides : tuple of str
        ``path=value`` or ``path=value,value``, see :func:`joulewright.study.sweep.variants_of`.
    seeds : tuple of int
        Seeds of chance and of forecast errors, each once.
    years : tuple of int
        Years to move the horizon to; empty keeps the dates of the scenario.
    forecast : str or AbstractForecaster
        Forecaster or its specification.
    events : bool
        Whether the events of the scenario happen and further ones are drawn from its rates.
    oracle : bool
        Whether the plan with perfect foresight is made, to measure regret.
    series : bool
        Whether the trajectory of every run is kept.
    inference : Inference
        Intervals and tests.

    Raises
    ------
    ScenarioError
        With every problem: no policy or seed, repeated policies, seeds or years, a negative seed, or overrides and
        years of a scenario that comes from no file.
    """

    scenario: str | Path | Scenario
    policies: tuple[str | NamedPolicy, ...]
    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    years: tuple[int, ...] = ()
    forecast: str | AbstractForecaster = "day-ahead"
    events: bool = True
    oracle: bool = True
    series: bool = False
    inference: Inference = field(default_factory=Inference)

    def __post_init__(self) -> None:
        problems = [*_repeated("policy", map(_name, self.policies)), *_repeated("seed", self.seeds)]
        problems += _repeated("year", self.years)
        problems += [f"seed {seed} is negative; allowed are 0 and above" for seed in self.seeds if seed < 0]
        if not self.policies:
            problems.append("the study has 0 policies; give at least one")
        if not self.seeds:
            problems.append("the study has 0 seeds; give at least one")
        if isinstance(self.scenario, Scenario) and (self.overrides or self.years):
            problems.append(
                f"{len(self.overrides)} overrides and {len(self.years)} years apply to scenario files only; "
                "give the path of the file, or change the scenario itself"
            )
        if problems:
            raise ScenarioError(problems)


def _name(policy: str | NamedPolicy) -> str:
    return policy.name if isinstance(policy, NamedPolicy) else policy


def policies_of(request: StudyRequest) -> dict[str, str | AbstractPolicy]:
    """Every policy by the name it has in the study: its full specification, unless it was given another name.

    Raises
    ------
    PolicyError
        If a policy or the forecaster does not exist or has wrong options, or the oracle is asked for.
    ScenarioError
        If two spellings mean the same policy.
    """
    forecaster_of(request)
    found: dict[str, str | AbstractPolicy] = {}
    spelled: dict[str, str] = {}
    for asked in request.policies:
        if isinstance(asked, NamedPolicy):
            found[asked.name] = asked.policy
            continue
        full = make_policy(asked).specification
        if full.partition(":")[0] == ORACLE:
            raise PolicyError(f"{asked!r} is part of every study, to measure the others by; leave it out")
        if full in spelled:
            raise ScenarioError(f"the policies {spelled[full]!r} and {asked!r} are the same, {full!r}; give it once")
        spelled[full] = asked
        found[full] = full
    return found


def forecaster_of(request: StudyRequest) -> AbstractForecaster:
    """The forecaster of the study.

    Raises
    ------
    PolicyError
        If there is no such forecaster or it has wrong options.
    """
    return make_forecaster(request.forecast) if isinstance(request.forecast, str) else request.forecast


def _repeated(what: str, values: Iterable[Hashable]) -> list[str]:
    given = list(values)
    twice = dict.fromkeys(value for value in given if given.count(value) > 1)
    return [f"{what} {value} is given {given.count(value)} times; give every {what} once" for value in twice]


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A variant in a year: what all policies and seeds of a study share."""

    variant: Variant
    year: int | None
    scenario: Scenario

    @property
    def random(self) -> bool:
        """Whether chance changes the facts, so that the oracle differs from seed to seed."""
        return bool(self.scenario.chances)

    def key(self, policy: str, seed: int) -> RunKey:
        """Key of a run of this case."""
        return RunKey(variant=self.variant.name, policy=policy, seed=seed, year=self.year)


def cases_of(request: StudyRequest) -> Iterator[Case]:
    """Every variant in every year, read and checked.

    Raises
    ------
    ScenarioError
        If a variant is not valid in a year, e.g. because a series does not reach it.
    """
    years: tuple[int | None, ...] = request.years or (None,)
    for variant in variants_of(request.overrides):
        for year in years:
            yield Case(variant=variant, year=year, scenario=_read(request, variant, year))


def _read(request: StudyRequest, variant: Variant, year: int | None) -> Scenario:
    if isinstance(request.scenario, Scenario):
        scenario = request.scenario
    else:
        try:
            scenario = read_scenario(request.scenario, variant.overrides, year=year, apply_events=False)
        except ScenarioError as error:
            where = [*([variant.name] if variant.name else []), *([f"year {year}"] if year is not None else [])]
            if not where:
                raise
            note = f"the problems above are those of {', '.join(where)}; the study has not started"
            raise ScenarioError([*error.problems, note]) from error
    if not request.events:
        scenario = scenario.with_changes(events=(), chances=())
    return scenario


def keys_of(cases: Iterable[Case], request: StudyRequest, policies: Iterable[str]) -> Iterator[tuple[int, RunKey]]:
    """Every run with the position of its case: those of the oracle first, because they take longest."""
    listed, names = list(cases), list(policies)
    for position, case in enumerate(listed):
        if request.oracle:
            for seed in request.seeds if case.random else request.seeds[:1]:
                yield position, case.key(ORACLE, seed)
    for position, case in enumerate(listed):
        for seed in request.seeds:
            for policy in names:
                yield position, case.key(policy, seed)
