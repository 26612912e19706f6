"""Deployments from names and files, and what their constants are worth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from joulewright.errors import ScenarioError
from joulewright.io.calibration_file import CALIBRATION_FILE as CALIBRATION_FILE
from joulewright.io.calibration_file import calibration_path as calibration_path
from joulewright.io.calibration_file import named_calibration
from joulewright.io.language_model_file import (
    named_language_model,
    read_accelerators,
    read_language_models,
)
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, find_accelerator
from joulewright.physics.inference.calibrate import Calibration
from joulewright.physics.inference.constants import EngineConstants, constants_for
from joulewright.physics.inference.deployment import OVERHEAD_BYTES, Deployment
from joulewright.physics.inference.precision import model_kind

_SEVERAL = re.compile(r"(\d+)\s*[x*]\s*(\S.*)")


@dataclass(frozen=True, kw_only=True)
class Catalogues:
    """Rows of users' own, looked up before those that ship.

    Attributes
    ----------
    models : tuple of LanguageModel
        Language models.
    accelerators : mapping of str to Accelerator
        Accelerators by name.
    """

    models: tuple[LanguageModel, ...] = ()
    accelerators: Mapping[str, Accelerator] = field(default_factory=dict)

    def model(self, name: str) -> LanguageModel:
        """Model of that name, or of the ``config.json`` or folder at that path.

        Raises
        ------
        DataError
            If a path leads to no readable file.
        ScenarioError
            If there is none, or the file lacks what a model needs.
        """
        return named_language_model(name, models=self.models)[0]

    def accelerator(self, name: str) -> Accelerator:
        """Accelerator of that name.

        Raises
        ------
        ScenarioError
            If there is none; the message offers the closest names.
        """
        if name in self.accelerators:
            return self.accelerators[name]
        try:
            return find_accelerator(name)
        except ScenarioError as error:
            close = get_close_matches(name, self.accelerators, n=1)
            if close:
                raise ScenarioError(
                    f"accelerator {name!r} is not in the catalogue; did you mean {close[0]!r}?"
                ) from error
            raise


def read_catalogues(models: Path | None = None, accelerators: Path | None = None) -> Catalogues:
    """Catalogues of users from CSV files with the columns of those that ship.

    Raises
    ------
    DataError, ScenarioError
        If a file cannot be read, or a row is unusable.
    """
    return Catalogues(
        models=() if models is None else read_language_models(models),
        accelerators={} if accelerators is None else read_accelerators(accelerators),
    )


@dataclass(frozen=True, kw_only=True)
class DeploymentChoice:
    """A replica as a user names it.

    Attributes
    ----------
    model, accelerator : str
        Names; ``2xH100-SXM`` is an accelerator with two-fold tensor parallelism.
    precision, kv_precision : str or None
        Formats; None takes the published one of the model, and bf16.
    tensor_parallel, pipeline_parallel, expert_parallel : int
        Accelerators that share each layer, stages, and groups of experts.
    memory_utilization : float
        Share of the memory that the engine may use [-].
    overhead_bytes : float
        Memory for activations and graphs [B].
    power_cap_w : float or None
        Power cap [W].
    clock_fraction : float
        Locked clock over the highest [-].
    slice : str or None
        Profile of a slice.
    constants : str or None
        Name of a set, or path of a calibration.
    """

    model: str
    accelerator: str
    precision: str | None = None
    kv_precision: str | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    memory_utilization: float = 0.9
    overhead_bytes: float = OVERHEAD_BYTES
    power_cap_w: float | None = None
    clock_fraction: float = 1.0
    slice: str | None = None
    constants: str | None = None

    def deploy(self, catalogues: Catalogues | None = None) -> Deployment:
        """The deployment.

        Raises
        ------
        ScenarioError
            If a name is unknown, the model does not fit, or an option is out of range.

        Examples
        --------
        >>> DeploymentChoice(model="Llama-3.1-70B", accelerator="4xH100").deploy().gpus
        4
        """
        known = catalogues or Catalogues()
        shape = known.model(self.model)
        degree, device = several(self.accelerator)
        if degree > 1 and self.tensor_parallel not in (1, degree):
            raise ScenarioError(
                f"accelerator {self.accelerator!r} says {degree} and tensor_parallel {self.tensor_parallel}; give one"
            )
        accelerator = known.accelerator(device)
        return Deployment(
            model=shape,
            accelerator=accelerator,
            precision=self.precision or shape.precision,
            kv_precision=self.kv_precision or "bf16",
            tensor_parallel=max(degree, self.tensor_parallel),
            pipeline_parallel=self.pipeline_parallel,
            expert_parallel=self.expert_parallel,
            memory_utilization=self.memory_utilization,
            overhead_bytes=self.overhead_bytes,
            power_cap_w=self.power_cap_w,
            clock_fraction=self.clock_fraction,
            slice=self.slice,
            constants=constants_of(self.constants, accelerator),
        )


def several(accelerator: str) -> tuple[int, str]:
    """Number and name in ``2xH100-SXM``; 1 where there is none.

    Examples
    --------
    >>> several("2xH100-SXM"), several("L40S")
    ((2, 'H100-SXM'), (1, 'L40S'))
    """
    found = _SEVERAL.fullmatch(accelerator.strip())
    return (1, accelerator.strip()) if found is None else (int(found[1]), found[2])


def constants_of(name: str | None, accelerator: Accelerator) -> EngineConstants | None:
    """Constants that a user names: a set, or a calibration; None without a name.

    Raises
    ------
    ScenarioError
        If there is no such set, or it is of another accelerator.
    DataError
        If the file cannot be read.
    """
    if name is None:
        return None
    found = calibration_of(name)
    if found.accelerator != accelerator.name:
        raise ScenarioError(
            f"the constants {name} are of {found.accelerator}, but the service runs on {accelerator.name}; calibrate "
            "that accelerator, or leave the constants out"
        )
    return found.constants


def calibration_of(name: str) -> Calibration:
    """Constants that a user names, with the accelerator that they are of: a set, or a calibration in a file or folder.

    Raises
    ------
    ScenarioError
        If there is no such set.
    DataError
        If the file cannot be read.
    """
    return named_calibration(name)[0]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Which predictor a result rests on, and how far it may be off.

    Attributes
    ----------
    level : str
        ``step model``, or ``uncalibrated`` where the constants were never fitted.
    constants, status : str
        Name of the set, and what it was fitted on.
    time_error, power_error, energy_error : float or None
        Mean absolute relative error to expect of step time, power and energy per token; None if nobody measured it.
    flags : tuple of str
        Figures of the accelerator that are no published values.
    """

    level: str
    constants: str
    status: str
    time_error: float | None
    power_error: float | None
    energy_error: float | None
    flags: tuple[str, ...] = ()

    def sentence(self) -> str:
        """What to tell a reader.

        Examples
        --------
        >>> one = DeploymentChoice(model="Llama-3.1-8B", accelerator="L40S").deploy()
        >>> standing_of(one).sentence().split(";")[0]
        'Uncalibrated constants L40S-uncalibrated'
        """
        lead = "Uncalibrated constants" if self.level == "uncalibrated" else "Step model with the constants"
        errors = [
            f"{what} {100.0 * value:.1f} %"
            for what, value in (("time", self.time_error), ("power", self.power_error), ("energy", self.energy_error))
            if value is not None
        ]
        expected = f"expected error: {', '.join(errors)}" if errors else "nobody has measured their error here"
        return f"{lead} {self.constants}; {self.status}; {expected}"


