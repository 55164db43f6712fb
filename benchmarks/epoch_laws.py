"""How laws predict runs of domains that run out, fitted once to a design: those of bomix, and one by least squares.

    python benchmarks/epoch_laws.py run [--seeds 100-105] [--domains 12 39] [--pools scarce plenty] [--misfits 0 0.2]
    python benchmarks/epoch_laws.py table

The function is the family ``epochs`` (four losses, noise 0.01 in their mean). Every fit sees the same runs: three of
the natural mixture, half of the others drawn about it as RegMix does, half spread over the space; 40 of 12 domains, 80
of 39. R2, coverage of 90 % intervals and the rank correlation are of the true losses of 400 other mixtures made alike.
Regret is the true objective of the mixture whose prediction is lowest above that of the best one, optimism what is
predicted for it below what is true, both as shares of what the best mixture gains over the natural one. What FILE holds
is not run again.

``least squares`` is the law as it was published: for each loss the floor is ``natural - max(gamma (natural - best),
3 sigma)``, the amplitudes are found by non-negative least squares of ``log(y - floor)`` with a ridge, and ``rho``,
``kappa``, ``tau``, ``gamma`` and the ridge by cross-validation of the losses: a coarse grid first, then one after the
other on finer ones. It has no intervals.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from repetition import HELD, METRICS, NINETY, POOLS, lines, mixtures, seeds
from scipy.optimize import nnls
from scipy.stats import spearmanr
from torch import Tensor

from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.laws.convexity import is_convex
from bomix.laws.epochs import CONVEX, benefit, epochs
from bomix.numerics.determinism import deterministic
from bomix.optimization.minimize import Shape, minimise
from bomix.problem import Problem
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.laws.spec import LawRegression
from bomix.trial import Record, Result, Trial

RESULTS = Path(__file__).parent / "results" / "epoch_laws.jsonl"
RUNS = {12: 40, 39: 80}
"""Domains to runs of the design."""
REPEATS = 3
"""Runs of the natural mixture, of which the floor of least squares has its level and its noise."""
FOLDS = 5
"""Folds of the cross-validation of least squares."""
SWEEPS = 3
"""Passes over the settings of least squares, one after the other; the last ones change nothing as a rule."""
LEAST_SQUARES = "least squares"
FORMS = ("epochs", "log_epochs", "effective_power", "log_linear")
FITS = (FORMS[0], LEAST_SQUARES, *FORMS[1:])


GRIDS: Mapping[str, tuple[float, ...]] = {
    "rho": (0.03, 0.06, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0),
    "kappa": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "onset": (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0),
    "gamma": (1.02, 1.1, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0),
    "ridge": (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1),
}
"""What least squares tries one setting after the other; those of the planted laws lie between the first and the
last."""
COARSE: Mapping[str, tuple[float, ...]] = {
    "rho": (0.1, 0.3, 1.0, 3.0),
    "kappa": (0.8,),
    "onset": (2.0, 6.0),
    "gamma": (1.2, 2.0, 4.0),
    "ridge": (1e-4, 1e-2),
}
"""What it tries together, before."""


class Settings(NamedTuple):
    """What least squares searches.

    Attributes:
        rho: Rate of the benefit, over that at which one run of the natural mixture uses it up.
        kappa: Power of the benefit.
        onset: Epochs ``e^tau - 1`` from which on a domain does harm.
        gamma: Height of the natural mixture above the floor, over what the best run gains on it.
        ridge: Factor of the squares of the amplitudes, for each run.
    """

    rho: float
    kappa: float
    onset: float
    gamma: float
    ridge: float


@dataclass(frozen=True)
class LeastSquares:
    """The fit to one loss.

    Attributes:
        E: ``n x d`` epochs.
        y: ``n`` losses.
        natural: Mean loss of the runs of the natural mixture.
        sigma: Standard deviation of those.
        typical: Epochs of the natural mixture, in the geometric mean of the domains.
        fold: ``n`` folds of the cross-validation.
    """

    E: np.ndarray
    y: np.ndarray
    natural: float
    sigma: float
    typical: float
    fold: np.ndarray

    def floor(self, gamma: float) -> float:
        """The floor, below every run or not."""
        return self.natural - max(gamma * (self.natural - float(self.y.min())), 3.0 * self.sigma)

    def features(self, at: Settings) -> np.ndarray:
        """``n x 2 d``: the benefits, negative, and the harms."""
        E, rho, tau = torch.as_tensor(self.E), torch.tensor(at.rho / self.typical), torch.tensor(at.onset).log1p()
        gives = benefit(E, rho, torch.tensor(at.kappa, dtype=torch.float64))
        return np.hstack([-gives.numpy(), CONVEX.value(E, tau).numpy()])

    def amplitudes(self, at: Settings, features: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, float]:
        """``2 d`` amplitudes, and ``c``, of the runs that are used."""
        A, logs = features[used], np.log(self.y[used] - self.floor(at.gamma))
        centre, level = A.mean(axis=0), float(logs.mean())
        damped = np.sqrt(at.ridge * len(A)) * np.eye(A.shape[1])
        found, _ = nnls(np.vstack([A - centre, damped]), np.concatenate([logs - level, np.zeros(len(damped))]))
        return found, level - float(centre @ found)

    def error(self, at: Settings) -> float:
        """Sum of squares of the losses that are left out; infinite where a run lies below the floor."""
        floor, features = self.floor(at.gamma), self.features(at)
        if self.y.min() <= floor:
            return np.inf
        total = 0.0
        for fold in range(FOLDS):
            out = self.fold == fold
            found, c = self.amplitudes(at, features, ~out)
            total += float(np.square(floor + np.exp(c + features[out] @ found) - self.y[out]).sum())
        return total

    def best(self) -> Settings:
        """The settings of least error: of a coarse grid, then one after the other."""
        tried = {at: self.error(at) for at in map(Settings._make, itertools.product(*COARSE.values()))}
        at = min(tried, key=tried.__getitem__)
        for _ in range(SWEEPS):
            before = at
            for name, values in GRIDS.items():
                near = [at._replace(**{name: value}) for value in values]
                tried |= {each: self.error(each) for each in near if each not in tried}
                at = min([at, *near], key=tried.__getitem__)
            if at == before:
                break
        return at

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters of the law, see :mod:`bomix.laws.epochs`, a scalar or ``d`` each."""
        at = self.best()
        found, c = self.amplitudes(at, self.features(at), np.ones(len(self.y), dtype=bool))
        alpha, beta = np.split(found, 2)
        found_at = {"rho": at.rho / self.typical, "kappa": at.kappa, "tau": np.log1p(at.onset)}
        values = {"floor": self.floor(at.gamma), "c": c, "alpha": alpha, "beta": beta, **found_at}
        return {name: np.asarray(value, dtype=float) for name, value in values.items()}


