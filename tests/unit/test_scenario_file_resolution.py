"""What the tables of a scenario file become in the model, with numbers worked by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.model import Scenario

PRICE = 'price = "50 USD/MWh"'
USE = '{ file = "series.csv", column = "use_pct" }'
LIMIT = 'import_limit = "20 MW"'


def test_the_tiny_scenario(files) -> None:
    scenario: Scenario = files.read()
    assert (scenario.name, scenario.currency) == ("tiny", "USD")
    assert scenario.timeline.start == datetime(2022, 7, 4, tzinfo=UTC)
    assert (scenario.timeline.step_s, scenario.timeline.steps) == (3600, 24)
    assert [site.name for site in scenario.sites] == ["a", "b"]
    assert scenario.carbon.price_per_t == 10.0
    assert scenario.carbon.budget_kg == 500_000.0
    assert (scenario.carbon.kind, scenario.carbon.scope) == ("average", "direct")
    link = scenario.links[0]
    assert (link.between, link.latency_ms, link.bandwidth_gbit_s) == (("a", "b"), 32.0, 100.0)
    assert scenario.regions[0].latency_ms == {"a": 9.0, "b": 41.0}
    assert scenario.regions[0].residency is None


def test_site_without_extras(files) -> None:
    site = files.read().site("b")
    assert site.location is None
    assert site.pue.tolist() == [1.1] * 24
    assert site.fixed_it_power_mw.tolist() == [0.0] * 24
    assert site.fixed_facility_power_mw.tolist() == [0.0] * 24
    assert (site.it_limit_mw, site.carbon_budget_kg, site.unserved_power_penalty_per_mwh) == (None, None, None)
    assert (site.water_l_per_it_kwh, site.temperature_c) == (None, None)
    assert (site.renewables, site.batteries, site.generators) == ((), (), ())


def test_site_with_everything(files) -> None:
    site = files.read(
        (
            "pue = 1.1",
            'pue = "1.1"\nit_limit = "3 MW"\nfixed_it_power = "100 kW"\nfixed_facility_power = "0.2 MW"\n'
            'carbon_budget = "7 t"\nunserved_power_penalty = "2 USD/kWh"\nwater_usage = "1.8 L/kWh"',
        )
    ).site("b")
    assert site.it_limit_mw.tolist() == [3.0] * 24
    assert site.fixed_it_power_mw[5] == 0.1
    assert site.fixed_facility_power_mw[5] == 0.2
    assert site.carbon_budget_kg == 7000.0
    assert site.unserved_power_penalty_per_mwh == 2000.0
    assert site.water_l_per_it_kwh == 1.8


def test_site_without_grid_is_islanded(files) -> None:
    scenario = files.read(
        (
            '[site.grid]\nimport_limit_mw = 10\nprice = "70 USD/MWh"\n'
            'carbon_intensity = { value = "300 g/kWh", kind = "average", scope = "direct" }\n',
            "",
        )
    )
    assert scenario.site("b").grid is None


def test_grid_prices(files) -> None:
    grid = files.read((PRICE, PRICE + '\nimport_fee = "8 USD/MWh"')).site("a").grid
    assert grid.import_price_per_mwh[0] == 58.0
    assert grid.export_price_per_mwh[0] == 0.5 * 50.0 - 1.0  # of the energy price, before fees
    assert grid.import_limit_mw.tolist() == [20.0] * 24
    assert grid.export_limit_mw.tolist() == [5.0] * 24
    assert files.read().site("b").grid.export_limit_mw.tolist() == [0.0] * 24
    assert files.read().site("b").grid.export_price_per_mwh.tolist() == [0.0] * 24


@pytest.mark.parametrize(
    ("export_price", "value"),
    [("{ factor = 0.9 }", 45.0), ('{ offset = "3 USD/MWh" }', 53.0), ('"12 USD/MWh"', 12.0), ("{ factor = 0 }", 0.0)],
)
def test_export_price(files, export_price: str, value: float) -> None:
    edit = ('export_price = { factor = 0.5, offset = "-1 USD/MWh" }', f"export_price = {export_price}")
    assert files.read(edit).site("a").grid.export_price_per_mwh[3] == value


def test_carbon_series(files) -> None:
    several = (
        'carbon_intensity = [{ value = "400 kg/MWh", kind = "average", scope = "direct" }, '
        '{ value = "900 lb/MWh", kind = "marginal", scope = "lifecycle", source = "operator" }]'
    )
    old = 'carbon_intensity = { value = "400 kg/MWh", kind = "average", scope = "direct" }'
    grid = files.read((old, several)).site("a").grid
    assert [series.key for series in grid.carbon_intensities] == ["average-direct", "marginal-lifecycle"]
    assert grid.carbon_intensity("marginal", "lifecycle").kg_per_mwh[0] == 408.233133
    assert grid.carbon_intensity("marginal", "lifecycle").source == "operator"
    assert grid.carbon_intensity("average", "direct").source == "constant"
    assert files.read().site("b").grid.carbon_intensity("average", "direct").kg_per_mwh[0] == 300.0


def test_carbon_series_as_an_array_of_tables(files) -> None:
    old = 'carbon_intensity = { value = "400 kg/MWh", kind = "average", scope = "direct" }'
    new = (
        '[[site.grid.carbon_intensity]]\nvalue = "400 kg/MWh"\nkind = "average"\nscope = "direct"\n'
        '[[site.grid.carbon_intensity]]\nvalue = "500 kg/MWh"\nkind = "residual"\nscope = "direct"'
    )
    assert len(files.read((old, new)).site("a").grid.carbon_intensities) == 2


def test_ramp_and_market_factors(files) -> None:
    market = (
        'ramp = "5 MW/min"\ncertificates = "6 MW"\ninstrument_intensity = "12 g/kWh"\n'
        'residual_intensity = "600 g/kWh"\ncarbon_free_fraction = "42 %"'
    )
    grid = files.read((PRICE, PRICE + "\n" + market), ('step = "1 h"', 'step = "30 min"')).site("a").grid
    assert grid.ramp_mw_per_h == 300.0
    assert grid.market.certificates_mwh.tolist() == [3.0] * 48  # 6 MW for half an hour
    assert grid.market.instrument_kg_per_mwh == 12.0
    assert grid.market.residual_kg_per_mwh[0] == 600.0
    assert grid.market.carbon_free_fraction[0] == 0.42
    assert files.read().site("a").grid.market is None


def test_market_factors_may_be_given_in_part(files) -> None:
    market = files.read((PRICE, PRICE + '\nresidual_intensity = "600 g/kWh"')).site("a").grid.market
    assert market.certificates_mwh.tolist() == [0.0] * 24
    assert market.carbon_free_fraction is None


def test_certificates_in_energy_per_step(files) -> None:
    name = files.hourly({"ppa_mwh": np.arange(24)})
    grid = files.read((PRICE, PRICE + f'\ncertificates = {{ file = "{name}", column = "ppa_mwh" }}')).site("a").grid
    assert grid.market.certificates_mwh.tolist() == list(range(24))


def test_battery(files) -> None:
    battery = files.read().site("a").batteries[0]
    assert battery.name == "battery"
    assert (battery.energy_mwh, battery.charge_limit_mw, battery.discharge_limit_mw) == (8.0, 4.0, 4.0)
    assert battery.charge_efficiency == pytest.approx(0.9)
    assert battery.discharge_efficiency == pytest.approx(0.9)
    assert battery.charge_efficiency * battery.discharge_efficiency == pytest.approx(0.81)
    assert (battery.initial_energy_mwh, battery.min_energy_mwh) == (4.0, 0.0)
    assert (battery.self_discharge_per_h, battery.wear_cost_per_mwh) == (0.0, 0.0)
    assert battery.terminal_value_per_mwh is None


def test_battery_with_everything(files) -> None:
    keys = (
        'charge_power = "2 MW"\ndischarge_power = "3000 kW"\ncharge_efficiency = 0.95\ndischarge_efficiency = "90 %"\n'
        'initial = "25 %"\nmin_energy = "500 kWh"\nself_discharge = "0.1 %/h"\nterminal_value = "30 USD/MWh"\n'
        'wear_cost = "6 USD/MWh"'
    )
    battery = files.read(('power = "4 MW"\nround_trip_efficiency = "81 %"', keys)).site("a").batteries[0]
    assert (battery.charge_limit_mw, battery.discharge_limit_mw) == (2.0, 3.0)
    assert (battery.charge_efficiency, battery.discharge_efficiency) == (0.95, 0.9)
    assert (battery.initial_energy_mwh, battery.min_energy_mwh) == (2.0, 0.5)
    assert battery.self_discharge_per_h == 0.001
    assert (battery.terminal_value_per_mwh, battery.wear_cost_per_mwh) == (30.0, 6.0)


def test_self_discharge_per_month_counts_730_5_hours(files) -> None:
    edit = ('energy = "8 MWh"', 'energy = "8 MWh"\nself_discharge = "2 %/month"')
    assert files.read(edit).site("a").batteries[0].self_discharge_per_h == pytest.approx(0.02 / 730.5)


def test_unnamed_batteries_are_numbered(files) -> None:
    battery = '[[site.battery]]\nenergy = "8 MWh"\npower = "4 MW"\nround_trip_efficiency = "81 %"\n'
    site = files.read((battery, battery + battery)).site("a")
    assert [part.name for part in site.batteries] == ["battery", "battery-2"]


def test_generator(files) -> None:
    turbine = files.read().site("a").generators[0]
    assert (turbine.capacity_mw, turbine.min_load_mw) == (3.0, pytest.approx(1.2))
    assert turbine.fuel_cost_per_mwh.tolist() == [60.0] * 24
    assert turbine.availability.tolist() == [1.0] * 24
    assert (turbine.initially_on, turbine.initial_hours, turbine.initial_output_mw) == (False, 8760.0, 0.0)


def test_generator_with_everything(files) -> None:
    keys = (
        'fuel_cost = "0.06 USD/kWh"\navailability = "95 %"\nramp = "15 MW/h"\nmin_up = "3 h"\nmin_down = "2 h"\n'
        'start_cost = "2500 USD"\nno_load_cost = "40 USD/h"\nno_load_emission = "30 kg/h"\n'
        'start_emission = "0.2 t"\ninitially_on = true\ninitial_hours = 5\ninitial_output = "2 MW"'
    )
    turbine = files.read(('fuel_cost = "60 USD/MWh"', keys)).site("a").generators[0]
    assert turbine.fuel_cost_per_mwh[0] == pytest.approx(60.0)
    assert turbine.availability[0] == 0.95
    assert (turbine.ramp_mw_per_h, turbine.min_up_h, turbine.min_down_h) == (15.0, 3.0, 2.0)
    assert (turbine.start_cost, turbine.no_load_cost_per_h) == (2500.0, 40.0)
    assert (turbine.emission_kg_per_mwh, turbine.no_load_emission_kg_per_h) == (490.0, 30.0)
    assert turbine.start_emission_kg == 200.0
    assert (turbine.initially_on, turbine.initial_hours, turbine.initial_output_mw) == (True, 5.0, 2.0)


def test_a_running_generator_starts_at_its_least_load_unless_told(files) -> None:
    edit = ('fuel_cost = "60 USD/MWh"', 'fuel_cost = "60 USD/MWh"\ninitially_on = true')
    assert files.read(edit).site("a").generators[0].initial_output_mw == pytest.approx(1.2)


def test_fleet_from_the_catalogue(files) -> None:
    fleet = files.read().site("a").fleets[0]
    assert (fleet.name, fleet.accelerator, fleet.count) == ("pod", "H100-SXM", 4096)
    assert fleet.active_power_mw == pytest.approx(890e-6)  # 700 W and a host share of 190 W
    assert fleet.idle_power_mw == pytest.approx(195e-6)  # 70 W and 125 W


@pytest.mark.parametrize(
    ("keys", "active", "idle"),
    [
        ('host_power = "100 W"', 800e-6, 170e-6),
        ('host_power = "100 W"\nhost_idle_power = "50 W"', 800e-6, 120e-6),
        ('active_power = "650 W"', 840e-6, 195e-6),
        ('idle_power = "90 W"', 890e-6, 215e-6),
        ('active_power_w = 650\nidle_power_w = 90\nhost_power = "0 W"', 650e-6, 90e-6),
    ],
)
def test_fleet_with_own_figures(files, keys: str, active: float, idle: float) -> None:
    fleet = files.read(("count = 4096", f"count = 4096\n{keys}")).site("a").fleets[0]
    assert fleet.active_power_mw == pytest.approx(active)
    assert fleet.idle_power_mw == pytest.approx(idle)


def test_fleet_of_an_accelerator_of_its_own(files) -> None:
    keys = 'accelerator = "X9"\nactive_power = "1 kW"\nidle_power = "100 W"\navailability = "97 %"'
    fleet = files.read(('name = "pod"\naccelerator = "H100-SXM"', keys)).site("a").fleets[0]
    assert (fleet.name, fleet.accelerator) == ("X9", "X9")
    assert (fleet.active_power_mw, fleet.idle_power_mw) == (0.001, 0.0001)
    assert fleet.available[0] == pytest.approx(0.97 * 4096)


def test_fleet_is_named_after_its_accelerator_and_aliases_are_understood(files) -> None:
    fleet = files.read(('name = "pod"\naccelerator = "H100-SXM"', 'accelerator = "h100"')).site("a").fleets[0]
    assert (fleet.name, fleet.accelerator) == ("h100", "H100-SXM")


def test_training_job(files) -> None:
    job = files.read().job("tune")
    assert (job.kind, job.gpus, job.duration_h, job.value) == ("rigid", 1024, 6.0, 50_000.0)
    assert job.release == datetime(2022, 7, 4, 2, tzinfo=UTC)
    assert job.deadline == datetime(2022, 7, 4, 20, tzinfo=UTC)
    assert (job.sites, job.site, job.start, job.mandatory, job.beyond) == (("a",), None, None, False, False)


def test_training_job_with_everything(files) -> None:
    keys = (
        'kind = "elastic"\nmin_gpus = 512\nmax_gpus = 2048\nspeed = [[512, 0.55], [1024, 1], [2048, 1.8]]\n'
        'min_run = "2 h"\nrestart_loss = "15 min"\nmigratable = true\ncheckpoint = "1.2 TB"\npower = "0.7 kW"\n'
        'mandatory = true\nbeyond = true\ndelay_cost = "10 USD/h"\naccelerator_speed = { h100 = 1.5 }'
    )
    job = files.read(('kind = "rigid"', keys)).job("tune")
    assert (job.kind, job.min_gpus, job.max_gpus) == ("elastic", 512, 2048)
    assert job.speed == ((512.0, 0.55), (1024.0, 1.0), (2048.0, 1.8))
    assert (job.min_run_h, job.restart_loss_h, job.migratable) == (2.0, 0.25, True)
    assert (job.checkpoint_gb, job.power_mw) == (1200.0, 0.0007)
    assert (job.mandatory, job.beyond, job.delay_cost_per_h) == (True, True, 10.0)
    assert job.accelerator_speed == {"H100-SXM": 1.5}


def test_a_job_without_dates_has_the_horizon(files) -> None:
    edits = ("release = 2022-07-04T02:00:00Z\ndeadline = 2022-07-04T20:00:00Z\n", "")
    job = files.read(edits).job("tune")
    assert (job.release, job.deadline) == (datetime(2022, 7, 4, tzinfo=UTC), datetime(2022, 7, 5, tzinfo=UTC))


def test_a_running_job_counts_only_what_is_left(files) -> None:
    """It needs 30 h, of which 10 h are done before the horizon; its window has 20 h."""
    scenario = files.read(
        ('duration = "6 h"', 'duration = "30 h"'),
        ('sites = ["a"]', 'site = "a"\nrunning_since = 2022-07-03T14:00:00Z'),
        ("release = 2022-07-04T02", "release = 2022-07-03T14"),
    )
    job = scenario.job("tune")
    assert job.duration_on(scenario.site("a").fleets[0], scenario.timeline) == 20.0


def test_a_faster_accelerator_shortens_the_job(files) -> None:
    """19 h do not fit 18 h, but at 1.5 times the speed they do."""
    edits = [('duration = "6 h"', 'duration = "19 h"\naccelerator_speed = { H100-SXM = 1.5 }')]
    assert files.read(*edits).job("tune").duration_h == 19.0


def test_inference_service(files) -> None:
    service = files.read().inference[0]
    assert service.demand_token_s["west"].tolist() == [240_000.0] * 24
    assert (service.serving.throughput_token_s, service.serving.active_power_mw) == (2400.0, 0.00064)
    assert (service.latency_limit_ms, service.sites, service.serving_on) == (60.0, None, {})
    assert (service.revenue_per_mtoken, service.unserved_penalty_per_mtoken) == (0.4, 4.0)


def test_inference_on_named_accelerators(files) -> None:
    serving = 'serving = { A100 = { throughput = "900 token/s", active_power = "500 W" } }'
    service = files.read(('active_power = "640 W"', 'active_power = "640 W"\n' + serving)).inference[0]
    assert service.serving_on["A100-SXM"].throughput_token_s == 900.0
    assert service.serving_on["A100-SXM"].active_power_mw == 0.0005


def test_demand_by_columns(files) -> None:
    name = files.hourly({"west_token_s": np.arange(24) * 1000.0})
    edit = (
        'demand = { west = "240_000 token/s" }',
        f'demand = {{ file = "{name}", columns = {{ west = "west_token_s" }}, factor = 2 }}',
    )
    assert files.read(edit).inference[0].demand_token_s["west"][:3].tolist() == [0.0, 2000.0, 4000.0]


def test_demand_by_region_references(files) -> None:
    name = files.hourly({"west_token_s": 5.0})
    edit = (
        'demand = { west = "240_000 token/s" }',
        f'demand = {{ west = {{ file = "{name}", column = "west_token_s", offset = "60 token/min" }} }}',
    )
    assert files.read(edit).inference[0].demand_token_s["west"][0] == 6.0


def test_suffixed_keys(files) -> None:
    edits = [
        ('energy = "8 MWh"', "energy_kwh = 8000"),
        ('price = "10 USD/t"', "price_usd_per_t = 10"),
        (PRICE, "price_per_mwh = 50"),
        ('duration = "6 h"', "duration_min = 360"),
        ('latency = { a = "9 ms", b = "41 ms" }', "latency_ms = { a = 9, b = 41 }"),
    ]
    scenario, plain = files.read(*edits), files.read()
    assert scenario.site("a").batteries[0].energy_mwh == 8.0
    assert scenario.carbon.price_per_t == 10.0
    assert scenario.site("a").grid.import_price_per_mwh[0] == 50.0
    assert scenario.job("tune").duration_h == 6.0
    assert scenario.regions == plain.regions


def test_series_reference_with_factor_and_offset(files) -> None:
    name = files.hourly({"p_usd_kwh": np.linspace(0.0, 0.23, 24)})
    reference = f'price = {{ file = "{name}", column = "p_usd_kwh", factor = 2, offset = "-5 USD/MWh" }}'
    price = files.read((PRICE, reference)).site("a").grid.import_price_per_mwh
    assert price[:3].tolist() == pytest.approx([-5.0, 15.0, 35.0])


def test_a_factor_may_not_push_a_series_out_of_range(files) -> None:
    name = files.hourly({"use_pct": [90.0] * 23 + [95.0]})
    availability = f'availability = {{ file = "{name}", column = "use_pct", factor = 1.1 }}'
    (problem,) = files.problems(("count = 4096", f"count = 4096\n{availability}"))
    assert problem.code == "D008"
    assert "1.045" in problem.message
    assert "2022-07-04T23:00" in problem.message
    assert "1 of 24" in problem.message


@pytest.mark.parametrize(
    ("column", "values", "edit", "code"),
    [
        ("ci_g_kwh", -1.0, ('value = "400 kg/MWh"', 'file = "series.csv", column = "ci_g_kwh"'), "C002"),
        ("pue_fraction", 0.9, ("pue = 1.1", 'pue = { file = "series.csv", column = "pue_fraction" }'), "P004"),
        ("use_pct", 120.0, ("count = 4096", f"count = 4096\navailability = {USE}"), "D008"),
        ("cap_mw", -3.0, (LIMIT, 'import_limit = { file = "series.csv", column = "cap_mw" }'), "D008"),
    ],
)  # fmt: skip
def test_series_out_of_range(files, column: str, values: float, edit: tuple[str, str], code: str) -> None:
    files.hourly({column: values})
    (problem,) = files.problems(edit)
    assert problem.code == code
    assert problem.line == 2
    assert problem.file == "series.csv"


def test_estimated_values_are_counted(files) -> None:
    name = files.hourly({"ci_g_kwh": 400.0, "guess": [1] * 6 + [0] * 18})
    edit = ('value = "400 kg/MWh"', f'file = "{name}", column = "ci_g_kwh", estimated = "guess"')
    scenario = files.read(edit)
    series = scenario.site("a").grid.carbon_intensities[0]
    assert series.estimated_fraction == pytest.approx(0.25)
    assert series.source == name


WEATHER = (
    'weather = { file = "series.csv", temperature = "temp_c", cloud_cover = "cloud_pct", wind_speed = "wind_kmh" }\n'
    "cooling"
)


def test_weather_with_points(files) -> None:
    files.hourly({"temp_c": np.linspace(-3.0, 43.0, 24), "cloud_pct": 40.0, "wind_kmh": 18.0})
    edits = [
        ("cooling", WEATHER),
        ('{ model = "constant", pue = 1.25 }', '{ model = "points", points = [[10, 1.1], [30, 1.3]] }'),
    ]
    site = files.read(*edits).site("a")
    assert site.temperature_c[0] == pytest.approx(-3.0)
    assert site.pue[0] == pytest.approx(1.1)
    assert site.pue[-1] == pytest.approx(1.3)
    assert site.pue.min() >= 1.1
    step = 46.0 / 23.0
    warm = int((20.0 + 3.0) // step)
    assert site.pue[warm] == pytest.approx(1.1 + 0.01 * (-3.0 + warm * step - 10.0))


@pytest.mark.parametrize("model", ["chiller", "pue-temperature"])
def test_weather_with_the_chiller_model(files, model: str) -> None:
    files.hourly({"temp_c": [5.0] * 12 + [35.0] * 12, "cloud_pct": 40.0, "wind_kmh": 18.0})
    plain = [("cooling", WEATHER), ('{ model = "constant", pue = 1.25 }', f'{{ model = "{model}" }}')]
    site = files.read(*plain).site("a")
    assert 1.0 < site.pue[0] < site.pue[-1] < 2.0
    assert site.pue[0] == pytest.approx(1.11)  # fans 5 %, pumps 1 %, losses 5 %
    tuned = [
        ("cooling", WEATHER),
        ('{ model = "constant", pue = 1.25 }', f'{{ model = "{model}", cop = 5, free_cooling = false }}'),
    ]
    other = files.read(*tuned).site("a")
    assert other.pue[0] > site.pue[0]
    assert other.pue[-1] < site.pue[-1]


def test_constant_weather_and_units_of_references(files) -> None:
    files.hourly({"t2m": 290.0})
    weather = (
        'weather = { temperature = { file = "series.csv", column = "t2m", unit = "K" }, wind_speed = "36 km/h", '
        "cloud_cover = 0.5 }\ncooling"
    )
    wind = (
        '[[site.solar]]\ncapacity = "4 MW"\nprofile = "25 %"',
        '[[site.wind]]\ncapacity = "4 MW"\nhub_height = "10 m"',
    )
    site = files.read(("cooling", weather), wind).site("a")
    assert site.temperature_c[0] == pytest.approx(16.85)
    assert 0.0 < site.renewables[0].per_unit[0] < 1.0
    assert site.renewables[0].per_unit.std() == 0.0


def test_weather_without_file(files) -> None:
    (problem,) = files.problems(("cooling", 'weather = { temperature = "temp_c" }\ncooling'))
    assert problem.code == "S003"
    assert "no file for temperature" in problem.message


def test_solar_profile_given_as_a_series(files) -> None:
    plant = files.read().site("a").renewables[0]
    assert (plant.name, plant.kind, plant.capacity_mw) == ("solar", "solar", 4.0)
    assert plant.available_mw.tolist() == [1.0] * 24


def test_solar_from_clouds_follows_the_sun(files) -> None:
    """Local noon of Silicon Valley in summer is about 20:10 UTC; at night there is nothing."""
    files.hourly({"temp_c": 20.0, "cloud_pct": 0.0, "wind_kmh": 7.2})
    plant = files.read(("cooling", WEATHER), ('profile = "25 %"\n', "")).site("a").renewables[0]
    assert int(plant.per_unit.argmax()) in (19, 20)
    assert plant.per_unit[8] == 0.0
    assert 0.6 < plant.per_unit.max() <= 1.0


def test_solar_options_reach_the_physics(files) -> None:
    files.hourly({"temp_c": 20.0, "cloud_pct": 0.0, "wind_kmh": 7.2})

    def energy(options: str) -> float:
        edits = [("cooling", WEATHER), ('profile = "25 %"\n', options + "\n")]
        return float(files.read(*edits).site("a").renewables[0].per_unit.sum())

    base = energy("")
    assert energy("tilt = 90") < base
    assert energy('losses = "50 %"') < base
    assert energy('azimuth = "0 deg"') < base
    assert energy("dc_ac_ratio = 0.5") < base
    assert energy("albedo = 0.9") > base
    assert energy('mounting = "insulated-back-glass-polymer"') < base


def test_unknown_mounting_is_reported(files) -> None:
    files.hourly({"temp_c": 20.0, "cloud_pct": 0.0, "wind_kmh": 7.2})
    (problem,) = files.problems(("cooling", WEATHER), ('profile = "25 %"\n', 'mounting = "hovering"\n'))
    assert "hovering" in problem.message
    assert problem.key == "site.a.solar"


def test_wind_options_reach_the_physics(files) -> None:
    files.hourly({"temp_c": 15.0, "cloud_pct": 0.0, "wind_kmh": 21.6})

    def power(options: str) -> float:
        table = f'[[site.wind]]\ncapacity = "4 MW"\n{options}'
        edits = [("cooling", WEATHER), ('[[site.solar]]\ncapacity = "4 MW"\nprofile = "25 %"', table)]
        return float(files.read(*edits).site("a").renewables[0].per_unit[0])

    base = power("")
    assert 0.0 < base < 1.0
    assert power('hub_height = "150 m"') > base
    assert power('wake = "50 %"') == pytest.approx(base / 0.95 * 0.5)
    assert power('losses = "53 %"') == pytest.approx(base / 2)
    assert power("shear = 0.3") > base
    assert power('roughness = "0.5 m"') > base
    assert power('curve = "generic-400"') < base
    assert power("curve = [[3, 0], [4, 1], [25, 1]]") == pytest.approx(0.95 * 0.94)


def test_solar_with_wind_and_temperature_assumed(files) -> None:
    files.hourly({"cloud_pct": 0.0})
    weather = 'weather = { file = "series.csv", cloud_cover = "cloud_pct" }\ncooling'
    scenario = files.read(("cooling", weather), ('profile = "25 %"\n', ""))
    (note,) = [item for item in scenario.diagnostics if item.code == "S011"]
    assert note.message == "weather has no temperature and no wind_speed; solar plants assume 20 degC and 2 m/s"


@pytest.mark.parametrize(
    ("given", "missing", "assumed"),
    [('temperature = "30 degC"', "wind_speed", "2 m/s"), ('wind_speed = "3 m/s"', "temperature", "20 degC")],
)
def test_solar_assumes_only_what_weather_lacks(files, given: str, missing: str, assumed: str) -> None:
    files.hourly({"cloud_pct": 0.0})
    weather = f'weather = {{ file = "series.csv", cloud_cover = "cloud_pct", {given} }}\ncooling'
    scenario = files.read(("cooling", weather), ('profile = "25 %"\n', ""))
    (note,) = [item for item in scenario.diagnostics if item.code == "S011"]
    assert note.message == f"weather has no {missing}; solar plants assume {assumed}"


def test_irradiance_is_used_where_it_is_given(files) -> None:
    files.hourly({"ghi_w_m2": [0.0] * 14 + [300.0] * 10})
    weather = 'weather = { file = "series.csv", ghi = "ghi_w_m2" }\ncooling'
    plant = files.read(("cooling", weather), ('profile = "25 %"\n', "")).site("a").renewables[0]
    assert plant.per_unit[:13].max() == 0.0
    assert 0.1 < plant.per_unit[18] < 0.5


def test_one_sided_irradiance_is_refused(files) -> None:
    files.hourly({"dni_w_m2": 100.0})
    weather = 'weather = { file = "series.csv", dni = "dni_w_m2" }\ncooling'
    problems = files.problems(("cooling", weather), ('profile = "25 %"\n', ""))
    assert [problem.code for problem in problems] == ["P012"]
    assert "weather.dhi" in problems[0].message


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:DatetimeIndex.dayofyear")
def test_optional_models(files) -> None:
    files.hourly({"temp_c": 20.0, "wind_kmh": 36.0, "ghi_w_m2": 300.0, "dni_w_m2": 100.0, "dhi_w_m2": 250.0})
    weather = (
        'weather = { file = "series.csv", temperature = "temp_c", wind_speed = "wind_kmh", ghi = "ghi_w_m2", '
        'dni = "dni_w_m2", dhi = "dhi_w_m2" }\ncooling'
    )
    plants = (
        'capacity = "4 MW"\nmodel = "pvlib"\n[[site.wind]]\ncapacity = "4 MW"\nmodel = "windpowerlib"\n'
        '[[site.wind]]\nname = "own"\ncapacity = "4 MW"'
    )
    site = files.read(("cooling", weather), ('capacity = "4 MW"\nprofile = "25 %"', plants)).site("a")
    solar, library, own = site.renewables
    assert 0.1 < solar.per_unit[20] < 0.5
    assert library.per_unit[0] == pytest.approx(own.per_unit[0], abs=0.03)


def test_sam_models(files) -> None:
    pytest.importorskip("PySAM", reason="the extra sam is not installed")
    files.hourly({"temp_c": 20.0, "wind_kmh": 36.0, "dni_w_m2": 100.0, "dhi_w_m2": 250.0})
    weather = (
        'weather = { file = "series.csv", temperature = "temp_c", wind_speed = "wind_kmh", dni = "dni_w_m2", '
        'dhi = "dhi_w_m2" }\ncooling'
    )
    plants = "\n".join(
        f'[[site.{kind}]]\nname = "{kind}-{model}"\ncapacity = "4 MW"\nmodel = "{model}"{more}'
        for kind, model, more in (
            ("solar", "sam", ""),
            ("solar", "pvwatts", ""),
            ("wind", "sam", '\nroughness = "0.2 m"'),
            ("wind", "curve", '\nroughness = "0.2 m"'),
            ("wind", "windpowerlib", '\nroughness = "0.2 m"'),
        )
    )
    site = files.read(("cooling", weather), ('[[site.solar]]\ncapacity = "4 MW"\nprofile = "25 %"', plants)).site("a")
    solar, own_solar, wind, own_wind, library = (plant.per_unit[20] for plant in site.renewables)
    assert solar == pytest.approx(own_solar, abs=0.02)
    assert wind == pytest.approx(own_wind, abs=0.02)
    assert library == pytest.approx(own_wind, abs=0.02)
    assert 0.1 < solar < 0.5 < wind


@pytest.mark.parametrize("missing", ["dni", "dhi"])
def test_sam_needs_beam_and_diffuse(files, missing) -> None:
    files.hourly({"x_w_m2": 300.0})
    given = "dhi" if missing == "dni" else "dni"
    weather = f'weather = {{ file = "series.csv", ghi = "x_w_m2", {given} = "x_w_m2" }}\ncooling'
    (problem,) = files.problems(("cooling", weather), ('profile = "25 %"', 'model = "sam"'))
    assert problem.code == "P012"
    assert f"weather.{missing}" in problem.message


def test_pvlib_needs_all_irradiances(files) -> None:
    files.hourly({"ghi_w_m2": 300.0})
    weather = 'weather = { file = "series.csv", ghi = "ghi_w_m2" }\ncooling'
    (problem,) = files.problems(("cooling", weather), ('profile = "25 %"', 'model = "pvlib"'))
    assert problem.code == "P012"
    assert "weather.dni" in problem.message


def test_notes_of_synthetic_files_are_passed_on_once(files) -> None:
    name = files.hourly({"p_usd_mwh": 5.0, "cap_mw": 9.0}, note="synthetic, seed 1")
    scenario = files.read(
        (PRICE, f'price = {{ file = "{name}", column = "p_usd_mwh" }}'),
        (LIMIT, f'import_limit = {{ file = "{name}", column = "cap_mw" }}'),
    )
    (note,) = [item for item in scenario.diagnostics if item.code == "D020"]
    assert note.message == "synthetic, seed 1"
    assert note.file == name


def test_the_same_note_about_a_file_is_kept_once(files) -> None:
    name = files.hourly({"p_usd_mwh": 5.0, "cap_mw": 9.0})
    scenario = files.read(
        (PRICE, f'price = {{ file = "{name}", column = "p_usd_mwh" }}'),
        (LIMIT, f'import_limit = {{ file = "{name}", column = "cap_mw" }}'),
    )
    assert len([item for item in scenario.diagnostics if item.code == "T016"]) == 1


def test_provenance(files) -> None:
    name = files.hourly({"p_usd_mwh": 5.0}, note="synthetic")
    edit = (PRICE, f'price = {{ file = "{name}", column = "p_usd_mwh", label = "start" }}')
    provenance = files.read(edit, overrides={"name": "other"}).provenance
    assert provenance["scenario"]["file"].endswith("scenario.toml")
    assert len(provenance["scenario"]["sha256"]) == 64
    (series,) = provenance["series"]
    assert (series["key"], series["column"], series["rows"]) == ("site.a.grid.price", "p_usd_mwh", 24)
    assert (series["label"], series["note"], series["interpolated"]) == ("start", "synthetic", 0)
    assert len(series["sha256"]) == 64
    assert provenance["overrides"] == {"name": "other"}


def test_names_default_to_the_file(files) -> None:
    assert files.read(('name = "tiny"\n', "")).name == "scenario"


def test_square_root_split_is_exact(files) -> None:
    battery = files.read(('"81 %"', '"88 %"')).site("a").batteries[0]
    assert battery.charge_efficiency == math.sqrt(0.88)
