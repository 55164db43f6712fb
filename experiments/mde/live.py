"""A live search with a mixture of data experts as mean: experts, then a few asks, then fresh seeds.

    python experiments/mde/live.py --table FOLDER --out FOLDER [--seed 0] [--trials 8] [--fresh 3]

Trains the experts of seed SEED and TRIALS mixtures, asked for by log EI under the Gaussian process whose mean is the
mixture of experts, in an ordinary study; nothing of the table is seen. Then the recommended mixture, the uniform one
and the lowest of the table (train.py's) are trained on FRESH seeds that neither has seen, and compared in pairs.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import corpora
import numpy as np
from compare import Runs
from scipy.stats import t
from train import Printer

from bomix import Study
from bomix.config import study_file
from bomix.config.budget import BudgetSpec
from bomix.space.weights import Weights, same_mixture
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means.experts import MDE
from bomix.trial import Candidate

FRESH = 1000
"""The first of the fresh seeds."""
ORIGIN = "fresh"


def opened(folder: Path, cache: Path, *, seed: int, trials: int) -> Study:
    """The study, kept in a folder."""
    if (folder / "study.yaml").exists():
        return Study.open(folder)
    text = Path(__file__).with_name("study.yaml").read_text()
    with TemporaryDirectory() as made:
        (path := Path(made) / "study.yaml").write_text(text.replace(str(corpora.CACHE), str(cache)))
        given = study_file.load(path)
    return Study(
        given.domains,
        path=folder,
        evaluator=dataclasses.replace(given.evaluator, save_model=False),  # type: ignore[type-var]
        strategy=Bayesian(surrogate=GP(mean=MDE()), n_init=0),
        budget=BudgetSpec(trials=len(given.domains) + trials),
        seed=seed,
    )


def fresh(study: Study, mixtures: dict[str, Weights], seeds: int) -> dict[str, np.ndarray]:
    """Train each mixture on the fresh seeds; the mean losses, one for each seed."""
    wanted = [(weights, FRESH + number) for number in range(seeds) for weights in mixtures.values()]
    for weights, seed in wanted:
        if not _found(study, weights, seed):
            study.records.enqueue(Candidate(weights, ORIGIN), seed=seed)
    study.run(observer=Printer())  # the budget is spent: what is pending is trained, and nothing more
    value = study.problem.value
    return {
        name: np.array([value(_found(study, weights, FRESH + n)[0].result.losses) for n in range(seeds)])
        for name, weights in mixtures.items()
    }


def _found(study: Study, weights: Weights, seed: int) -> list:  # type: ignore[type-arg]
    return [
        record
        for record in study.history.records
        if record.trial.origin == ORIGIN and record.trial.seed == seed and same_mixture(record.trial.weights, weights)
    ]


def main() -> None:
    """Search, confirm, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the study of train.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--fresh", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=corpora.CACHE)
    args = parser.parse_args()
    study = opened(args.out, args.cache, seed=args.seed, trials=args.trials)
    begun = [record.trial.weights for record in study.history.records if record.trial.origin == ORIGIN]
    # What was recommended before any fresh seed was trained, whenever this is resumed.
    recommended = begun[0] if begun else study.run(observer=Printer()).weights
    table = Runs(args.table)
    losses = table.losses(table.mixtures).mean(axis=1)
    lowest = table.mixtures[int(losses.argmin())].trial.weights
    uniform = study.problem.anchors()["uniform"]
    mixtures = {"recommended": recommended, "lowest of the table": lowest, "uniform": uniform}
    found = fresh(study, mixtures, args.fresh)
    for name, weights in mixtures.items():
        shares = ", ".join(f"{domain} {weight:.3f}" for domain, weight in weights.items())
        print(f"{name}: {shares}; mean loss on fresh seeds {np.round(found[name], 4).tolist()}")
    for name in list(mixtures)[1:]:
        apart = found["recommended"] - found[name]
        half = t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5
        print(f"recommended minus {name}: {apart.mean():+.4f} ± {half:.4f} (95 %, {len(apart)} seeds)")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # a script finds the package that it is in nowhere else
    from experiments import runs

    runs.command(main)
