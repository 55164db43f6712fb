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
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from bomix import Study
from bomix.config.budget import BudgetSpec
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.traits import traits
from bomix.evaluators.proxy import Proxy
from bomix.space.weights import Weights
from bomix.strategies.auto import Auto
from bomix.strategies.baselines.reweighted import ODM, DoGE, DoReMi, FastMix
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.regmix import RegMix
from bomix.study import running
from bomix.training.reweighting import doge, odm
from bomix.trial import REFERENCE, REWEIGHTING, Failure, Trial

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
SEEDS = range(3)
FRESH = range(1000, 1003)
TRIALS = 12
EQUAL = 3
"""Trials that cost about as much as a run of DoReMi with its reference, and more than one of the others."""
AT_ONCE = 16
"""Fresh runs of one stack, and so the most that is lost where the experiment is stopped."""

METHODS: dict[str, Strategy] = {
    "DoReMi": DoReMi(),
    "DoGE": DoGE(),
    "FastMix": FastMix(),
    "ODM": ODM(),
    "DoGE, target": DoGE(rule=doge.DoGE(target=True)),
    "ODM, average": ODM(rule=odm.ODM(form="average")),
}
BOMIX = f"bomix, {TRIALS} runs"
DESIGNED = ("uniform", "natural", "sobol")
"""Origins of the trials of a design."""


def given() -> Study:
    """The study of experiments/mde, whose domains and validation sets these are."""
    return Study.open(HERE.parent / "mde" / "study.yaml")


def proxy() -> Proxy:
    """Shorter than there, and for all runs with the batches that a run which reweights five domains needs."""
    return dataclasses.replace(
        cast(Proxy, given().spec.evaluator),
        tokens=102_400,
        batch_sequences=5,
        validation_sequences=48,
        curve_points=1,
        save_model=False,
    )


def opened(folder: Path, strategy: Strategy, *, seed: int, trials: int) -> Study:
    """A study of a method, kept in a folder."""
    domains, budget = given().spec.domains, BudgetSpec(trials=trials)
    return Study(domains, path=folder, evaluator=proxy(), strategy=strategy, budget=budget, seed=seed)


def rows() -> list[dict[str, Any]]:
    """What is known."""
    from experiments import runs

    return runs.kept(RESULTS)


def add(row: dict[str, Any]) -> None:
    """Keep a row."""
    from experiments import runs

    runs.add(RESULTS, [row])
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


def search(work: Path, seeds: Sequence[int], methods: Sequence[str], until: float) -> None:
    """Run the studies that are missing."""
    known = {(row["method"], row["seed"]) for row in rows() if "fresh" not in row}
    for method, strategy in METHODS.items():
        for seed in seeds:
            if (method, seed) in known or method not in methods or time.monotonic() > until:
                continue
            least = traits(strategy, StrategyTraits).least_trials  # the last of them is of what was found
            study = opened(work / f"{method}-{seed}", strategy, seed=seed, trials=least)
            running.run(study.records)  # as `study.run`, which also recommends: there is little to learn from
            records = [each for each in study.history.completed if each.trial.origin in (REFERENCE, REWEIGHTING)]
            add(found(method, seed, cast(Weights, records[-1].result.mixture), records))
    for seed in seeds:
        if (BOMIX, seed) not in known and "searches" in methods and time.monotonic() <= until:
            searches(work, seed)


def searches(work: Path, seed: int) -> None:
    """The default strategy, and a Sobol design from which RegMix learns; the trials that both begin with run once."""
    ours = opened(work / f"bomix-{seed}", Auto(), seed=seed, trials=TRIALS)
    advice = ours.run()
    design = opened(work / f"Sobol-{seed}", Sobol(), seed=seed, trials=TRIALS)
    for record in ours.history.completed[len(design.history.completed) :]:
        if record.trial.origin not in DESIGNED:
            break
        trial = design.ask()
        assert (trial.weights, trial.seed) == (record.trial.weights, record.trial.seed), "both begin with one design"
        design.tell(trial, record.result)
    design.run()
    records = list(design.history.completed)
    for count in (EQUAL, TRIALS):
        best = min(records[:count], key=lambda record: design.problem.value(record.result.losses))
        add(found(f"Sobol, {count} runs", seed, best.trial.weights, records[:count]))
    (asked,) = RegMix(n_init=TRIALS).ask(design.problem, design.history, 1, seed=seed)
    add(found(f"RegMix, {TRIALS} runs", seed, asked.weights, records))
    add(found(BOMIX, seed, advice.weights, list(ours.history.completed)))


def wanted(study: Study, seeds: Sequence[int]) -> Iterator[tuple[str, int, Weights, int]]:
    """Method, seed of the search, mixture and fresh seed of every run that tells what a mixture is worth."""
    for fresh in seeds:
        yield from ((name, 0, weights, fresh) for name, weights in study.problem.anchors().items())
        yield from ((row["method"], row["seed"], row["weights"], fresh) for row in rows() if "fresh" not in row)


def fresh_runs(work: Path, seeds: Sequence[int], until: float) -> None:
    """Train what was found on seeds that no search has seen."""
    study = opened(work / "DoReMi-0", DoReMi(), seed=0, trials=3)
    evaluator = cast(Proxy, study.spec.ready_evaluator(Path()))
    while time.monotonic() <= until:
        known = {(row["method"], row["seed"], row["fresh"]) for row in rows() if "fresh" in row}
        some = [run for run in wanted(study, seeds) if (run[0], run[1], run[3]) not in known][:AT_ONCE]
        if not some:
            return
        with TemporaryDirectory() as folder:
            attempts = [
                (Trial(at, dict(weights), seed, "fresh"), Path(folder)) for at, (_, _, weights, seed) in enumerate(some)
            ]
            for (method, number, _, seed), (_, result) in zip(some, evaluator.evaluate_together(attempts), strict=True):
                assert not isinstance(result, Failure), result.message
                losses = {name: round(loss, 5) for name, loss in result.losses.items()}
                add({"method": method, "seed": number, "fresh": seed, "losses": losses})


def main() -> None:
    """Search, train, print or draw."""
    from experiments.runs import seconds

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("search", "fresh", "table", "figure"))
    parser.add_argument("--work", type=Path, help="folder of the studies")
    parser.add_argument("--limit", type=seconds, default=float("inf"), help="seconds after which nothing is begun")
    every = [*METHODS, "searches"]
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="seeds of the searches")
    parser.add_argument("--methods", nargs="+", default=every, choices=every, help="what searches")
    parser.add_argument("--fresh", type=int, nargs="+", default=FRESH, help="fresh seeds to train on")
    args = parser.parse_args()
    if args.what in ("search", "fresh"):
        if args.work is None:
            parser.error("give --work, a folder for the studies")
        until = time.monotonic() + args.limit
        if args.what == "search":
            search(args.work, args.seeds, args.methods, until)
        else:
            fresh_runs(args.work, args.fresh, until)
    else:
        known = {(row["method"], row["seed"], row.get("fresh")) for row in rows()}
        needed = {(name, seed, fresh) for name in METHODS for seed in SEEDS for fresh in (None, *FRESH)}
        if count := len((needed | {("uniform", 0, fresh) for fresh in FRESH}) - known):
            parser.error(f"{RESULTS} lacks {count} of the runs; run `search` and `fresh` first")
        import show

        show.table(rows()) if args.what == "table" else show.figure(rows(), HERE / "losses.png")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # a script finds the package that it is in nowhere else
    from experiments import runs

    runs.command(main)
