"""Runs on a Dask cluster that can be reached: started by hand, by dask-jobqueue on Slurm, or otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any
from uuid import uuid4

from joulewright.errors import DataError, MissingExtraError
from joulewright.study.engines.base import AbstractEngine, Crash, Function, Work

_CONNECT_S = 4.0


class DaskEngine(AbstractEngine):
    """A Dask cluster that exists already.

    Work of a worker that is lost goes to another one; a result counts once, whoever delivers it. Workers need the
    same version of joulewright installed, and no shared file system.

    Parameters
    ----------
    address : str
        Of the scheduler, e.g. ``tcp://10.0.0.5:8786`` or ``cluster.scheduler_address``.
    connect_s : float
        How long to try to reach it [s].

    Raises
    ------
    MissingExtraError
        If ``distributed`` is not installed.
    """

    name = "dask"

    def __init__(self, *, address: str, connect_s: float = _CONNECT_S) -> None:
        try:
            import distributed
        except ImportError as error:
            raise MissingExtraError(
                "the dask engine needs distributed; run: pip install 'joulewright[dask]'"
            ) from error
        self.address = address
        self.connect_s = connect_s
        self._distributed: Any = distributed

    def run(
        self, function: Function, shared: Sequence[bytes], work: Sequence[Work]
    ) -> Iterator[tuple[int, Any | Crash]]:
        """Results in the order in which they come; the cluster stays as it was."""
        client = self._connect()
        try:
            yield from self._results(client, function, shared, work)
        finally:
            client.close(timeout=self.connect_s)

    def _connect(self) -> Any:
        try:
            return self._distributed.Client(self.address, timeout=self.connect_s, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DataError(
                f"no Dask scheduler answers at {self.address!r} within {self.connect_s:g} s; check the address, which "
                "looks like tcp://10.0.0.5:8786, and that the scheduler runs"
            ) from error

    def _results(
        self, client: Any, function: Function, shared: Sequence[bytes], work: Sequence[Work]
    ) -> Iterator[tuple[int, Any | Crash]]:
        name = f"joulewright-{uuid4().hex}"
        # Shared bytes are tasks too: when the worker that holds them is lost, the scheduler makes them again.
        sent = [client.submit(bytes, content, key=f"{name}-shared-{i}", pure=False) for i, content in enumerate(shared)]
        futures = [
            client.submit(function, sent[item.shared], item.payload, key=f"{name}-{position}", pure=False)
            for position, item in enumerate(work)
        ]
        positions = {future.key: position for position, future in enumerate(futures)}
        for future in self._distributed.as_completed(futures, loop=client.loop):
            try:
                error = future.exception()
                result = future.result() if error is None else Crash(_reason(error))
            except CancelledError as lost:
                raise DataError(
                    f"the connection to the Dask scheduler at {self.address!r} was lost; runs that had finished are "
                    "kept: start the scheduler and run the same study again"
                ) from lost
            yield positions[future.key], result
            future.release()


def _reason(error: BaseException) -> str:
    return f"the cluster gave the run up: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
