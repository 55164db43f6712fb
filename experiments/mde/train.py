"""Trains what the experiment compares predictions with: experts, mixtures, and repeats of some on a second seed.

    python experiments/mde/train.py --study FOLDER [--workers 1|2] [--cache FOLDER] [--check]

FOLDER becomes an ordinary study: study.yaml, a folder a trial, the trained model of each. A run that was stopped goes
on; --check trains nothing and prints how far mixtures lie apart against how far two seeds do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import corpora
import numpy as np
from scipy.stats import spearmanr

from bomix import Study
from bomix.contracts.study import WatchedStudy
from bomix.errors import StudyError
from bomix.execution.observer import Observer
from bomix.io.store import files
from bomix.space.weights import Weights, same_mixture
from bomix.trial import EXPERT, Candidate, Record, Status

DOMAINS = tuple(sorted(corpora.DOMAINS))
MIXTURES, REPEATED, REPEATS_FROM = 60, 20, 15
SEED, SECOND_SEED = 0, 1
MIXTURE, REPEAT = "mixture", "repeat"


def mixtures() -> list[dict[str, float]]:
    """The uniform mixture, then draws of the Dirichlet distribution around it, always the same.

    The concentration is 0.5, 1 or 2 a domain, in turn: from draws that all but leave out a domain or two to draws in
    the middle.
    """
    rng = np.random.default_rng(0)
    rows = [np.full(len(DOMAINS), 1 / len(DOMAINS))]
    rows += [rng.dirichlet(np.full(len(DOMAINS), (0.5, 1.0, 2.0)[draw % 3])) for draw in range(MIXTURES - 1)]
    return [dict(zip(DOMAINS, map(float, row), strict=True)) for row in rows]


def plan() -> Iterator[tuple[Candidate, int]]:
    """Every run with its seed, in order; repeats alternate with mixtures from ``REPEATS_FROM`` on."""
    for expert in DOMAINS:
        yield Candidate({domain: float(domain == expert) for domain in DOMAINS}, EXPERT), SEED
    drawn = mixtures()
    for number, weights in enumerate(drawn):
        yield Candidate(weights, MIXTURE), SEED
        if 0 <= (repeat := number - REPEATS_FROM) < REPEATED:
            yield Candidate(drawn[repeat], REPEAT), SECOND_SEED


def opened(folder: Path, cache: Path) -> Study:
    """The study with every run of the plan recorded.

    Raises:
        StudyError: The folder holds other trials.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (path := folder / "study.yaml").exists():
        text = Path(__file__).with_name("study.yaml").read_text()
        files.write_new(path, text.replace(str(corpora.CACHE), str(cache)))
    study = Study.open(folder)
    known = [record.trial for record in study.history.records]
    for number, (candidate, seed) in enumerate(plan()):
        if number >= len(known):
            study.records.enqueue(candidate, seed=seed)
        elif known[number].seed != seed or not same_mixture(known[number].weights, candidate.weights):
            raise StudyError(f"trial {number} of {folder} is not that of this plan; give another --study")
    return study


class Printer(Observer):
    """A line for every trial that ended."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def ended(self, study: WatchedStudy, record: Record) -> None:
        wall, self._since = time.perf_counter() - self._since, time.perf_counter()
        ended = sum(found.status is not Status.PENDING for found in study.history.records)
        told = (
            {name: round(loss, 4) for name, loss in record.result.losses.items()}
            if record.status is Status.COMPLETED
            else record.outcome
        )
        print(f"{ended}/{len(study.history.records)} {record.trial.origin} {wall:.0f} s {told}", flush=True)


def table(study: Study) -> str:
    """Spread of the mixtures, noise and correlation of the two seeds, in Markdown."""
    done = study.history.completed
    metrics = study.problem.metric_names
    first = [record for record in done if record.trial.origin == MIXTURE]
    seconds = [record for record in done if record.trial.origin == REPEAT]
    pairs = [(_of(first, record.trial.weights), record) for record in seconds]
    if len(first) < 3 or len(pairs) < 3:
        return f"{len(first)} mixtures, {len(pairs)} repeats: too few for a table yet"
    losses = _losses(first, metrics)
    once, again = _losses([pair[0] for pair in pairs], metrics), _losses([pair[1] for pair in pairs], metrics)
    noise = (again - once).std(axis=0, ddof=1) / 2**0.5
    lines = [
        f"{len(first)} mixtures, {len(pairs)} of them with a second seed; median "
        f"{np.median([record.result.cost for record in done]):.1f} s a run",
        "",
        "| loss | mean | spread | noise | spread / noise | r of two seeds | its root | rank correlation |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for column, name in enumerate([*metrics, "mean"]):
        spread = losses[:, column].std(ddof=1)
        r = np.corrcoef(once[:, column], again[:, column])[0, 1]
        rho = spearmanr(once[:, column], again[:, column]).statistic
        lines.append(
            f"| {name} | {losses[:, column].mean():.3f} | {spread:.4f} | {noise[column]:.4f} | "
            f"{spread / noise[column]:.1f} | {r:.3f} | {max(r, 0.0) ** 0.5:.3f} | {rho:.3f} |"
        )
    return "\n".join(lines)


def _of(records: list[Record], weights: Weights) -> Record:
    return next(record for record in records if same_mixture(record.trial.weights, weights))


def _losses(records: list[Record], metrics: tuple[str, ...]) -> np.ndarray:
    """``n x (m + 1)`` losses, nats per token; the last column is their mean."""
    rows = np.array([[record.result.losses[name] for name in metrics] for record in records])
    return np.column_stack([rows, rows.mean(axis=1)])


def main() -> None:
    """Build the corpora, train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=corpora.CACHE, help="folder of the corpora; default %(default)s")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=1)
    parser.add_argument("--check", action="store_true", help="print the table of what is there")
    args = parser.parse_args()
    if args.check:
        study = Study.open(args.study)
    else:
        corpora.build(args.cache.expanduser())
        study = opened(args.study, args.cache)
        # The plan is recorded already; a budget that it exceeds keeps the strategy from asking for more.
        study.run(trials=1, workers=args.workers, observer=Printer())
    print(table(study))


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # a script finds the package that it is in nowhere else
    from experiments import runs

    runs.command(main)
