"""The joint compute-power model, written as a list of constraint families."""

from __future__ import annotations

from joulewright.model import Scenario, Schedule
from joulewright.plan.constraints.assignment import add_assignment
from joulewright.plan.constraints.balance import add_balance
from joulewright.plan.constraints.capacity import add_capacity
from joulewright.plan.constraints.carbon import add_carbon
from joulewright.plan.constraints.commitment import add_commitment
from joulewright.plan.constraints.continuity import add_continuity
from joulewright.plan.constraints.demand import add_demand
from joulewright.plan.constraints.demand_charge import add_demand_charges
from joulewright.plan.constraints.divisible import add_divisible
from joulewright.plan.constraints.exclusivity import add_exclusivity
from joulewright.plan.constraints.grid import add_grid
from joulewright.plan.constraints.renewables import add_renewables
from joulewright.plan.constraints.storage import add_storage
from joulewright.plan.inputs import build_inputs
from joulewright.plan.model import Exclusive, JointProgram, Model


def build(
    scenario: Scenario,
    *,
    without: frozenset[str] = frozenset(),
    exclusive: Exclusive | None = None,
    previous: Schedule | None = None,
    churn_cost: float = 0.0,
) -> JointProgram:
    """Write the joint model of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    without : frozenset of str
        Of the flexibilities to switch off, those that are rules of the model: ``routing`` and ``shifting``.
        The others are left out of the scenario (:func:`joulewright.plan.reduction.reduce_scenario`).
    exclusive : mapping, optional
        Steps whose opposite flows need a binary (see :mod:`joulewright.plan.constraints.exclusivity`).
    previous, churn_cost : Schedule, float
        A plan to stay close to and the price of every job that leaves its place in it [currency].

    Returns
    -------
    JointProgram
        The compiled mixed-integer program; its objective is minus the operational benefit.

    Raises
    ------
    InfeasibleError
        If a required job has no possible start or demand that must be served has no site.
    """
    model = Model(inputs=build_inputs(scenario, previous, churn_cost), without=without, exclusive=exclusive or {})
    add_assignment(model)
    add_continuity(model)
    add_divisible(model)
    add_demand(model)
    add_capacity(model)
    add_grid(model)
    add_renewables(model)
    add_storage(model)
    add_commitment(model)
    add_balance(model)
    add_demand_charges(model)
    add_carbon(model)
    add_exclusivity(model)
    program = model.builder.compile()
    carbon_kg = model.carbon_of_columns(program.cost.size)
    return JointProgram(program, model.inputs, model.starts, carbon_kg, without, model.runs)
