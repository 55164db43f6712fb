"""Searches that train as they go, with experts and without: five seeds of each, side by side.

    python -m experiments.mde.iterate search [--limit SECONDS]   # resumes; begins no stack after it
    python -m experiments.mde.iterate fresh [--limit SECONDS]    # what was recommended, on seeds that no search saw
    python -m experiments.mde.iterate table

Each search is an ordinary study, kept in a folder: what one round asks for in all of them is trained as one stack and
told to each. Rows of what was trained and recommended go to iterate.jsonl. A search whose rows are all there needs no
folder; of one that lacks some, the folder is needed to go on.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import time
from pathlib import Path

from bomix import Study
from bomix.config.budget import BudgetSpec
from bomix.evaluators.proxy import Proxy
from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.recommendation.recommend import recommend
from bomix.space.weights import Weights
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means.experts import MDE
from bomix.trial import EXPERT, SCORED_TOKENS, Result, Trial
from experiments import runs
from experiments.mde import searches
from experiments.regmix import plan

HERE = Path(__file__).parent
RESULTS = HERE / "iterate.jsonl"
WORK = Path("~/.cache/bomix/mde/iterate").expanduser()
"""Where the studies lie."""
SEEDS = range(5)
FRESH = range(1000, 1003)
MODELS = 18
"""Trained models of a search, experts counted."""
TOKENS = 65_536
"""Two thirds of the swarm's: a search costs as much as a dozen of its runs."""
WIDTH = 16
"""Runs of one stack, and so the most that is lost where the search is stopped."""
WITH, WITHOUT = "GP-MDE", "GP"
ARMS = {WITH: Bayesian(surrogate=GP(mean=MDE()), n_init=0), WITHOUT: Bayesian(surrogate=GP())}
"""The search that begins with experts, and the library's own, which begins with a design."""
FIRST = {WITH: 8, WITHOUT: 10}
"""Trials that no result changes: the experts, and the design of two more than there are domains."""
TOLD_AT = (8, MODELS)
"""Models after which a search is asked what it recommends."""


def proxy() -> Proxy:
    """The swarm's, shorter."""
    return dataclasses.replace(plan.proxy(), tokens=TOKENS, curve_points=1, save_model=False)


def opened(arm: str, seed: int) -> Study:
    """A search, kept in a folder."""
    folder = WORK / f"{arm}-{seed}"
    if folder.exists():
        return Study.open(folder)
    return Study(
        plan.study().domains,
        path=folder,
        evaluator=dataclasses.replace(proxy(), sources={}),  # that of the domains, which the study fills in
        objective=Mean(),
        strategy=ARMS[arm],
        budget=BudgetSpec(trials=MODELS),
        seed=seed,
    )


def due(study: Study, arm: str) -> list[Trial]:
    """What a search trains next: what a stop left behind, else its experts or its design at once, else one ask."""
    history = study.history
    if history.pending:
        return [record.trial for record in history.pending]
    done = len(history.completed)
    return study.ask(max(1, FIRST[arm] - done)) if done < MODELS else []


def search(limit: float) -> None:
    """Round after round, until every search has its models or the time is over."""
    began, trainer = time.monotonic(), proxy()
    trainer.prepare(plan.DOMAINS)
    studies = {(arm, seed): opened(arm, seed) for arm, seed in unfinished()}
    for key, study in studies.items():
        reconciled(key, study)
    while time.monotonic() - began < limit:
        asked = [(key, trial) for key, study in studies.items() for trial in due(study, key[0])]
        if not asked:
            recommended(studies)
            print("nothing is missing", file=sys.stderr)
            return
        for start in range(0, len(asked), WIDTH):
            if time.monotonic() - began >= limit:
                return
            some = asked[start : start + WIDTH]
            one_stack(trainer, studies, some)
            done = sum(len(study.history.completed) for study in studies.values())
            print(f"{done} of {MODELS * len(studies)}, {time.monotonic() - began:.0f} s", file=sys.stderr)


def unfinished() -> list[tuple[str, int]]:
    """Arm and seed of the searches of which a run or a recommendation is in no row, seed by seed."""
    known = {runs.key(each) for each in runs.kept(RESULTS)}
    wanted = {
        (arm, seed): {(arm, f"{at:02d}", seed) for at in range(MODELS)}
        | {("recommended", f"{arm}, {count} models", seed) for count in TOLD_AT}
        for seed in SEEDS
        for arm in ARMS
    }
    return [search for search, keys in wanted.items() if not keys <= known]


