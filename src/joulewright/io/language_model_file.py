"""Users' own language models, accelerators and measurements from files, and calibrations to and from JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joulewright.errors import DataError, ScenarioError
from joulewright.io.atomic import write_file
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, accelerator_from_row
from joulewright.physics.inference.calibrate import Calibration, calibration_from_dict
from joulewright.physics.inference.hub_config import language_model_from_config
from joulewright.physics.inference.measurements import Measurement, parse_measurements
from joulewright.physics.inference.models import language_model_from_row


def read_language_model(path: str | Path, *, name: str | None = None) -> LanguageModel:
    """A model from a Hugging Face ``config.json``.

    Parameters
    ----------
    path : str or Path
        The file, or the folder that holds it.
    name : str or None
        Name to give it; None takes the name that the file states, or else that of the folder.

    Raises
    ------
    DataError
        If the file cannot be read or is not JSON.
    ScenarioError
        If a key that the model needs is absent.
    """
    where = Path(path)
    where = where / "config.json" if where.is_dir() else where
    document = _json(where)
    stated = str(document.get("_name_or_path") or "") or where.absolute().parent.name
    return language_model_from_config(document, name or stated)


def read_language_models(path: str | Path) -> tuple[LanguageModel, ...]:
    """Models from a CSV file with the columns of the catalogue.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it has no rows, or a row is unusable.
    """
    return tuple(language_model_from_row(row) for row in _rows(path))


def read_accelerators(path: str | Path) -> dict[str, Accelerator]:
    """Accelerators from a CSV file with the columns of the catalogue, by name.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it has no rows, a row is unusable, or two have one name.
    """
    found: dict[str, Accelerator] = {}
    for row in _rows(path):
        device = accelerator_from_row(row)
        if device.name in found:
            raise ScenarioError(f"two rows of {Path(path).name} are called {device.name!r}; names must be unique")
        found[device.name] = device
    return found


def read_measurements(
    path: str | Path,
    *,
    models: Sequence[LanguageModel] = (),
    accelerators: dict[str, Accelerator] | None = None,
) -> tuple[Measurement, ...]:
    """Measured runs from a CSV file in the own format or that of the ML.ENERGY benchmark.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it has no rows or rows are unusable; all of them are listed.
    """
    return parse_measurements(_rows(path), models=models, accelerators=accelerators)


def read_calibration(path: str | Path) -> Calibration:
    """A calibration that :func:`write_calibration` wrote.

    Raises
    ------
    DataError
        If the file cannot be read or is not JSON.
    ScenarioError
        If its schema or a key is unknown.
    """
    return calibration_from_dict(_json(Path(path)))


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration as JSON.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    write_file(Path(path), (json.dumps(calibration.as_dict(), indent=1, allow_nan=False) + "\n").encode())


def _rows(path: str | Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(_text(Path(path)))))
    if not rows:
        raise ScenarioError(f"{Path(path).name} holds 0 rows; give a header and at least one row")
    return [{key: value or "" for key, value in row.items() if isinstance(key, str)} for row in rows]


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path.name} holds {type(document).__name__}; it must hold one JSON object")
    return document


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
