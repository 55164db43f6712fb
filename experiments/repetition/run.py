"""Trains what results.jsonl lacks: small runs whose small domains repeat as in the target, or do not, and the target.

    python experiments/mde/corpora.py                             # the text, once
    python experiments/repetition/texts.py                        # its passages
    python experiments/repetition/run.py train [--limit S]        # resumes; begins nothing that ends after S seconds
    python experiments/repetition/run.py propose                  # writes proposals.json, which the target is run at
    python experiments/repetition/run.py table                    # the tables of README.md, from what is kept
    python experiments/repetition/run.py figure                   # writes shares.png

`train`, `propose`, then `train` again for the target at what was proposed.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import plan
from plan import Planned

from bomix.training.data.tokens import Corpus

if TYPE_CHECKING:
    from bomix.training.checkpoint import Place
    from bomix.training.run import Run

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
PROPOSALS = HERE / "proposals.json"
WORK = Path("~/.cache/bomix/repetition/checkpoints")
CHECKPOINT_S = 45.0
"""Seconds between two checkpoints of a long run."""
WIDTHS = {plan.TARGET: 6}
"""Runs of one stack, and so the most that is lost where the experiment is stopped: minutes at 1M tokens a run."""
WIDTH = 16
"""The same for short runs."""


def rows() -> list[dict[str, Any]]:
    """What is known."""
    from experiments import runs

    return runs.kept(RESULTS)


def fits() -> list[dict[str, Any]]:
    """What models made of the short runs; nothing before `propose`."""
    return list(json.loads(PROPOSALS.read_text())) if PROPOSALS.exists() else []


def proposed() -> dict[str, dict[str, float]]:
    """The mixtures that the target is trained on because they were proposed, by the name of who did first."""
    return {fit["name"]: fit["weights"] for fit in fits() if fit["run"] == fit["name"]}


def built() -> Corpus:
    """The whole text as tokens."""
    from bomix.training.data import corpus

    given = plan.proxy()
    sources = {name: given.sources[name] for name in plan.DOMAINS}
    return corpus.build(sources, given.validation, given.tokenizer, given.corpus, sequence_length=given.sequence_length)


def view(corpus: Corpus, run: Planned, domain: str) -> tuple[str, Any]:
    """The name of a pool, which decides about its order, and its tokens."""
    tokens = run.pools.get(domain)
    whole = corpus.train[domain]
    if tokens is None:
        return domain, whole
    if run.set == plan.MATCHED:  # a part of what the target has
        whole = plan.cut(whole, plan.pools(plan.TARGET)[domain], plan.SEED, corpus.end_of_document)
    return f"{domain}@{tokens}/{run.cut}", plan.cut(whole, tokens, run.cut, corpus.end_of_document)


def trained(corpus: Corpus, some: Sequence[Planned]) -> list[dict[str, Any]]:
    """Train a stack; a row for each run."""
    from bomix.training import checkpoint, loop
    from bomix.training.run import Run, seeds

    views: dict[str, Any] = {}
    runs = []
    for each in some:
        named = {domain: view(corpus, each, domain) for domain in plan.DOMAINS}
        views |= dict(named.values())
        weights = {named[domain][0]: share for domain, share in each.weights.items()}
        init, data = seeds(each.seed)
        spec = dataclasses.replace(plan.proxy(), checkpoint_s=CHECKPOINT_S)
        steps = plan.tokens_of(each.set) // spec.step_tokens
        runs.append((Run(weights, steps, init, data, spec), {named[d][0]: d for d in plan.DOMAINS}))
    seen = Corpus(views, corpus.validation, corpus.vocabulary, corpus.tokenizer_hash, {})
    places = [
        place for each, (run, _) in zip(some, runs, strict=True) if (place := _place(each, run, seen)) is not None
    ]
    started = time.process_time()
    ended = loop.train_together(seen, [run for run, _ in runs], places=places)
    cpu = (time.process_time() - started) / len(runs)
    found = []
    for each, (_, names), result in zip(some, runs, ended, strict=True):
        assert not isinstance(result, Exception), f"{each.key}: {result}"
        found.append(
            {
                **plan.described(each),
                "epochs": {names[name]: round(x, 4) for name, x in result.plan.epochs.items()},
                "losses": {name: round(x.loss, 5) for name, x in result.evaluations.items()},
                "training_loss": round(float(result.training_losses[-len(result.training_losses) // 10 :].mean()), 4),
                "cpu_s": round(cpu * len(result.training_losses) / (len(result.training_losses) - result.resumed), 2),
            }
        )
    for place in places:
        checkpoint.remove(place)
    return found


def _place(each: Planned, run: Run, corpus: Corpus) -> Place | None:
    """Where a long run has its checkpoints; None for a short one, which is soon trained anew."""
    from bomix.evaluators.stacks import place_of

    if each.set != plan.TARGET:
        return None
    # A folder of its own for each run: attempts lie side by side.
    return place_of(WORK.expanduser() / f"{each.name}-{each.seed}" / "0", run, corpus)


def train(limit: float) -> None:
    """Train what is missing, stack by stack, until the next one would end too late; the first one is trained anyway."""
    from experiments import runs

    started = time.monotonic()
    corpus = built()
    for stacks in itertools.count():
        done = rows()
        known = {(row["set"], row["name"], row["seed"], row["cut"]) for row in done}
        missing = [run for run in plan.plan(proposed()) if run.key not in known]
        if not missing:
            print("nothing is missing", file=sys.stderr)
            return
        alike = [run for run in missing if (run.set == plan.TARGET) == (missing[0].set == plan.TARGET)]
        some = alike[: WIDTHS.get(alike[0].set, WIDTH)]
        speed = np.median([row["cpu_s"] / plan.tokens_of(row["set"]) for row in done]) if done else 0.0
        expected = float(speed) * plan.tokens_of(some[0].set) * len(some)
        if stacks and time.monotonic() - started + expected > limit:
            return
        found = trained(corpus, some)
        runs.add(RESULTS, found)
        told = f"{len(missing) - len(some)} missing, {found[0]['cpu_s']} CPU-s a run"
        print(f"{some[0].key} to {some[-1].key}: {told}", file=sys.stderr, flush=True)


def lacking(*, short: bool) -> int:
    """How many runs are missing that models learn from, and of the target those that every table needs.

    Args:
        short: Ask for short runs alone.
    """
    known = {(row["set"], row["name"], row["seed"], row["cut"]) for row in rows()}
    needed = [run for run in plan.plan({}) if run.set != plan.TARGET or not (short or run.name.startswith("held"))]
    return sum(run.key not in known for run in needed)


def main() -> None:
    """Train, propose, print or draw."""
    from experiments.runs import seconds

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "propose", "table", "figure"))
    parser.add_argument("--limit", type=seconds, default=math.inf, help="seconds within which it ends")
    args = parser.parse_args()
    if args.what == "train":
        train(args.limit)
        return
    if count := lacking(short=args.what == "propose"):
        parser.error(f"{RESULTS} lacks {count} of the runs that `{args.what}` needs; run `train` first")
    import figure
    import models
    import show

    if args.what == "propose":
        PROPOSALS.write_text("[\n" + ",\n".join(json.dumps(row) for row in models.report(rows())) + "\n]\n")
    elif args.what == "table":
        show.table(rows(), fits())
    else:
        figure.draw(rows(), HERE / "shares.png")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # a script finds the package that it is in nowhere else
    from experiments import runs

    runs.command(main)
