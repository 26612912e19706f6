"""``jw infer simulate`` and ``curve``: files, tables, documents, and every kind of bad input."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

LLAMA = ("--model", "Llama-3.1-8B", "--accelerator", "H100-SXM")
POISSON = "poisson:rate=4,requests=300,seed=1"


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """Six requests of two tenants."""
    rows = [f"{0.5 * at},{100 + 50 * at},{20 + at},{'web' if at % 2 else 'batch'}" for at in range(6)]
    path = tmp_path / "requests.csv"
    path.write_text("arrival_s,input_tokens,output_tokens,tenant\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def intensity(tmp_path: Path) -> Path:
    """A clean hour and three dirty ones."""
    path = tmp_path / "grid.csv"
    rows = [f"2022-07-04T{hour:02d}:00Z,{100 if hour == 0 else 400}" for hour in range(4)]
    path.write_text("utc,ci_g_kwh\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_simulate_without_any_file(jw, tmp_path: Path) -> None:
    outcome = jw("infer", "simulate", POISSON, *LLAMA, "-o", tmp_path / "run")
    assert outcome.status == 0, outcome.stderr
    for words in ("time to first token", "p99", "prefill", "host", "Step model with the constants", "expected error"):
        assert words in outcome.stdout
    assert "requests are made up" in outcome.stderr
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"infer.json", "report.html", "requests.parquet", "series.parquet", "tenants.parquet"}


def test_what_a_folder_holds_agrees(jw, requests: Path, intensity: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("--intensity", intensity, "--wue", "1.8 L/kWh", "--replicas", 2, "--end", "100 s")
    outcome = jw("infer", "simulate", requests, *LLAMA, *options, "-o", folder, "--json", "-q")
    assert outcome.stderr == ""
    document = outcome.document
    manifest = json.loads((folder / "infer.json").read_text("utf-8"))
    assert (manifest["schema_version"], manifest["kind"]) == ("joulewright/serving-run/2", "simulate")
    for name, seal in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == seal["sha256"]
    assert manifest["requests"]["sha256"] == hashlib.sha256(requests.read_bytes()).hexdigest()
    assert manifest["carbon_intensity"]["sha256"] == hashlib.sha256(intensity.read_bytes()).hexdigest()
    by_phase = {row["phase"]: row for row in document["energy"]}
    total = by_phase.pop("total")
    assert sum(row["energy_kwh"] for row in by_phase.values()) == pytest.approx(total["energy_kwh"], rel=1e-12)
    assert total["carbon_g"] == pytest.approx(100.0 * total["energy_kwh"])  # the trace lies in the clean hour
    assert total["water_l"] == pytest.approx(1.8 * total["energy_kwh"])
    rows, series = pl.read_parquet(folder / "requests.parquet"), pl.read_parquet(folder / "series.parquet")
    own = rows["prefill_j"].sum() + rows["decode_j"].sum()
    assert own == pytest.approx(3.6e6 * (by_phase["prefill"]["energy_kwh"] + by_phase["decode"]["energy_kwh"]))
    assert series["power_w"].sum() == pytest.approx(3.6e6 * total["energy_kwh"])  # bins of a second
    assert document["span_s"] == [0.0, 100.0]
    assert {row["tenant"]: row["requests"] for row in document["tenants"]} == {"batch": 3, "web": 3}
    assert document["written"] == [str(folder), str(folder / "report.html")]


def test_the_carbon_follows_the_start(jw, requests: Path, intensity: Path) -> None:
    options = (*LLAMA, "--intensity", intensity, "--json", "-q")
    clean = jw("infer", "simulate", requests, *options).document["energy"][-1]
    dirty = jw("infer", "simulate", requests, *options, "--start", "2022-07-04T01:00Z").document["energy"][-1]
    assert dirty["energy_kwh"] == clean["energy_kwh"]
    assert dirty["carbon_g"] == pytest.approx(4.0 * clean["carbon_g"])


def test_a_fixed_intensity_and_a_made_up_year(jw, requests: Path) -> None:
    fixed = jw("infer", "simulate", requests, *LLAMA, "--intensity", "0.25 kg/kWh", "--json").document
    assert fixed["energy"][-1]["carbon_g"] == pytest.approx(250.0 * fixed["energy"][-1]["energy_kwh"])
    outcome = jw("infer", "simulate", requests, *LLAMA, "--intensity", "zone:DE-LU")
    assert "made up, not measured" in outcome.stderr


def test_a_cap_slows_down_and_a_clock_too(jw) -> None:
    def mean_e2e(*options: str) -> float:
        document = jw("infer", "simulate", POISSON, *LLAMA, *options, "--json", "-q").document
        found: float = document["latencies"][2]["mean_s"]
        return found

    free = mean_e2e()
    assert mean_e2e("--power-cap", "300 W") > free
    assert mean_e2e("--clock", "60 %") > free
    assert mean_e2e("--tensor-parallel", "2") < free


def test_doubling_idle_replicas_doubles_idle_energy(jw, requests: Path) -> None:
    def idle_kwh(replicas: int) -> float:
        document = jw("infer", "simulate", requests, *LLAMA, "--replicas", replicas, "--end", "1 h", "--json").document
        return float(document["energy"][2]["energy_kwh"] + document["energy"][5]["energy_kwh"])

    assert idle_kwh(4) / idle_kwh(2) == pytest.approx(2.0, rel=0.01)


def test_budgets_refuse_and_say_so(jw) -> None:
    outcome = jw("infer", "simulate", POISSON, *LLAMA, "--budget", "tokens=50000", "--json")
    document = outcome.document
    assert document["refusals"]["token budget"] + document["served"] == 300
    used = sum(row["input_tokens"] + row["output_tokens"] for row in document["tenants"])
    assert used <= 50_000
    assert "were refused" in outcome.stderr


def test_demand_above_capacity_says_what_would_be_needed(jw) -> None:
    crowd = "poisson:rate=200,requests=4000,lengths=constant,seed=1"
    outcome = jw("infer", "simulate", crowd, "--model", "Llama-3.1-8B", "--accelerator", "L40S")
    assert outcome.status == 0
    assert "Demand is above capacity" in outcome.stderr
    assert "Uncalibrated constants" in outcome.stdout
    assert "nobody has measured" in outcome.stdout


def test_pools_caches_and_scaling(jw, requests: Path) -> None:
    pools = ("--disaggregate", "decode_replicas=2,link_bytes_s=50e9")
    document = jw("infer", "simulate", requests, *LLAMA, *pools, "--json").document
    assert document["options"]["disaggregation"]["decode_replicas"] == 2
    scaled = ("--replicas", 4, "--autoscale", "requests_per_replica=8,load_s=5", "--router", "power-aware")
    document = jw("infer", "simulate", POISSON, *LLAMA, *scaled, "--json").document
    assert {row["phase"]: row["energy_kwh"] for row in document["energy"]}["idle"] >= 0.0
    cached = jw("infer", "simulate", POISSON, *LLAMA, "--prefix-hits", "0.5", "--json").document
    plain = jw("infer", "simulate", POISSON, *LLAMA, "--json").document
    assert cached["energy"][0]["energy_kwh"] < plain["energy"][0]["energy_kwh"]


def test_every_choice_of_the_engine_is_an_option(jw, tmp_path: Path) -> None:
    rows = [
        {"timestamp": 1000 * at, "input_length": 600, "output_length": 20, "hash_ids": [at % 2, 7]} for at in range(30)
    ]
    path = tmp_path / "moon.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    common = (path, *LLAMA, "--replicas", 3, "--fill-sequences", 2, "--prefix-cache", "40", "--json")
    shared, each, aware = (
        jw("infer", "simulate", *common, *words).document
        for words in ((), ("--prefix-cache-each",), ("--prefix-cache-each", "--router", "prefix-aware"))
    )
    assert [item["options"]["prefix_cache"]["shared"] for item in (shared, each, aware)] == [True, False, False]
    assert shared["options"]["fill_sequences"] == 2
    # in turn every replica computes both prompts; where they are sought out, one does
    assert shared["cached_fraction"] == pytest.approx(aware["cached_fraction"])
    assert aware["cached_fraction"] > each["cached_fraction"] > 0.0
    scaled = ("--replicas", 2, "--autoscale", "schedule=0:1/20:2,load_s=1")
    document = jw("infer", "simulate", POISSON, *LLAMA, *scaled, "--json").document
    assert document["options"]["autoscaling"]["schedule"] == [[0.0, 1], [20.0, 2]]
    pools = ("--disaggregate", "decode_replicas=2,link_bytes_s=50e9,decode_accelerator=2xH200")
    outcome = jw("infer", "simulate", POISSON, *LLAMA, *pools, "-o", tmp_path / "run")
    assert "2 replicas of 2 x H200-SXM for answers" in outcome.stdout.replace("\n", " ")
    assert "Answers: Step model with the constants" in outcome.stdout or "Answers: Uncalibrated" in outcome.stdout
    assert jw("report", tmp_path / "run", "-o", tmp_path / "again.html").status == 0


def test_a_config_of_a_user(jw, tmp_path: Path) -> None:
    config = {
        "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
        "vocab_size": 128256, "intermediate_size": 14336, "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
        "model_type": "llama", "architectures": ["LlamaForCausalLM"],
    }  # fmt: skip
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    options = ("--model", tmp_path / "mine", "--accelerator", "H100")
    document = jw("infer", "simulate", POISSON, *options, "--json").document
    assert document["deployment"]["weight_gb"] == pytest.approx(16.06, rel=0.01)


def test_curve_side_by_side(jw, tmp_path: Path) -> None:
    pair = ("--accelerator", "4xH100", "--accelerator", "2xB200", "--accelerator", "L40S")
    outcome = jw("infer", "curve", "--model", "Llama-3.1-70B", *pair, "-o", tmp_path / "run")
    assert outcome.status == 0, outcome.stderr
    assert "4 x H100-SXM" in outcome.stdout
    header = " ".join(outcome.stdout.partition("Steady state, at")[2].partition("4 x H100-SXM")[0].split())
    assert "Power per accelerator" in header
    assert "Power of all, with host" in header
    assert "L40S is left out: Llama-3.1-70B in bf16 does not fit" in outcome.stderr
    rates, batches = (pl.read_parquet(tmp_path / "run" / f"{name}.parquet") for name in ("rates", "batches"))
    for frame, column in ((rates, "rate_per_s"), (batches, "batch")):
        for name in ("4 x H100-SXM", "2 x B200"):
            own = frame.filter(pl.col("deployment") == name)
            assert own[column].is_sorted()
            energy = own["energy_per_output_token_j"].drop_nulls().to_list()
            assert energy == sorted(energy, reverse=True)
    again = jw("infer", "curve", "--model", "Llama-3.1-70B", *pair, "--json").document
    first = again["deployments"][0]
    assert rates["rate_per_s"].max() == pytest.approx(max(item["limit_per_s"] for item in again["deployments"]))
    assert first["limit_token_s"] == pytest.approx(250.0 * first["limit_per_s"])
    assert len(again["summary"]) == 12
    for row, accelerators in ((again["summary"][5], 4), (again["summary"][11], 2)):
        # Steps draw what the accelerators do; the host's share comes on top, so that the total is more than their sum.
        total_w, each_w = row["replica_power_with_host_w"], row["power_per_accelerator_w"]
        assert each_w * accelerators < total_w < 2.0 * each_w * accelerators
        assert total_w / row["output_token_s"] == pytest.approx(row["energy_with_host_j"])


def test_report_is_rebuilt_and_a_run_described(jw, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert jw("infer", "curve", *LLAMA, "--points", 20, "--no-report", "-o", folder).status == 0
    assert not (folder / "report.html").exists()
    assert jw("report", folder).status == 0
    assert "Energy per output token" in (folder / "report.html").read_text("utf-8")
    assert "infer.json" in jw("data", "describe", folder).stdout
    (folder / "rates.parquet").write_bytes(b"PAR1")
    assert jw("report", folder, "-o", tmp_path / "again.html").status == 6


TRACES = {
    "BACK": "arrival_s,input_tokens,output_tokens\n1.0,10,5\n0.5,10,5\n",
    "NEGATIVE": "arrival_s,input_tokens,output_tokens\n0.0,-10,5\n",
    "LONG": "arrival_s,input_tokens,output_tokens\n0.0,200000,5\n",
    "EMPTY": "arrival_s,input_tokens,output_tokens\n",
    "BLANK": "arrival_s,input_tokens,output_tokens\n0.0,,5\n",
    "OTHER": "when,what\n1,2\n",
}
BIG = ("--model", "Llama-3.1-405B", "--accelerator", "H100")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("simulate", "absent.csv", *LLAMA), 6, ["absent.csv", "no such file", "poisson:"]),
        (("simulate", "BACK", *LLAMA), 3, ["request 1 arrives at 0.5 s, before request 0 at 1 s", "sort"]),
        (("simulate", "NEGATIVE", *LLAMA), 3, ["input_tokens of request 0 is -10", "allowed is 1"]),
        (("simulate", "LONG", *LLAMA), 3, ["request 0 needs 200005 tokens", "context window holds 131072"]),
        (("simulate", "EMPTY", *LLAMA), 3, ["no requests"]),
        (("simulate", "BLANK", *LLAMA), 3, ["input_tokens of request 0"]),
        (("simulate", "OTHER", *LLAMA), 3, ["columns when, what"]),
        (("simulate", POISSON, *BIG), 3, ["does not fit", "811.8 GB", "use at least"]),
        (("simulate", POISSON, "--model", "Lama-3.1-8B", "--accelerator", "H100"), 3, ["did you mean Llama-3.1-8B"]),
        (("simulate", POISSON, "--model", "Llama-3.1-8B", "--accelerator", "H10"), 3, ["did you mean H100"]),
        (("simulate", POISSON, "--model", "nowhere/config.json", "--accelerator", "H100"), 6, ["cannot be read"]),
        (("simulate", POISSON, *LLAMA, "--precision", "fp7"), 3, ["'fp7' is unknown", "bf16"]),
        (("simulate", POISSON, "--model", "Llama-3.1-8B", "--accelerator", "A100", "--precision", "fp8"), 3,
         ["not known to run on A100-SXM"]),
        (("simulate", POISSON, *LLAMA, "--power-cap", "150 W"), 3, ["150 W", "above 183.75 W", "175 W"]),
        (("simulate", POISSON, *LLAMA, "--power-cap", "900 W"), 3, ["900 W", "board limit of 700 W"]),
        (("simulate", POISSON, *LLAMA, "--power-cap", "900"), 2, ["--power-cap", "900"]),
        (("simulate", POISSON, *LLAMA, "--clock", "1.2"), 3, ["clock_fraction is 1.2"]),
        (("simulate", POISSON, *LLAMA, "--slice", "5g.99gb"), 3, ["5g.99gb"]),
        (("simulate", POISSON, *LLAMA, "--tensor-parallel", "3"), 3, ["must divide the 32 query heads"]),
        (("simulate", POISSON, *LLAMA, "--constants", "H100-9"), 3, ["did you mean 'H100-"]),
        (("simulate", POISSON, *LLAMA, "--max-sequences", "4000"), 3, ["token_budget"]),
        (("simulate", POISSON, *LLAMA, "--replicas", "0"), 2, ["--replicas"]),
        (("simulate", POISSON, *LLAMA, "--router", "fastest"), 2, ["--router"]),
        (("simulate", POISSON, *LLAMA, "--prefix-cache", "some"), 2, ["neither a number of blocks nor all"]),
        (("simulate", POISSON, *LLAMA, "--prefix-cache-each"), 2, ["without --prefix-cache"]),
        (("simulate", POISSON, *LLAMA, "--fill-sequences", "0"), 2, ["--fill-sequences"]),
        (("simulate", POISSON, *LLAMA, "--autoscale", "schedule=5"), 3, ["times in seconds", "0:2/3600:4"]),
        (("simulate", POISSON, *LLAMA, "--autoscale", "schedule=0:9"), 3, ["more than the 1 replicas"]),
        (("simulate", POISSON, *LLAMA, "--disaggregate", "decode_replicas=1,link_bytes_s=1e9,decode_accelerator=H20"),
         3, ["'H20'"]),
        (("simulate", POISSON, *LLAMA, "--budget", "energy_kwh=true"), 3, ["'true'; it must be a finite number"]),
        (("simulate", POISSON + ",lengths=zipf,longest=9", *LLAMA), 3, ["longest of", "has no effect"]),
        (("simulate", POISSON, *LLAMA, "--prefix-hits", "1"), 3, ["prefix_hit_fraction is 1.0"]),
        (("simulate", POISSON, *LLAMA, "--budget", "tokns=3"), 3, ["did you mean 'tokens'"]),
        (("simulate", POISSON, *LLAMA, "--budget", "tokens=-3"), 3, ["tokens of the budget is -3"]),
        (("simulate", POISSON, *LLAMA, "--budget", "carbon_g=3"), 3, ["no carbon intensity is given"]),
        (("simulate", POISSON, *LLAMA, "--budget", "tokens"), 3, ["not of the form name=value"]),
        (("simulate", POISSON, *LLAMA, "--autoscale", "load_s=3"), 3, ["0 rules"]),
        (("simulate", POISSON, *LLAMA, "--disaggregate", "decode_replicas=1"), 3, ["lacks link_bytes_s"]),
        (("simulate", POISSON, *LLAMA, "--intensity", "40"), 3, ["no file and no value", "400 g/kWh"]),
        (("simulate", POISSON, *LLAMA, "--intensity", "zone:MARS"), 3, ["no zone 'MARS'"]),
        (("simulate", POISSON, *LLAMA, "--column", "ci"), 3, ["column belongs to a carbon intensity", "none is given"]),
        (("simulate", POISSON, *LLAMA, "--intensity", "400 g/kWh", "--start", "5"), 3, ["start belongs to a file"]),
        (("simulate", POISSON, *LLAMA, "--intensity", "zone:FR", "--unit", "x"), 3, ["'zone:FR' is a made-up year"]),
        (("simulate", POISSON, *LLAMA, "--prefix-cache", "all"), 3, ["names no blocks"]),
        (("simulate", "poisson:input=200000", *LLAMA), 3, ["input of", "is 200000 tokens; allowed is 1 to 65536"]),
        (("simulate", "demand:absent.csv", *LLAMA), 6, ["absent.csv", "no such file"]),
        (("simulate", "demand:rate=-1", *LLAMA), 3, ["rate of the demand is -1"]),
        (("simulate", POISSON, *LLAMA, "--wue", "-1"), 2, ["negative"]),
        (("simulate", POISSON, *LLAMA, "--ttft", "5 W"), 2, ["--ttft"]),
        (("simulate", POISSON, *LLAMA, "--ttft", "0 s"), 3, ["ttft_s is 0.0"]),
        (("simulate", POISSON, *LLAMA, "--end", "-2 s"), 2, ["negative"]),
        (("simulate", "poison:rate=3", *LLAMA), 3, ["did you mean 'poisson'"]),
        (("simulate", "poisson:rat=3", *LLAMA), 3, ["did you mean 'rate'"]),
        (("simulate", "poisson:rate=0", *LLAMA), 3, ["rate_per_s is 0"]),
        (("simulate", "poisson:requests=0", *LLAMA), 3, ["requests", "at least 1"]),
        (("simulate", "poisson:requests=2.5", *LLAMA), 3, ["whole number"]),
        (("simulate", "poisson:input=nan", *LLAMA), 3, ["input of", "is nan tokens"]),
        (("simulate", "poisson:lengths=odd", *LLAMA), 3, ["is 'odd'; allowed are lognormal"]),
        (("simulate", POISSON, *LLAMA, "-o", "BACK"), 6, ["is a file"]),
        (("simulate", POISSON, *LLAMA, "-o", "."), 6, ["is not a serving-run folder"]),
        (("simulate",), 2, ["TRACE"]),
        (("curve", "--model", "Llama-3.1-8B"), 2, ["--accelerator"]),
        (("curve", *BIG, "--accelerator", "L40S"), 3, ["811.8 GB", "1 x H100-SXM", "1 x L40S"]),
        (("curve", *LLAMA, "--accelerator", "H100"), 3, ["H100-SXM is given 2 times"]),
        (("curve", *LLAMA, "--input", "-5"), 3, ["-5.0 tokens in"]),
        (("curve", *LLAMA, "--output", "200000"), 3, ["longer than the context"]),
        (("curve", *LLAMA, "--length-factor", "0.5"), 3, ["length_factor is 0.5"]),
        (("curve", *LLAMA, "--accelerator", "2xH100", "--tensor-parallel", "4"), 0, []),
        (("nonsense",), 2, ["nonsense"]),
    ],
)  # fmt: skip
def test_bad_input(
    arguments: tuple[str, ...], status: int, words: list[str], jw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in TRACES.items():
        (tmp_path / f"{name.lower()}.csv").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    given = [f"{item.lower()}.csv" if item in TRACES else item for item in arguments]
    before = sorted(path.name for path in tmp_path.iterdir())
    target = [] if "-o" in given or given[0] == "nonsense" or status == 0 else ["-o", "run"]
    outcome = jw("infer", *given, *target)
    assert outcome.status == status, outcome.stderr
    for word in words:
        assert word in outcome.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    if status and given[0] != "nonsense":
        assert outcome.stdout == ""
        assert jw("infer", *given, *target, "--json").document["error"]["message"]


def test_a_demand_as_a_trace(jw, tmp_path: Path) -> None:
    rows = [f"2024-01-01T{hour:02d}:00Z,{0.02 * hour}" for hour in range(4)]
    path = tmp_path / "day.csv"
    path.write_text("utc,requests_per_s\n" + "\n".join(rows) + "\n", encoding="utf-8")
    text = f"demand:{path},input=200,output=40,lengths=constant,seed=1"
    outcome = jw("infer", "simulate", text, *LLAMA, "-o", tmp_path / "run", "--json")
    assert outcome.status == 0, outcome.stderr
    facts = outcome.document["requests"]
    assert facts["kind"] == "demand"
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts["requests"] == pytest.approx(432, abs=105)  # 0.12 / s over an hour, five standard deviations
    found = pl.read_parquet(tmp_path / "run" / "requests.parquet")
    assert found["arrival_s"].min() > 3600.0
    assert "drawn from a demand" in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_a_demand_of_more_requests_than_are_kept(jw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joulewright.study.inference_requests._MOST_ROWS", 100)
    folder = tmp_path / "run"
    outcome = jw("infer", "simulate", "demand:rate=2,hours=0.2,output=20", *LLAMA, "--tpot", "1 s", "-o", folder)
    assert outcome.status == 0, outcome.stderr
    assert "too many to be kept" in outcome.stderr
    names = {path.name for path in folder.iterdir()}
    assert names == {"infer.json", "report.html", "series.parquet", "tenants.parquet"}
    page = (folder / "report.html").read_text("utf-8")
    assert "cdf-e2e" in page
    assert jw("report", folder, "-o", tmp_path / "again.html").status == 0


def test_an_earlier_run_survives_a_failure(jw, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert jw("infer", "simulate", POISSON, *LLAMA, "-o", folder, "-q").status == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert jw("infer", "simulate", POISSON, *BIG, "-o", folder, "-q").status == 3
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "mine.txt").write_text("kept", encoding="utf-8")
    assert jw("infer", "curve", *LLAMA, "-o", folder, "-q").status == 0
    assert not (folder / "requests.parquet").exists()
    assert (folder / "mine.txt").read_text("utf-8") == "kept"


def test_help_needs_no_heavy_modules(tmp_path: Path) -> None:
    code = (
        "import sys; from joulewright.cli.main import run\n"
        "for words in ([], ['simulate'], ['curve'], ['calibrate'], ['validate'], ['configure'], ['pack']):\n"
        "    assert run(['infer', *words, '--help']) == 0\n"
        "heavy = {'numpy', 'polars', 'numba', 'scipy', 'rich'} & {name.split('.')[0] for name in sys.modules}\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
