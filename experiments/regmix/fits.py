"""What models predict, kept as rows: tables come from these and the runs, and are printed without fitting anything."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bomix.io.store import files
from experiments import runs
from experiments.regmix import data, hundred, models, plan
from experiments.regmix.data import MEAN, PILE, Runs

HERE = Path(__file__).parent
FITS = HERE / "fits.jsonl"
SMALL, LARGE, WITHOUT, HUNDRED = "fit 0.3M", "fit 1M", "fit without 0.3M", "hundred"
PILE_TARGETS = ("pile_cc", MEAN)
FEW = plan.LARGER["1M"][0]
"""Mixtures that models of the larger size learn from."""
COUNTS = (32, 64, 128, 256)
"""Proxies of RegMix's Figure 4, here half as many."""
STEPS = (96, 192, 288, None)
"""A quarter, a half, three quarters and all of the tokens; None is the loss at the end, on five times the sequences."""
PROPOSING = (models.LINEAR, models.TREES, models.PROCESS)
"""The models whose optimum is trained."""
COMPARED = 2
"""Parts of the smallest runs whose optima are looked at, so that sizes are compared with what chance does."""


@dataclass(frozen=True)
class Fit:
    """A model of some runs.

    Attributes:
        learnt: The set that it learns from.
        model: One of `models.MODELS`.
        target: A metric, or the mean.
        count: Runs that it learns from.
        part: Which of the disjoint parts of the set, each with so many runs.
        step: After which step their losses are taken; None for the end.
    """

    learnt: str
    model: str
    target: str
    count: int
    part: int = 0
    step: int | None = None

    def runs(self) -> Runs | None:
        """What it learns from; None where that is not there."""
        if self.learnt == PILE:
            found = data.pile("train", "1m")
        elif self.learnt == HUNDRED:
            found = data.hundreds("fit")
        else:
            found = data.swarm(self.learnt, step=self.step)
        return None if found is None else found.some(slice(self.part * self.count, (self.part + 1) * self.count))

    @property
    def searched(self) -> bool:
        """Whether simulated mixtures are searched for its best."""
        few = self.count == FEW and self.part < COMPARED
        known = self.learnt in (SMALL, LARGE) and self.step is None and self.target in (plan.TARGET, MEAN)
        return known and (few or self.count == plan.FITTED)

    def judged(self) -> np.ndarray:
        """The mixtures that it predicts, ``n x d``."""
        if self.learnt == PILE:
            found = data.pile("test", "1m")
        elif self.learnt == HUNDRED:
            found = data.hundreds("held")
        else:
            found = data.swarm("held without 0.3M" if self.learnt == WITHOUT else "held 0.3M")
        assert found is not None, f"{self.learnt}: the mixtures to predict come first"
        return found.X


def wanted() -> Iterator[Fit]:
    """Every fit that a table needs."""
    for model in models.MODELS:
        for target in (plan.TARGET, MEAN):
            yield Fit(SMALL, model, target, plan.FITTED)
            yield Fit(WITHOUT, model, target, plan.WITHOUT[0])
            # As many mixtures as were run at the larger size, the same ones and others; then more of them.
            yield from (Fit(SMALL, model, target, FEW, part) for part in range(COMPARED))
            yield Fit(LARGE, model, target, FEW)
            yield from (Fit(SMALL, model, target, count) for count in COUNTS)
        if model in (models.TREES, models.PROCESS):
            yield from (Fit(SMALL, model, domain, plan.FITTED) for domain in plan.DOMAINS)
        yield from (Fit(HUNDRED, model, target, hundred.FITTED) for target in hundred.TARGETS)
        yield from (Fit(PILE, model, target, 512) for target in PILE_TARGETS)
    for model, step, count in ((m, s, c) for m in models.MODELS[:3] for s in STEPS for c in COUNTS):
        yield from (Fit(SMALL, model, plan.TARGET, count, part, step) for part in range(plan.FITTED // count))


def fit() -> None:
    """Fit what is missing, and keep what it predicts and which mixtures it calls best."""
    known = kept()
    for one in dict.fromkeys(wanted()):
        learnt = None if one in known else one.runs()
        if learnt is None:
            continue
        started = time.process_time()
        predict = models.predictor(one.model, learnt, one.target)
        row = {**dataclasses.asdict(one), "predicted": rounded(predict(one.judged()))}
        if one.searched:
            best = models.best(predict, simulated())
            row |= {"best": rounded(best.mean(axis=0)), "spread": rounded(best.std(axis=0))}
        runs.add(FITS, [{**row, "cpu_s": round(time.process_time() - started, 2)}])
    absent = sorted({one.learnt for one in wanted() if one.runs() is None})
    print(f"sets that are not there, or not complete: {', '.join(absent) or 'none'}", file=sys.stderr)


def rounded(values: np.ndarray) -> list[float]:
    """As they are kept."""
    return [round(float(x), 5) for x in values]


@cache
def kept() -> dict[Fit, runs.Row]:
    """Every fit that there is."""
    names = [field.name for field in dataclasses.fields(Fit)]
    return {Fit(**{name: row[name] for name in names}): row for row in runs.kept(FITS)}


def predicted(fit: Fit) -> np.ndarray | None:
    """What a fit predicts; None where it is not there."""
    return None if fit not in kept() else np.array(kept()[fit]["predicted"])


def propose() -> None:
    """Write the mixtures that are trained because models of the swarm call them best."""
    found = {
        "uniform": [1 / len(plan.DOMAINS)] * len(plan.DOMAINS),
        "natural": [plan.SHARES[name] / sum(plan.SHARES.values()) for name in plan.DOMAINS],
    }
    for target in (plan.TARGET, MEAN):
        for model in PROPOSING:
            if (row := kept().get(Fit(SMALL, model, target, plan.FITTED))) is None:
                raise runs.RowsError(f"{FITS}: {model} of '{SMALL}' is missing; run `train`, then `fit`")
            found[f"{model}, {target}"] = row["best"]
    rows = [
        {"name": name, "weights": dict(zip(plan.DOMAINS, rounded(np.array(weights)), strict=True))}
        for name, weights in found.items()
    ]
    files.replace(plan.PROPOSALS, "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


@cache
def simulated() -> np.ndarray:
    """Mixtures to choose among, drawn as those of the swarm are."""
    shares = np.array([plan.SHARES[name] for name in plan.DOMAINS]) ** (1 / plan.TEMPERATURE)
    return models.simulated(shares / shares.sum(), *plan.CONCENTRATION)
