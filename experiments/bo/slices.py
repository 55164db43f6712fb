"""Figure 2: two domains along their share, the law in a domain's own weight and where it ends, a search of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.bo.choose import array, searched
from experiments.bo.plan import PAIRS, RATIOS, TWO
from experiments.bo.stats import Array, said, t_half, two_way_noise
from experiments.runs import Row

RATES = np.geomspace(0.02, 200.0, 100)
"""Rates of the exponential that are tried; its other two parameters have a closed form."""
POWERS = np.geomspace(0.01, 5.0, 100)
"""Exponents of the power that are tried, likewise."""
FEWEST = 5
"""Shares that a law is judged on at least."""
REJECTED = 0.05
"""Probability of so bad a fit by noise alone, below which the law does not hold."""
DRAWS = 100
"""Of noise, for intervals of where a law ends and of the best share."""
CHECKPOINTS = (0.25, 0.5, 0.75, 1.0)
"""Of a run, at which losses are kept."""


@dataclass(frozen=True)
class Slice:
    """Two domains along the share of the first.

    Attributes:
        domains: The two.
        shares: Of the first, ``n``.
        losses: ``n x s x c x 2`` over seeds, checkpoints and domains.
    """

    domains: tuple[str, str]
    shares: Array
    losses: Array

    @classmethod
    def of(cls, rows: Sequence[Row], pair: str) -> Slice | None:
        """The runs of a pair on the seeds that have every share; None where there is none."""
        found = {(row["name"], row["seed"]): row["curve"]["losses"] for row in rows if row["set"] == pair}
        names = [f"{share:g}" for share in RATIOS]
        seeds = sorted({seed for _, seed in found if all((name, seed) in found for name in names)})
        if not seeds:
            return None
        losses = [[[found[name, seed][domain] for domain in PAIRS[pair]] for seed in seeds] for name in names]
        return cls(PAIRS[pair], np.array(RATIOS), np.moveaxis(np.array(losses), -1, -2))

    def own(self, column: int, checkpoint: int = -1) -> tuple[Array, Array, float, int]:
        """Own weights, rising, with the own loss over seeds, the noise of that mean, and its degrees of freedom."""
        weights = self.shares if column == 0 else 1.0 - self.shares
        order = weights.argsort()
        seen = self.losses[order, :, checkpoint, column]
        return weights[order], seen.mean(axis=1), *self._noise(seen)

    def mean(self, checkpoint: int = -1) -> tuple[Array, float, int]:
        """Mean loss over both domains and seeds at each share, the noise of that, and its degrees of freedom."""
        seen = self.losses[:, :, checkpoint].mean(axis=-1)
        return seen.mean(axis=1), *self._noise(seen)

    @staticmethod
    def _noise(seen: Array) -> tuple[float, int]:
        if seen.shape[1] < 2:
            return float("nan"), 0
        noise, freedom = two_way_noise(seen)
        return noise / seen.shape[1] ** 0.5, freedom


LAWS = {"line": 2, "exponential": 3, "power": 3}
"""What is fitted to a loss in its own weight, with its parameters: ``log L`` linear, ``c + k exp(-r w)``, and
``c + k w^-r``."""


def law(kind: str, weights: Array, losses: Array, at: Array) -> Array:
    """A law fitted by least squares, at other weights."""
    if kind == "line":
        return np.asarray(np.exp(np.polyval(np.polyfit(weights, np.log(losses), 1), at)))
    rates = RATES if kind == "exponential" else POWERS
    B = _basis(kind, rates, weights)
    centred, y = B - B.mean(axis=1, keepdims=True), losses - losses.mean()
    k = centred @ y / np.maximum((centred**2).sum(axis=1), np.finfo(float).tiny)
    best = int(((y - k[:, None] * centred) ** 2).sum(axis=1).argmin())
    of_best = rates[best : best + 1]
    return np.asarray(losses.mean() + k[best] * (_basis(kind, of_best, at)[0] - B[best].mean()))


def _basis(kind: str, rates: Array, weights: Array) -> Array:
    """``r x n``."""
    return np.asarray(np.exp(-np.outer(rates, weights if kind == "exponential" else np.log(weights))))


def fits(kind: str, weights: Array, losses: Array, noise: float, freedom: int) -> float:
    """Probability of so bad a fit by noise alone, by the F test of a lack of fit against repeats."""
    left = losses - law(kind, weights, losses, weights)
    spare = len(weights) - LAWS[kind]
    return float(stats.f.sf((left**2).sum() / spare / noise**2, spare, freedom))


def least_weight(kind: str, weights: Array, losses: Array, noise: float, freedom: int) -> int:
    """The place of the least own weight from which on a law holds; how many there are where it never does."""
    for at in range(len(weights) - FEWEST + 1):
        if fits(kind, weights[at:], losses[at:], noise, freedom) >= REJECTED:
            return at
    return len(weights)


def law_table(rows: Sequence[Row]) -> Iterator[str]:
    """From which own weight on laws in the own weight hold, and how far the loss lies above them before."""
    yield "| pair | domain | tokens | straight on a log axis, from | exponential | power | at 2 % above the line |"
    yield "|---|---|---|---|---|---|---|"
    for pair in PAIRS:
        found = Slice.of(rows, pair)
        if found is None or found.losses.shape[1] < 2:
            yield f"| {pair} | not run on two seeds yet | | | | | |"
            continue
        for column, domain in enumerate(found.domains):
            for checkpoint, share in enumerate(CHECKPOINTS):
                own = found.own(column, checkpoint)
                cells = " | ".join(_from(kind, *own) for kind in LAWS)
                yield f"| {pair} | {domain} | {share:.0%} | {cells} | {_above(*own)} |"


def _from(kind: str, weights: Array, losses: Array, noise: float, freedom: int) -> str:
    """The least weight, with its interval by noise around the law and around what lies above it."""
    least = least_weight(kind, weights, losses, noise, freedom)
    smooth = losses.copy()
    if least < len(weights):
        smooth[least:] = law(kind, weights[least:], losses[least:], weights[least:])
    noisy = smooth + np.random.default_rng(0).normal(0.0, noise, (DRAWS, len(losses)))
    again = [least_weight(kind, weights, each, noise, freedom) for each in noisy]
    low, high = (int(x) for x in np.quantile(again, [0.025, 0.975]))
    names = [f"{x:.2f}" for x in weights] + ["none"]
    return f"{names[least]} [{names[low]}, {names[high]}]"


def _above(weights: Array, losses: Array, noise: float, freedom: int) -> str:
    """How far the loss at the least weight lies above the line, where that does not hold so far down."""
    least = least_weight("line", weights, losses, noise, freedom)
    if not 0 < least < len(weights):
        return ""
    gap = float((losses - law("line", weights[least:], losses[least:], weights))[0])
    half = t_half(noise, freedom)
    return said((gap, gap - half, gap + half), 3)


FINE = np.linspace(RATIOS[0], RATIOS[-1], 481)
"""Shares among which the best is sought, a fifth of a percent apart."""


def smooth(found: Slice, checkpoint: int = -1, rng: np.random.Generator | None = None) -> Array:
    """The mean of the exponentials in either domain's own weight, at the fine shares.

    Args:
        found: The slice.
        checkpoint: Of its runs.
        rng: Adds the noise of a mean over seeds to every loss; None adds none.
    """
    laws = []
    for column in (0, 1):
        weights, losses, noise, _ = found.own(column, checkpoint)
        noisy = losses if rng is None else losses + rng.normal(0.0, noise, len(losses))
        laws.append(law("exponential", weights, noisy, FINE if column == 0 else 1.0 - FINE))
    return np.asarray(np.mean(laws, axis=0))


def best_share(found: Slice, checkpoint: int = -1) -> tuple[float, float, float]:
    """The share of the least mean loss, its interval by noise added to each point."""
    rng = np.random.default_rng(0)
    again = [FINE[smooth(found, checkpoint, rng).argmin()] for _ in range(DRAWS)]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(FINE[smooth(found, checkpoint).argmin()]), float(low), float(high)


def flat(found: Slice) -> tuple[float, float]:
    """The shares whose mean loss is above the least by less than the noise of one run."""
    curve = smooth(found)
    near = FINE[curve <= curve.min() + found.mean()[1] * found.losses.shape[1] ** 0.5]
    return float(near[0]), float(near[-1])


def optimum_table(rows: Sequence[Row]) -> Iterator[str]:
    """The best share of the first domain at each checkpoint, and how flat it is there."""
    heads = " | ".join(f"best at {share:.0%}" for share in CHECKPOINTS)
    yield f"| pair, share of | {heads} | noise | within it of the best |"
    yield f"|---|{'---|' * (len(CHECKPOINTS) + 2)}"
    for pair in PAIRS:
        found = Slice.of(rows, pair)
        if found is None or found.losses.shape[1] < 2:
            yield f"| {pair} | not run on two seeds yet | | | | | |"
            continue
        cells = [said(best_share(found, checkpoint), 2, sign=False) for checkpoint in range(len(CHECKPOINTS))]
        low, high = flat(found)
        noise = found.mean()[1] * found.losses.shape[1] ** 0.5
        yield f"| {pair}, {found.domains[0]} | {' | '.join(cells)} | {noise:.4f} | {low:.2f} to {high:.2f} |"


def shares_of(rows: Sequence[Row], seed: int) -> tuple[Array, Array]:
    """Share of the first domain and mean loss of every run of the search of two, in order."""
    own = searched(rows, TWO, "bo8", seed)
    X, Y = array(own, PAIRS[TWO.name])
    return X[:, 0], Y.mean(axis=1)


def search_table(rows: Sequence[Row]) -> Iterator[str]:
    """Figure 2b: where a search of two domains looks."""
    found = Slice.of(rows, TWO.name)
    if found is None or not any(row["set"] == f"{TWO.name} bo8" for row in rows):
        yield "Figure 2b: not run yet."
        return
    low, high = flat(found)
    first = int(next(row["name"] for row in rows if row["set"] == f"{TWO.name} bo8"))
    heads = f"share of {found.domains[0]} | its loss | design in {low:.2f} to {high:.2f} | asked there"
    yield f"| search of {TWO.name}, best | {heads} |"
    yield "|---|---|---|---|---|"
    for seed in TWO.seeds:
        shares, losses = shares_of(rows, seed)
        inside = (shares >= low) & (shares <= high)
        at = int(losses.argmin())
        told = f"{inside[:first].sum()} of {first} | {inside[first:].sum()} of {len(shares) - first}"
        yield f"| seed {seed} | {shares[at]:.3f} | {losses[at]:.4f} | {told} |"
