"""What is trained: the mixtures, the pools that each run draws from, and the runs in their order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from bomix.config import study_file
from bomix.config.spec import StudySpec
from bomix.evaluators.proxy import Proxy
from bomix.space.mixture_space import MixtureSpace
from bomix.training.data.tokens import TokenSet

STUDY = Path(__file__).with_name("study.yaml")
DOMAINS = ("code", "german", "prose", "technical")
SMALL = ("german", "prose")
SEED = 0
FITTED, HELD, REPEATS, RECUTS = 48, 16, 8, 8
"""Mixtures that models learn from, that they are judged on, repeats of the uniform one, other cuts of its pools."""
TARGET_HELD, TARGET_REPEATS = 12, 2
"""Of the target, whose run costs as much as sixteen: mixtures of those that models are judged on, and repeats."""
TARGET_SHARES = (0.05, 0.1, 0.2, 0.3, 0.025, 0.5)
"""Of the slice likewise."""
SHARES = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Shares of German along the slice; the other three share the rest equally."""
GRID_SHARES = (0.05, 0.1, 0.2, 0.35, 0.5)
GRID_EPOCHS = (1, 2, 4, 8, 16, 32, 64)
LEAST_SEQUENCES = 4
"""Sequences of the smallest pool of the grid: below, a domain is the same few sentences again and again."""
CAP = 4
"""Epochs at most, as in a study that says nothing of them."""
UNMATCHED, MATCHED, TARGET, GRID = "unmatched", "matched", "target", "grid"


