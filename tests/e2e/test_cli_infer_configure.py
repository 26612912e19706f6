"""``jw infer configure`` and ``pack``: files, tables, documents, and every kind of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from joulewright.physics.accelerator import find_accelerator

SERVICE = ("--model", "Llama-3.1-8B", "--rate", "6", "--rate", "2", "--lengths", "constant", "--requests", "200")
SPACE = ("--accelerator", "H100", "--accelerator", "L40S", "--tensor-parallel", "1", "--max-sequences", "64")


def test_configure(jw, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    limits = ("--ttft", "1 s", "--tpot", "60 ms", "--intensity", "300 g/kWh", "--minimise", "carbon")
    outcome = jw("infer", "configure", *SERVICE, *SPACE, *limits, "-o", folder)
    assert outcome.status == 0, outcome.stderr
    for words in ("Least carbon:", "Pareto set", "Best by figure"):
        assert words in outcome.stdout
    found, hours = (pl.read_parquet(folder / f"{name}.parquet") for name in ("configurations", "replicas"))
    best = found.row(0, named=True)
    assert best["best"]
    assert best["met"]
    assert best["carbon_kg"] == pytest.approx(0.3 * best["energy_kwh"])
    assert best["carbon_kg"] == found.filter("met")["carbon_kg"].min()
    assert max(best["tpot_s"], 0.0) <= 0.06
    own = hours.filter(pl.col("configuration") == best["configuration"])
    assert own["served_per_s"].to_list() == pytest.approx([6.0, 2.0])
    manifest = json.loads((folder / "infer.json").read_text("utf-8"))
    assert manifest["best"]["replicas"] == own["replicas"].to_list()
    assert jw("report", folder, "-o", tmp_path / "again.html").status == 0


def test_configure_from_a_file_with_options_over_it(jw, tmp_path: Path) -> None:
    path = tmp_path / "need.toml"
    path.write_text(
        '[service]\nmodel = "Llama-3.1-8B"\nrate_per_s = [6.0, 2.0]\nlengths = "constant"\ntpot_s = 0.06\n'
        '[space]\naccelerators = ["H100", "L4"]\ntensor_parallel = [1]\nmax_sequences = [64]\n'
        '[weighing]\nminimise = "energy"\nrequests = 200\n',
        encoding="utf-8",
    )
    document = jw("infer", "configure", path, "--json").document
    assert document["minimise"] == "energy"
    assert document["best"]["accelerator"] == "H100-SXM"
    (reason,) = [row["reason"] for row in document["refused"] if row["label"].startswith("L4 ")]
    assert reason
    cost = jw("infer", "configure", path, "--minimise", "cost", "--price", "0.2", "--json").document
    assert cost["best"]["cost"] == pytest.approx(0.2 * cost["best"]["energy_kwh"])
    prices = jw("infer", "configure", path, "--minimise", "cost", "--price", "0.2", "--price", "0.6", "--json").document
    assert 0.2 < prices["best"]["cost"] / prices["best"]["energy_kwh"] < 0.6


def test_too_few_accelerators_say_what_would_be_needed(jw) -> None:
    crowd = ("--model", "Llama-3.1-8B", "--rate", "400", "--rate", "1", "--lengths", "constant", "--requests", "200")
    outcome = jw("infer", "configure", *crowd, *SPACE, "--gpus", "1")
    assert outcome.status == 0, outcome.stderr
    assert "would serve them" in outcome.stderr
    assert "not met" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (SPACE, 2, ["--model is missing"]),
        (("--model", "Llama-3.1-8B", *SPACE), 2, ["--rate is missing"]),
        (SERVICE, 2, ["--accelerator is missing"]),
        (("--model", "Lama", "--rate", "1", *SPACE), 3, ["did you mean"]),
        ((*SERVICE, "--accelerator", "H10"), 3, ["did you mean H100"]),
        ((*SERVICE, *SPACE, "--tpot", "1 us"), 2, ["us"]),
        ((*SERVICE, *SPACE, "--tpot", "0.001 ms"), 4, ["Llama-3.1-8B"]),
        ((*SERVICE, *SPACE, "--tpot", "1 ms"), 4, ["a request alone takes", "asked for are 1 ms", "relax tpot"]),
        ((*SERVICE, *SPACE, "--minimise", "cost", *(("--price", "0.1") * 3)), 3, ["price_per_kwh has shape (3,)"]),
        ((*SERVICE, *SPACE, "--minimise", "carbon"), 3, ["intensity"]),
        ((*SERVICE, *SPACE, "--power-cap", "1.5"), 3, ["power_caps_fraction holds 1.5"]),
        ((*SERVICE, *SPACE, "--slice", "9g.99gb"), 3, ["9g.99gb"]),
        ((*SERVICE, *SPACE, "--gpus", "-1"), 3, ["gpus_available is -1"]),
        ((*SERVICE, *SPACE, "--quantile", "1.2"), 3, ["quantile is 1.2"]),
        ((*SERVICE, *SPACE, "--column", "ci"), 3, ["column belongs to a carbon intensity"]),
        (("--model", "Llama-3.1-405B", "--rate", "1", *SPACE), 4, ["does not fit"]),
        (("absent.toml",), 6, ["absent.toml"]),
        (("BROKEN",), 3, ["is no TOML"]),
        (("TABLE",), 3, ["allowed are the tables"]),
        ((*SERVICE, *SPACE, "--precision", "fp3"), 3, ["precisions holds 'fp3'"]),
        ((*SERVICE, *SPACE, "--max-sequences", "0"), 3, ["max_sequences holds 0; allowed is at least 1"]),
        ((*SERVICE, *SPACE, "--gpus", "0"), 4, ["gpus_available is 0"]),
        ((*SERVICE, *SPACE, "--input", "200000"), 3, ["longer than the context"]),
        ((*SERVICE, *SPACE, "--rate", "nan"), 3, ["rate_per_s of the service is (6.0, 2.0, nan)", "finite number"]),
        ((*SERVICE, *SPACE, "--constants", "H100-1"), 3, ["write H100-SXM=H100-1"]),
        ((*SERVICE, *SPACE, "--constants", "B200=B200-1"), 3, ["B200, which is not to choose from"]),
        ((*SERVICE, *SPACE, "--constants", "absent.json"), 3, ["neither a file nor a known set"]),
        (("TYPE",), 3, ["model of the service is 3; it must be text"]),
        (("SEVERAL",), 3, ["jw infer pack"]),
        (("KEY",), 3, ["did you mean 'rate_per_s'"]),
    ],
)  # fmt: skip
def test_bad_needs(
    arguments: tuple[str, ...], status: int, words: list[str], jw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "BROKEN": "[service\n",
        "TABLE": "[servce]\nmodel = 'x'\n",
        "TYPE": "[service]\nmodel = 3\nrate_per_s = [1.0]\n[space]\naccelerators = ['H100']\n",
        "SEVERAL": "[[service]]\nmodel = 'x'\n[[service]]\nmodel = 'y'\n[space]\naccelerators = ['H100']\n",
        "KEY": "[service]\nmodel = 'Llama-3.1-8B'\nrate_per_s = [1.0]\nrate_pr_s = [1.0]\n"
        "[space]\naccelerators = ['H100']\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name.lower()}.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    given = [f"{item.lower()}.toml" if item in files else item for item in arguments]
    before = sorted(path.name for path in tmp_path.iterdir())
    outcome = jw("infer", "configure", *given, "-o", "run")
    assert outcome.status == status, outcome.stderr
    for word in words:
        assert word in outcome.stderr
    assert outcome.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == before


MIX = """
[[service]]
name = "chat"
model = "Llama-3.1-8B"
rate_per_s = [6.0, 3.0]
input_tokens = 330
output_tokens = 200
lengths = "constant"
tpot_s = 0.03

