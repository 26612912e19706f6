"""Users' own language models, accelerators and measurements from files, and calibrations to and from JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from joulewright.errors import DataError, ScenarioError
from joulewright.io.atomic import write_file
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, accelerator_from_row
from joulewright.physics.inference.calibrate import Calibration, calibration_from_dict
from joulewright.physics.inference.hub_config import language_model_from_config
from joulewright.physics.inference.measurement_columns import own_name, unread_columns
from joulewright.physics.inference.measurements import Measurement, parse_measurements
from joulewright.physics.inference.models import find_language_model, is_language_model, language_model_from_row


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


def named_language_model(
    name: str, *, folder: str | Path = ".", models: Sequence[LanguageModel] = ()
) -> tuple[LanguageModel, Path | None]:
    """A model by its name, or from the ``config.json`` or folder at that path.

    Parameters
    ----------
    name : str
        Name, or path.
    folder : str or Path
        Where relative paths begin.
    models : sequence of LanguageModel
        The user's own, looked up before the catalogue.

    Returns
    -------
    model, path : LanguageModel, Path or None
        The file that was read; None where the name was known.

    Raises
    ------
    DataError
        If a path leads to no readable file.
    ScenarioError
        If neither is there, both are, or the file lacks what a model needs.
    """
    path = _config(name, folder)
    written_as_path = name.startswith((".", "/", "~")) or name.endswith(".json")
    if not path.is_file():
        if written_as_path:
            raise DataError(f"language model {name!r} cannot be read: there is no file {path}")
        return find_language_model(name, models), None
    if not written_as_path and is_language_model(name, models):
        raise ScenarioError(
            f"language model {name!r} is a name of the catalogue and a path; write './{name}' for the path, or use "
            "another of its names or rename the folder"
        )
    return read_language_model(path), path


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

    A model may be the path of a ``config.json``, from the folder of the file on.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it has no rows or rows are unusable; all of them are listed.
    """
    rows = _rows(path)
    folder = Path(path).parent
    column = next((name for name in rows[0] if own_name(name) == "model"), "model")
    names = dict.fromkeys(row.get(column) or "" for row in rows)
    paths = [name for name in names if name.endswith(".json") or _config(name, folder).is_file()]
    known = [replace(named_language_model(name, folder=folder)[0], name=name) for name in paths]
    return parse_measurements(rows, models=[*models, *known], accelerators=accelerators)


def unread_measurement_columns(path: str | Path) -> tuple[str, ...]:
    """What to say of columns of measured runs that :func:`read_measurements` does not read.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it has no rows.
    """
    return tuple(unread_columns(_rows(path)[0]))


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


def _config(name: str, folder: str | Path) -> Path:
    path = Path(folder) / Path(name).expanduser()
    return path / "config.json" if path.is_dir() else path


def _rows(path: str | Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(_text(Path(path)))))
    if not rows:
        raise ScenarioError(f"{Path(path).name} holds 0 rows; give a header and at least one row")
    return [{key.strip(): (value or "").strip() for key, value in row.items() if isinstance(key, str)} for row in rows]


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
