"""Measured runs of inference engines: what a row must hold, and the checks that catch wrong units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, find_accelerator
from joulewright.physics.inference.deployment import Deployment
from joulewright.physics.inference.ml_energy import is_ml_energy, ml_energy_row
from joulewright.physics.inference.models import find_language_model
from joulewright.physics.inference.workload import BatchWorkload

REQUIRED = ("model", "accelerator", "sequences", "output_tokens", "iteration_s", "power_w")
"""Columns every row needs; ``iteration_ms`` may stand for ``iteration_s``, ``total_power_w`` for ``power_w``."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured run of a stationary batch.

    Attributes
    ----------
    model_name : str
        Name as the file gives it; runs of one name are held out together.
    model, accelerator : LanguageModel, Accelerator
        What ran where.
    precision : str
        Format of the weights.
    gpus, expert_parallel : int
        Accelerators that share each layer, and groups of experts among them.
    workload : str
        Label of the requests; runs with one label share their unknown lengths.
    sequences, output_tokens : float
        Mean running sequences and mean answer [token].
    input_tokens : float or None
        Mean prompt [token]; None if unknown, which makes it a nuisance of the fit.
    cached_fraction, length_factor, age_fraction : float
        As in :class:`joulewright.physics.inference.workload.BatchWorkload`.
    iteration_s, power_w : float
        Mean step time [s] and mean power of one accelerator [W].
    row : int
        Line of the file, for messages.
    """

    model_name: str
    model: LanguageModel
    accelerator: Accelerator
    precision: str
    gpus: int
    expert_parallel: int
    workload: str
    sequences: float
    output_tokens: float
    input_tokens: float | None
    cached_fraction: float
    length_factor: float
    age_fraction: float
    iteration_s: float
    power_w: float
    row: int

    @property
    def energy_per_output_token_j(self) -> float:
        """Energy of all accelerators per token emitted [J]."""
        return self.power_w * self.gpus * self.iteration_s / self.sequences

    def deployment(self) -> Deployment:
        """The deployment that was measured; its memory is not checked again, as the run took place."""
        return Deployment(
            model=self.model,
            accelerator=self.accelerator,
            precision=self.precision,
            tensor_parallel=self.gpus,
            expert_parallel=self.expert_parallel,
            memory_utilization=1.0,
            overhead_bytes=0.0,
        )

    def batch(self, input_tokens: float | None = None, cached_fraction: float | None = None) -> BatchWorkload:
        """The batch that ran, with an estimate where the prompt is unknown."""
        prompt = self.input_tokens if self.input_tokens is not None else input_tokens
        if prompt is None:
            raise ScenarioError(
                f"row {self.row} has no input_tokens; give the mean prompt, or estimate it by calibration"
            )
        return BatchWorkload(
            sequences=self.sequences,
            input_tokens=prompt,
            output_tokens=self.output_tokens,
            cached_fraction=self.cached_fraction if cached_fraction is None else cached_fraction,
            length_factor=self.length_factor,
            age_fraction=self.age_fraction,
        )


def parse_measurements(
    rows: Iterable[Mapping[str, str]],
    *,
    models: Sequence[LanguageModel] = (),
    accelerators: Mapping[str, Accelerator] | None = None,
) -> tuple[Measurement, ...]:
    """Measurements from rows of text, in the own format or in that of the ML.ENERGY benchmark.

    Parameters
    ----------
    rows : iterable of mapping
        Column names to text. Own columns: ``model``, ``accelerator``, ``sequences``, ``output_tokens``,
        ``iteration_s`` (or ``iteration_ms``), ``power_w`` of one accelerator (or ``total_power_w``); optional are
        ``gpus``, ``expert_parallel``, ``precision``, ``input_tokens``, ``cached_fraction``, ``length_factor``,
        ``age_fraction`` and ``workload``.
    models, accelerators : sequence, mapping
        Rows of the user's own catalogues, looked up first.

    Raises
    ------
    ScenarioError
        If there is no row or any is unusable; every problem is listed with its row, value and way out.

    References
    ----------
    Chung et al. (2025), The ML.ENERGY Benchmark, arXiv:2505.06371 (second format).
    """
    found: list[Measurement] = []
    problems: list[str] = []
    for line, row in enumerate(rows, start=2):
        try:
            own = ml_energy_row(row) if is_ml_energy(row) else row
            found.append(_measurement(own, line, models, accelerators or {}))
        except ScenarioError as error:
            problems.append(f"row {line}: {error}")
    if problems:
        more = f"\n... and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise ScenarioError(
            f"{len(problems)} rows of the measurements cannot be used:\n" + "\n".join(problems[:20]) + more
        )
    if not found:
        raise ScenarioError("the measurements hold 0 rows; give at least one")
    return tuple(found)


def _measurement(
    row: Mapping[str, str], line: int, models: Sequence[LanguageModel], accelerators: Mapping[str, Accelerator]
) -> Measurement:
    name = _word(row, "model")
    model = find_language_model(name, models)
    device_name = _word(row, "accelerator")
    device = accelerators.get(device_name) or find_accelerator(device_name)
    gpus = _whole(row, "gpus", 1)
    power_w = _number(row, "total_power_w") / gpus if row.get("total_power_w") else _number(row, "power_w")
    iteration_s = _number(row, "iteration_s") if row.get("iteration_s") else _number(row, "iteration_ms") * 1e-3
    measurement = Measurement(
        model_name=name,
        model=model,
        accelerator=device,
        precision=row.get("precision") or model.precision,
        gpus=gpus,
        expert_parallel=_whole(row, "expert_parallel", 1),
        workload=row.get("workload") or "requests",
        sequences=_number(row, "sequences"),
        output_tokens=_number(row, "output_tokens"),
        input_tokens=_number(row, "input_tokens") if row.get("input_tokens") else None,
        cached_fraction=_fraction(row, "cached_fraction", 0.0),
        length_factor=_number(row, "length_factor") if row.get("length_factor") else 1.0,
        age_fraction=_fraction(row, "age_fraction", 1.0),
        iteration_s=iteration_s,
        power_w=power_w,
        row=line,
    )
    _plausible(measurement)
    return measurement


def _plausible(run: Measurement) -> None:
    """Catch values whose size says that the unit is another one."""
    board = run.accelerator.board_power_w
    if run.power_w > 1.5 * board:
        raise ScenarioError(
            f"power_w is {run.power_w:g} W on {run.accelerator.name} of {board:g} W; is it the sum over accelerators? "
            "Then name the column total_power_w and give gpus"
        )
    if run.power_w < 0.3 * run.accelerator.idle_power_w:
        raise ScenarioError(
            f"power_w is {run.power_w:g} W, far below the idle {run.accelerator.idle_power_w:g} W of "
            f"{run.accelerator.name}; is it in kW or a fraction? Give watts"
        )
    if not 1e-5 <= run.iteration_s <= 20.0:
        raise ScenarioError(
            f"iteration_s is {run.iteration_s:g} s; allowed is 0.00001 to 20 s. Give milliseconds as iteration_ms"
        )
    if run.length_factor < 1.0:
        raise ScenarioError(f"length_factor is {run.length_factor:g}; E[o^2]/E[o]^2 is at least 1")
    if run.output_tokens < 1.0:
        raise ScenarioError(f"output_tokens is {run.output_tokens:g}; allowed is at least 1 token")


def _word(row: Mapping[str, str], key: str) -> str:
    text = (row.get(key) or "").strip()
    if not text:
        raise ScenarioError(f"column {key!r} is absent or empty; needed are {', '.join(REQUIRED)}")
    return text


def _number(row: Mapping[str, str], key: str) -> float:
    text = _word(row, key)
    try:
        value = float(text)
    except ValueError:
        raise ScenarioError(f"{key} is {text!r}; give a plain number without unit or percent sign") from None
    if not math.isfinite(value) or value <= 0.0:
        raise ScenarioError(f"{key} is {text}; allowed is a finite number above 0, so drop or correct the row")
    return value


def _whole(row: Mapping[str, str], key: str, default: int) -> int:
    if not row.get(key):
        return default
    value = _number(row, key)
    if value != int(value):
        raise ScenarioError(f"{key} is {value:g}; give a whole number")
    return int(value)


def _fraction(row: Mapping[str, str], key: str, default: float) -> float:
    text = (row.get(key) or "").strip()
    if not text:
        return default
    value = 0.0 if text in ("0", "0.0") else _number(row, key)
    if value > 1.0:
        raise ScenarioError(f"{key} is {value:g}; allowed is 0 to 1. If it is in percent, divide it by 100")
    return value
