"""What a study found: every run, what the runs say about the policies, and how sure that is.

A study runs every policy on every variant of a scenario, in every year, under every seed. Policies that share
variant, year and seed meet the same weather, prices, arrivals and failures: their figures are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from joulewright.errors import ScenarioError
from joulewright.model import Happening, Timeline
from joulewright.model.timeline import FloatArray

IntervalMethod = Literal["t", "bootstrap"]
TestName = Literal["paired-t", "wilcoxon"]

#: The perfect-foresight plan that every run is measured against; no policy may be called so.
ORACLE = "oracle"

BAND_QUANTITIES = (
    "facility_load_mw",
    "it_load_mw",
    "grid_import_mw",
    "grid_export_mw",
    "renewable_used_mw",
    "generation_mw",
    "curtailed_mw",
    "unserved_mw",
    "stored_energy_mwh",
    "state_of_charge_fraction",
    "import_price_per_mwh",
    "carbon_kg_per_mwh",
    "energy_cost_per_h",
    "carbon_kg_per_h",
)
"""Quantities of a :class:`Band`; those that do not apply to a place are left out."""


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """Which run of a study.

    Attributes
    ----------
    variant : str
        Name of the variant.
    policy : str
        Specification of the policy, or ``oracle``.
    seed : int
        Seed of every random draw.
    year : int or None
        Year the horizon was moved to; None for the dates of the scenario.
    """

    variant: str
    policy: str
    seed: int
    year: int | None = None

    def __str__(self) -> str:
        """The run in words, e.g. ``grid-first, seed 3, year 2021``."""
        parts = [*([self.variant] if self.variant else []), self.policy, f"seed {self.seed}"]
        return ", ".join([*parts, *([f"year {self.year}"] if self.year is not None else [])])


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A version of the scenario: a name, empty for the scenario as it is, and its overrides ``path=value``."""

    name: str = ""
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Band:
    """Means of one series over equal pieces of the horizon, kept of every run for fan charts.

    Attributes
    ----------
    place : str
        Site, or empty for all sites together. Flows and stored energy of all sites are sums; price and carbon
        intensity are means weighted with the facility load.
    quantity : str
        One of :data:`BAND_QUANTITIES`. ``energy_cost_per_h`` [currency/h] is import and fuel cost less export
        revenue; ``carbon_kg_per_h`` [kg/h] is carbon of import and generators.
    bin_h : float
        Length of a piece [h]; the last one may be shorter.
    values : FloatArray
        Mean of each piece in the unit of the quantity, shape ``(B,)``; piece ``k`` starts ``k bin_h`` hours after
        the start of the run.
    """

    place: str
    quantity: str
    bin_h: float
    values: FloatArray


@dataclass(frozen=True, kw_only=True)
class JobSummary:
    """How the training jobs of a run went.

    Attributes
    ----------
    jobs, started, finished : int
        Jobs of the scenario, how many of them started and how many finished within the horizon.
    restarts, moves : int
        Runs after the first one over all jobs, and how many of them at another site.
    lost_h : float
        Work done twice because of failures and restarts, as hours at the reference size [h].
    mean_wait_h, longest_wait_h : float or None
        Time from release to start over the jobs that started [h].
    """

    jobs: int
    started: int
    finished: int
    restarts: int = 0
    moves: int = 0
    lost_h: float = 0.0
    mean_wait_h: float | None = None
    longest_wait_h: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class RunOutcome:
    """What came of one run.

    Attributes
    ----------
    key : RunKey
        Which run.
    status : {"ok", "failed"}
        ``failed`` when the policy raised or the process that ran it ended.
    figures : mapping of str to float or None
        Headline figures, keys as in ``Ledger.summary()``; empty when the run failed.
    regret : float or None
        Bound on the benefit of any decisions under the same chance less benefit of this run [currency]; for the
        oracle itself what its plan may lack.
    regret_fraction : float or None
        ``regret`` as a fraction of the cost of a run without control, see :mod:`joulewright.study.regret`.
    standing : mapping of str to float
        What regret is made of [currency]: ``benefit`` of this run with shortages and missing stored energy priced;
        of an oracle also ``bound`` and ``no_control_cost``.
    error : str
        Why it failed; empty otherwise.
    cpu_s : float
        CPU time of the run [s].
    bands : tuple of Band
        Aggregates of the main series, by place and quantity.
    happenings : tuple of Happening
        Events, failures, restarts, migrations and shed load, in order of time.
    jobs : JobSummary or None
        How the training jobs went; None without jobs.
    clips : mapping of str to int
        Steps in which a decision was cut to what physics allows, by ``component quantity``.
    notes : tuple of str
        What a reader must know about this run.
    cached : bool
        True when the run was found finished and was not run again.
    input_sha256 : str
        Hash of everything that decides the run.
    """

    key: RunKey
    status: Literal["ok", "failed"] = "ok"
    figures: Mapping[str, float | None] = field(default_factory=dict)
    regret: float | None = None
    regret_fraction: float | None = None
    standing: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    cpu_s: float = 0.0
    bands: tuple[Band, ...] = ()
    happenings: tuple[Happening, ...] = ()
    jobs: JobSummary | None = None
    clips: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cached: bool = False
    input_sha256: str = ""

    @property
    def ok(self) -> bool:
        """True when the run has figures."""
        return self.status == "ok"

    def band(self, quantity: str, place: str = "") -> Band | None:
        """Aggregates of one series, or None where it was not kept."""
        found = (band for band in self.bands if band.quantity == quantity and band.place == place)
        return next(found, None)