@dataclass(frozen=True)
class Planned:
    """One run.

    Attributes:
        set: What it is for: a proxy that sees the pools of the target, or those cut to match; the grid; the target.
        name: Of its mixture.
        weights: Domain to share.
        pools: Domain to the tokens that its pool is cut to; of those that are left out it sees everything.
        seed: Of the trial.
        cut: Seed of the cut.
    """

    set: str
    name: str
    weights: dict[str, float]
    pools: dict[str, int] = field(default_factory=dict)
    seed: int = SEED
    cut: int = SEED

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What no two runs share."""
        return self.set, self.name, self.seed, self.cut


@cache
def study() -> StudySpec:
    """The study file."""
    return study_file.load(STUDY)


@cache
def proxy() -> Proxy:
    """Its evaluator."""
    return cast(Proxy, study().ready_evaluator(Path()))


def pools(scale: str) -> dict[str, int]:
    """Tokens of the small domains: what the target has, and for `matched` a share of it, that of the tokens of a run.

    A mixture then repeats a domain in a matched proxy as often as in the target.
    """
    has = {name: int(cast(float, study().domains[name].tokens)) for name in SMALL}
    return {name: tokens // longer() for name, tokens in has.items()} if scale == MATCHED else has


def longer() -> int:
    """How many times the tokens of a proxy the target is trained on."""
    assert study().target is not None
    return round(cast(float, study().target.tokens) / cast(int, proxy().tokens))  # type: ignore[union-attr]


def tokens_of(scale: str) -> int:
    """Training tokens of a run."""
    return cast(int, proxy().tokens) * (longer() if scale == TARGET else 1)


@cache
def space() -> MixtureSpace:
    """The mixtures that the study allows."""
    named = study().domains.items()
    lower = {name: domain.lower or 0.0 for name, domain in named}
    upper = {name: 1.0 if domain.upper is None else domain.upper for name, domain in named}
    return MixtureSpace(DOMAINS, lower, upper)


def capped() -> MixtureSpace:
    """Those of them that read no domain more than :data:`CAP` times in the target."""
    whole, has = space(), pools(TARGET)
    most = {name: CAP * tokens / tokens_of(TARGET) for name, tokens in has.items()}
    upper = {name: min(top, most.get(name, top)) for name, top in zip(DOMAINS, whole.upper, strict=True)}
    return MixtureSpace(DOMAINS, dict(zip(DOMAINS, whole.lower, strict=True)), upper)


def uniform() -> dict[str, float]:
    """The uniform mixture."""
    return dict.fromkeys(DOMAINS, 1 / len(DOMAINS))


def mixtures() -> list[tuple[str, dict[str, float]]]:
    """Uniform draws of the mixtures that are allowed, always the same; first those that models learn from."""
    drawn = space().sample(FITTED + HELD, np.random.default_rng(0))
    names = [f"fit{at:02d}" for at in range(FITTED)] + [f"held{at:02d}" for at in range(HELD)]
    return [(name, space().to_weights(row)) for name, row in zip(names, drawn, strict=True)]


def with_share(domain: str, share: float) -> dict[str, float]:
    """A mixture with a share of one domain, the others equal."""
    rest = (1 - share) / (len(DOMAINS) - 1)
    return {name: share if name == domain else rest for name in DOMAINS}


def proxies(kind: str) -> Iterator[Planned]:
    """The study of one kind: mixtures, repeats of the uniform one, and the slice, twice."""
    of = pools(kind)
    for seed in range(REPEATS + 1):
        yield Planned(kind, "uniform", uniform(), of, seed)
    yield from (Planned(kind, name, weights, of) for name, weights in mixtures())
    for seed in (0, 1):
        yield from (Planned(kind, f"german={s:g}", with_share("german", s), of, seed) for s in SHARES)


def grid() -> Iterator[Planned]:
    """Share and passes crossed, for each of the two small domains; the pool is cut to give the passes."""
    length = proxy().sequence_length
    for seed in (0, 1):
        for domain in SMALL:
            for share in GRID_SHARES:
                for epochs in GRID_EPOCHS:
                    sequences = math.floor(share * tokens_of(GRID) / length / epochs)
                    if sequences >= LEAST_SEQUENCES and (seed == 0 or epochs in (1, 8)):
                        name, cut = f"{domain} {share:g} x {epochs}", {domain: sequences * length}
                        yield Planned(GRID, name, with_share(domain, share), cut, seed)


def targets(proposed: dict[str, dict[str, float]]) -> Iterator[Planned]:
    """Runs 16 times as long: slice, held mixtures, proposals of the studies, repeats of the uniform mixture."""
    of = pools(TARGET)
    along = [Planned(TARGET, f"german={s:g}", with_share("german", s), of) for s in TARGET_SHARES]
    held = [Planned(TARGET, name, weights, of) for name, weights in mixtures()[FITTED : FITTED + TARGET_HELD]]
    yield from along[:-1]
    yield from (Planned(TARGET, name, weights, of) for name, weights in proposed.items())
    yield from (Planned(TARGET, "uniform", uniform(), of, seed) for seed in range(TARGET_REPEATS + 1))
    yield from [along[-1], *held]


def plan(proposed: dict[str, dict[str, float]]) -> list[Planned]:
    """Every run, in order."""
    recuts = [Planned(MATCHED, "uniform", uniform(), pools(MATCHED), cut=cut) for cut in range(1, RECUTS + 1)]
    again = [
        Planned(kind, name, weights, pools(kind)) for kind in (UNMATCHED, MATCHED) for name, weights in proposed.items()
    ]
    return [*proxies(UNMATCHED), *proxies(MATCHED), *recuts, *grid(), *targets(proposed), *again]


def cut(found: TokenSet, tokens: int, seed: int, end: int) -> TokenSet:
    """Whole documents in a seeded order, until they hold so many tokens; the last one may be cut short.

    Args:
        found: All documents of a domain.
        tokens: Tokens to keep.
        seed: Of the order.
        end: The token that closes a document.
    """
    ids = np.asarray(found.tokens)
    stops = np.flatnonzero(ids == end) + 1
    documents = np.split(ids, stops[:-1])
    kept: list[np.ndarray] = []
    held = 0
    for at in np.random.default_rng(seed).permutation(len(documents)):
        kept.append(documents[at])
        held += len(kept[-1])
        if held > tokens:  # one token more than whole sequences of inputs, for the last one's target
            break
    taken = np.concatenate(kept)[: tokens + 1]
    size = round(found.bytes_per_token * len(taken))
    return TokenSet(taken, len(kept), size)


def described(run: Planned) -> dict[str, Any]:
    """A run as the head of its row."""
    return {
        "set": run.set,
        "name": run.name,
        "seed": run.seed,
        "cut": run.cut,
        "weights": {name: round(x, 6) for name, x in run.weights.items()},
        "pools": run.pools,
    }
