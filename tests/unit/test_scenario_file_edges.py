"""Corners of the scenario reader that the usual files do not reach."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.io.scenario_file.document import Document, FieldError, ReportedError
from joulewright.io.scenario_file.fields import Field, tables
from joulewright.io.scenario_file.names import display_key
from joulewright.io.scenario_file.tables import Checker
from joulewright.io.scenario_file.values import Share, Spelling, convert, quantity

PRICE = 'price = "50 USD/MWh"'


def spelled(key: str, unit: str | None = None) -> Spelling:
    return Spelling(key=key, unit=unit)


def field(table: str, key: str) -> Field:
    return tables()[table][key]


def test_share_of_a_whole() -> None:
    assert Share(0.25).of(8.0) == 2.0
    assert quantity(field("battery", "initial"), "25 %", spelled("initial")) == Share(0.25)
    assert quantity(field("battery", "initial"), 0.25, spelled("initial")) == Share(0.25)
    assert quantity(field("battery", "initial"), "2 MWh", spelled("initial")) == 2.0
    assert quantity(field("battery", "initial"), 2000, spelled("initial_kwh", "kWh")) == 2.0


def test_keys_that_end_in_their_own_unit_take_numbers() -> None:
    assert quantity(field("grid", "curtailed_hours"), 200, spelled("curtailed_hours")) == 200.0
    assert quantity(field("grid", "curtailed_hours"), "10 days", spelled("curtailed_hours")) == 240.0
    assert quantity(field("generator", "initial_hours"), 5.5, spelled("initial_hours")) == 5.5


def test_temperatures_under_a_key_with_a_unit_are_shifted() -> None:
    value = quantity(field("cooling", "evaporator_out"), 50.0, spelled("evaporator_out_degf", "degF"))
    assert value == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("table", "key", "raw", "value"),
    [
        ("fleet", "count", 5.0, 5),
        ("fleet", "count", "12", 12),
        ("solar", "dc_ac_ratio", "1.3", 1.3),
        ("carbon", "credit_export", "TRUE", True),
        ("training", "sites", "a; b", ("a", "b")),
        ("demand_charge", "weekdays", ["weekend", "mon"], (0, 5, 6)),
        ("demand_charge", "hours", [22, 6], ((22.0, 6.0),)),
        ("demand_charge", "hours", [[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0))),
        ("wind", "curve", "cubic", "cubic"),
        ("wind", "curve", [[3, 0], [25, 1]], ((3.0, 0.0), (25.0, 1.0))),
    ],
)
def test_conversion_of_plain_values(table: str, key: str, raw: object, value: object) -> None:
    assert convert(field(table, key), raw, spelled(key)) == value


@pytest.mark.parametrize(
    ("table", "key", "raw"),
    [
        ("fleet", "count", "many"),
        ("fleet", "count", True),
        ("fleet", "count", 1.5),
        ("solar", "dc_ac_ratio", "big"),
        ("solar", "dc_ac_ratio", True),
        ("time", "start", 5),
        ("training", "sites", ["a", 3]),
        ("training", "sites", ""),
        ("training", "speed", [[1, 2]]),
        ("training", "speed", [[1, 2], [3]]),
        ("training", "speed", [[1, 2], [3, float("nan")]]),
        ("training", "speed", "fast"),
        ("demand_charge", "hours", [1, 25]),
        ("demand_charge", "hours", []),
        ("demand_charge", "hours", "all"),
        ("demand_charge", "months", []),
        ("demand_charge", "months", [1.0]),
        ("site", "name", "  "),
        ("wind", "curve", 3),
    ],
)
def test_plain_values_of_another_type(table: str, key: str, raw: object) -> None:
    with pytest.raises(FieldError) as caught:
        convert(field(table, key), raw, spelled(key))
    assert caught.value.code == "S004"
    assert "expected" in caught.value.message
    assert caught.value.help.startswith("write")


@pytest.mark.parametrize("raw", [3, [3], [["mon"]], ["weekday", "noday"]])
def test_weekdays_of_another_type(raw: object) -> None:
    with pytest.raises(FieldError, match="weekday"):
        convert(field("demand_charge", "weekdays"), raw, spelled("weekdays"))


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(FieldError) as caught:
        convert(field("fleet", "count"), "x" * 500, spelled("count"))
    assert len(caught.value.message) < 150
    assert "..." in caught.value.message


def test_a_reported_error_is_not_reported_again(files) -> None:
    document = Document(path=files.path(), text=b"", data={})
    document.keep(ReportedError(), ("x",))
    assert document.diagnostics == []
    assert not document.failed
    document.stop_on_errors()


def test_plain_sentences_become_diagnostics(files) -> None:
    document = Document(path=files.path(), text=b"", data={})
    document.keep(ScenarioError("something is off"), ("x",))
    assert (document.diagnostics[0].code, document.diagnostics[0].message) == ("P010", "something is off")
    with pytest.raises(ScenarioError, match="something is off"):
        document.stop_on_errors()


def test_notes_do_not_stop_and_are_not_raised(files) -> None:
    document = Document(path=files.path(), text=b"", data={})
    document.add("S011", (), "fyi", severity="note")
    document.stop_on_errors()
    document.add("S011", (), "hm", severity="warning")
    document.add("S002", (), "bad")
    with pytest.raises(ScenarioError) as caught:
        document.stop_on_errors()
    assert [problem.message for problem in caught.value.problems] == ["bad", "hm"]


def test_names_are_remembered_for_long_lists() -> None:
    data = {"training": [{"name": f"j{i}"} for i in range(3)]}
    known: dict = {}
    assert display_key(data, ("training", 2, "gpus"), known) == "training.j2.gpus"
    assert known == {("training",): ["j0", "j1", "j2"]}
    assert display_key(data, ("training", 1, "gpus"), known) == "training.j1.gpus"


def test_a_table_knows_where_its_keys_stand(files) -> None:
    document = Document(path=files.path(), text=b"", data={})
    checker = Checker(document=document, currency="USD")
    table = checker.table("battery", {"energy_kwh": 5, "power": "1 MW"}, ("site", 0, "battery", 0))
    assert table["energy"] == 0.005
    assert table.at("energy") == ("site", 0, "battery", 0, "energy_kwh")
    assert table.at("wear_cost") == ("site", 0, "battery", 0)
    assert table["wear_cost"] == 0.0
    assert table["nothing"] is None
    (charge,) = checker.items("demand_charge", "3 USD/kW/month", ("grid", "demand_charge"), "rate")
    assert (charge["rate"], charge.name) == (3000.0, "demand")
    assert charge.at("rate") == charge.at("hours") == ("grid", "demand_charge")


def test_carbon_policy(files) -> None:
    keys = 'used = "20 t"\nexcess_price = "200 USD/t"\ncredit_export = true\nbudget'
    policy = files.read(("budget", keys)).carbon
    assert (policy.used_kg, policy.excess_price_per_t, policy.credit_export) == (20_000.0, 200.0, True)
    plain = files.read(
        ('[carbon]\ndecides = { kind = "average", scope = "direct" }\nprice = "10 USD/t"\nbudget = "500 t"\n', "")
    ).carbon
    assert (plain.kind, plain.scope, plain.price_per_t, plain.budget_kg) == ("average", "direct", 0.0, None)
    assert (plain.excess_price_per_t, plain.credit_export) == (None, False)


def test_a_deciding_series_may_be_any_of_the_declared_ones(files) -> None:
    edits = [
        ('decides = { kind = "average", scope = "direct" }', 'decides = { kind = "marginal", scope = "lifecycle" }'),
        ('kind = "average", scope = "direct" }\n', 'kind = "marginal", scope = "lifecycle" }\n'),
    ]
    text = files.edit(edits[0])
    text = text.replace(
        'kg/MWh", kind = "average", scope = "direct"', 'kg/MWh", kind = "marginal", scope = "lifecycle"'
    )
    text = text.replace('g/kWh", kind = "average", scope = "direct"', 'g/kWh", kind = "marginal", scope = "lifecycle"')
    scenario = files.read(text=text)
    assert scenario.deciding_intensity(scenario.site("b")).kg_per_mwh[0] == 300.0


def test_a_wrong_policy_does_not_blame_the_sites(files) -> None:
    problems = files.problems(('decides = { kind = "average"', 'decides = { kind = "avrage"'))
    assert [problem.code for problem in problems] == ["S006"]


def test_demand_by_columns_needs_a_file_and_no_column(files) -> None:
    def demand(text: str) -> list[str]:
        return [
            problem.code for problem in files.problems(('demand = { west = "240_000 token/s" }', f"demand = {text}"))
        ]

    assert demand('{ columns = { west = "x" } }') == ["S003"]
    assert demand('{ file = "f.csv", column = "x", columns = { west = "x" } }') == ["S009"]
    assert demand('{ file = "f.csv", columns = { west = 3 } }') == ["S004"]
    assert demand('{ file = "f.csv", columns = "x" }') == ["S004"]


def test_missing_demand_columns_are_named(files) -> None:
    name = files.hourly({"west_token_s": 1.0})
    edit = (
        'demand = { west = "240_000 token/s" }',
        f'demand = {{ file = "{name}", columns = {{ west = "wst_token_s" }} }}',
    )
    (problem,) = files.problems(edit)
    assert (problem.code, problem.key) == ("D005", "inference.chat.demand.columns.west")
    assert "west_token_s" in problem.help
    assert problem.line is not None


def test_sites_only_need_cooling_where_there_is_load(files) -> None:
    scenario = files.read(
        ("pue = 1.1\n", ""),
        ('[[site.fleet]]\nname = "pod"\naccelerator = "A100-SXM"\ncount = 2048\n', ""),
    )
    assert scenario.site("b").pue.tolist() == [1.0] * 24
    assert not [item for item in scenario.diagnostics if item.code == "S011"]


@pytest.mark.parametrize(
    ("model", "module", "extra"), [("pvlib", "pvlib.location", "solar"), ("sam", "PySAM.Pvwattsv8", "sam")]
)
def test_optional_models_that_are_not_installed(files, monkeypatch: pytest.MonkeyPatch, model, module, extra) -> None:
    files.hourly({"ghi_w_m2": 300.0, "dni_w_m2": 100.0, "dhi_w_m2": 250.0})
    monkeypatch.setitem(sys.modules, module, None)
    weather = 'weather = { file = "series.csv", ghi = "ghi_w_m2", dni = "dni_w_m2", dhi = "dhi_w_m2" }\ncooling'
    (problem,) = files.problems(("cooling", weather), ('profile = "25 %"', f'model = "{model}"'))
    assert problem.code == "S012"
    assert f"joulewright[{extra}]" in problem.message
    assert "pvwatts" in problem.help


def test_solar_without_location(files) -> None:
    files.hourly({"cloud_pct": 50.0})
    location = 'location = { latitude = 37.4, longitude = -121.9, time_zone = "America/Los_Angeles" }\n'
    weather = 'weather = { file = "series.csv", cloud_cover = "cloud_pct" }\ncooling'
    (problem,) = files.problems((location, ""), ("cooling", weather), ('profile = "25 %"\n', ""))
    assert problem.code == "P012"
    assert "location" in problem.message


def test_a_missing_weather_column_is_one_problem(files) -> None:
    files.hourly({"cloud_pct": 50.0})
    weather = 'weather = { file = "series.csv", cloud_cover = "cloud_pc" }\ncooling'
    problems = files.problems(("cooling", weather), ('profile = "25 %"\n', ""))
    assert [problem.code for problem in problems] == ["D005"]


def test_points_that_span_too_little_are_noted(files) -> None:
    files.hourly({"temp_c": np.linspace(0.0, 40.0, 24)})
    weather = 'weather = { file = "series.csv", temperature = "temp_c" }\ncooling'
    points = ('{ model = "constant", pue = 1.25 }', '{ model = "points", points = [[10, 1.1], [30, 1.3]] }')
    scenario = files.read(("cooling", weather), points)
    notes = [item for item in scenario.diagnostics if item.key == "site.a.cooling"]
    assert notes
    assert all(item.severity != "error" for item in notes)


def test_points_that_make_no_sense_are_refused(files) -> None:
    files.hourly({"temp_c": 20.0})
    weather = 'weather = { file = "series.csv", temperature = "temp_c" }\ncooling'
    points = ('{ model = "constant", pue = 1.25 }', '{ model = "points", points = [[10, 1.1], [10, 1.3]] }')
    (problem,) = files.problems(("cooling", weather), points)
    assert problem.key == "site.a.cooling"
    (missing,) = files.problems(("cooling", weather), ('{ model = "constant", pue = 1.25 }', '{ model = "points" }'))
    assert missing.code == "S003"


TWO_DAYS = [
    ("end = 2022-07-05", "end = 2022-07-06"),
    ('[[site.solar]]\ncapacity = "4 MW"\nprofile = "25 %"', '[[site.solar]]\ncapacity = "4 MW"\nPROFILE'),
]


def sunny_days(noon_h: float) -> list[float]:
    """Two days of sunlight centred on an hour of UTC; noon of 121.9 degrees west is at 20.2 h in July."""
    hours = np.arange(48) % 24 + 0.5 - noon_h
    return np.maximum(0.0, np.cos(hours / 12.0 * np.pi)).round(4).tolist()


@pytest.mark.parametrize(("noon_h", "codes"), [(21.2, ["T012"]), (20.2, [])])
def test_hour_ending_irradiance_declared_as_start_is_a_warning(files, noon_h: float, codes: list[str]) -> None:
    files.hourly({"ghi_w_m2": [900.0 * value for value in sunny_days(noon_h)]}, hours=48)
    weather = 'weather = { file = "series.csv", ghi = "ghi_w_m2", label = "start" }\ncooling'
    scenario = files.read(*TWO_DAYS, ("cooling", weather), ("PROFILE\n", ""))
    warnings = [item for item in scenario.diagnostics if item.severity == "warning"]
    assert [item.code for item in warnings] == codes
    assert all('label = "end"' in item.help for item in warnings)


@pytest.mark.parametrize(("noon_h", "codes"), [(21.2, ["T012"]), (20.2, [])])
def test_hour_ending_solar_profiles_are_warned_of(files, noon_h: float, codes: list[str]) -> None:
    files.hourly({"pv_fraction": sunny_days(noon_h)}, hours=48)
    profile = 'profile = { file = "series.csv", column = "pv_fraction", label = "start" }'
    scenario = files.read(*TWO_DAYS, ("PROFILE", profile))
    assert [item.code for item in scenario.diagnostics if item.severity == "warning"] == codes


def test_jobs_are_checked_even_where_a_site_is_wrong(files) -> None:
    problems = files.problems(("pue = 1.1", "pue = 0.5"), ("gpus = 1024", "gpus = 9000"))
    assert {problem.code for problem in problems} == {"P004", "P005"}


def test_jobs_are_not_sized_against_fleets_that_were_refused(files) -> None:
    problems = files.problems(("count = 4096", "count = -4096"), ("gpus = 1024", "gpus = 9000"))
    assert {problem.code for problem in problems} == {"P001"}


def test_a_wrong_horizon_hides_only_what_depends_on_it(files) -> None:
    problems = files.problems(
        ("end = 2022-07-05", "end = 2022-07-03"),
        ("deadline = 2022-07-04T20", "deadline = 2022-07-04T01"),
        ('sites = ["a"]', 'sites = ["q"]'),
        (PRICE, 'price = { file = "nix.csv", column = "p_usd_mwh" }'),
    )
    assert {problem.code for problem in problems} == {"T022", "S008", "D001"}


def test_a_wrong_horizon_alone_is_one_problem(files) -> None:
    name = files.hourly({"p_usd_mwh": 5.0})
    problems = files.problems(
        ("end = 2022-07-05", "end = 2022-07-03"),
        (PRICE, f'price = {{ file = "{name}", column = "p_usd_mwh" }}'),
    )
    assert [problem.code for problem in problems] == ["T022"]


def test_a_missing_file_is_one_problem_that_lists_the_keys(files) -> None:
    (problem,) = files.problems(
        (PRICE, 'price = { file = "nix.csv", column = "p_usd_mwh" }'),
        ('import_limit = "20 MW"', 'import_limit = { file = "nix.csv", column = "p_mw" }'),
    )
    assert problem.code == "D001"
    assert problem.key == "site.a.grid.price"
    assert problem.message == "nix.csv: the file does not exist; the same for site.a.grid.import_limit"
    assert problem.line is not None


def test_a_missing_row_is_one_problem_that_lists_the_keys(files) -> None:
    stamps = [f"2022-07-04T{hour:02d}:00Z" for hour in range(24) if hour != 7]
    files.series("\n".join(["utc,p_usd_mwh,q_mw,r_mw", *(f"{stamp},1,2,3" for stamp in stamps)]) + "\n")
    (problem,) = files.problems(
        (PRICE, 'price = { file = "series.csv", column = "p_usd_mwh" }'),
        ('import_limit = "20 MW"', 'import_limit = { file = "series.csv", column = "q_mw" }'),
        ("pue = 1.1", 'pue = 1.1\nfixed_it_power = { file = "series.csv", column = "r_mw" }'),
    )
    assert problem.code == "T011"
    assert "2022-07-04T07:00Z" in problem.message
    keys = {problem.key, *problem.message.partition("; the same for ")[2].split(", ")}
    assert keys == {"site.a.grid.price", "site.a.grid.import_limit", "site.b.fixed_it_power"}


def test_gaps_at_different_hours_are_different_problems(files) -> None:
    rows = [f"2022-07-04T{hour:02d}:00Z,{'' if hour == 3 else 1},{'' if hour == 9 else 2}" for hour in range(24)]
    files.series("\n".join(["utc,p_usd_mwh,q_mw", *rows]) + "\n")
    problems = files.problems(
        (PRICE, 'price = { file = "series.csv", column = "p_usd_mwh" }'),
        ('import_limit = "20 MW"', 'import_limit = { file = "series.csv", column = "q_mw" }'),
    )
    assert [(problem.code, problem.key) for problem in problems] == [
        ("T011", "site.a.grid.price"),
        ("T011", "site.a.grid.import_limit"),
    ]


def test_a_site_name_given_twice_hides_no_follow_ups_behind_it(files) -> None:
    twice = files.edit(('name = "b"', 'name = "a"'))
    problems = files.problems(text=twice)
    assert [problem.code for problem in problems] == ["S007"]
    event = '[[event]]\nsite = "b"\nkind = "grid-outage"\nstart = 2022-07-04T06:00:00Z\nend = 2022-07-04T08:00:00Z\n'
    chance = '[[chance]]\nsite = "b"\nkind = "grid-outage"\nper_year = 3\nduration = "2 h"\n'
    more = files.problems(text=f"{twice}\n{event}{chance}")
    assert [problem.code for problem in more if problem.code == "S008"] == []
    assert problems[0] in more


def test_a_broken_file_is_reported_once(files) -> None:
    files.series("utc,p_usd_mwh,q_mw\n2022-07-04T00:00Z,1\n")
    problems = files.problems(
        (PRICE, 'price = { file = "series.csv", column = "p_usd_mwh", step = "1 h" }'),
        ('import_limit = "20 MW"', 'import_limit = { file = "series.csv", column = "q_mw", step = "1 h" }'),
    )
    assert [(problem.code, problem.line) for problem in problems] == [("D007", 2)]


def test_reading_loads_nothing_heavy(files) -> None:
    """A scenario with weather, CSV series and notes is read without tables, solvers or plotting libraries."""
    files.hourly({"temp_c": 20.0, "cloud_pct": 0.0, "wind_kmh": 7.2})
    weather = (
        'weather = { file = "series.csv", temperature = "temp_c", cloud_cover = "cloud_pct", '
        'wind_speed = "wind_kmh" }\ncooling'
    )
    path = files.path(files.edit(("cooling", weather), ('profile = "25 %"\n', "")))
    code = (
        "import sys; from joulewright.io.scenario_file import read_scenario\n"
        f"read_scenario({str(path)!r}, use_cache=False)\n"
        "heavy = {'polars', 'pandas', 'scipy', 'highspy', 'pydantic', 'xarray', 'pvlib', 'jsonschema'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
