"""Configurations to choose from: every combination of the values given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, find_accelerator
from joulewright.physics.inference.constants import EngineConstants
from joulewright.physics.inference.deployment import LEAST_CAP_FRACTION, Deployment
from joulewright.physics.inference.mig import slice_layout
from joulewright.physics.inference.precision import BYTES
from joulewright.sim.processes.inference.options import ServingOptions


class Candidate(NamedTuple):
    """One combination; a cap of 1 is no cap, and without constants the best known set of the accelerator holds."""

    accelerator: Accelerator
    slice: str | None
    tensor_parallel: int
    pipeline_parallel: int
    expert_parallel: int
    precision: str | None
    cap_fraction: float
    clock_fraction: float
    max_sequences: int
    token_budget: int
    constants: EngineConstants | None = None

    @property
    def label(self) -> str:
        """Short name, such as ``H100-SXM tp2 fp8 cap 0.6 256/2048``."""
        words = [self.accelerator.name if self.slice is None else f"{self.accelerator.name}/{self.slice}"]
        for name, degree in (
            ("tp", self.tensor_parallel),
            ("pp", self.pipeline_parallel),
            ("ep", self.expert_parallel),
        ):
            words += [f"{name}{degree}"] if degree > 1 else []
        words += [self.precision] if self.precision is not None else []
        for name, fraction in (("cap", self.cap_fraction), ("clock", self.clock_fraction)):
            words += [f"{name} {fraction:g}"] if fraction < 1.0 else []
        return " ".join([*words, f"{self.max_sequences}/{self.token_budget}"])

    def deployment(self, model: LanguageModel) -> Deployment:
        """One replica of the model.

        Raises
        ------
        ScenarioError
            If the model does not fit or the combination is not possible.
        """
        device_w = self.accelerator.board_power_w
        if self.slice is not None:
            device_w *= slice_layout(self.accelerator).profile(self.slice).compute_fraction
        return Deployment(
            model=model,
            accelerator=self.accelerator,
            precision=self.precision or model.precision,
            tensor_parallel=self.tensor_parallel,
            pipeline_parallel=self.pipeline_parallel,
            expert_parallel=self.expert_parallel,
            power_cap_w=None if self.cap_fraction == 1.0 else self.cap_fraction * device_w,
            clock_fraction=self.clock_fraction,
            slice=self.slice,
            constants=self.constants,
        )

    def options(self, model: LanguageModel) -> ServingOptions:
        """Limits of the engine.

        Raises
        ------
        ScenarioError
            If more sequences than tokens are allowed in a step.
        """
        return ServingOptions(
            max_sequences=self.max_sequences, token_budget=self.token_budget, context_tokens=model.context_tokens
        )


@dataclass(frozen=True, kw_only=True)
class ConfigurationSpace:
    """Values to combine.

    Attributes
    ----------
    accelerators : tuple of Accelerator or str
        Types, as objects or names of the catalogue.
    tensor_parallel, pipeline_parallel, expert_parallel : tuple of int
        Accelerators that share layers, stages, and groups of experts.
    precisions : tuple of (str or None)
        Formats of weights; None is the published one.
    max_sequences, token_budgets : tuple of int
        Limits of a step.
    power_caps_fraction, clock_fractions : tuple of float
        Shares of the board power and of the highest clock; 1 leaves them alone.
    slices : tuple of (str or None)
        Profiles of slices; None is a whole accelerator.
    gpus_available : int, mapping of str to int, or None
        Accelerators there are, of each type or by name; None does not limit them.
    constants : mapping of str to EngineConstants
        Fitted constants by name of the accelerator; others keep the best known set.

    Raises
    ------
    ScenarioError
        If a list is empty or a value out of range; all problems are listed.
    """

    accelerators: tuple[Accelerator | str, ...]
    tensor_parallel: tuple[int, ...] = (1, 2, 4, 8)
    pipeline_parallel: tuple[int, ...] = (1,)
    expert_parallel: tuple[int, ...] = (1,)
    precisions: tuple[str | None, ...] = (None,)
    max_sequences: tuple[int, ...] = (64, 256)
    token_budgets: tuple[int, ...] = (2048,)
    power_caps_fraction: tuple[float, ...] = (1.0,)
    clock_fractions: tuple[float, ...] = (1.0,)
    slices: tuple[str | None, ...] = (None,)
    gpus_available: int | Mapping[str, int] | None = None
    constants: Mapping[str, EngineConstants] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [f"{name} is empty; give at least one value" for name in _LISTS if not getattr(self, name)]
        for name, least in (("power_caps_fraction", LEAST_CAP_FRACTION), ("clock_fractions", 0.0)):
            problems += [
                f"{name} holds {value}; allowed is above {least:g} up to 1"
                for value in getattr(self, name)
                if not least < value <= 1.0
            ]
        problems += [
            f"{name} holds {value}; allowed is at least 1"
            for name in ("tensor_parallel", "pipeline_parallel", "expert_parallel", "max_sequences", "token_budgets")
            for value in getattr(self, name)
            if value < 1
        ]
        problems += [
            f"precisions holds {name!r}; allowed is {', '.join(BYTES)}"
            for name in self.precisions
            if name is not None and name not in BYTES
        ]
        given = self.gpus_available
        counts = given.values() if isinstance(given, Mapping) else [] if given is None else [given]
        problems += [f"gpus_available is {count}; allowed is at least 0" for count in counts if count < 0]
        if problems:
            raise ScenarioError(problems)
        found = tuple(find_accelerator(item) if isinstance(item, str) else item for item in self.accelerators)
        object.__setattr__(self, "accelerators", found)
        problems = self._slice_problems()
        problems += [
            f"there are constants of {name}, which is not to choose from; accelerators are "
            f"{', '.join(item.name for item in found)}"
            for name in self.constants
            if name not in {item.name for item in found}
        ]
        if problems:
            raise ScenarioError(problems)

    def _slice_problems(self) -> list[str]:
        """Profiles that no accelerator of the space has."""
        reasons: dict[str, list[str]] = {}
        known: set[str] = set()
        for profile, device in product((item for item in self.slices if item is not None), self.devices):
            try:
                slice_layout(device).profile(profile)
                known.add(profile)
            except ScenarioError as error:
                reasons.setdefault(profile, []).append(str(error))
        return [reason for profile, found in reasons.items() if profile not in known for reason in found]

    @property
    def devices(self) -> tuple[Accelerator, ...]:
        """The accelerators as objects."""
        return tuple(item for item in self.accelerators if isinstance(item, Accelerator))

    def available(self, accelerator: Accelerator) -> int | None:
        """How many there are of a type; None if any number.

        Raises
        ------
        ScenarioError
            If the mapping does not name it.
        """
        if not isinstance(self.gpus_available, Mapping):
            return self.gpus_available
        for name in (accelerator.name, *accelerator.aliases):
            if name in self.gpus_available:
                return self.gpus_available[name]
        raise ScenarioError(
            f"gpus_available does not say how many {accelerator.name} there are; it names "
            f"{', '.join(self.gpus_available) or 'none'}"
        )

    def candidates(self) -> Iterator[Candidate]:
        """Every combination, possible or not."""
        lists = (getattr(self, name) for name in _LISTS[1:])
        for accelerator, *rest in product(self.devices, *lists):
            yield Candidate(accelerator, *rest)._replace(constants=self.constants.get(accelerator.name))


_LISTS = (
    "accelerators",
    "slices",
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "precisions",
    "power_caps_fraction",
    "clock_fractions",
    "max_sequences",
    "token_budgets",
)
"""Fields in the order of the candidate's."""
