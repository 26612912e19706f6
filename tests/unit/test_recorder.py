"""Recorders: the same figures whatever is kept, and nothing left behind by a run that fails."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from joulewright.account import settle
from joulewright.errors import DataError, PolicyError
from joulewright.model import CarbonPolicy, DemandWindow, Link, Region, Route
from joulewright.policy.decision import JobAction, PowerDecision, SitePower, WorkDecision
from joulewright.sim.recorder import MetricsRecorder, NoRecorder, ParquetRecorder, SeriesRecorder

STEPS = 30


@pytest.fixture(scope="module")
def scenario(tiny):
    """Thirty hours of two sites in which every row of the ledger has a value."""
    draw = np.random.default_rng(3)

    def site(name, **changes):
        members = draw.random((2, STEPS)) < 0.6
        windows = tuple(
            DemandWindow(name=f"w{n}", price_per_mw=900.0, members=members[n], peak_so_far_mw=0.5, share=0.5)
            for n in range(2)
        )
        grid = tiny.grid(
            STEPS,
            carbon_intensities=(
                tiny.intensity(draw.uniform(50.0, 600.0, STEPS), STEPS),
                tiny.intensity(draw.uniform(50.0, 900.0, STEPS), STEPS, kind="marginal"),
            ),
            import_price_per_mwh=draw.uniform(-20.0, 90.0, STEPS),
            demand_windows=windows,
            import_limit_mw=1.5,
        )
        values = {
            "pue": draw.uniform(1.0, 1.6, STEPS),
            "fixed_it_power_mw": draw.uniform(0.5, 1.2, STEPS),
            "renewables": (tiny.plant(draw.random(STEPS), STEPS, capacity_mw=1.0),),
            "batteries": (tiny.battery(self_discharge_per_h=0.01, wear_cost_per_mwh=5.0, terminal_value_per_mwh=9.0),),
            "generators": (
                tiny.generator(
                    STEPS,
                    min_load_mw=0.2,
                    emission_kg_per_mwh=500.0,
                    start_emission_kg=3.0,
                    start_cost=8.0,
                    no_load_cost_per_h=2.0,
                    no_load_emission_kg_per_h=1.0,
                    initially_on=True,
                    initial_output_mw=1.0,
                ),
            ),
            "unserved_power_penalty_per_mwh": 1000.0,
            "water_l_per_it_kwh": 1.8,
            "carbon_budget_kg": 9000.0,
        }
        return tiny.site(STEPS, name=name, grid=grid, **(values | changes))

    return tiny.scenario(
        site("a"),
        site("b"),
        steps=STEPS,
        carbon=CarbonPolicy(
            price_per_t=50.0, budget_kg=2000.0, used_kg=100.0, excess_price_per_t=90.0, credit_export=True
        ),
        links=(Link(between=("a", "b"), bandwidth_gbit_s=1.0, cost_per_gb=0.1),),
        regions=(Region(name="west", latency_ms={"a": 10.0, "b": 40.0}), Region(name="east", latency_ms={"b": 5.0})),
        inference=(
            tiny.service(
                STEPS,
                demand_token_s={"west": draw.uniform(0.0, 6e4, STEPS), "east": draw.uniform(0.0, 3e4, STEPS)},
                revenue_per_mtoken=0.4,
                unserved_penalty_per_mtoken=4.0,
            ),
            tiny.service(STEPS, name="bulk", demand=1e4),
        ),
        training=(
            tiny.job("late", duration_h=5.5, deadline=tiny.at(4.0), delay_cost_per_h=3.0),
            tiny.job("beyond", duration_h=40.0, gpus=10, deadline=tiny.at(90.0), beyond=True),
            tiny.job("moving", kind="pausable", duration_h=6.0, gpus=5, migratable=True, checkpoint_gb=100.0),
            tiny.job("never"),
        ),
    )


def work(observation):
    """Starts three jobs, moves one of them, and routes the services with ever other shares."""
    actions = ()
    if observation.step == 0:
        actions = tuple(JobAction(job=name, kind="start", site="a", fleet="gpus") for name in ("beyond", "moving"))
    if observation.step == 1:
        actions = (JobAction(job="late", kind="start", site="a", fleet="gpus"),)
    if observation.step == 3:
        actions = (JobAction(job="moving", kind="migrate", site="b", fleet="gpus"),)
    near = 0.9 if observation.step % 3 else 0.2
    demand = observation.demand_token_s
    routes = {
        "chat": {
            Route(region="west", site="a", fleet="gpus"): near * demand["chat"]["west"],
            Route(region="west", site="b", fleet="gpus"): 0.9 * (1.0 - near) * demand["chat"]["west"],
            Route(region="east", site="b", fleet="gpus"): demand["chat"]["east"],
        },
        "bulk": {Route(region="west", site="b", fleet="gpus"): 0.5 * demand["bulk"]["west"]},
    }
    return WorkDecision(actions=actions, routes_token_s=routes)


def power(observation):
    """Charges and discharges in turns and runs the generators now and then."""
    step = observation.step
    flow = {"charge_mw": {"store": 1.0}} if step % 4 < 2 else {"discharge_mw": {"store": 0.8}}
    unit = {"turbine": 0.3} if step % 7 > 3 else {}
    return PowerDecision(sites={name: SitePower(generator_mw=unit, **flow) for name in observation.sites})


def dropped(figures):
    """Figures without those that do not apply."""
    return {key: value for key, value in figures.items() if value is not None}


@pytest.fixture(scope="module")
def whole(sim_case, scenario):
    """The run with every series."""
    return sim_case.run(scenario, on_work=work, on_power=power)


def test_the_run_has_everything_that_figures_could_get_wrong(whole, sim_case):
    figures = whole.figures
    rows = settle(whole.trajectory.scenario, whole.trajectory.schedule)
    assert figures["jobs_late"] == 1.0
    assert figures["jobs_unfinished"] == 0.0
    assert figures["jobs_rejected"] == 1.0
    assert 0.0 < figures["served_fraction"] < 1.0
    for item in ("import", "demand charge", "fuel", "start-up", "battery wear", "unserved power", "excess carbon"):
        assert rows.total("cost", item) != 0.0
    for item in ("delay", "energy beyond horizon", "data transfer", "unserved inference", "carbon price", "no-load"):
        assert rows.total("cost", item) != 0.0
    assert rows.total("value", "stored energy") != 0.0
    assert rows.total("carbon", "export credit") != 0.0
    assert figures["water_l"] > 0.0
    assert sim_case.imbalance_mw(whole) < 1e-9


def test_figures_of_the_series_are_those_of_the_ledger(whole):
    assert whole.figures == settle(whole.trajectory.scenario, whole.trajectory.schedule).summary()


@pytest.mark.parametrize("block_steps", [1, 4, 7, 30, 4096])
def test_running_totals_equal_the_ledger(sim_case, scenario, whole, block_steps):
    recorder = MetricsRecorder(block_steps=block_steps)
    found = sim_case.run(scenario, on_work=work, on_power=power, recorder=recorder)
    assert found.trajectory is None
    assert list(found.figures) == list(whole.figures)
    assert found.figures == pytest.approx(whole.figures, rel=1e-9)
    assert (found.clips, found.happenings, found.jobs) == (whole.clips, whole.happenings, whole.jobs)


def test_running_totals_without_services_and_grid(sim_case, tiny):
    islanded = tiny.site(grid=None, renewables=(tiny.plant(0.01),))
    scenario = tiny.scenario(islanded)
    totals = sim_case.run(scenario, recorder=MetricsRecorder()).figures
    whole = sim_case.run(scenario).figures
    assert {key for key, value in totals.items() if value is None} == {k for k, value in whole.items() if value is None}
    assert dropped(totals) == pytest.approx(dropped(whole), rel=1e-9)
    assert totals["served_fraction"] is None
    assert totals["unserved_mwh"] == pytest.approx(0.1)


def test_no_recorder_keeps_clips_and_happenings_only(sim_case, scenario, whole):
    found = sim_case.run(scenario, on_work=work, on_power=power, recorder=NoRecorder())
    assert found.trajectory is None
    assert found.figures == {}
    assert (found.clips, found.happenings, found.jobs) == (whole.clips, whole.happenings, whole.jobs)


def test_blocks_of_the_series_recorder_change_nothing(sim_case, scenario, whole):
    found = sim_case.run(scenario, on_work=work, on_power=power, recorder=SeriesRecorder(block_steps=7))
    assert found.figures == whole.figures


class TestParquet:
    @pytest.fixture
    def written(self, sim_case, scenario, tmp_path):
        path = tmp_path / "run.parquet"
        found = sim_case.run(scenario, on_work=work, on_power=power, recorder=ParquetRecorder(path=path, block_steps=8))
        return found, path

    def test_holds_every_series(self, written, whole):
        found, path = written
        frame = pl.read_parquet(path)
        flows = whole.trajectory.schedule.sites["b"]
        assert frame.height == STEPS
        for column, values in (
            ("b/grid_import_mw", flows.grid_import_mw),
            ("b/unserved_mw", flows.unserved_mw),
            ("b/roof/renewable_used_mw", flows.renewable_used_mw["roof"]),
            ("b/store/charge_mw", flows.batteries["store"].charge_mw),
            ("b/store/energy_mwh", flows.batteries["store"].energy_mwh[1:]),
            ("b/turbine/on", flows.generators["turbine"].on),
            ("chat/east/unserved_token_s", whole.trajectory.schedule.services["chat"].unserved_token_s["east"]),
        ):
            assert frame[column].to_list() == values.tolist()
        assert found.figures == pytest.approx(whole.figures, rel=1e-9)

    def test_has_a_clock_and_row_groups(self, written, tiny):
        frame = pl.read_parquet(written[1])
        assert frame["start"][0] == tiny.start
        assert frame["start"][-1] == tiny.at(STEPS - 1)
        assert pl.scan_parquet(written[1]).select(pl.len()).collect().item() == STEPS

    def test_leaves_nothing_beside_it(self, written):
        assert [entry.name for entry in written[1].parent.iterdir()] == ["run.parquet"]

    def test_a_run_that_fails_leaves_nothing(self, sim_case, scenario, tmp_path):
        def fails(observation):
            if observation.step == 20:
                raise PolicyError("no idea")
            return work(observation)

        with pytest.raises(PolicyError, match="no idea"):
            sim_case.run(scenario, on_work=fails, recorder=ParquetRecorder(path=tmp_path / "x.parquet", block_steps=4))
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_fails_is_named(self, sim_case, scenario, tmp_path, monkeypatch):
        def full(self, file):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(DataError, match=r"cannot write .*No space left on device"):
            sim_case.run(scenario, recorder=ParquetRecorder(path=tmp_path / "run.parquet"))
        assert list(tmp_path.iterdir()) == []

    def test_a_target_that_cannot_be_replaced_is_named(self, sim_case, scenario, tmp_path):
        target = tmp_path / "run.parquet"
        (target / "inside").mkdir(parents=True)
        with pytest.raises(DataError, match=r"cannot write .*run\.parquet"):
            sim_case.run(scenario, recorder=ParquetRecorder(path=target))
        assert [entry.name for entry in tmp_path.iterdir()] == ["run.parquet"]

    def test_a_place_that_cannot_be_written_is_named(self, sim_case, scenario, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        with pytest.raises(DataError, match=r"cannot write .*run\.parquet"):
            sim_case.run(scenario, recorder=ParquetRecorder(path=blocked / "run.parquet"))


def test_memory_of_running_totals_does_not_grow_as_series_do(sim_case, tiny, monkeypatch):
    monkeypatch.setattr("joulewright.sim.observe.BLOCK_STEPS", 64)

    def peak(recorder, steps):
        # The least of a few: what the collector has not yet taken back counts as well.
        return min(single_peak(recorder, steps) for _ in range(2))

    def single_peak(recorder, steps):
        batteries = tuple(tiny.battery(name=f"b{number}") for number in range(8))
        scenario = tiny.scenario(tiny.site(steps, batteries=batteries), steps=steps, step_s=60)
        gc.collect()
        tracemalloc.start()
        sim_case.run(scenario, recorder=recorder, forecaster=_Blind())
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(MetricsRecorder(block_steps=64), 700)  # fills the free lists of the interpreter
    of_run, of_totals, of_series = (
        peak(recorder, 700) - peak(recorder, 200)
        for recorder in (NoRecorder(), MetricsRecorder(block_steps=64), SeriesRecorder(block_steps=64))
    )
    assert of_series - of_run > 8 * 500 * 34  # every one of 34 series
    assert of_totals - of_run < 0.1 * (of_series - of_run)


class _Blind:
    """A forecaster of nothing, so that only the recorder is measured."""

    specification = "blind"

    def prepare(self, truth, undisturbed, events, generator):
        return self

    def issue(self, step):
        return None


def test_site_budgets_are_settled_over_the_whole_horizon(sim_case, scenario):
    sites = tuple(
        replace(site, carbon_budget_kg=budget) for site, budget in zip(scenario.sites, (1.0, 1e9), strict=True)
    )
    changed = scenario.with_changes(sites=sites)
    whole = sim_case.run(changed, on_work=work, on_power=power).figures
    totals = sim_case.run(changed, on_work=work, on_power=power, recorder=MetricsRecorder(block_steps=4)).figures
    assert totals["cost"] == pytest.approx(whole["cost"], rel=1e-9)
