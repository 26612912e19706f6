"""``jw report``: write the report of a run or a study as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from joulewright.cli.options import check_writable, common
from joulewright.cli.output import current


@click.command(name="report")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "target", metavar="FILE", type=click.Path(path_type=Path), help="Default: RUN/report.html."
)
@common
def command(run: Path, target: Path | None) -> int:
    """Write the report of RUN as one HTML file that opens offline.

    RUN is the folder of a plan, of a study, of one simulated run, or of a command of jw infer.
    """
    from joulewright.cli.runs import write_run_report

    output = current()
    path = run / "report.html" if target is None else target
    check_writable(path.parent, purpose="the report's folder")
    write_run_report(path, run)
    output.data(str(path))
    return output.document({"report": str(path), "bytes": path.stat().st_size})
