"""``bomix plan``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bomix.cli.options import study_argument

if TYPE_CHECKING:
    from rich.table import Table

    from bomix.recommendation.spending_plan import SpendingPlan
    from bomix.study.study import Study

FUNCTIONS = 8
"""Functions of each state: with three scales and 20 domains they take less than a CPU-minute."""
MOST_RUNS = 10_000
"""Runs of the dearest scale that a budget may be worth: a plan of more says no more, and takes for ever."""
WIDTH = 80
"""Columns of the table at most: that of a terminal that nobody made wider."""


@click.command()
@study_argument
@click.option("--cost", help="What may be spent, in the unit of the scales' costs, or '8 runs of large'.")
@click.option("--functions", type=click.IntRange(2), default=FUNCTIONS, show_default=True, help="Drawn in each state.")
@click.option("--seed", type=click.IntRange(0), help="Of the simulation; that of the study unless it is given.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def plan(study: Path, cost: str | None, functions: int, seed: int | None, as_json: bool) -> None:
    """Simulate how a budget is best spent over the scales of a study; nothing is trained.

    Without runs, on functions with as many domains and metrics as the study has, at several rank agreements of the
    scales, which nobody knows yet; with runs of two scales, on functions drawn from the model of them. It takes less
    than a CPU-minute, and the same seed gives the same table. Without --cost the study's budget.cost is planned.
    """
    from bomix.recommendation.spending_plan import plan_spending
    from bomix.study.study import Study

    opened = Study.open(study)
    found = plan_spending(
        *opened.records.searched(),
        _surrogate(opened),
        budget=_budget(opened, cost),
        functions=functions,
        seed=opened.spec.seed if seed is None else seed,
    )
    if as_json:
        click.echo(json.dumps(plain(found), indent=1, allow_nan=False))
        return
    from rich.console import Console

    Console(width=WIDTH, markup=False, highlight=False).print(table(found))
    for line in sentences(found):
        click.echo(line)


def table(found: SpendingPlan) -> Table:
    """A row for each allocation, with the runs of each scale and the regret in each state."""
    from rich import box

    from bomix.cli.tables import titled

    most = f"{found.budget / found.costs[-1]:.3g} runs of {found.scales[-1]}"
    made = titled(f"regret of what is recommended, by how a cost of {found.budget:g} ({most}) is spent")
    made.box, made.padding = box.SIMPLE_HEAD, (0, 1, 0, 0)  # all of it fits into :data:`WIDTH` columns
    made.add_column("", no_wrap=True)
    for name in found.scales:
        made.add_column(name, justify="right", overflow="fold")
    for state in found.states:
        made.add_column(state if found.agreement else f"at {state}", justify="right", no_wrap=True)
    for number, (way, row) in enumerate(zip(found.allocations, found.outlooks, strict=True)):
        cells = [f"{each.regret:.3f}±{2.0 * each.error:.3f}" for each in row]
        mark = "*" if number == found.recommended else ""
        made.add_row(mark, *(f"{runs:,}" for runs in way.runs), *cells)
    return made


def sentences(found: SpendingPlan) -> list[str]:
    """What the table says, a line each."""
    lines = [f"* recommended: {_named(found, found.recommended)} (least regret on average over the states)"]
    if found.near:
        others = "; ".join(_named(found, number) for number in found.near)
        lines.append(
            f"not told apart from it by so many functions: {others}; --functions {4 * found.functions} tells more"
        )
    if found.agreement:
        told = zip(found.scales, found.agreement, strict=False)
        lines.append(
            "rank agreement with the target that the runs let expect: "
            + ", ".join(f"{name} {value:.2f}" for name, value in told)
        )
    for name, least in zip(found.scales, found.trusted, strict=False):
        if least is None:
            lines.append(f"{name}: alone with the target it pays at no rank agreement that was simulated")
        else:
            lines.append(
                f"{name}: can be trusted to pay from a rank agreement of {least:g} between neighbouring scales"
            )
    states = "drawn from the model of the runs" if found.agreement else "at each rank agreement (columns)"
    lines.append(f"{found.functions} functions {states}; ± two standard errors; `bomix transfer` tells the agreement")
    return lines


def _named(found: SpendingPlan, number: int) -> str:
    """The runs of an allocation in words."""
    runs = zip(found.allocations[number].runs, found.scales, strict=True)
    return ", ".join(f"{count:,} of {name}" for count, name in runs if count)


def plain(found: SpendingPlan) -> dict[str, Any]:
    """The plan as plain JSON; null stands for what is unknown."""
    ways = []
    for way, row in zip(found.allocations, found.outlooks, strict=True):
        states = {
            state: {"regret": each.regret, "low": _number(each.interval[0]), "high": _number(each.interval[1])}
            for state, each in zip(found.states, row, strict=True)
        }
        runs = dict(zip(found.scales, way.runs, strict=True))
        ways.append({"name": way.name, "runs": runs, "cost": way.cost(found.costs), "states": states})
    return {
        "budget": found.budget,
        "functions": found.functions,
        "recommended": found.allocations[found.recommended].name,
        "near": [found.allocations[number].name for number in found.near],
        "allocations": ways,
        "agreement": dict(zip(found.scales, found.agreement, strict=False)),
        "trusted": dict(zip(found.scales, found.trusted, strict=False)),
    }


def _budget(study: Study, given: str | None) -> float:
    """What may be spent, of the option or of the study file."""
    from bomix.config.budget import BudgetSpec
    from bomix.config.build import number
    from bomix.errors import Fault, raise_faults

    if given is None:
        limit = study.spec.budget.cost_limit(study.problem.scales)
        if limit is None:
            raise_faults([Fault("--cost", "missing, and the study has no budget.cost; say what may be spent")])
        assert limit is not None
        return limit
    try:
        spec = BudgetSpec(cost=number(given))
    except ValueError:
        spec = BudgetSpec(cost=given)
    names = [each.name for each in study.problem.scales]
    raise_faults(Fault("--cost", fault.what) for fault in (*spec.faults(), *spec.scale_faults(names)))
    limit = spec.cost_limit(study.problem.scales)
    assert limit is not None
    most = MOST_RUNS * max((each.cost for each in study.problem.scales), default=math.inf)
    if limit > most:
        what = (
            f"{limit:g} is more than {MOST_RUNS:,} runs of the dearest scale, which nothing is learnt from simulating"
        )
        raise_faults([Fault("--cost", f"{what}; give at most {most:g}, in the unit of the scales' costs")])
    return limit


def _surrogate(study: Study) -> Any:
    """The surrogate that the strategy names where it learns across scales, else the one that ``auto`` asks with.

    Not the one of predictions: that takes a minute and gigabytes for the covariances of so many mixtures.
    """
    from bomix.contracts.strategy import StrategyTraits
    from bomix.contracts.surrogate import SurrogateTraits
    from bomix.contracts.traits import traits
    from bomix.strategies.auto import Auto

    named = traits(study.spec.strategy, StrategyTraits).surrogate
    if named is not None and traits(named, SurrogateTraits).across_scales:
        return named
    return Auto().chosen(study.problem.searched).surrogate


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
