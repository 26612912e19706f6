"""What serving a trace took: times, energy by phase, tenant and request, and what was refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from joulewright.errors import TraceError
from joulewright.model.timeline import FloatArray
from joulewright.sim.processes.inference.arrays import COLUMNS, DAY_S, REASONS, World
from joulewright.sim.processes.inference.histogram import histogram_quantile
from joulewright.sim.processes.inference.options import ServingOptions
from joulewright.sim.processes.inference.requests import RequestTrace

J_PER_KWH = 3.6e6
LATENCIES = ("ttft_s", "tpot_s", "e2e_s")


@dataclass(frozen=True, eq=False, kw_only=True)
class ServingResult:
    """Outcome of :func:`~joulewright.sim.processes.inference.serve.simulate_serving`.

    Attributes
    ----------
    world : World
        Arrays of the loop after its end.
    options : ServingOptions
        What was simulated.
    tenants : tuple of str
        Names of tenants.
    trace : RequestTrace or None
        The requests; None if they came as several traces, of which only sums and histograms are kept.
    start_s, end_s : float
        Time over which replicas are billed [s].
    offered : int
        Requests that arrived.
    """

    world: World
    options: ServingOptions
    tenants: tuple[str, ...]
    trace: RequestTrace | None
    start_s: float
    end_s: float
    offered: int

    @property
    def served(self) -> int:
        """Requests that got their whole answer."""
        return int(self.world.run["served"][0])

    @property
    def refused(self) -> int:
        """Requests that were not admitted."""
        return int(self.world.run["refusals"][0])

    @property
    def makespan_s(self) -> float:
        """End of the last request [s]."""
        return float(self.world.run["last_finish_s"][0])

    @property
    def steps(self) -> int:
        """Steps of all replicas."""
        return int(self.world.replicas["steps"].sum())

    @property
    def busy_s(self) -> float:
        """Time in steps over all replicas [replica-s]."""
        return float(self.world.replicas["busy_s"].sum())

    @property
    def clipped_s(self) -> float:
        """Part of it in which the power limit held [replica-s]."""
        return float(self.world.replicas["clipped_s"].sum())

    @property
    def preemptions(self) -> int:
        """Times a sequence lost its cache."""
        return int(self.world.replicas["preemptions"].sum())

    @property
    def scheduled_tokens(self) -> int:
        """Tokens that steps processed."""
        return int(self.world.replicas["tokens"].sum())

    @cached_property
    def energy_j(self) -> Mapping[str, float]:
        """Energy of ``prefill`` and ``decode`` steps, ``idle``, ``loading`` and ``off`` replicas, and ``host`` [J]."""
        return dict(zip(COLUMNS, self.world.series.sum(axis=0).tolist()))

    @property
    def total_energy_j(self) -> float:
        """Energy of everything between start and end [J]."""
        return float(sum(self.energy_j.values()))

    @cached_property
    def request_energy_j(self) -> FloatArray:
        """Energy of the steps of each request, shape ``(N,)`` [J]; 0 for a refused one."""
        rows = self._rows()
        energy: FloatArray = rows["prefill_j"] + rows["decode_j"]
        return energy

    @cached_property
    def requests(self) -> pl.DataFrame:
        """One row per request: lengths, times [s], energy by phase [J], carbon [g], water [l], and its fate."""
        rows, trace = self._rows(), self._trace()
        known = rows["status"] == 0
        arrival, output = trace.arrival_s, trace.output_tokens
        first = np.where(known, rows["first_token_s"], np.nan)
        finish = np.where(known, rows["finish_s"], np.nan)
        tpot = np.divide(finish - first, output - 1, out=np.full(len(trace), np.nan), where=output > 1)
        columns: dict[str, object] = {
            "request": np.arange(len(trace)),
            "tenant": pl.Series(trace.tenant).replace_strict(dict(enumerate(self.tenants)), return_dtype=pl.String),
            "arrival_s": arrival,
            "input_tokens": trace.input_tokens,
            "output_tokens": output,
            "replica": rows["replica"],
            "first_token_s": first,
            "finish_s": finish,
            "ttft_s": first - arrival,
            "tpot_s": tpot,
            "e2e_s": finish - arrival,
            "prefill_j": rows["prefill_j"],
            "decode_j": rows["decode_j"],
            "carbon_g": rows["carbon_g"],
            "water_l": self._water(self.request_energy_j),
            "cached_tokens": rows["cached"],
            "preemptions": rows["preemptions"],
            "status": pl.Series(rows["status"]).replace_strict(dict(enumerate(REASONS)), return_dtype=pl.String),
        }
        return pl.DataFrame(columns).with_columns(pl.col("^.*_s$").fill_nan(None))

    @cached_property
    def by_tenant(self) -> pl.DataFrame:
        """One row per tenant: requests, tokens, mean times [s], energy by phase [J], carbon [g], water [l].

        Times of a tenant without served requests are null.
        """
        found = self.world.tenants
        arrived = np.maximum(found["requests"] + found["refused"], 1)
        columns: dict[str, object] = {"tenant": self.tenants}
        columns |= {name: found[name] for name in ("requests", "refused")}
        columns |= {name: found[key].astype(np.int64) for name, key in _TENANT_TOKENS.items()}
        served = np.where(found["requests"] > 0, found["requests"], np.nan)
        columns |= {name: found[name] / served for name in LATENCIES}
        columns["tpot_s"] = found["tpot_s"] / np.where(found["requests"] > 0, np.maximum(found["timed"], 1), np.nan)
        columns |= {name: found[name] for name in ("prefill_j", "decode_j", "carbon_g", "preemptions")}
        columns["water_l"] = self._water(found["prefill_j"] + found["decode_j"])
        columns["met_fraction"] = found["met"] / arrived
        return pl.DataFrame(columns).with_columns(pl.col("^.*_s$").fill_nan(None))

    @cached_property
    def series(self) -> pl.DataFrame:
        """Mean power of each bin by kind and in total [W]; the last bin is divided by its full length."""
        first = float(self.world.run["start_s"][0])
        bins = max(1, int(np.ceil((self.end_s - first) / self.options.bin_s)))
        energy = self.world.series[:bins]
        columns: dict[str, object] = {"time_s": first + self.options.bin_s * np.arange(bins)}
        columns |= {f"{name}_w": energy[:, at] / self.options.bin_s for at, name in enumerate(COLUMNS)}
        columns["power_w"] = energy.sum(axis=1) / self.options.bin_s
        return pl.DataFrame(columns)

    @property
    def mean_power_w(self) -> float:
        """Energy over the time from start to end [W]."""
        span_s = self.end_s - self.start_s
        return self.total_energy_j / span_s if span_s else 0.0

    @cached_property
    def carbon_g(self) -> Mapping[str, float]:
        """Emissions by kind [g CO2e]: energy of each bin times the intensity of its step.

        Raises
        ------
        TraceError
            If no carbon intensity was given.
        """
        if self.world.intensity.size == 0:
            raise TraceError("the simulation had no carbon intensity; pass intensity to simulate_serving")
        return dict(zip(COLUMNS, ((self._intensity @ self.world.series) / J_PER_KWH).tolist()))

    @cached_property
    def rest_of_budget(self) -> Mapping[str, tuple[float, float]]:
        """What replicas that only rest take of a day's budget, on the day with the most of it, and the budget.

        By ``energy_kwh`` and ``carbon_g``, where there is such a limit. Rest is counted as admission sets it aside, for
        all replicas from start to end, with autoscaling at the power of loading if that is more. Requests have the
        difference; if there is none, all are refused.
        """
        world, budget = self.world, self.options.budget
        if budget is None:
            return {}
        run, pools, engines = world.run[0], world.pools, world.engines
        each_w = np.maximum(engines["rest_w"] + engines["host_rest_w"], np.maximum(pools["load_w"], pools["off_w"]))
        edges_s = float(run["start_s"]) + self.options.bin_s * np.arange(world.series.shape[0] + 1)
        billed_s = np.diff(np.clip(edges_s, self.start_s, self.end_s))
        used = float((pools["last"] - pools["first"]) @ each_w) / J_PER_KWH * billed_s
        days = np.floor((edges_s[:-1] + 0.5 * self.options.bin_s - run["midnight_s"]) / DAY_S + 1.0).astype(np.int64)
        found = {}
        if budget.energy_kwh is not None:
            found["energy_kwh"] = (float(np.bincount(days, weights=used).max()), budget.energy_kwh)
        if budget.carbon_g is not None:
            found["carbon_g"] = (float(np.bincount(days, weights=used * self._intensity).max()), budget.carbon_g)
        return found

    @cached_property
    def water_l(self) -> Mapping[str, float]:
        """Water by kind [l]: energy times the water usage effectiveness of the options."""
        return dict(zip(COLUMNS, self._water(np.array(list(self.energy_j.values()))).tolist()))

    def quantile(self, name: str, fraction: float, tenant: str | None = None) -> float:
        """Quantile of ``ttft_s``, ``tpot_s`` or ``e2e_s`` over served requests [s].

        Exact with one trace; from several traces within 0.5 %. Not a number where no request counts.

        Raises
        ------
        TraceError
            If the name, the tenant or the fraction is not known.
        """
        if name not in LATENCIES or not 0.0 <= fraction <= 1.0:
            raise TraceError(f"there is no quantile {fraction!r} of {name!r}; use one of {LATENCIES} and 0 to 1")
        if tenant is not None and tenant not in self.tenants:
            raise TraceError(f"there is no tenant {tenant!r}; known are {', '.join(self.tenants)}")
        if self.trace is None:
            counts = self.world.histograms[:, LATENCIES.index(name)]
            chosen = counts.sum(axis=0) if tenant is None else counts[self.tenants.index(tenant)]
            return histogram_quantile(chosen, fraction)
        frame = self.requests if tenant is None else self.requests.filter(pl.col("tenant") == tenant)
        values = frame[name].drop_nulls().to_numpy()
        return float(np.quantile(values, fraction)) if values.size else float("nan")

    def mean(self, name: str) -> float:
        """Mean of ``ttft_s``, ``tpot_s`` or ``e2e_s`` over served requests [s]; of the second, those with 2 tokens."""
        if name not in LATENCIES:
            raise TraceError(f"there is no latency {name!r}; use one of {LATENCIES}")
        if self.trace is not None:
            values = self.requests[name].drop_nulls().to_numpy()
            return float(values.mean()) if values.size else float("nan")
        count = int(self.world.histograms[:, LATENCIES.index(name)].sum())
        return float(self.world.tenants[name].sum() / count) if count else float("nan")

    @property
    def refusals(self) -> Mapping[str, int]:
        """Refused requests by reason; with several traces under ``refused``."""
        if self.trace is None:
            return {"refused": self.refused} if self.refused else {}
        counts = np.bincount(self.world.rows["status"], minlength=len(REASONS))
        return {name: int(count) for name, count in zip(REASONS[1:], counts[1:]) if count}

    @property
    def met_fraction(self) -> float:
        """Share of all requests, refused ones included, that met the latency objectives."""
        return float(self.world.tenants["met"].sum() / self.offered)

    def overload(self) -> Mapping[str, float]:
        """What was served while requests arrived, and what all of them would need.

        Returns
        -------
        mapping of str to float
            ``arrival_span_s``, ``offered_token_s`` (tokens to process over that span), ``served_fraction`` (of
            requests, with their answer complete at the last arrival), ``busy_fraction`` (time in steps over replica
            time to the end), and ``needed_replicas``: those that process the offered tokens in that span, at the pace
            of the steps.
        """
        trace, rows = self._trace(), self._rows()
        span = max(float(trace.arrival_s[-1]) - self.start_s, self.options.bin_s)
        done = (rows["status"] == 0) & (rows["finish_s"] <= trace.arrival_s[-1])
        offered = trace.scheduled_tokens / span
        pace = self.scheduled_tokens / self.busy_s if self.busy_s else float("inf")
        return {
            "arrival_span_s": span,
            "offered_token_s": offered,
            "served_fraction": float(done.mean()),
            "busy_fraction": self.busy_s / (self.world.replicas.size * max(self.end_s - self.start_s, span)),
            "needed_replicas": float(np.ceil(offered / pace)),
        }

    def figures(self) -> Mapping[str, float]:
        """The figures a comparison shows, not a number where no request counts; the key ends in the unit."""
        active, tokens = self.energy_j["prefill"] + self.energy_j["decode"], float(self.world.tenants["output"].sum())
        found = {
            "requests": float(self.offered),
            "refused": float(self.refused),
            "makespan_s": self.makespan_s,
            "busy_s": self.busy_s,
            "steps": float(self.steps),
            "preemptions": float(self.preemptions),
            "active_kwh": active / J_PER_KWH,
            "total_kwh": self.total_energy_j / J_PER_KWH,
            "mean_power_w": self.mean_power_w,
            "energy_per_output_token_j": self.total_energy_j / tokens if tokens else math.nan,
            "met_fraction": self.met_fraction,
        }
        for name in LATENCIES:
            found[f"mean_{name}"] = self.mean(name)
            found |= {f"p{percent}_{name}": self.quantile(name, percent / 100) for percent in (50, 90, 99)}
        return found

    @property
    def _intensity(self) -> FloatArray:
        """Carbon intensity of each bin [g/kWh]."""
        numbers = np.arange(self.world.series.shape[0]) + int(self.world.run["first_bin"][0])
        numbers = numbers // int(self.world.run["bins_per_intensity"][0])
        values: FloatArray = self.world.intensity[np.minimum(numbers, self.world.intensity.size - 1)]
        return values

    def _water(self, energy_j: FloatArray) -> FloatArray:
        water: FloatArray = energy_j / J_PER_KWH * self.options.water_l_per_kwh
        return water

    def _trace(self) -> RequestTrace:
        if self.trace is None:
            raise TraceError("the requests came as several traces, of which no rows are kept; give one trace for rows")
        return self.trace

    def _rows(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        self._trace()
        return self.world.rows


_TENANT_TOKENS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cached_tokens": "cached",
    "refused_tokens": "refused_tokens",
}
