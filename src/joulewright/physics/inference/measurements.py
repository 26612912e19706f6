"""Measured runs of inference engines: what a row must hold, and the checks that catch wrong units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, find_accelerator
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.physics.inference.measurement_columns import check_columns, own_row
from joulewright.physics.inference.ml_energy import is_ml_energy, ml_energy_row
from joulewright.physics.inference.models import find_language_model
from joulewright.physics.inference.precision import bytes_per_element, precision_name
from joulewright.physics.inference.step import StepCoefficients
from joulewright.physics.inference.workload import BatchWorkload

_MOST_SHOWN = 20
_LEAST_ROOFLINE, _MOST_ROOFLINE = 0.5, 300.0
"""Measured over ideal step time beyond which the unit must be another one."""
_AGREE = 0.05
"""Relative difference up to which two columns say the same."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured run of a stationary batch.

    Attributes
    ----------
    model_name : str
        Name of the model, or the version that the benchmark's format names; runs of one name are held out together.
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
        """The deployment that was measured, with all of the memory for weights and cache."""
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
        ``iteration_s`` (or ``iteration_ms``, or ``output_tokens_per_s`` of the replica), ``power_w`` of one
        accelerator (or ``total_power_w`` of all); optional are
        ``gpus``, ``expert_parallel``, ``precision``, ``input_tokens``, ``cached_fraction``, ``length_factor``,
        ``age_fraction`` and ``workload``. Common other names of these are understood, and
        :func:`joulewright.physics.inference.measurement_columns.unread_columns` tells which columns are not read.
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
    problems: dict[str, list[int]] = {}
    for line, row in enumerate(rows, start=2):
        theirs = is_ml_energy(row)
        if line == 2 and not theirs:
            check_columns(row)
        try:
            own = ml_energy_row(row) if theirs else own_row(row)
            run = _measurement(own, line, models, accelerators or {})
            # Names of one model are one model; those of the benchmark are versions with runs of their own.
            found.append(run if theirs else replace(run, model_name=run.model.name))
        except ScenarioError as error:
            problems.setdefault(str(error), []).append(line)
    if problems:
        _refuse(problems)
    if not found:
        raise ScenarioError("the measurements hold 0 rows; give at least one")
    return tuple(found)


def _refuse(problems: Mapping[str, Sequence[int]]) -> None:
    """Tell every problem once, with the rows that have it."""
    count = len({line for lines in problems.values() for line in lines})
    told = [
        f"row {lines[0]}{f' and {len(lines) - 1} more' if len(lines) > 1 else ''}: {text}"
        for text, lines in problems.items()
    ]
    more = f"\n... and {len(told) - _MOST_SHOWN} more" if len(told) > _MOST_SHOWN else ""
    raise ScenarioError(
        f"{count} {'row' if count == 1 else 'rows'} of the measurements cannot be used:\n"
        + "\n".join(told[:_MOST_SHOWN])
        + more
    )


def _measurement(
    row: Mapping[str, str], line: int, models: Sequence[LanguageModel], accelerators: Mapping[str, Accelerator]
) -> Measurement:
    name = _word(row, "model")
    model = find_language_model(name, models)
    device_name = _word(row, "accelerator")
    device = accelerators.get(device_name) or _device(device_name)
    gpus, sequences = _whole(row, "gpus", 1), _number(row, "sequences")
    measurement = Measurement(
        model_name=name,
        model=model,
        accelerator=device,
        precision=precision_name(row.get("precision") or model.precision),
        gpus=gpus,
        expert_parallel=_whole(row, "expert_parallel", 1),
        workload=row.get("workload") or "requests",
        sequences=sequences,
        output_tokens=_number(row, "output_tokens"),
        input_tokens=_number(row, "input_tokens") if row.get("input_tokens") else None,
        cached_fraction=_fraction(row, "cached_fraction", 0.0),
        length_factor=_number(row, "length_factor") if row.get("length_factor") else 1.0,
        age_fraction=_fraction(row, "age_fraction", 1.0),
        iteration_s=_iteration_s(row, sequences),
        power_w=_power_w(row, gpus),
        row=line,
    )
    if row.get("power_cap_w") and _number(row, "power_cap_w") < 0.99 * device.board_power_w:
        raise ScenarioError(
            f"power_cap_w is {row['power_cap_w']} W, below the {device.board_power_w:g} W of {device.name}; only runs "
            "without a cap can be used, so drop the row"
        )
    _plausible(measurement)
    return measurement


def _device(name: str) -> Accelerator:
    try:
        return find_accelerator(name)
    except ScenarioError as error:
        raise ScenarioError(f"{error} Or add a row for it to accelerators of your own (--accelerators)") from error


