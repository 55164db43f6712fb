"""What is trained: the mixtures of the swarm, and the runs in their order."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from bomix.config import study_file
from bomix.config.spec import StudySpec
from bomix.evaluators.proxy import Proxy
from bomix.scale import Scale
from bomix.training.tasks.sources import Choices
from experiments import tasks
from experiments.runs import Planned, with_rate

HERE = Path(__file__).parent
STUDY = HERE / "study.yaml"
RESULTS = HERE / "results.jsonl"
PROPOSALS = HERE / "proposals.json"
SCORED = Path("~/.cache/bomix/regmix/experts").expanduser()
"""Where the experts' probabilities go."""
DOMAINS = ("code", "dictionary", "german", "go", "kernel", "manual", "prose", "technical")
OUTSIDE = ("foldoc", "fortunes", "office", "perl")
TARGET = "kernel"
"""The domain whose loss is minimized, as RegMix minimizes that of Pile-CC."""
SHARES = dict(zip(DOMAINS, (8.0, 8.0, 6.6, 4.0, 4.0, 4.0, 8.0, 5.8), strict=True))
"""Megabytes of text, which the draws lie around."""
CONCENTRATION = (0.1, 5.0)
TEMPERATURE = 2.0
"""Those of RegMix: see `bomix.strategies.designs.Dirichlet`."""
FITTED, HELD, REPEATED = 256, 64, 24
"""Mixtures that models learn from, that they are judged on, and of these the ones with a second seed."""
LARGER = {"1M": (32, 48), "3M": (0, 16)}
"""The same at larger sizes: the first ones of each kind."""
WITHOUT = (48, 24)
"""The same without the target's domain."""
SMALL = "0.3M"
SIZES = {"0.3M": 332_448, "1M": 907_360, "3M": 3_115_264}
"""Parameters of a size, without embeddings."""
RATES = {"0.3M": 3e-3, "1M": 1.5e-3, "3M": 5e-4}
"""Learning rate of a size. Of the uniform mixture, the mean loss of the eight domains was 4.84, 4.98 at 0.3M with 3e-3,
1.5e-3; 5.20, 4.80, 4.85 at 1M with 3e-3, 1.5e-3, 1e-3; 5.49, 4.83, 4.80 at 3M with 3e-3, 1e-3, 5e-4: a rate that is
good for the smallest size makes larger ones worse than it."""
PROPOSED_AT = (SMALL, "1M")
"""Sizes at which what models propose is trained."""
PROPOSED_SEEDS = (0, 1)
"""Of the runs of what models propose."""
ASKED = 96
"""Questions of a task, and then also sequences of the other sets."""


@cache
def study() -> StudySpec:
    """The study file."""
    return study_file.load(STUDY)


@cache
def proxy(size: str = SMALL) -> Proxy:
    """Its evaluator, with the learning rate of a size."""
    return with_rate(cast(Proxy, study().ready_evaluator(Path())), RATES[size])


@cache
def proxy_with_tasks(size: str) -> Proxy:
    """The same with tasks of multiple choice among its validation sets."""
    given = proxy(size)
    cache_of = tasks.CACHE.expanduser() / "tasks"
    asked = {
        f"{name}_task": Choices((str(cache_of / f"{name}.jsonl"),), format="{prompt} {answer}") for name in tasks.TASKS
    }
    return dataclasses.replace(given, validation={**given.validation, **asked}, validation_sequences=ASKED)


def scale(name: str) -> Scale:
    """A scale of the study: the parameters of its size, the tokens of the proxy."""
    return Scale(SIZES[name], proxy().tokens)


def mixtures(count: int, domains: tuple[str, ...] = DOMAINS, seed: int = 0) -> list[dict[str, float]]:
    """Draws around the tokens' shares, from sparse to even, always the same; a domain that is not named has none."""
    rng = np.random.default_rng(seed)
    shares = np.array([SHARES[name] for name in domains]) ** (1 / TEMPERATURE)
    shares /= shares.sum()
    drawn = [rng.dirichlet(rng.uniform(*CONCENTRATION) * shares) for _ in range(count)]
    return [dict.fromkeys(DOMAINS, 0.0) | dict(zip(domains, map(float, row), strict=True)) for row in drawn]


def experts(size: str) -> Iterator[Planned]:
    """A run on each domain alone."""
    for domain in DOMAINS:
        alone = {name: float(name == domain) for name in DOMAINS}
        yield Planned(f"experts {size}", domain, alone, scale=scale(size), scored=True)


def proposals() -> list[dict[str, Any]]:
    """Name and weights of what models of the swarm call best; none before `propose`."""
    return list(json.loads(PROPOSALS.read_text())) if PROPOSALS.exists() else []


def proposed() -> Iterator[Planned]:
    """Runs of these."""
    for size, seed in itertools.product(PROPOSED_AT, PROPOSED_SEEDS):
        for one in proposals():
            yield Planned(f"proposed {size}", one["name"], one["weights"], seed, scale(size))


def plan() -> list[Planned]:
    """Every run, in order."""
    drawn = mixtures(FITTED + HELD)
    fit, held = drawn[:FITTED], drawn[FITTED:]

    def numbered(kind: str, size: str, some: list[dict[str, float]], seed: int = 0) -> Iterator[Planned]:
        for at, weights in enumerate(some):
            yield Planned(f"{kind} {size}", f"{at:03d}", weights, seed, scale(size))

    left = tuple(name for name in DOMAINS if name != TARGET)
    without = mixtures(sum(WITHOUT), left, seed=1)
    return [
        *experts(SMALL),
        *numbered("held", SMALL, held),
        *numbered("fit", SMALL, fit),
        *numbered("held", SMALL, held[:REPEATED], seed=1),
        *experts("1M"),
        *numbered("held", "1M", held[: LARGER["1M"][1]]),
        *experts("3M"),
        *numbered("held", "3M", held[: LARGER["3M"][1]]),
        *numbered("fit without", SMALL, without[: WITHOUT[0]]),
        *numbered("held without", SMALL, without[WITHOUT[0] :]),
        *numbered("fit", "1M", fit[: LARGER["1M"][0]]),
        *proposed(),
    ]
