"""What an ask over three scales costs: 17 domains, 13 metrics, 160, 30 and 10 runs.

    python benchmarks/scales.py optimisation ask [--seeds 1 2 3]

CPU-seconds of one process, imports apart: a first ask of a smaller study has the libraries loaded, since many of them
are imported when they are first used. Then the ask behind 200 runs, for which hyperparameters are sought anew, and the
next one behind one more run. Runs are of mixtures from a Dirichlet distribution; the function is of RegMix's shape, its
scales agree at 0.8.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
from scales_spending import Cell, Spent

COUNTS = {2: (9, 6), 3: (160, 30, 10)}
"""Number of scales to the runs of each."""


def begun(problem: str, scales: int, seed: int) -> tuple[Any, Any, Spent]:
    """A study with runs of every scale: its problem, its record, and what makes more."""
    from bomix.history import History

    spent = Spent(Cell(problem, "cost_aware", scales, 0.8, seed))
    study = replace(spent.function.problem(), scale=spent.target.scale, scales=spent.scales)
    history = History(scale=spent.target.scale, scales=tuple(each.scale for each in spent.scales))
    rng = np.random.default_rng(seed)
    for each, count in zip(spent.scales, COUNTS[scales], strict=True):
        for row in rng.dirichlet(np.full(study.space.dimension, 0.5), count):
            run = study.space.to_weights(row), each.scale, history.next_id, seed
            history = history.with_record(spent.observe(*run))
    return study, history, spent


def asked(study: Any, history: Any) -> tuple[Any, float]:
    """A candidate, and the CPU-seconds that it took."""
    from bomix.strategies.bayesian.cost_aware import CostAware

    started = time.process_time()
    (candidate,) = CostAware().ask(study, history, 1, seed=0)
    return candidate, time.process_time() - started


def run(arguments: argparse.Namespace) -> None:
    """Print a row for each seed."""
    import torch

    torch.set_num_threads(1)
    _, loaded = asked(*begun("7-useless", 2, 0)[:2])
    print(f"{time.process_time():.1f} CPU-seconds so far, {loaded:.1f} of them the first ask of another study\n")
    print("| seed | ask behind 200 runs | behind 201 | the first was a run of |\n|---|---|---|---|")
    for seed in arguments.seeds:
        study, history, spent = begun("17-regmix", 3, seed)
        candidate, first = asked(study, history)
        run = candidate.weights, candidate.scale, history.next_id, seed, candidate.origin
        _, second = asked(study, history.with_record(spent.observe(*run)))
        name = study.scale_name(candidate.scale)
        print(f"| {seed} | {first:.1f} | {second:.1f} | {name} ({candidate.origin}) |", flush=True)
