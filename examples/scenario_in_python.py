"""A scenario made in Python instead of a file: one site, one day, one job, and the ledger of its plan."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

import joulewright as jw
from joulewright.model import Battery, CarbonIntensity, Fleet, GridConnection, Site, Timeline, TrainingJob

HOURS = 24
DAY = Timeline(start=datetime(2024, 2, 29, tzinfo=UTC), step_s=3600, steps=HOURS)


def day_ahead_price() -> np.ndarray:
    """Cheap at night and at noon, dear in the evening [currency/MWh], shape ``(24,)``."""
    hour = np.arange(HOURS)
    return 60.0 + 35.0 * np.exp(-((hour - 19) ** 2) / 8.0) - 30.0 * np.exp(-((hour - 12) ** 2) / 10.0)


def scenario() -> jw.Scenario:
    """One site with a battery and 1,024 accelerators."""
    ones, price = np.ones(HOURS), day_ahead_price()
    grid = GridConnection(
        import_limit_mw=4.0 * ones,
        export_limit_mw=1.0 * ones,
        import_price_per_mwh=price,
        export_price_per_mwh=0.8 * price,
        carbon_intensities=(
            CarbonIntensity(kind="average", scope="direct", kg_per_mwh=200.0 + 2.0 * price, source="made up"),
        ),
    )
    site = Site(
        name="here",
        pue=1.2 * ones,
        fixed_it_power_mw=0.1 * ones,
        fixed_facility_power_mw=0.0 * ones,
        grid=grid,
        batteries=(
            Battery(
                name="cells",
                energy_mwh=4.0,
                charge_limit_mw=1.0,
                discharge_limit_mw=1.0,
                charge_efficiency=0.95,
                discharge_efficiency=0.95,
                initial_energy_mwh=2.0,
            ),
        ),
        fleets=(
            Fleet(
                name="pod",
                accelerator="H100-SXM",
                count=1024,
                availability=ones,
                active_power_mw=0.89e-3,
                idle_power_mw=0.195e-3,
            ),
        ),
    )
    job = TrainingJob(
        name="tune", gpus=1024, duration_h=6.0, release=DAY.at(2), deadline=DAY.at(22), value=20_000.0, mandatory=True
    )
    return jw.Scenario(name="one-day", timeline=DAY, sites=(site,), training=(job,))


def main() -> None:
    """Plan the day and print what it costs."""
    facts = scenario()
    result = jw.plan(facts, jw.PlanOptions(strategy="exact", gap=1e-6))
    assert result.schedule is not None
    assert result.ledger is not None
    print(f"tune starts at {facts.timeline.at(result.schedule.jobs['tune'].start_step):%H:%M} UTC")
    for row in result.ledger.select("cost"):
        print(f"{row.item:16s} {row.value:10,.2f} {facts.currency}")


if __name__ == "__main__":
    main()
