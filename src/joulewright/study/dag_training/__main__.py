"""Command that trains the weights of the learned DAG scheduler."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np

from joulewright.errors import JoulewrightError
from joulewright.policy.dag.learned import save_network
from joulewright.study.dag_training.torch_network import import_torch
from joulewright.study.dag_training.training import TrainingPlan, train


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Weight file.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--lessons", default=TrainingPlan.lessons, show_default=True, help="Cases to imitate.")
@click.option("--steps", default=TrainingPlan.steps, show_default=True, help="Steps on own experience.")
@click.option("--rollouts", default=TrainingPlan.rollouts, show_default=True, help="Runs of each case per step.")
def main(output: Path, seed: int, lessons: int, steps: int, rollouts: int) -> None:
    """Train the learned DAG scheduler on generated jobs, and check numpy against torch before writing."""
    try:
        torch = import_torch()
        torch.set_num_threads(1)
        plan = TrainingPlan(seed=seed, lessons=lessons, steps=steps, rollouts=rollouts)
        trained = train(plan, click.echo)
    except (JoulewrightError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    save_network(
        output,
        trained.network,
        {
            **trained.about(plan),
            "seed": seed,
            "command": f"python -m joulewright.study.dag_training --seed {seed} --lessons {lessons} --steps {steps} "
            f"--rollouts {rollouts} -o {output.name}",
            "training_set": "joulewright.study.dag_training.cases.training_case: generated tpch-like, layered and "
            "fork-join jobs",
            "versions": {
                "joulewright": version("joulewright"),
                "numpy": np.__version__,
                "torch": str(torch.__version__),
                "python": platform.python_version(),
            },
        },
    )
    click.echo(f"wrote {output}")


if __name__ == "__main__":
    main()