class Fitted(NamedTuple):
    """A fit.

    Attributes:
        mean: ``n x d`` mixtures to ``n x m`` losses.
        sd: ``n x d`` mixtures to ``n x m`` standard deviations; None where there are none.
        shape: What is known of the shape of the mean of the losses.
    """

    mean: Callable[[Tensor], Tensor]
    sd: Callable[[Tensor], Tensor] | None
    shape: Shape

    def objective(self, Z: Tensor) -> Tensor:
        """The mean of the losses, ``n``, of ``n x d`` mixtures."""
        return self.mean(Z).mean(dim=-1)


def by_least_squares(problem: Problem, X: np.ndarray, Y: np.ndarray, *, seed: int) -> Fitted:
    """Fit each of ``n x m`` losses of ``n x d`` mixtures, among them repeats of the natural one."""
    assert problem.natural is not None
    natural = problem.space.to_array(problem.natural)
    passes = problem.space.to_array(problem.passes)
    repeats = np.isclose(X, natural, atol=1e-9).all(axis=1)
    fold = np.random.default_rng(seed).permutation(len(X)) % FOLDS
    typical = float(np.exp(np.log(passes * natural).mean()))
    each = [
        LeastSquares(X * passes, y, float(y[repeats].mean()), float(y[repeats].std(ddof=1)), typical, fold).parameters()
        for y in Y.T
    ]
    parameters = {name: torch.as_tensor(np.stack([one[name] for one in each])) for name in each[0]}
    return Fitted(lambda Z: epochs(Z * torch.as_tensor(passes), parameters, harm=CONVEX), None, "convex")


def by_form(form: str, problem: Problem, history: History, *, seed: int) -> Fitted:
    """A law of bomix."""
    surrogate = LawRegression(form=form)  # type: ignore[arg-type]
    model = surrogate.fit(to_dataset(problem, history), context=fit_context(problem, history), seed=seed)
    m = len(problem.metrics)
    convex = is_convex(model.best, [1.0 / m] * m, problem.domain_count)

    def sd(Z: Tensor) -> Tensor:
        variance: Tensor = model.posterior(Z.unsqueeze(-2)).variance
        return variance.squeeze(-2).sqrt()

    return Fitted(lambda Z: model.mean(Z.unsqueeze(-2)).squeeze(-2), sd, "convex" if convex else "smooth")


def function_of(domains: int, pools: str, misfit: float, seed: int) -> Synthetic:
    """The function of a seed."""
    useless, passes = domains - METRICS, POOLS[pools]
    return Synthetic(
        family="epochs", domains=domains, useless=useless, seed=seed, named=False, misfit=misfit, natural_epochs=passes
    )


