"""Searches in lockstep: what several ask for next is trained as one stack."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import cast

from bomix import DomainSpec, Study
from bomix.config.budget import BudgetSpec
from bomix.space.weights import same_mixture
from bomix.trial import Candidate, Result, Status, Trial
from experiments import runs
from experiments.bo.choose import searched
from experiments.bo.plan import RESULTS, WORK, Arm, Problem
from experiments.runs import Planned, Row

DRAWN = "sobol"
"""Origin of the runs of a design, whose rows do not say it."""


class Search:
    """One search, kept in a folder; what it is told is kept as rows, too."""

    def __init__(self, problem: Problem, arm: Arm, seed: int) -> None:
        self.problem, self.arm, self.seed = problem, arm, seed
        folder = WORK / f"{problem.name}-{arm.name}-{seed}"
        proxy, budget = problem.proxy, BudgetSpec(trials=arm.trials)
        domains = {name: DomainSpec(source=proxy.sources[name]) for name in problem.domains}
        self.study = Study(domains, path=folder, evaluator=proxy, strategy=arm.strategy, budget=budget, seed=seed)
        if not self.study.history.records:
            restore(self.study, begun(problem, arm, seed, runs.kept(RESULTS)))

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


def begun(problem: Problem, arm: Arm, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The rows of a search whose folder is gone, in order; none where they do not tell of each of its first runs.

    Raises:
        RowsError: It was begun on other text.
    """
    own = searched(rows, problem, arm.name, seed)
    if [row["name"] for row in own] != [f"{at:03d}" for at in range(len(own))]:
        return []
    text = runs.text_of(problem.proxy, f"{problem.name} {arm.name}", problem.domains, RESULTS) if own else None
    if any(row.get("text") != text for row in own):
        raise runs.RowsError(
            f"'{problem.name} {arm.name}', seed {seed}, was begun on other text than there is now ({text}): search "
            "with another seed, or bring back the packages of the time"
        )
    return own


def restore(study: Study, rows: Sequence[Row]) -> None:
    """Tell a new study of the runs that rows tell of, as if it had asked for them."""
    nothing = dict.fromkeys(study.problem.space.domains, 0.0)
    for row in rows:
        total = sum(row["weights"].values())  # they are rounded
        weights = nothing | {name: x / total for name, x in row["weights"].items()}
        trial = study.records.enqueue(Candidate(weights, row.get("origin", DRAWN)), seed=row["seed"]).trial
        study.tell(trial, Result(row["losses"], cost=row["cpu_s"]))


def unfinished(problem: Problem, arms: Sequence[Arm]) -> list[tuple[Arm, int]]:
    """Arm and seed of the searches whose last run no row tells of.

    The others need no folder any more, which another clone lacks.
    """
    told = {runs.key(row) for row in runs.kept(RESULTS)}
    return [
        (arm, seed)
        for seed in problem.seeds
        for arm in arms
        if (f"{problem.name} {arm.name}", f"{arm.trials - 1:03d}", seed) not in told
    ]


def design(problem: Problem, limit: float) -> None:
    """Train the design of every seed: its mixtures are known beforehand, so that stacks are full."""
    arm = problem.arms[0]
    searches = [Search(problem, arm, seed) for _, seed in unfinished(problem, [arm])]
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


def known(problem: Problem, arm: Arm, seed: int, trial: Trial, rows: Sequence[Row]) -> Row | None:
    """The row, of the design or of the search itself, that tells of a run that a search asks for.

    Raises:
        RowsError: The search asks otherwise than when its row was kept.
    """
    design, own = (f"{problem.name} {each.name}" for each in (problem.arms[0], arm))
    name = f"{trial.id:03d}"
    for row in rows if trial.seed == seed else ():
        if row["seed"] == seed and (row["set"] == design or (row["set"], row["name"]) == (own, name)):
            weights = dict.fromkeys(problem.domains, 0.0) | cast(dict[str, float], row["weights"])
            if same_mixture(weights, trial.weights):
                return row
            if row["set"] == own:
                raise runs.RowsError(
                    f"{RESULTS.name} has another mixture for '{own}', {name}, seed {seed} than the search asks for "
                    "now: finish it with the version of bomix that began it, or take its rows out of the file"
                )
    return None


def lockstep(problem: Problem, limit: float) -> None:
    """Go on with every search but the design until all are over, or until no further round shall begin."""
    started = time.monotonic()
    searches = [Search(problem, arm, seed) for arm, seed in unfinished(problem, problem.arms[1:])]
    kept = runs.kept(RESULTS)
    texts = {
        arm: runs.text_of(problem.proxy, f"{problem.name} {arm}", problem.domains, RESULTS)
        for arm in {search.arm.name for search in searches}
    }
    while left := [search for search in searches if not search.over]:
        if time.monotonic() - started > limit:
            return
        asking = time.process_time()
        asked = [(search, search.next()) for search in left]
        asking = time.process_time() - asking
        fresh = [(search, trial) for search, trial in asked if not _told(search, trial, kept)]
        if not fresh:
            continue
        found = runs.evaluated(problem.proxy, [trial for _, trial in fresh])
        runs.add(
            RESULTS,
            [
                {**search.row(trial), **runs.told(result, cpu_s), "text": texts[search.arm.name]}
                for (search, trial), (result, cpu_s) in zip(fresh, found, strict=True)
            ],
        )
        for (search, trial), (result, _) in zip(fresh, found, strict=True):
            search.study.tell(trial, result)
        told = f"{len(fresh)} runs, {found[0][1]} CPU-s each, {asking / len(asked):.1f} CPU-s an ask"
        print(f"{problem.name}: trial {fresh[0][1].id}, {told}", file=sys.stderr, flush=True)


def _told(search: Search, trial: Trial, rows: Sequence[Row]) -> bool:
    """Whether a row is there, of which the search is then told."""
    row = known(search.problem, search.arm, search.seed, trial, rows)
    if row is not None:
        search.study.tell(trial, Result(row["losses"], cost=row["cpu_s"]))
    return row is not None
