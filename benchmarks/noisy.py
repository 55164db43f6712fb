"""Surrogates compared on tables of noisy scores: many metrics, few runs, little of what they say due to the mixture.

    python benchmarks/noisy.py [--seeds 0-2] [--shapes ranks,coverage] [--surrogates default,ridge]

A table is drawn with a seed: mixtures of ``d`` domains, ``m`` scores of each of ``n`` runs, and 300 further mixtures
with one run each to judge by. The truth is one of :data:`FAMILIES`, of a few directions that metrics share, as tasks
do; the noise is given as a share of each score's variance, and a part of it is common to the scores of a run. Shape
``ranks`` asks for the order of mixtures (19 domains, 17 scores, 25 runs, noise 70-100 % of the variance), ``coverage``
for intervals (3, 5 and 7 domains, 22 scores, 16 and 25 runs, noise 10-70 % or 70-100 %).

Ranks are Spearman x 100 with the runs that are judged, noise included; ``coverage`` is that of 95 % intervals of these
runs, NLPD in nats with each score in its standard deviations. A line is the mean over tables with its standard error,
by shape and in all. ``default`` is what a study predicts with unless it asks for another.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

import bomix
from bomix.contracts.context import FitContext
from bomix.contracts.surrogate import Surrogate
from bomix.evaluators.synthetic import emulator_families
from bomix.evaluators.synthetic.functions import exponential_power
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.auto import Auto
from bomix.surrogates.cross_validation.scores import Scores, score, spearman
from bomix.surrogates.regression.specs import Ridge

JUDGED = 300
REFERENCE = 4000
DIRECTIONS = 4

Truth = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Shape:
    """Domains, metrics and runs of a table, and from which to which share of the variance is noise."""

    name: str
    d: int
    m: int
    n: int
    noise: tuple[float, float]


NOISY, QUIET = (0.7, 1.0), (0.1, 0.7)
SHAPES = [Shape("ranks", 19, 17, 25, NOISY)] + [
    Shape("coverage", d, 22, n, noise) for d, n, noise in itertools.product((3, 5, 7), (16, 25), (NOISY, QUIET))
]


@dataclass(frozen=True)
class Table:
    """Runs to learn from and to be judged by: weights ``n x d``, scores ``n x m``, and the truth of the latter."""

    X: np.ndarray
    Y: np.ndarray
    test_X: np.ndarray
    test_Y: np.ndarray
    test_truth: np.ndarray


def log_linear(rng: np.random.Generator, d: int, m: int) -> Truth:
    """Linear in the logarithms of weights: a few directions, each of few domains."""
    slopes = rng.standard_normal((DIRECTIONS, d)) * (rng.random((DIRECTIONS, d)) < max(0.3, 2.0 / d))
    loadings = rng.standard_normal((m, DIRECTIONS)) + 0.5
    return lambda weights: np.log(weights + 2e-3) @ slopes.T @ loadings.T


def saturating(rng: np.random.Generator, d: int, m: int) -> Truth:
    """A few skills that rise with what their domains give, and saturate."""
    gains = rng.exponential(1.0, (DIRECTIONS, d)) * (rng.random((DIRECTIONS, d)) < max(0.3, 2.0 / d))
    rates = rng.uniform(1.0, 6.0, DIRECTIONS)
    loadings = rng.dirichlet(np.full(DIRECTIONS, 0.7), m)
    return lambda weights: (1.0 - np.exp(-rates * (weights @ gains.T) * np.sqrt(d))) @ loadings.T


def emulated(rng: np.random.Generator, d: int, m: int) -> Truth:
    """Combinations of the losses of the emulator of RegMix's runs; domains beyond its own share theirs, at random."""
    found = emulator_families.load()
    own = len(found.domains)
    columns = rng.permutation(own)[np.arange(d) % own]
    loadings = rng.dirichlet(np.full(len(found.metrics), 0.5), m)

    def truth(weights: np.ndarray) -> np.ndarray:
        spread = np.zeros((len(weights), own))
        np.add.at(spread, (slice(None), columns), weights)
        return np.asarray(-found(spread) @ loadings.T)

    return truth


def exponential(rng: np.random.Generator, d: int, m: int) -> Truth:
    """Combinations of the losses by which strategies are judged, each of a domain of its own."""
    losses = exponential_power(rng, d, np.arange(d))
    loadings = rng.dirichlet(np.full(d, 2.0 / d), m)
    return lambda weights: -losses(weights) @ loadings.T


FAMILIES: dict[str, Callable[[np.random.Generator, int, int], Truth]] = {
    "log-linear": log_linear,
    "saturating": saturating,
    "emulator": emulated,
    "exponential": exponential,
}