def cells(domains: int, pools: str, misfit: float, seed: int, fits: Sequence[str]) -> Iterator[dict[str, object]]:
    """Fit and predict, a line for each fit."""
    function = function_of(domains, pools, misfit, seed)
    problem = function.problem()
    natural = problem.space.to_array(problem.anchors()["natural"])
    X = np.vstack([np.tile(natural, (REPEATS, 1)), mixtures(problem, RUNS[domains] - REPEATS, seed=2 * seed)])
    Y = np.array([function.observe(x, entropy=[seed, number]) for number, x in enumerate(X)])
    history = recorded(problem, X, Y)
    held = mixtures(problem, HELD, seed=2 * seed + 1)
    true, least = function.losses(held), function.optimum()[1]
    gain = float(function.value(natural)) - least
    for name in fits:
        started = time.process_time()
        with deterministic():
            if name == LEAST_SQUARES:
                fitted = by_least_squares(problem, X, Y, seed=seed)
            else:
                fitted = by_form(name, problem, history, seed=seed)
            spent = time.process_time() - started
            best = minimise(fitted.objective, problem.space, shape=fitted.shape, seed=seed, near=X)
            with torch.no_grad():
                mean = fitted.mean(torch.as_tensor(held)).numpy()
                sd = None if fitted.sd is None else fitted.sd(torch.as_tensor(held)).numpy()
        value = float(function.value(best.point))
        yield {
            "domains": domains,
            "pools": pools,
            "misfit": misfit,
            "seed": seed,
            "fit": name,
            "r2": float((1.0 - np.square(mean - true).mean(axis=0) / true.var(axis=0)).mean()),
            "rank": float(spearmanr(mean.mean(axis=1), true.mean(axis=1)).statistic),
            "regret": (value - least) / gain,
            "optimism": (value - best.value) / gain,
            "covered": None if sd is None else float((np.abs(mean - true) < NINETY * sd).mean()),
            "cpu_s": round(spent, 2),
        }


def recorded(problem: Problem, X: np.ndarray, Y: np.ndarray) -> History:
    """Runs as a study has them."""
    history = History()
    for number, (x, y) in enumerate(zip(X, Y, strict=True)):
        losses = Result(dict(zip(problem.metric_names, y.tolist(), strict=True)))
        history = history.with_record(Record(Trial(number, problem.space.to_weights(x), number, "design"), losses))
    return history


def key(row: Mapping[str, object]) -> tuple[object, ...]:
    """What tells a line from others."""
    return row["domains"], row["pools"], row["misfit"], row["seed"], row["fit"]


def run(options: argparse.Namespace) -> None:
    """Fit what the file does not hold yet."""
    torch.set_num_threads(1)
    done = {key(row) for row in lines(options.out)}
    options.out.parent.mkdir(exist_ok=True)
    for seed in seeds(options.seeds):
        for at in itertools.product(options.domains, options.pools, options.misfits):
            missing = [name for name in options.fits if (*at, seed, name) not in done]
            for row in cells(*at, seed, missing) if missing else ():
                with options.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def table(options: argparse.Namespace) -> None:
    """Print means over seeds, of regret with its standard error; of R2, which one far prediction may sink, medians."""
    rows = [row for row in lines(options.out) if row["seed"] in set(seeds(options.seeds))]
    print("| domains, pools, misfit | fit | R2, worst | rank | regret | optimism | covered | CPU-s | seeds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for at in itertools.product(options.domains, options.pools, options.misfits):
        for name in options.fits:
            own = [row for row in rows if (row["domains"], row["pools"], row["misfit"], row["fit"]) == (*at, name)]
            if own:
                print(f"| {at[0]}, {at[1]}, {at[2]:g} | {name} | {_cells(own)} | {len(own)} |")


def _cells(rows: Sequence[Mapping[str, object]]) -> str:
    """The figures of a row of the table."""
    names = ("r2", "rank", "regret", "optimism", "cpu_s")
    column = {name: np.array([float(str(row[name])) for row in rows]) for name in names}
    error = column["regret"].std(ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else 0.0
    covered = [float(str(row["covered"])) for row in rows if row["covered"] is not None]
    return (
        f"{np.median(column['r2']):.3f}, {column['r2'].min():.2f} | {column['rank'].mean():.3f} "
        f"| {column['regret'].mean():.3f} ± {error:.3f} "
        f"| {column['optimism'].mean():+.3f} | {f'{np.mean(covered):.2f}' if covered else ''} "
        f"| {column['cpu_s'].mean():.1f}"
    )


def main() -> None:
    """Run or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--seeds", default="100-105", help="first and last")
    parser.add_argument("--domains", type=int, nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--pools", nargs="+", default=list(POOLS), choices=list(POOLS))
    parser.add_argument("--misfits", type=float, nargs="+", default=[0.0, 0.2])
    parser.add_argument("--fits", nargs="+", default=list(FITS), choices=list(FITS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    (run if options.what == "run" else table)(options)


if __name__ == "__main__":
    main()
