"""The pieces of the scenario reader: spans, names, overrides, tables from files, field table and schema."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.io.scenario_file import SCHEMA_VERSION, read_scenario, scenario_schema
from joulewright.io.scenario_file.document import Document, parse_document
from joulewright.io.scenario_file.fields import did_you_mean, tables
from joulewright.io.scenario_file.names import display_key, item_names
from joulewright.io.scenario_file.overrides import override_pairs
from joulewright.io.scenario_file.spans import key_spans
from joulewright.units import DIMENSIONS

TOML = """\
# comment
title = "x"
[time]
step = "1 h"
nested.deep = 3
"quoted key" = 1

[[site]]
name = "a"
location = { latitude = 1.0, "time_zone" = "UTC" }
[site.grid]
price = 5
list = [
    { a = 1 },  # first
    { a = 2 },
]
[[site.grid.demand_charge]]
rate = 1
[[site.grid.demand_charge]]
rate = 2
[[site]]
name = "b"
[site.grid]
price = 6
"""


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def test_every_key_of_a_file_has_a_span() -> None:
    spans = key_spans(TOML.encode())
    assert {path for path in leaves(tomllib.loads(TOML)) if path not in spans} == set()


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("title",), (2, 1), (2, 9)),
        (("time",), (3, 2), (3, 2)),
        (("time", "step"), (4, 1), (4, 8)),
        (("time", "nested", "deep"), (5, 1), (5, 15)),
        (("time", "quoted key"), (6, 1), (6, 16)),
        (("site", 0), (8, 3), (8, 3)),
        (("site", 0, "location"), (10, 1), (10, 12)),
        (("site", 0, "location", "latitude"), (10, 14), (10, 25)),
        (("site", 0, "location", "time_zone"), (10, 30), (10, 44)),
        (("site", 0, "grid"), (11, 2), (11, 2)),
        (("site", 0, "grid", "list", 1, "a"), (15, 7), (15, 11)),
        (("site", 0, "grid", "demand_charge", 0, "rate"), (18, 1), (18, 8)),
        (("site", 0, "grid", "demand_charge", 1, "rate"), (20, 1), (20, 8)),
        (("site", 1, "grid", "price"), (24, 1), (24, 9)),
    ],
)
def test_spans(path: tuple, key: tuple[int, int], value: tuple[int, int]) -> None:
    span = key_spans(TOML.encode())[path]
    assert (span.key, span.value) == (key, value)


def test_spans_of_a_file_that_is_no_toml_do_not_fail() -> None:
    assert isinstance(key_spans(b"[[[ = ]"), dict)
    assert ("a",) in key_spans("a = 1\n[ü = 2".encode())


@pytest.mark.parametrize(
    ("kind", "items", "names"),
    [
        ("site", [{"name": "a"}, {"name": "b"}], ["a", "b"]),
        ("battery", [{}, {}, {}], ["battery", "battery-2", "battery-3"]),
        ("battery", [{}, {"name": "x"}, {}], ["battery", "x", "battery-2"]),
        ("battery", [{"name": ""}, {"name": 3}], ["battery", "battery-2"]),
        ("fleet", [{"accelerator": "H100-SXM"}, {"accelerator": "H100-SXM"}], ["H100-SXM", "H100-SXM-2"]),
        ("link", [{"between": ["a", "b"]}, {"between": 3}], ["a-b", "link"]),
        ("carbon_intensity", [{"kind": "average", "scope": "direct"}], ["average-direct"]),
        ("demand_charge", [{}, {"name": "peak"}], ["demand", "peak"]),
        ("event", [{"kind": "site-loss"}, {"kind": "site-loss"}], ["site-loss", "site-loss-2"]),
        ("site", ["text", {}], ["site", "site-2"]),
    ],
)
def test_item_names(kind: str, items: list, names: list[str]) -> None:
    assert item_names(kind, items) == names


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("time", "step"), "time.step"),
        (("site", 1, "battery", 0, "energy"), "site.b.battery.energy"),
        (("site", 0, "battery", 1, "energy"), "site.a.battery.battery-2.energy"),
        (("site", 0, "fleet", 0, "count"), "site.a.fleet.L4.count"),
        (("site", 0, "missing", "key"), "site.a.missing.key"),
        (("site", 7, "name"), "site[7].name"),
        (("points", 1), "points[1]"),
        ((), ""),
    ],
)
def test_display_key(path: tuple, shown: str) -> None:
    data = {
        "site": [{"name": "a", "battery": [{}, {}], "fleet": [{"accelerator": "L4"}]}, {"name": "b", "battery": [{}]}],
        "points": [[1, 2], [3, 4]],
    }
    assert display_key(data, path) == shown


def test_did_you_mean() -> None:
    assert did_you_mean("colum", ["column", "file"]) == "did you mean 'column'?"
    assert did_you_mean("zzz", ["column", "file"]) == "known are column, file"
    assert did_you_mean("zzz", []) == "there are none"
    assert did_you_mean("q", [f"name{i}" for i in range(40)]).endswith("name29, ...")


def test_overrides_as_mapping_and_as_texts() -> None:
    assert override_pairs({"a.b": "1"}) == [("a.b", "1")]
    assert override_pairs(["a.b = x=y"]) == [("a.b", "x=y")]
    assert override_pairs(["nothing"]) == [("nothing", "")]


def test_overrides_change_what_they_name(files) -> None:
    scenario = files.read(
        overrides={
            "site.a.battery.energy": "100 MWh",
            "site.b.grid.import_limit": "7 MW",
            "site.a.grid.carbon_intensity.value": "123 kg/MWh",
            "carbon.budget": '"4000 t"',
            "training.tune.deadline": "2022-07-04T19:00:00Z",
            "training.tune.gpus": "512",
            "training.tune.sites": '["b"]',
            "inference.chat.demand.west": "1000 token/s",
            "region.west.latency.b": "5 ms",
            "site.a.cooling.pue": "1.5",
            "site.a.generator.initially_on": "true",
            "link.a-b.latency": "1 ms",
            "site.a.solar.profile": "75 %",
            "time.step": "30 min",
            "name": "other",
        }
    )
    assert scenario.site("a").batteries[0].energy_mwh == 100.0
    assert scenario.site("b").grid.import_limit_mw[0] == 7.0
    assert scenario.site("a").grid.carbon_intensities[0].kg_per_mwh[0] == 123.0
    assert scenario.carbon.budget_kg == 4e6
    assert scenario.job("tune").deadline.hour == 19
    assert scenario.job("tune").gpus == 512
    assert scenario.job("tune").sites == ("b",)
    assert scenario.inference[0].demand_token_s["west"][0] == 1000.0
    assert scenario.regions[0].latency_ms["b"] == 5.0
    assert scenario.site("a").pue[0] == 1.5
    assert scenario.site("a").generators[0].initially_on
    assert scenario.links[0].latency_ms == 1.0
    assert scenario.site("a").renewables[0].per_unit[0] == 0.75
    assert scenario.timeline.steps == 48
    assert scenario.name == "other"


def test_overrides_add_keys_and_tables(files) -> None:
    scenario = files.read(
        overrides=[
            "site.a.battery.initial=10 %",
            "site.b.location.latitude=1",
            "site.b.location.longitude=2",
            "site.b.location.time_zone=UTC",
            "site.b.grid.demand_charge=3 USD/kW/month",
            "inference.chat.serving.A100.throughput=5 token/s",
            "inference.chat.serving.A100.active_power=5 W",
            "site.a.grid.export_price.factor=0.1",
        ]
    )
    assert scenario.site("a").batteries[0].initial_energy_mwh == pytest.approx(0.8)
    assert scenario.site("b").location.latitude_deg == 1.0
    assert scenario.site("b").grid.demand_windows[0].price_per_mw == 3000.0
    assert scenario.inference[0].serving_on["A100-SXM"].throughput_token_s == 5.0
    assert scenario.site("a").grid.export_price_per_mwh[0] == pytest.approx(4.0)


def test_an_override_replaces_the_other_spelling_of_its_key(files) -> None:
    assert files.read(overrides=["site.b.grid.import_limit_mw=3"]).site("b").grid.import_limit_mw[0] == 3.0
    assert files.read(overrides=["site.a.grid.import_limit_mw=3"]).site("a").grid.import_limit_mw[0] == 3.0


def test_an_override_reaches_into_a_reference(files) -> None:
    name = files.hourly({"p_usd_mwh": 5.0, "q_usd_mwh": 6.0})
    edit = ('price = "50 USD/MWh"', f'price = {{ file = "{name}", column = "p_usd_mwh" }}')
    overrides = ["site.a.grid.price.column=q_usd_mwh", "site.a.grid.price.factor=2"]
    assert files.read(edit, overrides=overrides).site("a").grid.import_price_per_mwh[0] == 12.0


def test_overrides_take_names_with_dots(files) -> None:
    assert files.read(('"tune"', '"llama-3.1"'), overrides=["training.llama-3.1.gpus=8"]).job("llama-3.1").gpus == 8


@pytest.mark.parametrize(
    ("override", "message", "help"),
    [
        ("site.a.batery.energy=1 MWh", "site has no key 'batery'", "'battery'"),
        ("site.c.battery.energy=1 MWh", "no site named 'c'", "a, b"),
        ("site.b.battery.energy=1 MWh", "no battery in the scenario", "[[battery]]"),
        ("sight.a.name=1", "scenario has no key 'sight'", "'site'"),
        ("site.a.grid.price.colum=x", "reference has no key 'colum'", "'column'"),
        ("training.tune=3", "training 'tune' is a table", "one of its keys"),
        ("name.x=3", "name is a single value", "remove .x"),
        ("carbon.budget", "not path=value", "carbon.budget="),
        ("=3", "not path=value", "4000 t"),
    ],
)
def test_an_override_that_leads_nowhere(files, override: str, message: str, help: str) -> None:
    (problem,) = files.problems(overrides=[override])
    assert problem.code == "S010"
    assert message in problem.message
    assert help in problem.help
    assert problem.file.startswith("--set ")


def test_a_wrong_override_is_reported_where_it_was_given(files) -> None:
    (problem,) = files.problems(overrides=["site.a.battery.energy=-1 MWh"])
    assert (problem.code, problem.file) == ("P001", "--set site.a.battery.energy=-1 MWh")
    assert problem.key == "site.a.battery.energy"
    assert problem.line is None
    (unit,) = files.problems(overrides=["site.a.battery.energy=5\nx"])
    assert unit.code == "U002"


JOBS = """\
name,gpus,duration_h,deadline,sites,value,kind
one,8,2,2022-07-04T10:00:00Z,a;b,100 USD,rigid
2,16,3.5,2022-07-04T12:00:00Z,,200 USD,pausable
"""


def without_jobs(files) -> str:
    text = files.edit()
    head, _, rest = text.partition("[[training]]")
    return head + rest[rest.index("[[inference]]") :]


def test_jobs_from_a_csv_file(files) -> None:
    files.series(JOBS, "jobs.csv")
    text = without_jobs(files).replace('currency = "USD"', 'currency = "USD"\ntraining = { file = "jobs.csv" }')
    scenario = files.read(text=text)
    one, two = scenario.training
    assert (one.name, one.gpus, one.duration_h, one.sites, one.value) == ("one", 8, 2.0, ("a", "b"), 100.0)
    assert (two.name, two.kind, two.duration_h, two.sites) == ("2", "pausable", 3.5, None)
    assert two.deadline.hour == 12
    assert two.release == scenario.timeline.start
    assert scenario.provenance["tables"] == {"training": "jobs.csv"}


def test_jobs_from_a_parquet_file(files) -> None:
    import polars

    polars.DataFrame(
        {"name": ["x"], "gpus": [4], "duration_h": [1.5], "sites": [["a"]], "value": ["5 USD"], "mandatory": [True]}
    ).write_parquet(files.folder / "jobs.parquet")
    text = without_jobs(files).replace('currency = "USD"', 'currency = "USD"\ntraining = { file = "jobs.parquet" }')
    job = files.read(text=text).job("x")
    assert (job.gpus, job.duration_h, job.sites, job.value, job.mandatory) == (4, 1.5, ("a",), 5.0, True)


def test_regions_from_a_csv_file(files) -> None:
    files.series("name,latency.a,latency.b,residency\nwest,9 ms,41 ms,a\neast,50 ms,,\n", "regions.csv")
    text = files.edit().replace('[[region]]\nname = "west"\nlatency = { a = "9 ms", b = "41 ms" }\n', "")
    text = text.replace('currency = "USD"', 'currency = "USD"\nregion = { file = "regions.csv" }')
    west, east = files.read(text=text).regions
    assert (west.latency_ms, west.residency) == ({"a": 9.0, "b": 41.0}, ("a",))
    assert (east.latency_ms, east.residency) == ({"a": 50.0}, None)


def test_problems_of_a_table_file_name_its_lines(files) -> None:
    files.series(JOBS.replace(",16,", ",-16,").replace("a;b", "a;q"), "jobs.csv")
    text = without_jobs(files).replace('currency = "USD"', 'currency = "USD"\ntraining = { file = "jobs.csv" }')
    places = {(problem.code, problem.file, problem.line) for problem in files.problems(text=text)}
    assert places == {("P001", "jobs.csv", 3), ("S008", "jobs.csv", 2)}


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ('{ file = "nix.csv" }', "D001"),
        ("{ file = 3 }", "S004"),
        ('{ file = "jobs.csv", sheet = 2 }', "S002"),
        ("3", "S004"),
        ('{ fiel = "jobs.csv" }', "S002"),
    ],
)
def test_table_files_that_cannot_be_used(files, entry: str, code: str) -> None:
    files.series(JOBS, "jobs.csv")
    text = without_jobs(files).replace('currency = "USD"', f'currency = "USD"\ntraining = {entry}')
    problems = files.problems(text=text)
    assert code in {problem.code for problem in problems}
    assert problems[0].key.startswith("training")


def test_overrides_reach_rows_of_a_table_file(files) -> None:
    files.series(JOBS, "jobs.csv")
    text = without_jobs(files).replace('currency = "USD"', 'currency = "USD"\ntraining = { file = "jobs.csv" }')
    assert files.read(text=text, overrides=["training.one.gpus=64"]).job("one").gpus == 64


def test_missing_and_unreadable_scenario_files(tmp_path) -> None:
    def only(path) -> Diagnostic:
        with pytest.raises(ScenarioError) as caught:
            read_scenario(path)
        (problem,) = caught.value.problems
        assert isinstance(problem, Diagnostic)
        return problem

    missing = only(tmp_path / "nix.toml")
    assert (missing.code, missing.help) == ("D001", "write one with: jw init")
    assert only(tmp_path).code == "D002"
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "Zürich"'.encode("latin-1"))
    assert only(latin).code == "S001"
    broken = tmp_path / "broken.toml"
    broken.write_text('a = 1\nb = 60 MW\nc = "x"\n')
    problem = only(broken)
    assert (problem.code, problem.line) == ("S001", 2)
    assert problem.help == 'put the quantity in quotes: b = "60 MW"'
    twice = tmp_path / "twice.toml"
    twice.write_text("a = 1\na = 2\n")
    assert only(twice).code == "S001"
    cut = tmp_path / "cut.toml"
    cut.write_text("[time\n")
    assert (only(cut).code, only(cut).line) == ("S001", 1)


def test_an_enormous_scenario_file_is_refused_unread(tmp_path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as stream:
        stream.truncate(2**31)
    with pytest.raises(ScenarioError, match="2147483648 bytes"):
        read_scenario(path)


def test_a_document_places_problems_at_the_nearest_known_key(files) -> None:
    document: Document = parse_document(files.path())
    document.add("S003", ("site", 0, "grid", "nothing", "here"), "missing")
    assert document.diagnostics[0].line == files.edit().splitlines().index("[site.grid]") + 1
    document.add("S003", ("nowhere",), "missing")
    assert document.diagnostics[1].line is None
    assert document.failed


def test_every_field_is_described_with_its_unit() -> None:
    for table, fields in tables().items():
        for key, spec in fields.items():
            assert spec.description.endswith("."), (table, key)
            for dimension in spec.dimensions:
                assert dimension in DIMENSIONS or dimension == "@", (table, key)
            if spec.dimensions and spec.dimensions != ("@",):
                assert "[" in spec.description, (table, key)


def test_every_default_is_valid(files) -> None:
    """The tiny scenario takes nearly all defaults; those of tables it lacks are checked here."""
    for table, fields in tables().items():
        for key, spec in fields.items():
            if spec.default and not spec.required:
                assert spec.type in {"quantity", "signal", "choice", "flag", "number", "integer", "text", "curve"}, (
                    table,
                    key,
                )
    assert files.read()


def test_ranges_are_shown_in_words() -> None:
    battery, location = tables()["battery"], tables()["location"]
    assert battery["energy"].range_text == ">= 0"
    assert battery["round_trip_efficiency"].range_text == "above 0 to 1"
    assert location["latitude"].range_text == "-90 to 90"
    assert tables()["grid"]["ramp"].range_text == "> 0"
    assert tables()["battery"]["terminal_value"].range_text == "any"
    assert battery["round_trip_efficiency"].allows(1.0)
    assert not battery["round_trip_efficiency"].allows(0.0)
    assert not battery["energy"].allows(float("nan"))


def test_schema_is_json_and_complete() -> None:
    schema = json.loads(json.dumps(scenario_schema()))
    assert schema["$schema"].startswith("https://json-schema.org/draft/2020-12")
    assert schema["properties"]["schema"]["const"] == SCHEMA_VERSION
    assert set(schema["required"]) == {"schema", "time", "site"}
    definitions = schema["$defs"]
    assert set(definitions) == set(tables()) - {"scenario"}
    for name, definition in definitions.items():
        assert definition["additionalProperties"] is False
        assert set(definition["properties"]) == set(tables()[name])
        for key, entry in definition["properties"].items():
            assert entry["description"], (name, key)


def instance(value):
    """A TOML document as the JSON it stands for."""
    if isinstance(value, dict):
        return {key: instance(item) for key, item in value.items()}
    if isinstance(value, list):
        return [instance(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def test_schema_accepts_what_the_reader_accepts(files) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(scenario_schema())
    validator.check_schema(scenario_schema())
    text = files.edit(
        ("pue = 1.1", 'pue = 1.1\nlocation = { latitude = 1, longitude = "2 deg", time_zone = "UTC" }'),
        ("import_limit_mw = 10", 'import_limit_mw = 10\ndemand_charge = "3 USD/kW/month"\ncurtailed_hours = 3'),
        ('price = "50 USD/MWh"', 'price = { file = "f.csv", column = "p_usd_mwh", label = "start", max_gap = "3 h" }'),
    )
    assert [error.message for error in validator.iter_errors(instance(tomllib.loads(text)))] == []


@pytest.mark.parametrize(
    "edit",
    [
        ('import_limit = "20 MW"', 'imprt_limit = "20 MW"'),
        ('import_limit = "20 MW"', "import_limit = 20"),
        ('kind = "rigid"', 'kind = "rigit"'),
        ("gpus = 1024", "gpus = 10.5"),
        ('round_trip_efficiency = "81 %"', "round_trip_efficiency = 88"),
        ('name = "tune"\n', ""),
        ("joulewright/scenario/1", "joulewright/scenario/2"),
        ("import_limit_mw = 10", 'import_limit_mw = "10 MW"'),
    ],
)
def test_schema_refuses_what_the_reader_refuses(files, edit: tuple[str, str]) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(scenario_schema())
    assert list(validator.iter_errors(instance(tomllib.loads(files.edit(edit)))))
    assert files.problems(edit)


def test_diagnostics_read_well(files) -> None:
    (problem,) = files.problems(('import_limit = "20 MW"', "import_limit = 20"))
    lines = str(problem).splitlines()
    assert lines[0] == "error[U001]: 20 has no unit; expected power (MW)"
    assert lines[1].endswith("scenario.toml:17:16  site.a.grid.import_limit")
    assert lines[2] == '  help: write import_limit = "20 MW" or import_limit_mw = 20'


def test_reading_twice_gives_the_same(files) -> None:
    one, two = files.read(), files.read()
    assert one.provenance == two.provenance
    assert np.array_equal(one.site("a").grid.import_price_per_mwh, two.site("a").grid.import_price_per_mwh)
    assert one.training == two.training
