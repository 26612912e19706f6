"""Weight files: arrays in a numpy archive, with a checksum and how they came about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from joulewright.errors import DataError
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.learned.network import Network, weight_shapes

_ABOUT = "about"


@cache
def load_network(path: str = "") -> Network:
    """The network of a file; the one that ships without a path.

    Raises
    ------
    DataError
        If the file is missing, unreadable, damaged or holds another network.
    """
    return Network(_read(path)[0])


def about_network(path: str = "") -> Mapping[str, Any]:
    """How the weights came about: command, seed, training set, versions and checksum.

    Raises
    ------
    DataError
        As :func:`load_network`.

    Examples
    --------
    >>> about_network()["seed"]
    0
    """
    return _read(path)[1]


def save_network(path: str | Path, network: Network, about: Mapping[str, Any]) -> None:
    """Write a network; equal weights and facts give equal bytes."""
    text = json.dumps({**about, "sha256": _checksum(network.weights)}, sort_keys=True)
    arrays: dict[str, Any] = {**network.weights, _ABOUT: np.array(text)}
    with Path(path).open("wb") as file:
        np.savez(file, **arrays)


def _read(path: str) -> tuple[Mapping[str, FloatArray], Mapping[str, Any]]:
    source = Path(path) if path else resources.files("joulewright.data").joinpath("learned_scheduler.npz")
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about: dict[str, Any] = json.loads(str(arrays.pop(_ABOUT)))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(
            f"{source} is no weight file of the learned scheduler ({type(error).__name__}: {error}); give one that "
            "the training command wrote"
        ) from error
    wrong = sorted(set(arrays) ^ set(weight_shapes()))
    if not wrong and about.get("sha256") != _checksum(arrays):
        raise DataError(f"the weights in {source} do not match their checksum; fetch or train the file again")
    return arrays, about


def _checksum(weights: Mapping[str, FloatArray]) -> str:
    digest = hashlib.sha256()
    for name in weight_shapes():
        digest.update(np.ascontiguousarray(weights[name], dtype="<f8").tobytes())
    return digest.hexdigest()