def _power_w(row: Mapping[str, str], gpus: int) -> float:
    """Power of one accelerator [W]."""
    if not row.get("total_power_w"):
        return _number(row, "power_w")
    total_w = _number(row, "total_power_w")
    if row.get("power_w") and not _near(one_w := _number(row, "power_w"), total_w / gpus):
        raise ScenarioError(
            f"power_w is {one_w:g} W and total_power_w {total_w:g} W of {gpus} accelerators; keep the right one"
        )
    return _number(row, "power_w") if row.get("power_w") else total_w / gpus


def _iteration_s(row: Mapping[str, str], sequences: float) -> float:
    """Step time [s] from whichever columns there are, which must agree."""
    found: dict[str, float] = {}
    if row.get("iteration_s"):
        found["iteration_s"] = _number(row, "iteration_s")
    if row.get("iteration_ms"):
        found["iteration_ms"] = _number(row, "iteration_ms") * 1e-3
    if row.get("output_tokens_per_s"):
        found["output_tokens_per_s"] = sequences / _number(row, "output_tokens_per_s")
    if not found:
        return _number(row, "iteration_ms" if "iteration_ms" in row else "iteration_s")
    (name, first_s), *others = found.items()
    for other, other_s in others:
        if not _near(first_s, other_s):
            says = "is" if name == "iteration_s" else "says"
            raise ScenarioError(f"{name} {says} {first_s:g} s and {other} says {other_s:g} s; keep the right one")
    return first_s


def _near(first: float, second: float) -> bool:
    return abs(first / second - 1.0) <= _AGREE


def _plausible(run: Measurement) -> None:
    """Catch values whose size says that the unit is another one, and deployments that cannot have run."""
    board = run.accelerator.board_power_w
    # Means exceed the board power in short samples of one accelerator.
    if run.power_w > (1.5 if run.gpus == 1 else 1.15) * board:
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
    tokens = run.output_tokens + (run.input_tokens or 0.0)
    if tokens > run.model.context_tokens:
        raise ScenarioError(
            f"prompt and answer are {tokens:g} tokens; the context of {run.model.name} holds {run.model.context_tokens}"
        )
    if run.model.kv_layout == "standard":
        k = coefficients(run.deployment())
        _check_roofline(run, k)
        _check_cache(run, k)


def _check_cache(run: Measurement, k: StepCoefficients) -> None:
    """Refuse more running sequences than all of the memory holds with a cache of one byte for each element."""
    context = (1.0 - run.cached_fraction) * (run.input_tokens or 0.0) + run.age_fraction * run.output_tokens / 2.0
    held = k.global_fraction * context + (1.0 - k.global_fraction) * min(context, k.window_tokens)
    most = k.kv_capacity_tokens * bytes_per_element(run.deployment().kv_precision)
    if run.sequences * held > most:
        raise ScenarioError(
            f"{run.sequences:g} sequences of {held:g} tokens are {run.sequences * held:.3g} tokens of cache; "
            f"{run.gpus} x {run.accelerator.name} hold at most {most:.3g} beside the weights of {run.model.name}, with "
            "8 bits for each element; sequences are those that run, not those that wait"
        )


def _check_roofline(run: Measurement, k: StepCoefficients) -> None:
    """Refuse a step that is far from what the rates of the data sheet allow for its weights and tokens."""
    least_s = k.weight_bytes / k.raw_bytes_per_s
    ideal_s = math.hypot(least_s, k.flops_per_token * run.sequences / k.raw_flops_per_s)
    if run.iteration_s < _LEAST_ROOFLINE * least_s:
        raise ScenarioError(
            f"the step takes {run.iteration_s:.3g} s, but {run.gpus} x {run.accelerator.name} need {least_s:.3g} s to "
            f"read the weights of {run.model.name} in {run.precision}; are gpus, precision and the unit of time right?"
        )
    if run.iteration_s > _MOST_ROOFLINE * ideal_s:
        raise ScenarioError(
            f"the step takes {run.iteration_s:.3g} s, {run.iteration_s / ideal_s:.0f} times what {run.gpus} x "
            f"{run.accelerator.name} could do; is it in milliseconds? Then name the column iteration_ms"
        )


def _word(row: Mapping[str, str], key: str) -> str:
    text = (row.get(key) or "").strip()
    if not text:
        raise ScenarioError(f"{key} is empty; give it, or drop the row")
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
    value = 0.0 if _is_zero(text) else _number(row, key)
    if value > 1.0:
        raise ScenarioError(f"{key} is {value:g}; allowed is 0 to 1. If it is in percent, divide it by 100")
    return value


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0.0
    except ValueError:
        return False