def mixtures(rng: np.random.Generator, d: int, count: int, natural: np.ndarray) -> np.ndarray:
    """Mixtures about natural shares, near them or far, ``count x d``."""
    strength = np.exp(rng.uniform(np.log(0.5), np.log(3.0), count)) * d
    drawn = np.stack([rng.gamma(natural * each) + 1e-9 for each in strength])
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def draw(shape: Shape, seed: int) -> Table:
    """The table of a seed; its family and how much noise is common change from seed to seed."""
    rng = np.random.default_rng([seed, shape.d, shape.n, round(100 * shape.noise[0])])
    family = list(FAMILIES.values())[(seed + shape.d) % len(FAMILIES)]
    truth = family(rng, shape.d, shape.m)
    natural = rng.dirichlet(np.full(shape.d, 2.0))
    X, test_X, reference = (mixtures(rng, shape.d, count, natural) for count in (shape.n, JUDGED, REFERENCE))
    values = truth(reference)
    centre, spread = values.mean(axis=0), values.std(axis=0).clip(1e-9)
    noise, common = rng.uniform(*shape.noise, shape.m), rng.choice([0.0, 0.2, 0.5])
    signs = rng.choice([1.0, 1.0, 1.0, -1.0], shape.m)  # some tasks go against the rest

    def run(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        signal = np.sqrt(1.0 - noise) * (truth(weights) - centre) / spread
        own, shared = rng.standard_normal((len(weights), shape.m)), rng.standard_normal((len(weights), 1))
        return signal, signal + np.sqrt(noise) * (np.sqrt(1.0 - common) * own + np.sqrt(common) * shared * signs)

    (_, Y), (test_truth, test_Y) = run(X), run(test_X)
    return Table(X, Y, test_X, test_Y, test_truth)


def default(d: int, m: int) -> Surrogate:
    """What a study of so many domains and metrics predicts with."""
    study = bomix.Study([f"d{i}" for i in range(d)], metrics=[f"task{j}" for j in range(m)])
    return Auto().predicting(study.problem)


SURROGATES: dict[str, Callable[[int, int], Surrogate]] = {
    "default": default,
    "ridge": lambda d, m: Ridge(inputs="log"),
}


def judged(surrogate: Surrogate, table: Table) -> dict[str, float]:
    """Scores of one surrogate on one table: those of single metrics averaged, and those of their mean."""
    d, m = table.X.shape[1], table.Y.shape[1]
    domains, metrics = [f"d{i:02d}" for i in range(d)], [f"task{j:02d}" for j in range(m)]
    data = SupervisedDataset(
        torch.as_tensor(table.X), torch.as_tensor(table.Y), feature_names=domains, outcome_names=metrics
    )
    started = time.process_time()
    model = surrogate.fit(data, context=FitContext(MixtureSpace(domains), tuple(metrics)), seed=0)
    with torch.no_grad():
        posterior = model.posterior(torch.as_tensor(table.test_X).unsqueeze(-2), observation_noise=True)
        mean = posterior.mean.squeeze(-2).numpy()
        covariance = posterior.distribution.covariance_matrix.numpy()
    sd = np.sqrt(covariance.diagonal(axis1=-2, axis2=-1))
    singles = [score(table.test_Y[:, j], mean[:, j], sd[:, j]) for j in range(m)]
    together = score(table.test_Y.mean(axis=1), mean.mean(axis=1), np.sqrt(covariance.mean(axis=(-2, -1))))
    truths = [spearman(table.test_truth[:, j], mean[:, j]) for j in range(m)]
    found = {"rank": float(np.mean([_rank(each) for each in singles])), "truth": 100.0 * float(np.nanmean(truths))}
    found |= {"coverage": 100.0 * float(np.mean([each.coverage for each in singles]))}
    found |= {"NLPD": float(np.mean([each.nlpd for each in singles]))}
    found |= {"mean: rank": _rank(together), "mean: coverage": 100.0 * together.coverage, "mean: NLPD": together.nlpd}
    return found | {"CPU-s": time.process_time() - started}


def _rank(scores: Scores) -> float:
    """Spearman x 100, 0 where all predictions are the same."""
    return 0.0 if np.isnan(scores.spearman) else 100.0 * scores.spearman


def line(name: str, rows: list[dict[str, float]]) -> str:
    """A row of the table: means over tables and their standard errors."""
    cells = []
    for key in rows[0]:
        values = np.array([row[key] for row in rows])
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        digits = 2 if "NLPD" in key or "CPU" in key else 1
        cells.append(f"{values.mean():.{digits}f} ± {error:.{digits}f}")
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Draw tables, judge surrogates, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-1", help="first and last")
    parser.add_argument("--shapes", default="ranks,coverage")
    parser.add_argument("--surrogates", default=",".join(SURROGATES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    first, last = map(int, options.seeds.split("-"))
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for shape in SHAPES:
        if shape.name not in options.shapes.split(","):
            continue
        for seed, name in itertools.product(range(first, last + 1), options.surrogates.split(",")):
            scores = judged(SURROGATES[name](shape.d, shape.m), draw(shape, seed))
            label = f"{shape.d} domains, {shape.n} runs, noise {shape.noise[0]:.0%}-{shape.noise[1]:.0%}"
            for key in (label, f"all of {shape.name}"):
                found.setdefault((key, name), []).append(scores)
    for (label, name), rows in sorted(found.items()):
        if not label.startswith("all"):
            print(line(f"{label}: {name}", rows))
    for (label, name), rows in found.items():
        if label.startswith("all"):
            print(line(f"{label}: {name}", rows))
    print(", ".join(next(iter(found.values()))[0]))


if __name__ == "__main__":
    main()
