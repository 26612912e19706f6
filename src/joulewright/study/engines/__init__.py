"""Where the runs of a study are carried out: here one by one, in processes of this machine, or on a cluster."""

from __future__ import annotations

from joulewright.errors import ScenarioError
from joulewright.study.engines.base import AbstractEngine, Crash, Work
from joulewright.study.engines.local import LocalEngine
from joulewright.study.engines.serial import SerialEngine

ENGINES = ("local", "serial", "dask")

__all__ = ["ENGINES", "AbstractEngine", "Crash", "LocalEngine", "SerialEngine", "Work", "make_engine"]


def make_engine(name: str, *, jobs: int | None = None, address: str | None = None) -> AbstractEngine:
    """The engine of that name.

    Parameters
    ----------
    name : {"local", "serial", "dask"}
        Which one.
    jobs : int, optional
        Processes of the local engine; as many as there are cores when absent.
    address : str, optional
        Scheduler of the dask engine, e.g. ``tcp://10.0.0.5:8786``.

    Raises
    ------
    ScenarioError
        If there is no such engine, or an argument is missing or belongs to another engine.
    MissingExtraError
        If the dask engine is asked for and not installed.
    """
    if name not in ENGINES:
        raise ScenarioError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")
    if jobs is not None and (name != "local" or jobs < 1):
        raise ScenarioError(f"{jobs} jobs are asked for with engine {name!r}; the local engine takes 1 or more")
    if (address is not None) != (name == "dask"):
        raise ScenarioError(
            f"engine {name!r} with address {address!r}: the dask engine, and no other, takes an address"
        )
    if name == "serial":
        return SerialEngine()
    if name == "local":
        return LocalEngine(jobs=jobs)
    from joulewright.study.engines.dask import DaskEngine

    return DaskEngine(address=str(address))