@dataclass(frozen=True, kw_only=True)
class Inference:
    """How sure a study wants to be, and how it finds out.

    Attributes
    ----------
    interval : {"t", "bootstrap"}
        Student's interval, or the percentile interval of 10,000 resampled means, which assumes no distribution.
    test : {"paired-t", "wilcoxon"}
        Test of the differences: of their mean, or of their signed ranks.
    confidence : float
        Coverage of the intervals, in (0, 1).

    Raises
    ------
    ScenarioError
        If the coverage is not between 0 and 1.
    """

    interval: IntervalMethod = "t"
    test: TestName = "paired-t"
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0.0 < self.confidence < 1.0:
            raise ScenarioError(f"confidence is {self.confidence:g}; allowed is above 0 and below 1, e.g. 0.95")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and how sure it is.

    Attributes
    ----------
    mean : float
        Over the samples.
    low, high : float or None
        Ends of the confidence interval; None with fewer than two samples.
    count : int
        Samples.
    confidence : float
        Coverage of the interval, e.g. 0.95.
    method : str
        ``t`` (Student), ``bootstrap`` (percentile bootstrap of the mean) or ``none`` without an interval.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    count: int = 1
    confidence: float = 0.95
    method: str = "none"

    @property
    def half_width(self) -> float | None:
        """Half of the interval; None without one."""
        return None if self.low is None or self.high is None else 0.5 * (self.high - self.low)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Paired difference of one figure: a policy less another on one variant, or a variant less another for one policy.

    Attributes
    ----------
    variant, policy : str
        What is compared.
    reference_variant, reference : str
        Variant and policy it is compared with.
    figure : str
        Key of the figures of a run.
    difference : Estimate
        Mean of the paired differences with its interval, in the unit of the figure.
    samples : {"seeds", "years"}
        What the pairs are: seeds (each the mean over the years), or years where there is one seed.
    test : str
        ``paired-t``, ``wilcoxon`` or ``none``.
    p_value, adjusted_p_value : float or None
        Chance of a difference at least as large if there were none, and the same after Holm's correction for all
        comparisons of this figure. None where nothing was tested.
    left_out : int
        Pairs left out because a run failed or has no such figure.
    note : str
        Why there is no interval or no test; empty otherwise.
    """

    variant: str
    policy: str
    reference_variant: str
    reference: str
    figure: str
    difference: Estimate
    samples: Literal["seeds", "years"] = "seeds"
    test: str = "none"
    p_value: float | None = None
    adjusted_p_value: float | None = None
    left_out: int = 0
    note: str = ""

    def significant(self, level: float = 0.05) -> bool | None:
        """Whether the corrected p-value is below ``level``; None where nothing was tested."""
        return None if self.adjusted_p_value is None else self.adjusted_p_value < level


@dataclass(frozen=True, kw_only=True)
class PolicySummary:
    """One policy on one variant: mean and interval of every figure over its runs.

    Attributes
    ----------
    variant, policy : str
        Which runs.
    figures : mapping of str to Estimate
        By figure; ``regret`` and ``regret_fraction`` stand beside those of the ledger. A figure that some run
        lacks is left out.
    runs, failed : int
        Runs in all, and how many of them failed.
    """

    variant: str
    policy: str
    figures: Mapping[str, Estimate]
    runs: int
    failed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyResult:
    """All runs of a study and what they say.

    Attributes
    ----------
    name, currency : str
        Of the scenario.
    timeline : Timeline
        Horizon of the scenario; runs of another year start at the same date of that year.
    variants : tuple of Variant
        Versions of the scenario, in the order asked for.
    policies : tuple of str
        Specifications in the order asked for; the oracle is not among them.
    seeds : tuple of int
        Seeds, each once.
    years : tuple of int
        Years; empty when the dates of the scenario are used.
    forecast : str
        Specification of the forecaster.
    outcomes : tuple of RunOutcome
        One for each variant, year, seed and policy, then those of the oracle, in that order.
    summaries : tuple of PolicySummary
        One for each variant and policy, the oracle last.
    comparisons : tuple of Comparison
        Paired differences of each policy to the first one on every variant, then of each variant to the first one
        for every policy.
    inference : Inference
        Intervals and tests behind summaries and comparisons.
    notes : tuple of str
        What a reader must know about the study as a whole.
    provenance : mapping
        Files and hashes, versions, command and engine.
    """

    name: str
    currency: str
    timeline: Timeline
    variants: tuple[Variant, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    years: tuple[int, ...] = ()
    forecast: str = ""
    outcomes: tuple[RunOutcome, ...] = ()
    summaries: tuple[PolicySummary, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    inference: Inference = field(default_factory=Inference)
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def runs(self, *, variant: str | None = None, policy: str | None = None) -> Iterator[RunOutcome]:
        """Outcomes of a variant and a policy; None stands for every one (the oracle only when named)."""
        for outcome in self.outcomes:
            key = outcome.key
            if (variant is None or key.variant == variant) and (
                key.policy == policy if policy is not None else key.policy != ORACLE
            ):
                yield outcome

    def outcome(self, key: RunKey) -> RunOutcome:
        """Outcome of one run.

        Raises
        ------
        KeyError
            If the study has no such run.
        """
        for outcome in self.outcomes:
            if outcome.key == key:
                return outcome
        raise KeyError(f"the study has no run {key}")

    @property
    def failed(self) -> tuple[RunOutcome, ...]:
        """Runs that failed."""
        return tuple(outcome for outcome in self.outcomes if not outcome.ok)
