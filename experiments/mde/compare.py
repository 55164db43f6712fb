"""How well surrogates predict mixtures that were never trained, with and without mixtures of data experts.

    python experiments/mde/compare.py run --study FOLDER [--method NAME ...] [--splits 5]
    python experiments/mde/compare.py table [--study FOLDER]
    python experiments/mde/compare.py figure [--study FOLDER]      # writes spearman.png

`run` fits what results.jsonl lacks; FOLDER is that of train.py. The others need it for the noise ceilings alone. A
split deals the mixtures out at random: the last 20 are judged, and every method learns from the same first ones, the
experts always there (as examples, too, where a surrogate takes them as such).
Judged are the rank correlation and the mean square error on each loss, on the mean over the sets of the domains (sp),
over those outside (et), and over all (sp+et).
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from methods import METHODS, predictions
from scipy.stats import spearmanr, t
from train import MIXTURE, REPEAT

from bomix import Study
from bomix.history import History
from bomix.problem import Problem
from bomix.trial import EXPERT, Record

RESULTS = Path(__file__).with_name("results.jsonl")
TRAINED = (0, 2, 4, 8, 12, 16, 24, 40)
JUDGED = 20


class Runs:
    """What was trained, by origin.

    Args:
        folder: The study of train.py.
    """

    def __init__(self, folder: Path) -> None:
        study = Study.open(folder)
        self.problem: Problem = study.problem
        done = study.history.completed
        self.experts = [record for record in done if record.trial.origin == EXPERT]
        self.mixtures = [record for record in done if record.trial.origin == MIXTURE]
        self.repeats = [record for record in done if record.trial.origin == REPEAT]

    @property
    def targets(self) -> dict[str, np.ndarray]:
        """Name to ``m`` coefficients: each loss, and the three means."""
        names, domains = self.problem.metric_names, self.problem.space.domains
        own = np.array([name in domains for name in names], dtype=float)
        each = {name: np.eye(len(names))[column] for column, name in enumerate(names)}
        return {
            "sp": own / own.sum(),
            "et": (1 - own) / (1 - own).sum(),
            "sp+et": np.full(len(own), 1 / len(own)),
            **each,
        }

    def losses(self, records: list[Record]) -> np.ndarray:
        """``n x m``."""
        return np.array([[record.result.losses[name] for name in self.problem.metric_names] for record in records])

    def split(self, number: int, trained: int) -> tuple[History, list[Record]]:
        """The record that a method learns from, and the mixtures that it is judged on."""
        order = np.random.default_rng(number).permutation(len(self.mixtures))
        learnt = [self.mixtures[index] for index in order[:trained]]
        return History((*self.experts, *learnt)), [self.mixtures[index] for index in order[-JUDGED:]]

    def ceilings(self) -> dict[str, float]:
        """Root of the correlation of two seeds over the same mixtures, by target: what a perfect predictor reaches."""
        again, weights = self.losses(self.repeats), [record.trial.weights for record in self.repeats]
        first = {tuple(sorted(record.trial.weights.items())): record for record in self.mixtures}
        once = self.losses([first[tuple(sorted(each.items()))] for each in weights])
        found = {}
        for name, coefficients in self.targets.items():
            r = float(np.corrcoef(once @ coefficients, again @ coefficients)[0, 1])
            found[name] = max(r, 0.0) ** 0.5
        return found


def judge(runs: Runs, method: str, split: int, trained: int) -> Iterator[dict[str, Any]]:
    """One line for each target."""
    history, judged = runs.split(split, trained)
    began = time.process_time()
    expected = predictions(runs.problem, history, [record.trial.weights for record in judged], METHODS[method])
    seconds, truth = time.process_time() - began, runs.losses(judged)
    for target, coefficients in runs.targets.items():
        guess, real = expected @ coefficients, truth @ coefficients
        rho = float(spearmanr(guess, real).statistic) if np.ptp(guess) > 1e-12 else 0.0
        mse = float(np.square(guess - real).mean())
        yield {
            **{"method": method, "split": split, "trained": trained, "target": target},
            **{"spearman": round(rho, 4), "mse": round(mse, 7), "seconds": round(seconds, 2)},
        }


def known(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results."""
    from experiments.runs import kept

    return kept(path)


def run(runs: Runs, methods: list[str], splits: int) -> None:
    """Fit what is missing."""
    from experiments.runs import add

    # A fit is there once all of its targets are.
    last = list(runs.targets)[-1]
    there = {(row["method"], row["split"], row["trained"]) for row in known(RESULTS) if row["target"] == last}
    for split in range(splits):
        for trained in TRAINED:
            for method in methods:
                if (method, split, trained) in there:
                    continue
                rows = list(judge(runs, method, split, trained))
                add(RESULTS, rows)
                print(split, trained, method, rows[2]["spearman"], rows[2]["seconds"], flush=True)


