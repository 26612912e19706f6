"""Functions that worker processes of a study import by name, and outcomes that can be worked by hand."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.model import Happening
from joulewright.study.result import ORACLE, Band, JobSummary, RunKey, RunOutcome
from joulewright.study.task import RunReturn, RunTask


def echo(content: bytes, payload: Any) -> tuple[int, Any]:
    """Size of the shared bytes, and the payload."""
    return len(content), payload


def die(content: bytes, payload: Any) -> Any:
    """End the process where the payload says so, else hand it back."""
    if payload == "exit":
        os._exit(7)
    if payload == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return payload


def process(content: bytes, payload: Any) -> int:
    """Which process worked."""
    time.sleep(0.05)
    return os.getpid()


def slow(content: bytes, payload: Any) -> Any:
    """The payload, after as many seconds as the shared bytes say."""
    time.sleep(float(content.decode()))
    return payload


def outcome_of(key: RunKey) -> RunOutcome:
    """Benefit 100 for the oracle; 90 less the seed for others, and another 10 less for policy ``slow``."""
    benefit = 100.0 if key.policy == ORACLE else 90.0 - key.seed - 10.0 * (key.policy == "slow") * (1 + key.seed)
    figures = {"benefit": benefit, "cost": -benefit, "carbon_kg": 1000.0 + key.seed, "served_fraction": None}
    return RunOutcome(
        key=key,
        figures=figures,
        standing={"benefit": benefit, "bound": 100.0, "no_control_cost": 50.0}
        if key.policy == ORACLE
        else {"benefit": benefit},
        cpu_s=0.25,
        bands=(Band(place="", quantity="facility_load_mw", bin_h=1.0, values=np.array([1.0, 2.0 + key.seed])),),
        happenings=(Happening(start_h=1.0, end_h=2.0, kind="grid-outage", where="a", detail="planned"),),
        jobs=JobSummary(jobs=2, started=1, finished=1, mean_wait_h=0.5, longest_wait_h=0.5),
        clips={"a/store discharge_mw": 3},
    )


def run_by_hand(content: bytes, task: RunTask) -> RunReturn:
    """An outcome without simulating; policy ``broken`` fails, and every call leaves a line in ``$STUDY_LOG``."""
    log = os.environ.get("STUDY_LOG")
    if log:
        with Path(log).open("a", encoding="utf-8") as stream:
            stream.write(f"{task.key}\n")
    time.sleep(float(os.environ.get("STUDY_RUN_S", "0")))
    if task.key.policy == "broken":
        return RunReturn(outcome=RunOutcome(key=task.key, status="failed", error="PolicyError: it is broken"))
    return RunReturn(outcome=outcome_of(task.key))
