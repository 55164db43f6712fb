"""Methods that reweight while they train beside searches, on real text: what they find, what that is worth and costs.

    python experiments/mde/corpora.py                                       # the text, once
    python experiments/reweighting/run.py search --work FOLDER [--limit S]  # studies in FOLDER; resumes
    python experiments/reweighting/run.py fresh --work FOLDER [--limit S]   # every mixture found, on fresh seeds
    python experiments/reweighting/run.py table                             # the tables of README.md
    python experiments/reweighting/run.py figure                            # writes losses.png

`search` and `fresh` add to results.jsonl what it lacks, and begin nothing more after S seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np

from bomix import Study
from bomix.config.sections import BudgetSpec
from bomix.contracts.strategy import Strategy
from bomix.evaluators.proxy import Proxy
from bomix.space.weights import Weights
from bomix.strategies.auto import Auto
from bomix.strategies.baselines.reweighted import ODM, DoGE, DoReMi, FastMix
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.regmix import RegMix
from bomix.training.device import process_environment
from bomix.training.reweighting import doge, odm
from bomix.trial import Failure, Trial

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
SEEDS = range(3)
FRESH = range(1000, 1003)
TRIALS = 12
EQUAL = 3
"""Trials that cost about as much as a run of DoReMi with its reference, and more than one of the others."""
AT_ONCE = 16
"""Fresh runs of one stack, and so the most that is lost where the experiment is stopped."""

REWEIGHTING: dict[str, Strategy] = {
    "DoReMi": DoReMi(),
    "DoGE": DoGE(),
    "DoGE, target": DoGE(rule=doge.DoGE(target=True)),
    "ODM": ODM(),
    "ODM, average": ODM(rule=odm.ODM(form="average")),
    "FastMix": FastMix(),
}
SEARCHES: dict[str, Strategy] = {"Sobol": Sobol(), "bomix": Auto()}


def given() -> Study:
    """The study of experiments/mde, whose domains and validation sets these are."""
    return Study.open(HERE.parent / "mde" / "study.yaml")


def proxy() -> Proxy:
    """Shorter than there, and for all runs with the batches that a run which reweights five domains needs."""
    return dataclasses.replace(
        cast(Proxy, given().spec.ready_evaluator(Path())),
        tokens=102_400,
        batch_sequences=5,
        validation_sequences=48,
        curve_points=1,
        save_model=False,
    )


def opened(folder: Path, strategy: Strategy, *, seed: int, trials: int) -> Study:
    """A study of a method, kept in a folder."""
    if (folder / "study.yaml").exists():
        return Study.open(folder)
    domains, budget = given().spec.domains, BudgetSpec(trials=trials)
    return Study(domains, path=folder, evaluator=proxy(), strategy=strategy, budget=budget, seed=seed)


def rows() -> list[dict[str, Any]]:
    """What is known."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def add(row: dict[str, Any]) -> None:
    """Keep a row."""
    with RESULTS.open("a") as out:
        print(json.dumps(row), file=out, flush=True)
    print(json.dumps(row)[:160], file=sys.stderr, flush=True)


def found(method: str, seed: int, weights: Weights, records: list[Any]) -> dict[str, Any]:
    """A search as a row: the mixture, and what it cost in runs of one mixture and in device-seconds."""
    results = [record.result for record in records]
    row = {
        "method": method,
        "seed": seed,
        "weights": {name: round(float(x), 5) for name, x in weights.items()},
        "runs": round(sum(result.info.get("flops_of_plain_run", 1.0) for result in results), 4),
        "seconds": round(sum(result.cost for result in results), 1),
    }
    courses = [result.info["course"] for result in results if "course" in result.info]
    return row | ({"course": courses[0], "alone": [round(r.cost, 1) for r in results]} if courses else {})


def search(work: Path, until: float) -> None:
    """Run the studies that are missing."""
    known = {(row["method"], row["seed"]) for row in rows() if "fresh" not in row}
    for seed in SEEDS:
        for method, strategy in REWEIGHTING.items():
            if (method, seed) in known or time.monotonic() > until:
                continue
            trials = 2 if isinstance(strategy, DoReMi) else 1
            study = opened(work / f"{method}-{seed}", strategy, seed=seed, trials=trials)
            while len(study.history.completed) < trials:
                study.run()
            records = list(study.history.completed)
            add(found(method, seed, cast(Weights, records[-1].result.mixture), records))
    for seed in SEEDS:
        for method, strategy in SEARCHES.items():
            if (f"{method}, {TRIALS} runs", seed) in known or time.monotonic() > until:
                continue
            study = opened(work / f"{method}-{seed}", strategy, seed=seed, trials=TRIALS)
            advice = study.run()
            records = list(study.history.completed)
            if method == "Sobol":
                for count in (EQUAL, TRIALS):
                    best = min(records[:count], key=lambda record: study.problem.value(record.result.losses))
                    add(found(f"Sobol, {count} runs", seed, best.trial.weights, records[:count]))
                asked = RegMix(n_init=TRIALS).ask(study.problem, study.history, 1, seed=seed)
                add(found(f"RegMix, {TRIALS} runs", seed, asked[0].weights, records))
            else:
                add(found(f"{method}, {TRIALS} runs", seed, advice.weights, records))


def wanted(study: Study) -> Iterator[tuple[str, int, Weights, int]]:
    """Method, seed of the search, mixture and fresh seed of every run that tells what a mixture is worth."""
    for name, weights in study.problem.anchors().items():
        yield from ((name, 0, weights, fresh) for fresh in FRESH)
    for row in rows():
        if "fresh" not in row:
            yield from ((row["method"], row["seed"], row["weights"], fresh) for fresh in FRESH)


def fresh_runs(work: Path, until: float) -> None:
    """Train what was found on seeds that no search has seen."""
    study = Study.open(next(work.glob("*-0")))
    evaluator = cast(Proxy, study.spec.ready_evaluator(Path()))
    known = {(row["method"], row["seed"], row["fresh"]) for row in rows() if "fresh" in row}
    todo = [run for run in wanted(study) if (run[0], run[1], run[3]) not in known]
    for first in range(0, len(todo), AT_ONCE):
        if time.monotonic() > until:
            print(f"{len(todo) - first} runs are left", file=sys.stderr)
            return
        some = todo[first : first + AT_ONCE]
        with TemporaryDirectory() as folder:
            attempts = [
                (Trial(at, dict(weights), seed, "fresh"), Path(folder)) for at, (_, _, weights, seed) in enumerate(some)
            ]
            for (method, number, _, seed), (_, result) in zip(
                some, evaluator.evaluate_together(attempts), strict=True
            ):
                assert not isinstance(result, Failure), result.message
                losses = {name: round(loss, 5) for name, loss in result.losses.items()}
                add({"method": method, "seed": number, "fresh": seed, "losses": losses})


def main() -> None:
    """Search, train, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("search", "fresh", "table", "figure"))
    parser.add_argument("--work", type=Path, help="folder of the studies")
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds after which nothing is begun")
    args = parser.parse_args()
    if args.what in ("search", "fresh"):
        if args.work is None:
            parser.error("give --work, a folder for the studies")
        (search if args.what == "search" else fresh_runs)(args.work, time.monotonic() + args.limit)
    else:
        import show

        show.table(rows()) if args.what == "table" else show.figure(rows(), HERE / "losses.png")


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in process_environment().items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **process_environment()})
    main()