[[service]]
name = "code"
model = "Qwen3-8B"
rate_per_s = 1.0
input_tokens = 400
output_tokens = 60
lengths = "constant"

[space]
accelerators = "H100"
max_sequences = 64

[weighing]
requests = 200
"""


def test_pack(jw, tmp_path: Path) -> None:
    path, folder = tmp_path / "mix.toml", tmp_path / "run"
    path.write_text(MIX, encoding="utf-8")
    outcome = jw("infer", "pack", path, "--intensity", "200 g/kWh", "-o", folder)
    assert outcome.status == 0, outcome.stderr
    for words in ("Least accelerators: 1 x H100-SXM", "Slices of each service", "chat", "code"):
        assert words in outcome.stdout
    manifest = json.loads((folder / "infer.json").read_text("utf-8"))
    assert (manifest["kind"], manifest["accelerators"]) == ("pack", 1)
    (placement,) = manifest["placements"]
    parts = placement["slices"]
    assert sum(part["memory_slices"] for part in parts) <= 8
    assert sum(part["compute_slices"] for part in parts) <= 7
    assert {part["service"] for part in parts} == {"chat", "code"}
    rows = pl.read_parquet(folder / "configurations.parquet")
    served = dict.fromkeys(("chat", "code"), 0.0)
    for row in rows.iter_rows(named=True):
        served[row["service"]] += row["slices"] * row["rate_per_s"]
        assert row["met"]
    assert served == pytest.approx({"chat": 6.0, "code": 1.0})
    above = sum(row["slices"] * row["above_idle_w"] for row in rows.iter_rows(named=True))
    assert manifest["power_w"] == pytest.approx(above + 70.0 + 125.0)  # idle of the accelerator and of its host share
    assert manifest["carbon_kg_per_h"] == pytest.approx(0.2 * manifest["power_w"] / 1e3)
    page = (folder / "report.html").read_text("utf-8")
    assert "grid-column:1 / span" in page
    assert jw("report", folder, "-o", tmp_path / "again.html").status == 0


def test_pack_by_power_and_without_any_demand(jw, tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(MIX.replace("[6.0, 3.0]", "0").replace("rate_per_s = 1.0", "rate_per_s = 0"), encoding="utf-8")
    document = jw("infer", "pack", path, "--minimise", "power", "-o", tmp_path / "none", "--json").document
    assert (document["accelerators"], document["placements"], document["power_w"]) == (0, [], 0.0)
    assert (tmp_path / "none" / "report.html").is_file()
    path.write_text(MIX, encoding="utf-8")
    document = jw("infer", "pack", path, "--minimise", "power", "--json").document
    assert document["minimise"] == "power"
    assert document["packing_cost_unit"] == "W"
    assert document["packing_cost"] >= document["power_w"]  # of slices at their capacity


def test_pack_by_carbon_tells_both_carbons_and_its_objective(jw, tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(MIX, encoding="utf-8")
    words = ("--minimise", "carbon", "--intensity", "0 g/kWh", "-o", tmp_path / "run", "--json")
    document = jw("infer", "pack", path, *words).document
    assert document["carbon_kg_per_h"] == 0.0
    # without operational carbon the objective is the embodied one of each accelerator over four years
    each = find_accelerator("H100").embodied_kg_per_h()[1]
    assert document["embodied_kg_per_h"] == pytest.approx(each * document["accelerators"])
    assert document["packing_cost"] == pytest.approx(document["embodied_kg_per_h"])
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    for title in ("Operational carbon", "Embodied carbon", "Objective"):
        assert f"<dt>{title}</dt>" in page
    assert "embodied" in jw("infer", "pack", path, *words[:4]).stdout


def test_requests_too_long_for_a_slice_are_told_what_helps(jw, tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(MIX.replace("input_tokens = 330", "input_tokens = 20000"), encoding="utf-8")
    reasons = [row["reason"] for row in jw("infer", "pack", path, "--json").document["refused"]]
    (long,) = {reason for reason in reasons if "a request can have" in reason}
    assert "use a larger slice or a smaller format, or shorten requests" in long


@pytest.mark.parametrize(
    ("old", "new", "options", "status", "words"),
    [
        ("[6.0, 3.0]", "600.0", ("--gpus", "2"), 4, ["H100-SXM: 2 accelerators are too few for chat, code"]),
        ("Llama-3.1-8B", "Llama-3.1-70B", (), 4, ["no slice can serve chat", "does not fit"]),
        ("tpot_s = 0.03", "tpot_s = 1e-6", (), 4, ["no slice can serve chat"]),
        ('"code"', '"chat"', (), 3, ["names must be unique"]),
        ("", "", ("--accelerator", "L40S"), 3, ["L40S cannot be cut", "such as H100-SXM"]),
        ("", "", ("--minimise", "carbon"), 3, ["give intensity"]),
        ("", "", ("--constants", "H100-9"), 3, ["did you mean"]),
        ('accelerators = "H100"', 'accelerators = ["H100", "A100"]', (), 3, ["H100-SXM, A100-SXM are given"]),
        ('accelerators = "H100"', "", (), 3, ["no accelerator is given"]),
        ("max_sequences", "tensor_parallel", (), 3, ["'tensor_parallel' is no setting of the space"]),
        ("[[service]]", "[[serve]]", (), 3, ["allowed are the tables"]),
        ("tpot_s = 0.03", "tpot = 0.03", (), 3, ["no setting of service 1; did you mean 'tpot_s'"]),
    ],
)
def test_bad_mixes(
    old: str, new: str, options: tuple[str, ...], status: int, words: list[str], jw, tmp_path: Path
) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(MIX.replace(old, new) if old else MIX, encoding="utf-8")
    outcome = jw("infer", "pack", path, *options, "-o", tmp_path / "run")
    assert outcome.status == status, outcome.stderr
    for word in words:
        assert word in outcome.stderr
    assert outcome.stdout == ""
    assert not (tmp_path / "run").exists()
