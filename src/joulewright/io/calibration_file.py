"""Constants of engines that users name: sets that ship, and calibrations in files and folders of runs."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from joulewright.errors import ScenarioError
from joulewright.io.language_model_file import read_calibration
from joulewright.physics.inference.calibrate import Calibration
from joulewright.physics.inference.constants import CONSTANT_SETS, FITTED_ON

CALIBRATION_FILE = "calibration.json"
"""Name of a calibration in the folder of a run."""


def named_calibration(name: str, *, folder: str | Path = ".") -> tuple[Calibration, Path | None]:
    """Constants by the name of a set, or of a calibration at a path, with the accelerator that they are of.

    Parameters
    ----------
    name : str
        Name, or path of a file or of the folder of a run.
    folder : str or Path
        Where relative paths begin.

    Returns
    -------
    calibration, path : Calibration, Path or None
        The file that was read; None for a set.

    Raises
    ------
    ScenarioError
        If there is no such set.
    DataError
        If the file cannot be read.

    Examples
    --------
    >>> named_calibration("H100-1")[0].accelerator
    'H100-SXM'
    """
    if name in CONSTANT_SETS:
        constants = CONSTANT_SETS[name]
        return Calibration(constants=constants, accelerator=FITTED_ON[name], prompts={}, errors=(), warnings=()), None
    path = calibration_path(name, folder=folder)
    if path is None:
        close = get_close_matches(name, CONSTANT_SETS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(CONSTANT_SETS)}"
        raise ScenarioError(f"constants {name!r} are neither a file nor a known set; {hint}")
    return read_calibration(path), path


def calibration_path(name: str | Path, *, folder: str | Path = ".") -> Path | None:
    """The calibration file at a path, or in the folder there; None if there is neither."""
    path = Path(folder) / Path(name).expanduser()
    inside = path / CALIBRATION_FILE
    if inside.is_file():
        return inside
    return path if path.is_file() else None
