"""Searches in lockstep: what several ask for next is trained as one stack."""

from __future__ import annotations

import sys
import time
from typing import cast

from bomix import DomainSpec, Study
from bomix.config.budget import BudgetSpec
from bomix.space.weights import same_mixture
from bomix.trial import Result, Status, Trial
from experiments import runs
from experiments.bo.plan import RESULTS, WORK, Arm, Problem
from experiments.runs import Planned, Row


class Search:
    """One search, kept in a folder; what it is told is kept as rows, too."""

    def __init__(self, problem: Problem, arm: Arm, seed: int) -> None:
        self.problem, self.arm, self.seed = problem, arm, seed
        folder = WORK / f"{problem.name}-{arm.name}-{seed}"
        if (folder / "study.yaml").exists():
            self.study = Study.open(folder)
        else:
            proxy = problem.proxy
            budget = BudgetSpec(trials=arm.trials)
            domains = {name: DomainSpec(source=proxy.sources[name]) for name in problem.domains}
            self.study = Study(domains, path=folder, evaluator=proxy, strategy=arm.strategy, budget=budget, seed=seed)

    @property
    def over(self) -> bool:
        """Whether all of its runs are told."""
        return len(self.study.history.completed) >= self.arm.trials

    def next(self) -> Trial:
        """The pending trial, or the next that it asks for."""
        pending = [each.trial for each in self.study.history.records if each.status is Status.PENDING]
        return pending[0] if pending else self.study.ask()

    def row(self, trial: Trial) -> Row:
        """The head of a trial's row."""
        weights = {name: round(x, 6) for name, x in trial.weights.items() if x}
        name = f"{trial.id:03d}"
        set_ = f"{self.problem.name} {self.arm.name}"
        return {"set": set_, "name": name, "seed": self.seed, "weights": weights, "origin": trial.origin}


def design(problem: Problem, limit: float) -> None:
    """Train the design of every seed: its mixtures are known beforehand, so that stacks are full."""
    arm = problem.arms[0]
    searches = [Search(problem, arm, seed) for seed in problem.seeds]
    planned = []
    for search in searches:
        if (left := arm.trials - len(search.study.history.records)) > 0:
            search.study.ask(left)
        planned += [
            Planned(f"{problem.name} {arm.name}", f"{each.trial.id:03d}", dict(each.trial.weights), search.seed)
            for each in search.study.history.records
        ]
    runs.train(RESULTS, problem.proxy, planned, limit=limit)
    rows = {runs.key(row): row for row in runs.kept(RESULTS)}
    for search in searches:
        for each in search.study.history.records:
            row = rows.get((f"{problem.name} {arm.name}", f"{each.trial.id:03d}", search.seed))
            if each.status is Status.PENDING and row is not None:
                search.study.tell(each.trial, Result(row["losses"], cost=row["cpu_s"]))


def known(problem: Problem, trial: Trial, seed: int, rows: list[Row]) -> Row | None:
    """The row of the design that tells of the same run."""
    name = f"{problem.name} {problem.arms[0].name}"
    for row in rows:
        if row["set"] == name and row["seed"] == seed == trial.seed:
            weights = dict.fromkeys(problem.domains, 0.0) | cast(dict[str, float], row["weights"])
            if same_mixture(weights, trial.weights):
                return row
    return None


def lockstep(problem: Problem, limit: float) -> None:
    """Go on with every search but the design until all are over, or until no further round shall begin."""
    started = time.monotonic()
    searches = [Search(problem, arm, seed) for seed in problem.seeds for arm in problem.arms[1:]]
    designed = [row for row in runs.kept(RESULTS) if row["set"] == f"{problem.name} {problem.arms[0].name}"]
    while left := [search for search in searches if not search.over]:
        if time.monotonic() - started > limit:
            return
        asking = time.process_time()
        asked = [(search, search.next()) for search in left]
        asking = time.process_time() - asking
        fresh = [
            (search, trial)
            for search, trial in asked
            if not _told(search, trial, known(problem, trial, search.seed, designed))
        ]
        if not fresh:
            continue
        found = runs.evaluated(problem.proxy, [trial for _, trial in fresh])
        runs.add(
            RESULTS,
            [
                {**search.row(trial), **runs.told(result, cpu_s)}
                for (search, trial), (result, cpu_s) in zip(fresh, found, strict=True)
            ],
        )
        for (search, trial), (result, _) in zip(fresh, found, strict=True):
            search.study.tell(trial, result)
        told = f"{len(fresh)} runs, {found[0][1]} CPU-s each, {asking / len(asked):.1f} CPU-s an ask"
        print(f"{problem.name}: trial {fresh[0][1].id}, {told}", file=sys.stderr, flush=True)


def _told(search: Search, trial: Trial, row: Row | None) -> bool:
    """Whether the design has run this mixture already, of which the search is then told."""
    if row is not None:
        search.study.tell(trial, Result(row["losses"], cost=row["cpu_s"]))
    return row is not None
