"""Tables of jobs with precedence at several sites for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulewright.report.dag_figures import amount, length
from joulewright.report.numbers import number, quantity, whole
from joulewright.report.terminal import add_text_row, text_table
from joulewright.study.dag_sites import DagSitesStudy

if TYPE_CHECKING:
    from rich.table import Table


def site_rows(found: DagSitesStudy) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of sites; the last two rows are the transfers and all of them."""
    signal, run = found.inputs[0].signal, found.run
    mean = f"Mean signal [{signal.unit}]" if signal.unit else "Mean signal"
    header = ["Site", "Jobs", "Executors", "Executor time", "Energy", mean, signal.quantity.capitalize()]
    rows = [
        [
            row["site"],
            whole(row["jobs"]),
            whole(row["executors"]),
            length(row["busy_ms"]),
            quantity(row["energy_kwh"], "kWh"),
            "" if row["mean_signal"] is None else number(row["mean_signal"]),
            amount(signal, row["cost"]),
        ]
        for row in found.sites_frame().to_dicts()
    ]
    sent = run.figures()["transfer_gb"]
    moved = quantity(sent, "GB") if sent else "nothing"
    transfers = quantity(run.transfer_kwh, "kWh"), "", amount(signal, run.transfer_cost)
    rows.append([f"transfers ({moved})", "", "", "", *transfers])
    executors = sum(item.cluster.executors for item in found.inputs)
    busy = length(run.figures()["busy_ms"])
    whole_run = quantity(run.energy_kwh, "kWh"), "", amount(signal, run.cost)
    rows.append(["all", whole(len(run.jobs)), whole(executors), busy, *whole_run])
    return header, rows


def service_rows(found: DagSitesStudy) -> list[tuple[str, str]]:
    """How the jobs were served, transfers included."""
    figures = found.run.figures()
    titles = {"makespan_ms": "Makespan", "mean_completion_ms": "Mean completion time",
              "p95_completion_ms": "95th percentile"}  # fmt: skip
    rows = [(title, length(figures[key])) for key, title in titles.items()]
    missed = found.figures()["missed_deadlines"]
    return rows if missed is None else [*rows, ("Missed deadlines", whole(int(missed)))]


def sites_tables(found: DagSitesStudy) -> list[Table]:
    """What every site did and cost, and how jobs were served."""
    header, rows = site_rows(found)
    sites = text_table("Sites", header, whole_names=True)
    for row in rows:
        add_text_row(sites, row)
    service = text_table("Service", [title for title, _ in service_rows(found)], text_columns=0)
    add_text_row(service, [text for _, text in service_rows(found)])
    return [sites, service]
