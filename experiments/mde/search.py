"""How soon each method finds the best mixture of a table of real runs, equal numbers of trained models counted.

    python experiments/mde/search.py run --study FOLDER [--seeds 10]
    python experiments/mde/search.py table --study FOLDER

The pool is the 60 mixtures of train.py; an ask is answered from the table. Experts count as trained models. A seed
decides the first mixtures and everything random in a method. Regret is the loss of the lowest mixture measured so far
less that of the best of the table; a loss is the mean of both seeds where a mixture has two (20 of the 60), of which a
method sees the first only. The table's mixtures were drawn at random, so that a random order stands for any design.
The regressions are fitted anew before each choice, which is more than RegMix does: it fits once and takes the lowest.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from compare import Runs, interval, known, predictions

from bomix.acquisition.improvement import UCB, LogEI
from bomix.contracts.acquisition import Acquisition
from bomix.contracts.surrogate import Surrogate
from bomix.history import History
from bomix.posterior.belief import believe
from bomix.strategies.bayesian.search import acquisition_function
from bomix.surrogates.combined.prediction import Prediction
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means.experts import MDE, MDEGated
from bomix.surrogates.regression.specs import LightGBM, Ridge
from bomix.trial import Record

RESULTS = Path(__file__).with_name("search.jsonl")
TRAINED = 30
SHOWN = (5, 6, 8, 10, 13, 15, 20, 25, 30)


@dataclass(frozen=True)
class Method:
    """How the next mixture of the table is chosen.

    Attributes:
        surrogate: What predicts; None takes the order at random.
        acquisition: What is maximised; None takes the lowest prediction.
        experts: Whether the experts are trained first.
        design: Mixtures at random before the surrogate is asked, experts not counted.
    """

    surrogate: Surrogate | None = None
    acquisition: Acquisition | None = None
    experts: bool = False
    design: int = 0


METHODS = {
    "random order": Method(),
    "GP, log EI": Method(GP(), LogEI(), design=5),
    "ridge, lowest prediction": Method(Ridge(), design=10),
    "LightGBM, lowest prediction": Method(LightGBM(), design=10),
    "MDE alone": Method(Prediction(), experts=True),
    "gated MDE alone": Method(Prediction(mean=MDEGated()), experts=True),
    "GP-MDE, log EI": Method(GP(mean=MDE()), LogEI(), experts=True),
    "GP-MDE, UCB": Method(GP(mean=MDE()), UCB(beta=None), experts=True),
    "gated GP-MDE, log EI": Method(GP(mean=MDEGated(strengths=True)), LogEI(), experts=True),
}


def search(runs: Runs, method: Method, seed: int) -> Iterator[tuple[int, int, int]]:
    """After each trained mixture: how many models are trained, which mixture came, which one would be chosen."""
    rng = np.random.default_rng(seed)
    order = [int(index) for index in rng.permutation(len(runs.mixtures))]
    first = tuple(runs.experts) if method.experts else ()
    tried: list[int] = []
    objective = runs.losses(runs.mixtures).mean(axis=1)
    while len(first) + len(tried) < TRAINED:
        history = History((*first, *(runs.mixtures[index] for index in tried)))
        left = [index for index in order if index not in tried]
        if method.surrogate is None or len(tried) < method.design or len(history) < 2:
            chosen = left[0]
        else:
            chosen = left[_best(runs, method, history, [runs.mixtures[index] for index in left], seed)]
        tried.append(chosen)
        yield len(first) + len(tried), chosen, min(tried, key=lambda index: float(objective[index]))


def _best(runs: Runs, method: Method, history: History, left: list[Record], seed: int) -> int:
    assert method.surrogate is not None
    if method.acquisition is None:
        return int(predictions(runs.problem, history, left, method.surrogate).mean(axis=1).argmin())
    belief = believe(runs.problem, history, method.surrogate, seed=seed)
    points = torch.as_tensor(runs.problem.space.to_arrays(record.trial.weights for record in left))
    with torch.no_grad():
        return int(acquisition_function(belief, method.acquisition, seed)(points.unsqueeze(-2)).argmax())


def truth(runs: Runs) -> np.ndarray:
    """The mean loss of each mixture, over both seeds where there are two."""
    losses = runs.losses(runs.mixtures).mean(axis=1)
    second = {tuple(sorted(record.trial.weights.items())): record for record in runs.repeats}
    for index, record in enumerate(runs.mixtures):
        again = second.get(tuple(sorted(record.trial.weights.items())))
        if again is not None:
            losses[index] = 0.5 * (losses[index] + runs.losses([again]).mean())
    return losses


def run(runs: Runs, methods: list[str], seeds: int) -> None:
    """Search with what search.jsonl lacks."""
    from experiments.runs import add

    there = {(row["method"], row["seed"]) for row in known(RESULTS)}
    for seed in range(seeds):
        for name in methods:
            if (name, seed) in there:
                continue
            steps = [
                {"trained": n, "tried": tried, "chosen": best} for n, tried, best in search(runs, METHODS[name], seed)
            ]
            add(RESULTS, [{"method": name, "seed": seed, "steps": steps}])
            print(seed, name, [step["tried"] for step in steps], flush=True)


def show(runs: Runs) -> None:
    """Print the table in Markdown."""
    value, rows = truth(runs), known(RESULTS)
    best, measured = value.min(), runs.losses(runs.mixtures).mean(axis=1)
    lowest = int(measured.argmin())
    print(f"Best of the table: mixture {int(value.argmin())}, {best:.4f}; lowest measured: mixture {lowest}\n")
    print("| method | seeds | " + " | ".join(f"{n} trained" for n in SHOWN) + " | models until the lowest measured |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for name in METHODS:
        if not (mine := [row for row in rows if row["method"] == name]):
            continue
        cells = []
        for n in SHOWN:
            regrets = [value[s["chosen"]] - best for row in mine for s in row["steps"] if s["trained"] == n]
            cells.append(interval(regrets, 4))
        found = [next((s["trained"] for s in row["steps"] if s["tried"] == lowest), TRAINED + 1) for row in mine]
        until = f"{np.median(found):.0f} ({min(found)}-{max(found)})" if found else "-"
        print(f"| {name} | {len(mine)} | " + " | ".join(cells) + f" | {until} |")


def main() -> None:
    """Search, or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    runs = Runs(args.study)
    if args.action == "run":
        run(runs, args.method or list(METHODS), args.seeds)
    else:
        show(runs)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # a script finds the package that it is in nowhere else
    from experiments import runs

    runs.command(main)
