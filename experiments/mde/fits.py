"""Fits of every regressor to a few runs of the smallest size, with and without experts: predictions of held mixtures.

The eight experts count as trained models wherever they are used or not, as in the paper. What a fit predicts of all 64
held mixtures is kept, so that every table is made from these rows and the swarm's.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from experiments import runs
from experiments.mde import swarm
from experiments.mde.methods import METHODS, predictions

FITS = Path(__file__).parent / "fits.jsonl"
SPLITS = 5
EXPERTS = 8
POOL = 128
"""Mixtures that fits draw theirs from, the first ones of the swarm: twice as many as the largest fit takes."""
TRAINED = 25
"""Models of the paper's Figure 2, its experts counted."""
JUDGED = 48
"""Held mixtures of a split, as there."""
CURVE = (12, 16, 25, 40, 72)
"""Models of the learning curve beside the experts alone."""
PAIRS = (
    ("empirical mean", "empirical mean-MDE"),
    ("ridge", "ridge-MDE"),
    ("ridge, w and log w", "ridge-MDE, w and log w"),
    ("DML", "DML-MDE"),
    ("BiMix", "BiMix-MDE"),
    ("boosting", "boosting-MDE"),
    ("GP", "GP-MDE"),
    ("multi-task GP", "multi-task GP-MDE"),
)
"""Each regressor on the weights alone, and with what the experts predict."""
ALONE = ("MDE", "MDE, per set", "ridge-MDE, all", "GP-MDE, as input")
"""Others: the experts by themselves, and further ways to use them."""
CURVED = ("ridge", "ridge-MDE", "ridge-MDE, w and log w", "DML", "BiMix", "GP", "GP-MDE")


def learnt(split: int, trained: int) -> list[runs.Row]:
    """The mixtures that are learnt from beside the experts, the first ones of a split's order."""
    every = swarm.of("fit", "0.3M")
    order = np.random.default_rng(split).permutation(POOL)[: trained - EXPERTS]
    return [every[at] for at in order]


def judged(split: int) -> np.ndarray:
    """Which of the held mixtures a split is judged on."""
    order = np.random.default_rng(100 + split).permutation(swarm.HELD)
    return np.sort(order[:JUDGED])


def wanted() -> list[tuple[str, int, int]]:
    """Method, models and split of every fit."""
    figure = [name for pair in PAIRS for name in pair] + list(ALONE)
    found = [("MDE", EXPERTS, 0), ("MDE, per set", EXPERTS, 0)]
    found += [(name, TRAINED, split) for split in range(SPLITS) for name in figure]
    more = [count for count in CURVE if count != TRAINED]
    found += [(name, count, split) for count in more for split in range(SPLITS) for name in CURVED]
    # Trees take as long as all others together, so that they come last.
    return sorted(found, key=lambda fit: fit[0].startswith("boosting"))


def one(method: str, trained: int, split: int) -> runs.Row:
    """Fit once; what it predicts of each criterion for every held mixture."""
    began = time.process_time()
    held = [swarm.named(point) for point in swarm.weights(swarm.of("held", "0.3M"))]
    history = swarm.history("0.3M", learnt(split, trained))
    expected = predictions(swarm.problem(), history, held, METHODS[method])
    found = {
        name: [round(float(x), 5) for x in expected @ swarm.CRITERIA[name]] for name in (swarm.SP, swarm.ET, swarm.BOTH)
    }
    seconds = round(time.process_time() - began, 2)
    return {"method": method, "trained": trained, "split": split, "seconds": seconds, "predicted": found}


def run(limit: float) -> None:
    """Fit what is missing; nothing is begun after the limit, in seconds."""
    if len(swarm.of("fit", "0.3M")) < POOL or len(swarm.of("held", "0.3M")) < swarm.HELD:
        print("the swarm's smallest size is not complete yet", file=sys.stderr)
        return
    began = time.monotonic()
    known = {(row["method"], row["trained"], row["split"]) for row in runs.kept(FITS)}
    left = [each for each in wanted() if each not in known]
    for at, each in enumerate(left):
        if time.monotonic() - began > limit:
            print(f"{len(left) - at} fits are left", file=sys.stderr)
            return
        runs.add(FITS, [one(*each)])
    print("nothing is missing", file=sys.stderr)