def reconciled(search: tuple[str, int], study: Study) -> None:
    """Keep rows of what a folder tells of and no row does: a stop came between the two, or the file was emptied.

    Raises:
        RowsError: Rows tell of runs that the folder knows nothing of: their experts' scored tokens are with it.
    """
    known = {each["name"]: each for each in runs.kept(RESULTS) if (each["set"], each["seed"]) == search}
    told = {f"{each.trial.id:02d}": each for each in study.history.completed}
    if strange := sorted(known.keys() - told.keys()):
        folder = WORK / f"{search[0]}-{search[1]}"
        raise runs.RowsError(
            f"{RESULTS} has run {strange[0]} of {search[0]}, seed {search[1]}, which {folder} lacks: "
            "bring that folder back, or take the rows of this search out of the file"
        )
    for name in sorted(told.keys() - known.keys()):
        print(f"{search[0]}, seed {search[1]}: run {name} is told by its folder", file=sys.stderr)
        result = told[name].result
        runs.add(RESULTS, [row(search, told[name].trial, result, round(result.cost or 0.0, 2))])


def one_stack(trainer: Proxy, studies: dict[tuple[str, int], Study], some: list[tuple[tuple[str, int], Trial]]) -> None:
    """Train trials of several searches as one stack, tell each its own, and keep the rows."""
    # Numbers of trials are those of their studies, and mean nothing to who trains them.
    keep = [
        WORK / f"{arm}-{seed}" / f"scored-{trial.id}" if trial.origin == EXPERT else None for (arm, seed), trial in some
    ]
    found = runs.evaluated(trainer, [trial for _, trial in some], keep)
    rows = []
    for (key, trial), place, (result, cpu_s) in zip(some, keep, found, strict=True):
        artifacts = {SCORED_TOKENS: str(place)} if place else {}
        studies[key].tell(trial, dataclasses.replace(result, artifacts=artifacts))
        rows.append(row(key, trial, result, cpu_s))
    runs.add(RESULTS, rows)


def row(key: tuple[str, int], trial: Trial, result: Result, cpu_s: float) -> runs.Row:
    """What is kept of a trial."""
    weights = {name: round(x, 6) for name, x in trial.weights.items() if x}
    told = runs.told(dataclasses.replace(result, curve=None), cpu_s)
    return {"set": key[0], "name": f"{trial.id:02d}", "seed": key[1], "origin": trial.origin, "weights": weights} | told


def recommended(studies: dict[tuple[str, int], Study]) -> None:
    """Keep what each search recommends after some of its models and after all."""
    known = {runs.key(each) for each in runs.kept(RESULTS)}
    for (arm, seed), study in studies.items():
        for count in TOLD_AT:
            name = f"{arm}, {count} models"
            if ("recommended", name, seed) in known:
                continue
            history = History(study.history.completed[:count])
            best = recommend(study.problem, history, ARMS[arm].surrogate, seed=seed, options=study.spec.recommendation)
            weights = {domain: round(x, 6) for domain, x in best.weights.items()}
            runs.add(RESULTS, [{"set": "recommended", "name": name, "seed": seed, "weights": weights}])


def to_confirm() -> list[runs.Planned]:
    """What was recommended, the uniform mixture and the natural one, each on seeds that no search saw."""
    rows = [each for each in runs.kept(RESULTS) if each["set"] == "recommended"]
    total = sum(plan.SHARES.values())
    mixtures: dict[str, Weights] = {
        "uniform": dict.fromkeys(plan.DOMAINS, 1 / len(plan.DOMAINS)),
        "natural": {name: share / total for name, share in plan.SHARES.items()},
    }
    mixtures |= {f"{each['name']}, search {each['seed']}": each["weights"] for each in rows}
    return [
        runs.Planned("fresh", name, {domain: weights.get(domain, 0.0) for domain in plan.DOMAINS}, seed)
        for seed in FRESH
        for name, weights in mixtures.items()
    ]


def main() -> None:
    """Search, confirm or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("search", "fresh", "table"))
    parser.add_argument("--limit", type=runs.seconds, default=math.inf, help="seconds after which nothing is begun")
    args = parser.parse_args()
    if args.what == "search":
        search(args.limit)
    elif args.what == "fresh":
        runs.train(RESULTS, proxy(), to_confirm(), width=WIDTH, limit=args.limit)
    else:
        searches.table(runs.kept(RESULTS))


if __name__ == "__main__":
    runs.command(main, "experiments.mde.iterate")
