"""Trains what was chosen for each criterion, the uniform and the natural mixture, and asks the models questions."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from scipy.stats import beta

from bomix.evaluators.proxy import Proxy
from bomix.trial import MODEL, Failure, Trial
from experiments import runs
from experiments.mde import generation, optima
from experiments.mde.resampling import table
from experiments.regmix import plan

RESULTS = Path(__file__).parent / "optimized.jsonl"
SEEDS = range(1000, 1003)
"""Those that nothing was chosen by."""
SET = "optimized 1M"
NAMES = (*(f"optimized {each}" for each in optima.CRITERIA), "uniform", "natural")


def proxy() -> Proxy:
    """That of the held mixtures of the middle size, tasks and all; it keeps its models."""
    return dataclasses.replace(plan.proxy_with_tasks("1M"), save_model=True, curve_points=1)


def planned() -> list[runs.Planned]:
    """Five mixtures on three seeds; what was chosen stands in the rows once any of it was trained."""
    known = {row["name"]: row["weights"] for row in runs.kept(RESULTS)}
    if all(name in known for name in NAMES):
        mixtures = known
    else:
        total = sum(plan.SHARES.values())
        mixtures = {f"optimized {each}": weights for each, weights in optima.to_train().items()}
        mixtures["uniform"] = dict.fromkeys(plan.DOMAINS, 1 / len(plan.DOMAINS))
        mixtures["natural"] = {name: share / total for name, share in plan.SHARES.items()}
    return [
        runs.Planned(SET, name, {domain: mixtures[name].get(domain, 0.0) for domain in plan.DOMAINS}, seed)
        for seed in SEEDS
        for name in NAMES
    ]


def train(limit: float) -> None:
    """Train seed after seed, five models a stack; nothing is begun after the limit."""
    began, trainer = time.monotonic(), proxy()
    trainer.prepare(plan.DOMAINS)
    left = runs.missing(RESULTS, planned())
    while left and time.monotonic() - began < limit:
        some = [run for run in left if run.seed == left[0].seed]
        runs.add(RESULTS, rows_of(trainer, some))
        left = left[len(some) :]
        print(f"{len(left)} left", file=sys.stderr)


def rows_of(trainer: Proxy, some: list[runs.Planned]) -> list[runs.Row]:
    """Train as one stack; each row has losses, accuracies, and the numbers of the passages that were gone on with."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from bomix.training.data import corpus

    logging.disable_progress_bar()
    asked = generation.questions()
    loaded = corpus.load(
        trainer.sources, trainer.validation, trainer.tokenizer, trainer.corpus, sequence_length=trainer.sequence_length
    )
    assert loaded.folder is not None
    tokenizer, began, rows = corpus.open_tokenizer(loaded.folder), time.process_time(), []
    with TemporaryDirectory(prefix="bomix-optimized-") as folder:
        attempts = []
        for at, run in enumerate(some):
            (place := Path(folder) / str(at)).mkdir()
            attempts.append((Trial(at, run.weights, run.seed, runs.MIXTURE, scale=plan.scale("1M")), place))
        for run, (_, place), (_, result) in zip(some, attempts, trainer.evaluate_together(attempts), strict=True):
            assert not isinstance(result, Failure), result.message
            model = AutoModelForCausalLM.from_pretrained(place / MODEL).eval()
            right = generation.matched(model, tokenizer, asked, trainer.sequence_length)
            weights = {name: round(x, 6) for name, x in run.weights.items() if x}
            head = {"set": run.set, "name": run.name, "seed": run.seed, "weights": weights}
            told = runs.told(dataclasses.replace(result, curve=None), 0.0)
            rows.append(head | told | {"asked": len(asked), "matched": [int(x) for x in right]})
    for row in rows:
        row["cpu_s"] = round((time.process_time() - began) / len(rows), 2)
    return [{**row, "matched": [at for at, x in enumerate(row["matched"]) if x]} for row in rows]


def matches(kept: list[runs.Row]) -> None:
    """Print exact matches by mixture, with the interval that so many passages leave for the best of the seeds."""
    asked, rows = kept[0]["asked"], []
    for name in NAMES:
        right = [len(row["matched"]) for row in kept if row["name"] == name]
        if len(right) < 2:
            continue
        most = max(right)
        low = float(beta.ppf(0.025, most, asked - most + 1)) if most else 0.0
        high = float(beta.ppf(0.975, most + 1, asked - most))
        rows.append(
            [
                name,
                f"{sum(right)} of {asked * len(right)}",
                f"{most} of {asked}",
                f"[{100 * low:.1f}, {100 * high:.1f}]",
            ]
        )
    head = ["mixture", "exact matches, all seeds", "best seed", "its 95 % interval, %"]
    table(f"One word of {asked} passages, greedily; intervals by Clopper and Pearson:", head, rows)
