"""Trains the same mixtures at three sizes, fewer of them the larger the model, with repeats for the noise of a run.

    python experiments/scales/run.py SET --study FOLDER [--counts 48 24 24] [--repeats 8 4 4] [--tokens 384k]
                                     [--per-parameter 20] [--workers 1|2] [--stop-after SECONDS] [--csv PREFIX]

SET is `debian` (text of experiments/mde, built by its corpora.py) or `installed`. FOLDER becomes an ordinary study of
three scales: study.yaml, a folder a trial. The mixtures of a larger size are the first of those of a smaller one, so
that sizes are compared on mixtures that both have; --counts of the largest may be raised later. Rates are those of the
study file, one a size, see rates.py. A run that was stopped goes on; then

    bomix transfer FOLDER        whether small sizes order mixtures as 3M does
    bomix validate FOLDER        how well each size is predicted
    bomix recommend FOLDER       at 3M, from the runs of all
"""

from __future__ import annotations

import argparse
import csv
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bomix import Study
from bomix.config.build import number
from bomix.contracts.study import WatchedStudy
from bomix.errors import StudyError
from bomix.execution.observer import Observer
from bomix.io.store import files
from bomix.space.weights import same_mixture
from bomix.trial import Candidate, Record, Status

SETS = ("debian", "installed")
SEED, SECOND_SEED = 0, 1
MIXTURE, REPEAT = "mixture", "repeat"


def mixtures(domains: tuple[str, ...], count: int) -> list[dict[str, float]]:
    """The uniform mixture, then draws of the Dirichlet distribution around it, always the same.

    The concentration is 0.5, 1 or 2 a domain, in turn: from draws that all but leave out a domain to draws in the
    middle.
    """
    rng = np.random.default_rng(0)
    rows = [np.full(len(domains), 1 / len(domains))]
    rows += [rng.dirichlet(np.full(len(domains), (0.5, 1.0, 2.0)[draw % 3])) for draw in range(count - 1)]
    return [dict(zip(domains, map(float, row), strict=True)) for row in rows]


def plan(study: Study, counts: list[int], repeats: list[int]) -> Iterator[tuple[Candidate, int]]:
    """Every run with its seed, scale by scale, the cheapest first; mixtures that are repeated come first, each twice.

    More mixtures of the largest scale, with as many repeats, are then a longer plan that begins with the shorter one.
    """
    drawn = mixtures(study.problem.space.domains, max(counts))
    for each, count, again in zip(study.problem.scales, counts, repeats, strict=True):
        for place, weights in enumerate(drawn[:count]):
            yield Candidate(weights, MIXTURE, each.scale), SEED
            if place < again:
                yield Candidate(weights, REPEAT, each.scale), SECOND_SEED


def opened(args: argparse.Namespace) -> Study:
    """The study with every run of the plan recorded.

    Raises:
        StudyError: The folder holds other trials.
    """
    args.study.mkdir(parents=True, exist_ok=True)
    if not (path := args.study / "study.yaml").exists():
        text = Path(__file__).with_name(f"{args.set}.yaml").read_text()
        tokens = f"tokens: {args.tokens}"
        if args.per_parameter is not None:
            tokens = f"tokens_per_parameter: {args.per_parameter:g}"
        files.write_new(path, text.replace("tokens: 384k", tokens))
    study = Study.open(args.study)
    known = [record.trial for record in study.history.records]
    for place, (candidate, seed) in enumerate(plan(study, args.counts, args.repeats)):
        if place >= len(known):
            study.records.enqueue(candidate, seed=seed)
            continue
        there = known[place]
        same = same_mixture(there.weights, candidate.weights)
        if (there.seed, there.scale) != (seed, candidate.scale) or not same:
            raise StudyError(f"trial {place} of {args.study} is not that of this plan; give another --study")
    return study


def write_csv(study: Study, prefix: Path) -> None:
    """The runs that ended, as ``bomix import`` reads them: PREFIX-weights.csv and PREFIX-losses.csv."""
    done = study.history.completed
    domains = study.problem.space.domains
    metrics = [metric.name for metric in study.problem.metrics]
    for part, header in (("weights", ["scale", "seed", *domains]), ("losses", metrics)):
        with prefix.with_name(f"{prefix.name}-{part}.csv").open("w", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["run", *header])
            for run, record in enumerate(done):
                trial, losses = record.trial, record.result.losses
                mixture = [
                    study.problem.scale_name(trial.scale),
                    trial.seed,
                    *(f"{trial.weights[x]:.9g}" for x in domains),
                ]
                out.writerow([run, *(mixture if part == "weights" else (f"{losses[x]:.6f}" for x in metrics))])


class Printer(Observer):
    """A line for every trial that ended."""

    def ended(self, study: WatchedStudy, record: Record) -> None:
        records = study.history.records
        ended = sum(found.status is not Status.PENDING for found in records)
        name = study.problem.scale_name(record.trial.scale)
        told: object = record.outcome
        if record.status is Status.COMPLETED:
            told = f"{study.problem.value(record.result.losses):.4f} nats, {record.result.cost:.0f} s"
        print(f"{ended}/{len(records)} {name} {record.trial.origin} {told}", flush=True)


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs=3, default=[48, 24, 24], help="mixtures at 0.3M, 1M, 3M")
    parser.add_argument("--repeats", type=int, nargs=3, default=[8, 4, 4], help="of them on a second seed")
    parser.add_argument("--tokens", default="384k", help="of a run at every size")
    parser.add_argument("--per-parameter", type=float, help="tokens for each parameter instead; 20 is Chinchilla's")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=1)
    parser.add_argument("--stop-after", type=int, help="seconds after which it stops; the same command goes on")
    parser.add_argument("--csv", type=Path, metavar="PREFIX", help="write the runs to PREFIX-weights.csv, -losses.csv")
    args = parser.parse_args()
    number(args.tokens)
    if args.stop_after is not None:
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        signal.alarm(args.stop_after)
    study = opened(args)
    # The plan is recorded already; a budget that it reaches keeps the strategy from asking for more.
    try:
        study.run(trials=len(study.history.records), workers=args.workers, observer=Printer())
    except KeyboardInterrupt:
        raise SystemExit("stopped; the same command goes on") from None
    if args.csv is not None:
        write_csv(study, args.csv)


if __name__ == "__main__":
    main()
