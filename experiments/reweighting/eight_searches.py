"""What methods find: rules that reweight, each run by itself, and searches by plain runs, in lockstep."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bomix import Study
from bomix.evaluators.proxy import Proxy
from bomix.trial import REFERENCE, REWEIGHTING, Failure, Result, Reweighting, Trial
from experiments import runs
from experiments.reweighting.eight_plan import (
    CHEAP,
    DOMAINS,
    GOALS,
    LONG,
    METHODS,
    OF_REFERENCE,
    POOLED,
    RESULTS,
    SEARCHES,
    UNIFORM,
    WORK,
    add,
    per_run,
    proxy,
    rounded,
    rows,
    scale,
)
from experiments.runs import Row

# ---- rules that reweight


def trained(evaluator: Proxy, trial: Trial, folder: Path) -> Result:
    """One run by itself, which may keep its model."""
    folder.mkdir()
    ((_, result),) = evaluator.evaluate_together([(trial, folder)])
    assert not isinstance(result, Failure), result.message
    return result


def reweighted(name: str, seed: int) -> Row:
    """A search by a rule: its reference run where it compares with one, and the run itself."""
    method, started, cost = METHODS[name], time.process_time(), 0.0
    brief = dataclasses.replace(proxy(), validation_sequences=1)  # nobody asks for the losses of such runs
    target = {} if method.goal is None else dict.fromkeys(GOALS[method.goal], 1.0)
    how, size = Reweighting(method.rule, target=target), scale(method.size, method.longer)
    with TemporaryDirectory(prefix="bomix-reweighting-") as folder:
        if method.rule["kind"] == "doremi":
            base = Trial(0, UNIFORM, seed + OF_REFERENCE, REFERENCE, scale=size)
            kept = trained(brief, base, Path(folder) / "reference").artifacts["model"]
            how = dataclasses.replace(how, reference=0, model=str(Path(folder) / "reference" / kept))
            cost += 1.0
        trial = Trial(1, UNIFORM, seed, REWEIGHTING, scale=size, reweighting=how)
        result = trained(brief, trial, Path(folder) / "run")
    cost = (cost + result.info["flops_of_plain_run"]) * per_run(method.size) * method.longer
    assert result.mixture is not None, "a run that reweights finds one"
    found = {"set": "found", "name": name, "seed": seed, "weights": rounded(result.mixture), "runs": round(cost, 4)}
    course = result.info["course"]
    course["weights"] = {name: [round(x, 4) for x in shares] for name, shares in course["weights"].items()}
    return found | {"cpu_s": round(time.process_time() - started, 1), "course": course}


def reweight(names: Sequence[str], until: float) -> None:
    """The searches of rules that are missing."""
    for name in names:
        known = {row["seed"] for row in rows() if (row["set"], row["name"]) == ("found", name)}
        for seed in METHODS[name].seeds:
            if seed not in known and time.monotonic() < until:
                add([reweighted(name, seed)])


# ---- searches


@dataclass(frozen=True)
class Search:
    """A search by plain runs.

    Attributes:
        strategy: ``sobol``, whose best run is what it finds, or ``auto``, the default, which recommends.
        goal: What it minimises.
        trials: Its runs.
        seed: Of the study.
    """

    strategy: str
    goal: str
    trials: int
    seed: int

    @property
    def name(self) -> str:
        """Of its rows."""
        return f"{'BO' if self.strategy == 'auto' else 'Sobol'} {self.trials}, {self.goal}"

    @property
    def folder(self) -> Path:
        """Of its study."""
        return WORK / self.name.replace(", ", "-").replace(" ", "-") / str(self.seed)

    def study(self) -> Study:
        """Its study, as far as it has come."""
        if (self.folder / "study.yaml").exists():
            return Study.open(self.folder)
        return Study(
            list(DOMAINS),
            list(GOALS[self.goal]),
            path=self.folder,
            strategy=self.strategy,
            budget={"trials": self.trials},
            seed=self.seed,
        )


def searches() -> list[Search]:
    """All of them; of Sobol designs the shorter are parts of the longer, and the goal decides which run is best."""
    bo = [Search("auto", goal, trials, seed) for trials in (CHEAP, LONG) for goal in GOALS for seed in SEARCHES]
    return [*bo, *(Search("sobol", "all", LONG, seed) for seed in SEARCHES)]


def together(until: float) -> None:
    """All searches in lockstep: what they ask for next is trained as one stack."""
    while (going := unfinished()) and time.monotonic() < until:
        known = {place(row["weights"], row["seed"]): row["losses"] for row in rows() if row["set"] == "plain"}
        asked = [(search, study, asked_of(study)) for search, study in going.items()]
        wanted = {place(trial.weights, trial.seed): (search, trial) for search, _, trial in reversed(asked)}
        some = [both for at, both in wanted.items() if at not in known]
        trials = [Trial(at, trial.weights, trial.seed, "plain") for at, (_, trial) in enumerate(some)]
        results = runs.evaluated(proxy(), trials) if trials else []
        for (search, trial), (result, cpu_s) in zip(some, results, strict=True):
            row = {"set": "plain", "name": f"{search.name} {trial.id}", "seed": trial.seed}
            row |= {"weights": rounded(trial.weights), **runs.told(result, cpu_s)}
            row.pop("curve", None)
            add([row])
            known[place(trial.weights, trial.seed)] = row["losses"]
        for search, study, trial in asked:
            losses = known[place(trial.weights, trial.seed)]
            study.tell(trial, {name: losses[name] for name in GOALS[search.goal]})


def unfinished() -> dict[Search, Study]:
    """The searches that have runs to come; what the others found is kept.

    Raises:
        RowsError: A search was told of a run that no row tells of: the file was emptied and its folder was not.
    """
    found = {(row["name"], row["seed"]) for row in rows() if row["set"] == "found"}
    plain = {place(row["weights"], row["seed"]) for row in rows() if row["set"] == "plain"}
    going = {each: each.study() for each in searches() if (each.name, each.seed) not in found}
    for search, study in [*going.items()]:
        if any(place(each.trial.weights, each.trial.seed) not in plain for each in study.history.completed):
            raise runs.RowsError(
                f"{RESULTS} lacks runs that {search.folder} was told of: bring the rows back, or remove that folder"
            )
        if len(study.history.completed) == search.trials:
            add(concluded(search, study))
            del going[search]
    return going


def asked_of(study: Study) -> Trial:
    """The trial that a study waits for, or its next one."""
    return study.history.pending[0].trial if study.history.pending else study.ask()


def place(weights: Any, seed: int) -> tuple[float, ...]:
    """What runs share that are one."""
    return (seed, *rounded(weights).values())


def concluded(search: Search, study: Study) -> Iterator[Row]:
    """What a search has found; of a Sobol design the best run for each goal, of its beginning and of all of it."""
    if search.strategy == "auto":
        recommended = study.recommend().weights
        yield {"set": "found", "name": search.name, "seed": search.seed, "weights": rounded(recommended)} | {
            "runs": float(search.trials)
        }
        return
    for trials in (CHEAP, LONG):
        for goal, names in GOALS.items():
            some = study.history.completed[:trials]
            best = min(some, key=lambda record: sum(record.result.losses[name] for name in names))
            name = dataclasses.replace(search, goal=goal, trials=trials).name
            row = {"set": "found", "name": name, "seed": search.seed, "weights": rounded(best.trial.weights)}
            yield row | {"runs": float(trials)}


def pooled() -> None:
    """What a model of every plain run of the searches recommends, which is about as well as this setting lets one know.

    Runs of different seeds are brought to one level by the uniform mixture, which every seed has.
    """
    if unfinished():
        return
    known = rows()
    done = {(row["name"], row["seed"]) for row in known if row["set"] == "found"}
    plain = [row for row in known if row["set"] == "plain"]
    level = {row["seed"]: row["losses"] for row in plain if row["weights"] == rounded(UNIFORM)}
    for goal, names in GOALS.items():
        if (f"{POOLED}, {goal}", 0) in done:
            continue
        middle = {name: sum(losses[name] for losses in level.values()) / len(level) for name in names}
        study = Study(list(DOMAINS), list(names))
        for row in plain:
            losses = {name: row["losses"][name] - level[row["seed"]][name] + middle[name] for name in names}
            study.add(row["weights"], losses)
        found = {"set": "found", "name": f"{POOLED}, {goal}", "seed": 0, "weights": rounded(study.recommend().weights)}
        add([found | {"runs": float(len(plain))}])
