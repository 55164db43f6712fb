"""What a study of two phases costs where their order does not matter, and what it gains where it does.

``python benchmarks/phases.py`` prints a table; ``--seeds 0 1`` and ``--runs 20`` make it short. Losses are those of a
known function of four domains: each of two metrics falls exponentially with the tokens of each domain that the model
still remembers,

    loss = c + exp(-sum_i t_i (0.8 r_i p_i + 0.2 a_i)),

``p`` the mixture of the first 80 % of the tokens, ``a`` that of the last, ``r_i`` what is kept of the first phase.
With ``r = 1`` only the mixture of the whole run matters; with ``r`` between 0.3 and 1 it pays to read last what is
forgotten. Both optima are known to the last digit.

Compared are a study of one mixture and a study of two phases on the same function, both by log-EI over a Gaussian
process with its best hyperparameters (no draws of them, a sixth of the time).
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass

import numpy as np

import bomix
from bomix.space.phases import Phases

DOMAINS = ("books", "code", "maths", "web")
METRICS = tuple(f"task{number}" for number in range(2))
SHARE = 0.2
NOISE = 0.003
REPORTED = tuple(range(100, 110))


@dataclass(frozen=True)
class Forgetting:
    """The function of a seed.

    Attributes:
        seed: Draws what each metric falls with, and what is kept.
        matters: Whether order does.
    """

    seed: int
    matters: bool

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Slopes ``m x d``, and shares ``d`` of the first phase that are kept."""
        rng = np.random.default_rng([self.seed, 71])
        slopes = rng.gamma(0.5, 2.0, (len(METRICS), len(DOMAINS)))
        kept = rng.uniform(0.3, 1.0, len(DOMAINS))
        return slopes, kept if self.matters else np.ones(len(DOMAINS))

    def losses(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """The ``m`` losses of a pair of ``d`` weights, without noise."""
        slopes, kept = self.parts()
        return np.asarray(1.5 + np.exp(-slopes @ ((1.0 - SHARE) * kept * first + SHARE * last)))

    def optimum(self, *, tied: bool) -> float:
        """The lowest mean loss, of one mixture or of a pair; the function is convex."""
        from scipy.optimize import minimize

        d = len(DOMAINS)

        def value(x: np.ndarray) -> float:
            return float(self.losses(x[:d], x[:d] if tied else x[d:]).mean())

        size = d if tied else 2 * d
        sums = [{"type": "eq", "fun": lambda x, at=at: x[at : at + d].sum() - 1.0} for at in range(0, size, d)]
        options = {"ftol": 1e-12, "maxiter": 500}
        start = np.full(size, 1.0 / d)
        found = minimize(value, start, bounds=[(0, 1)] * size, constraints=sums, method="SLSQP", options=options)
        return float(found.fun)


@dataclass(frozen=True)
class Outcome:
    """What a study found: true mean loss of its recommendation, and what it said of order."""

    loss: float
    claimed: bool = False
    true_gain: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)


def search(function: Forgetting, *, phases: bool, runs: int) -> Outcome:
    """Run one study."""
    study = bomix.Study(
        DOMAINS,
        METRICS,
        seed=function.seed,
        strategy={"kind": "bayesian", "surrogate": {"kind": "gp", "draws": 0, "restarts": 1}},
        budget={"trials": runs},
        phases={"anneal": SHARE} if phases else None,
    )
    known = Phases(("pretrain", "anneal"), (1.0 - SHARE, SHARE), study.problem.single.domains)
    noise = np.random.default_rng([function.seed, 72])

    def pair(weights: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        first, last = known.split(weights if phases else known.tied(weights)).values()
        return np.array([first[name] for name in DOMAINS]), np.array([last[name] for name in DOMAINS])

    for _ in range(runs):
        trial = study.ask()
        values = function.losses(*pair(dict(trial.weights))) + NOISE * noise.standard_normal(len(METRICS))
        study.tell(trial, dict(zip(METRICS, values.tolist(), strict=True)))
    best = study.recommend()
    found = float(function.losses(*pair(dict(best.weights))).mean())
    if best.order is None:
        return Outcome(found)
    tied = np.array([best.order.tied[name] for name in DOMAINS])
    first, last = (np.array([mixture[name] for name in DOMAINS]) for mixture in best.order.pair.values())
    gain = function.losses(tied, tied).mean() - function.losses(first, last).mean()
    return Outcome(found, best.order.credible, float(gain), best.order.gain.interval)


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=REPORTED)
    parser.add_argument("--runs", type=int, default=16)
    options = parser.parse_args()
    print(f"regret after {options.runs} runs against the best mixture for the whole run, 1e-3 nats per token")
    for matters in (False, True):
        functions = [Forgetting(seed, matters) for seed in options.seeds]
        best = [function.optimum(tied=True) for function in functions]
        worth = [one - function.optimum(tied=False) for one, function in zip(best, functions, strict=True)]
        print(f"order {'matters' if matters else 'does not matter'}: it is worth {1e3 * np.mean(worth):.2f}")
        for phases in (False, True):
            started = time.process_time()
            found = [search(each, phases=phases, runs=options.runs) for each in functions]
            spent = (time.process_time() - started) / len(found)
            regrets = [1e3 * (each.loss - value) for each, value in zip(found, best, strict=True)]
            error = np.std(regrets) / np.sqrt(len(regrets))
            name = "two phases" if phases else "one mixture"
            print(f"  {name}: {np.mean(regrets):.2f} +- {error:.2f}, {spent:.0f} CPU-s a study")
            print(f"    by seed: {' '.join(f'{each:.2f}' for each in regrets)}", flush=True)
            if phases:
                told(found)


def told(found: list[Outcome]) -> None:
    """Print what studies said of order, beside what is true of the two mixtures that they compared."""
    inside = sum(each.interval[0] <= each.true_gain <= each.interval[1] for each in found)
    claims = sum(each.claimed for each in found)
    false = sum(each.claimed and each.true_gain <= 0.0 for each in found)
    print(f"    the pair gains {1e3 * np.mean([each.true_gain for each in found]):.2f} over the tied mixture, in truth")
    widths = [each.interval[1] - each.interval[0] for each in found]
    print(f"    {inside} of {len(found)} intervals hold it, {1e3 * np.mean(widths):.2f} wide on average")
    print(f"    claimed {claims} times, {false} of them wrong", flush=True)


if __name__ == "__main__":
    main()
