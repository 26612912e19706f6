"""A pool of processes on this machine in which the end of one process costs one piece of work.

The executor of the standard library gives up every pending call when a process ends. Here each process does one call
at a time over its own pipe, so the call that was lost is known, and a fresh process takes the next one.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from joulewright.errors import DataError
from joulewright.study.engines.base import AbstractEngine, Crash, Function, Work

_READY = "ready"
_STOP_S = 5.0


class LocalEngine(AbstractEngine):
    """Processes of this machine, started afresh so that no state of the caller leaks into them.

    Parameters
    ----------
    jobs : int, optional
        Processes at a time; as many as there are cores for this process when absent.
    """

    name = "local"

    def __init__(self, *, jobs: int | None = None) -> None:
        self.jobs = jobs or available_cores()

    def run(
        self, function: Function, shared: Sequence[bytes], work: Sequence[Work]
    ) -> Iterator[tuple[int, Any | Crash]]:
        """Results in the order in which they come; a process that ends is replaced."""
        pool = _Pool(function=function, shared=shared, work=work, waiting=deque(range(len(work))))
        try:
            for _ in range(min(self.jobs, len(work))):
                pool.start()
            yield from pool.results()
        finally:
            pool.stop()


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(kw_only=True, eq=False)
class _Worker:
    """A process, its pipe, what it works on and which shared bytes it holds."""

    process: BaseProcess
    pipe: Connection
    position: int | None = None
    holds: int | None = None
    ready: bool = False


@dataclass(kw_only=True)
class _Pool:
    function: Function
    shared: Sequence[bytes]
    work: Sequence[Work]
    waiting: deque[int]
    workers: list[_Worker] = field(default_factory=list)

    def start(self) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self.function, theirs), daemon=True)
        process.start()
        theirs.close()  # so that our end reports when the process is gone
        self.workers.append(_Worker(process=process, pipe=ours))

    def results(self) -> Iterator[tuple[int, Any | Crash]]:
        """Serve the workers until all work is done.

        Raises
        ------
        DataError
            If a process ends before it took any work.
        """
        while self.workers:
            ready = wait([worker.pipe for worker in self.workers])
            for worker in [worker for worker in self.workers if worker.pipe in ready]:
                try:
                    message = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._lost(worker)
                    continue
                if worker.position is not None:
                    yield worker.position, message
                worker.ready, worker.position = True, None
                yield from self._hand_over(worker)

    def _hand_over(self, worker: _Worker) -> Iterator[tuple[int, Crash]]:
        """Give a free worker its next piece of work, or let it go."""
        if not self.waiting:
            self._dismiss(worker)
            return
        worker.position = self.waiting.popleft()
        item = self.work[worker.position]
        content = None if worker.holds == item.shared else self.shared[item.shared]
        worker.holds = item.shared
        try:
            worker.pipe.send((content, item.payload))
        except OSError:
            yield from self._lost(worker)

    def _lost(self, worker: _Worker) -> Iterator[tuple[int, Crash]]:
        """Report the work of a process that ended and start another one for what is left.

        Raises
        ------
        DataError
            If the process never got ready, which the next one would not either.
        """
        self._dismiss(worker)
        if not worker.ready:
            raise DataError(
                f"a worker process ended with status {worker.process.exitcode} before it took any work; in a script "
                'of your own, start the study below `if __name__ == "__main__":`, or use the serial engine'
            )
        if worker.position is not None:
            yield worker.position, Crash(f"the worker process ended with {_status(worker.process.exitcode)}")
        if self.waiting:
            self.start()

    def _dismiss(self, worker: _Worker) -> None:
        """End a process that has nothing to do or is gone already."""
        self.workers.remove(worker)
        worker.pipe.close()
        worker.process.join(_STOP_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()

    def stop(self) -> None:
        """End what still runs, at once."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        self.workers.clear()


def _status(exit_code: int | None) -> str:
    """Exit status in words.

    Examples
    --------
    >>> _status(-9), _status(3)
    ('signal SIGKILL', 'status 3')
    """
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"status {exit_code}"


def _serve(function: Function, pipe: Connection) -> None:
    """Body of a process: call the function on what comes until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that leads the study
    content = b""
    try:
        pipe.send(_READY)
        while True:
            fresh, payload = pipe.recv()
            content = content if fresh is None else fresh
            pipe.send(function(content, payload))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