def interval(values: list[float], digits: int) -> str:
    """Mean and half the width of its 95 % interval over splits."""
    if not values:
        return "-"
    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else float("nan")
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def table(title: str, columns: list[Any], cell: Callable[[str, Any], str], *, first: str | None = None) -> str:
    """A Markdown table with a row per method."""
    lines = [f"{title}\n", "| method | " + " | ".join(map(str, columns)) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [first] if first else []
    lines += [f"| {method} | " + " | ".join(cell(method, column) for column in columns) + " |" for method in METHODS]
    return "\n".join(lines)


def show(ceilings: dict[str, float]) -> None:
    """Print every table in Markdown, with the noise ceilings that are known."""
    rows = known(RESULTS)

    def of(score: str, method: str, target: str, trained: int) -> list[float]:
        return [
            row[score]
            for row in rows
            if row["method"] == method and row["target"] == target and row["trained"] == trained
        ]

    for target in ("sp", "et", "sp+et"):
        ceiling = f" (noise ceiling {ceilings[target]:.3f})" if ceilings else ""
        title = f"Rank correlation on {target}, by mixtures beside the experts{ceiling}"
        print(table(title, list(TRAINED), lambda m, n, g=target: interval(of("spearman", m, g, n), 2)), "\n")
    print(paired(rows), "\n")
    names = list(dict.fromkeys(row["target"] for row in rows))
    first = "| *noise ceiling* | " + " | ".join(f"{ceilings[name]:.2f}" for name in names) + " |" if ceilings else None
    for trained in (8, 24):
        title = f"Rank correlation with {trained} mixtures beside the experts"
        cell = lambda m, g, n=trained: interval(of("spearman", m, g, n), 2)  # noqa: E731
        print(table(title, names, cell, first=first), "\n")
        title = f"Mean square error x 1000 with {trained} mixtures beside the experts"
        print(table(title, names, lambda m, g, n=trained: interval([1e3 * x for x in of("mse", m, g, n)], 2)), "\n")


PAIRED = (
    ("ridge-MDE", "ridge"),
    ("boosting-MDE", "boosting"),
    ("boosting-MDE", "MDE"),
    ("GP-MDE", "GP"),
    ("BiMix", "MDE"),
)
"""What is set beside each other split by split."""


def paired(rows: list[dict[str, Any]]) -> str:
    """Differences in rank correlation over all sets, of the splits that both have."""
    of: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["target"] == "sp+et":
            of[row["method"], row["trained"]][row["split"]] = row["spearman"]
    lines = [
        "Rank correlation on sp+et less another's, split by split\n",
        "| method | less | 8 | 16 | 24 |",
        "|---" * 5 + "|",
    ]
    for one, other in PAIRED:
        cells = []
        for trained in (8, 16, 24):
            a, b = of[one, trained], of[other, trained]
            cells.append(interval([a[split] - b[split] for split in sorted(a.keys() & b.keys())], 2))
        lines.append(f"| {one} | {other} | {' | '.join(cells)} |")
    return "\n".join(lines)


SHOWN = ("GP", "BiMix", "DML", "ridge, w and log w", "MDE", "GP-MDE", "GP-MDE, as input", "ridge-MDE, w and log w")


def draw(ceilings: dict[str, float]) -> None:
    """Rank correlation against the number of mixtures, with the noise ceilings that are known."""
    import matplotlib.pyplot as plt

    rows = known(RESULTS)
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), sharey=True)
    for axis, target in zip(axes, ("sp", "et", "sp+et"), strict=True):
        for method in SHOWN:
            means = [
                np.mean(
                    [r["spearman"] for r in rows if (r["method"], r["target"], r["trained"]) == (method, target, n)]
                )
                for n in TRAINED
            ]
            axis.plot(TRAINED, means, "o-" if "MDE" in method else "s--", ms=4, lw=1.3, label=method)
        if ceilings:
            axis.axhline(ceilings[target], color="grey", lw=1, ls=":", label="noise ceiling")
        axis.set(title=target, xlabel="mixtures beside the 5 experts", ylim=(0.3, 1.0))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("rank correlation, 20 mixtures held out")
    axes[2].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(RESULTS.with_name("spearman.png"), dpi=110)


def main() -> None:
    """Fit, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "table", "figure"))
    parser.add_argument(
        "--study", type=Path, help="that of train.py; `run` needs it, the others for the noise ceilings"
    )
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    if args.action == "run":
        if args.study is None:
            parser.error("`run` needs --study, the folder of train.py")
        run(Runs(args.study), args.method or list(METHODS), args.splits)
        return
    ceilings = {} if args.study is None else Runs(args.study).ceilings()
    {"table": show, "figure": draw}[args.action](ceilings)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # a script finds the package that it is in nowhere else
    from experiments import runs

    runs.command(main)
