"""How fast serving is simulated: requests per second with a row each, a day in bounded memory, the closed form."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from benchmarks.registry import Measurement, case
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.steady import RequestShape, steady_state
from joulewright.sim.processes.inference import RequestTrace, ServingOptions, prepare_kernels, simulate_serving
from joulewright.sim.processes.inference.generate import TokenLengths, generate_requests
from joulewright.sim.processes.inference.plain import serve_plainly

_REPEATS = 5
_PEER_REQUESTS_PER_S = 2772.0
"""Event loop of Vidur on 8,192 requests."""

_DAY = """
import json, resource, sys
from time import process_time
from joulewright.physics.inference.deployment import deploy
from joulewright.sim.processes.inference import ServingOptions, prepare_kernels, simulate_serving
from joulewright.sim.processes.inference.generate import TokenLengths, stream_requests
count = int(sys.argv[1])
lengths = dict(input_tokens=TokenLengths(kind="lognormal", mean_tokens=330.0, most_tokens=4096),
               output_tokens=TokenLengths(kind="lognormal", mean_tokens=200.0, most_tokens=2048))
prepare_kernels()
begin = process_time()
traces = stream_requests(count, rate_per_s=count / 86400.0, seed=1, **lengths)
found = simulate_serving(traces, deploy("Llama-3.1-8B", "H100"), replicas=8, router="least-outstanding",
                         options=ServingOptions(context_tokens=8192))
print(json.dumps({"seconds": process_time() - begin, "served": found.served, "steps": found.steps,
                  "p99_ttft_s": found.quantile("ttft_s", 0.99),
                  "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0}))
"""


@case(
    "infer-speed",
    "Requests per second of the serving simulator with all metrics, a day of them, the closed form",
)
def measure(smoke: bool) -> Measurement:
    """Time whole calls with a row per request in CPU seconds; every repetition must give the same run."""
    count, day = (512, 20_000) if smoke else (8192, 10_000_000)
    prepare_kernels()
    engine = coefficients(deploy("Llama-3.1-8B", "H100"))
    options = ServingOptions(max_sequences=256, token_budget=2048)
    figures: dict[str, float | None] = {}
    conditions: dict[str, Any] = {"requests": count, "repeats": _REPEATS, "model": "Llama-3.1-8B on one H100"}
    for suffix, rate in (("", 6.45), ("_burst", 1e6)):
        trace = _trace(count, rate)
        seconds, steps = _seconds(partial(_rows, trace, engine, options))
        figures |= {f"requests{suffix}_per_s": count / seconds, f"requests{suffix}_8192_s": seconds * 8192 / count}
        conditions[f"steps{suffix}"] = steps
    small = _trace(min(count, 1024), 1e6)
    begin = process_time()
    serve_plainly(small, engine, options=options)
    figures["plain_requests_per_s"] = len(small) / (process_time() - begin)
    rates = np.linspace(0.01, 25.0, 1000)
    chat = RequestShape(input_tokens=330.0, output_tokens=397.0, length_factor=1.9)
    figures["curve_1000_s"], _ = _seconds(lambda: steady_state(engine, chat, rate_per_s=rates).step_s.size)
    figures |= _day(day)
    conditions["day_requests"] = day
    ratios = {"over_peer": (figures["requests_per_s"] or 0.0) / _PEER_REQUESTS_PER_S}
    return Measurement(figures=figures, ratios=ratios, conditions=conditions)


def _trace(count: int, rate_per_s: float) -> RequestTrace:
    lengths = TokenLengths(kind="zipf", least_tokens=16, most_tokens=2048, exponent=1.1)
    return generate_requests(count, rate_per_s=rate_per_s, input_tokens=lengths, output_tokens=lengths, seed=1)


def _rows(trace: RequestTrace, engine: Any, options: ServingOptions) -> int:
    found = simulate_serving(trace, engine, options=options)
    if found.requests.height != len(trace):
        raise ValueError(f"{found.requests.height} rows for {len(trace)} requests")
    return found.steps


def _seconds(call: Callable[[], int]) -> tuple[float, int]:
    """CPU time of the quickest of some calls, and what all of them gave."""
    best, answers = float("inf"), set()
    for _ in range(_REPEATS):
        begin = process_time()
        answers.add(call())
        best = min(best, process_time() - begin)
    if len(answers) != 1:
        raise ValueError(f"repetitions differ: {sorted(answers)}")
    return best, answers.pop()


def _day(count: int) -> dict[str, float]:
    """A day of requests in a process of its own, whose peak memory is measured."""
    done = subprocess.run([sys.executable, "-c", _DAY, str(count)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if found["served"] != count:
        raise ValueError(f"{found['served']} of {count} requests were served")
    return {
        "day_10m_peak_rss_mib": found["rss_mib"],
        "day_10m_s": found["seconds"],
        "day_10m_steps": found["steps"],
        "day_10m_p99_ttft_s": found["p99_ttft_s"],
    }