def standing_of(deployment: Deployment) -> Standing:
    """Level, constants and expected errors for a deployment."""
    constants = deployment.constants or constants_for(deployment.accelerator)
    status, (time_error, power_error, energy_error) = constants.standing(
        model_kind(deployment.model, deployment.precision)
    )
    return Standing(
        level="uncalibrated" if status.startswith("uncalibrated") else "step model",
        constants=constants.name,
        status=status,
        flags=deployment.accelerator.flags,
        time_error=time_error,
        power_error=power_error,
        energy_error=energy_error,
    )


def deployment_name(deployment: Deployment) -> str:
    """Short name of a replica's hardware, e.g. ``2 x H100-SXM, fp8``.

    Examples
    --------
    >>> deployment_name(DeploymentChoice(model="Llama-3.1-70B", accelerator="4xH100").deploy())
    '4 x H100-SXM'
    """
    count = f"{deployment.gpus} x " if deployment.gpus > 1 else ""
    parts = [f"{count}{deployment.accelerator.name}{f' {deployment.slice}' if deployment.slice else ''}"]
    if deployment.precision != deployment.model.precision:
        parts.append(deployment.precision)
    if deployment.power_cap_w is not None:
        parts.append(f"{deployment.power_cap_w:g} W cap")
    if deployment.clock_fraction != 1.0:
        parts.append(f"{100.0 * deployment.clock_fraction:g} % clock")
    return ", ".join(parts)


def fleet_name(replicas: int, deployment: str) -> str:
    """Replicas of a deployment by its name.

    Examples
    --------
    >>> fleet_name(1, "L40S"), fleet_name(3, "2 x B200")
    ('L40S', '3 replicas of 2 x B200')
    """
    return deployment if replicas == 1 else f"{replicas} replicas of {deployment}"


def deployment_facts(deployment: Deployment) -> dict[str, Any]:
    """A deployment for manifests and documents; units are in the names."""
    keys = ("precision", "kv_precision", "tensor_parallel", "pipeline_parallel", "expert_parallel",
            "memory_utilization", "overhead_bytes", "power_cap_w", "clock_fraction", "slice", "gpus")  # fmt: skip
    return {
        "name": deployment_name(deployment),
        "model": deployment.model.name,
        "accelerator": deployment.accelerator.name,
        "device": deployment.device.name,
        **{key: getattr(deployment, key) for key in keys},
        "weight_gb": deployment.weight_bytes * 1e-9,
        "kv_capacity_tokens": float(deployment.kv_capacity_tokens),
        "context_tokens": deployment.model.context_tokens,
        "board_power_w": deployment.device.board_power_w,
    }
