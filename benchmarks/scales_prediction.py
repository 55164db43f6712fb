"""How well runs of smaller scales predict the largest one: RegMix's 1M and 60M runs, and synthetic functions.

``regmix``: all 768 runs of 1M parameters, and ``n`` of the 256 of 60M, predict the other runs of 60M. Synthetic tables,
``"exponential_power 0.8"`` say: 96 small runs (128 of 17 domains) and ``n`` large ones predict 400 mixtures of
functions whose scales agree in rank as stated; with ``x3`` behind it, three scales, each agreeing with the next, and 24
runs of the middle one. What is judged: the mean of the losses, each loss, and three weighted means each with weights
from a Dirichlet distribution (``weighted``) and signed ones of standardised losses (``contrast``), all drawn once.

Methods: ``small alone`` (the surrogate of the small runs), ``large alone`` (what a study of the large runs predicts
by), ``line + gp`` (a line of each loss in what small runs say, and processes of what it leaves), ``mixed`` (all scales
taken for one), ``botorch`` (its multi-fidelity process, a loss at a time; with ``mixed`` from 128 small runs), and the
surrogates of bomix by their kinds: ``multi_scale``, ``freeze_thaw``, ``anchored``, ``scaling_law`` by its forms (from
128 small runs), ``law + multi_scale`` (the additive law as its mean), ``auto`` (the first three, and the target alone).
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset
from regression import read
from scipy.stats import spearmanr

from bomix.contracts.context import FitContext
from bomix.contracts.surrogate import Surrogate
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.auto import Auto
from bomix.surrogates.combined.auto import Auto as Chosen
from bomix.surrogates.cross_validation.held_out import new_runs
from bomix.surrogates.gp.presets import POOLED
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut
from bomix.surrogates.scales.after_first import AfterFirst
from bomix.surrogates.scales.anchored_spec import Anchored
from bomix.surrogates.scales.fitting import Start, start
from bomix.surrogates.scales.freeze_thaw_spec import FreezeThaw
from bomix.surrogates.scales.law_spec import ScalingLaw
from bomix.surrogates.scales.spec import MultiScale

RESULTS = Path(__file__).resolve().parent / "results" / "scales_prediction.jsonl"
SMALL, MIDDLE, LARGE = Scale(10**6, 10**9), Scale(8 * 10**6, 10**9), Scale(6 * 10**7, 10**9)
FEW = 128
"""Small runs that ``mixed``, ``botorch`` and laws learn from: their time grows with them, some with the cube."""
BETWEEN = 24
"""Runs of the middle one of three scales."""
Array = np.ndarray


@dataclass
class Table:
    """Runs of two scales, and mixtures whose large runs are to be predicted.

    Attributes:
        name: The table, as results name it.
        domains: Names of ``d`` columns of mixtures.
        metrics: Names of ``m`` columns of losses.
        small: Mixtures and losses of the small runs.
        large: The same of the large ones.
        judged: The same of those that are predicted; the losses of runs.
        truth: Losses of the same without noise, where they are known.
        middle: Runs of a scale between them, where there is one.
    """

    name: str
    domains: tuple[str, ...]
    metrics: tuple[str, ...]
    small: tuple[Array, Array]
    large: tuple[Array, Array]
    judged: tuple[Array, Array]
    truth: Array
    middle: tuple[Array, Array] | None = None

    @property
    def quick(self) -> GP:
        """The surrogate of an ask, hyperparameters optimised."""
        return POOLED if min(len(self.domains), len(self.metrics)) >= 12 else GP(draws=0, restarts=1)

    def data(self, *parts: tuple[tuple[Array, Array], Scale | None], target: Scale | None = None) -> tuple[Any, Any]:
        """Runs as a surrogate takes them."""
        X, Y = (np.concatenate([part[0][axis] for part in parts]) for axis in (0, 1))
        scales = tuple(scale for runs, scale in parts for _ in runs[0])
        context = FitContext(
            MixtureSpace(self.domains), self.metrics, tuple(range(len(X))), scales=scales, target=target
        )
        names = {"feature_names": list(self.domains), "outcome_names": list(self.metrics)}
        return SupervisedDataset(torch.as_tensor(X), torch.as_tensor(Y), **names), context


class Small:
    """The model of the small runs, fitted once for all tables that have the same."""

    known: ClassVar[list[Start]] = []

    @classmethod
    def start(cls, table: Table, data: SupervisedDataset, context: FitContext) -> Start:
        """What every surrogate across scales begins with."""
        before = cls.known[0] if cls.known else None
        cls.known = [start(table.quick, data, context=context, seed=0, before=before)]
        return cls.known[0]


def regmix(folder: Path, n: int, draw: int) -> Table:
    """RegMix's runs; ``draw`` says which ``n`` of 60M are known."""
    train, first, second = (read(folder, *which) for which in (("train", "1m"), ("test", "1m"), ("test", "60m")))
    order = np.random.default_rng([draw, 60]).permutation(len(second.weights))
    X, Y = second.weights.numpy(), second.losses.numpy()
    small = tuple(torch.cat(pair).numpy() for pair in ((train.weights, first.weights), (train.losses, first.losses)))
    known, rest = order[:n], order[n:]
    runs = small, (X[known], Y[known]), (X[rest], Y[rest])
    return Table("regmix", second.domains, second.metrics, *runs, truth=Y[rest])  # type: ignore[arg-type]


def synthetic(family: str, agreement: float, n: int, seed: int, *, scales: int = 2) -> Table:
    """Runs of a synthetic function and of one or two scales below it."""
    target = Synthetic(family=family, seed=seed, agreement=agreement)
    d = len(target.domain_names)
    rng = np.random.default_rng([seed, 61])
    even = np.full(d, 1.0 if d < 12 else 0.5)
    drawn = [rng.dirichlet(even, count) for count in (96 if d < 12 else 128, 64, 400, BETWEEN)]
    functions = [replace(target, below=scales - 1), target, target, replace(target, below=1)]
    parts = []
    for which, (function, mixtures) in enumerate(zip(functions, drawn, strict=True)):
        mixtures = mixtures[:n] if which == 1 else mixtures
        losses = [function.observe(row, entropy=[seed, which, i]) for i, row in enumerate(mixtures)]
        parts.append((mixtures, np.array(losses).reshape(len(mixtures), len(target.metrics))))
    name = f"{family} {agreement:g}" + (" x3" if scales == 3 else "")
    between = parts.pop()
    middle = between if scales == 3 else None
    return Table(name, target.domain_names, target.metrics, *parts, truth=target.losses(drawn[2]), middle=middle)


def surrogate(method: str, table: Table) -> Any:
    """The surrogate across scales of a name; None where the method is none."""
    kinds: dict[str, Any] = {"multi_scale": MultiScale, "freeze_thaw": FreezeThaw, "anchored": Anchored}
    across = {name: kind(table.quick) for name, kind in kinds.items()}
    if method == "auto":
        return Chosen((*across.values(), table.quick))
    if method == "law + multi_scale":
        return MultiScale(table.quick, mean=ScalingLaw())
    if method.startswith("scaling_law"):
        return ScalingLaw(method.split()[1])  # type: ignore[arg-type]
    return across.get(method)


def predictions(method: str, table: Table, seed: int = 0) -> HeldOut | None:
    """What a method says of the judged mixtures; None where it is not defined."""
    X, n = torch.as_tensor(table.judged[0]), len(table.large[0])
    few: Any = tuple(part[-FEW:] for part in table.small)
    between = [] if table.middle is None else [(table.middle, MIDDLE)]
    if (chosen := surrogate(method, table)) is not None:
        begins = isinstance(chosen, (AfterFirst, MultiScale)) and "law" not in method
        small = few if "law" in method else table.small
        data, context = table.data((small, SMALL), *between, (table.large, LARGE), target=LARGE)
        if begins:
            begun = Small.start(table, data, context)
            return new_runs(chosen.fit_after(begun, data, context=context, seed=seed), X)
        return new_runs(chosen.fit(data, context=context, seed=seed), X)
    if method == "large alone":
        problem = Problem(MixtureSpace(table.domains), tuple(map(Metric, table.metrics)), Mean())
        return new_runs(_fit(table, Auto().predicting(problem), table.large), X) if n else None
    small_model = Small.start(table, *table.data((table.small, SMALL), (table.large, LARGE), target=LARGE)).base
    if method == "small alone":
        return new_runs(small_model, X)
    if n < 4:
        return None
    if method in ("mixed", "botorch"):
        known = [few, table.large] if table.middle is None else [few, table.middle, table.large]
        if method == "botorch":
            return _botorch(known, X)
        both = tuple(np.concatenate([runs[axis] for runs in known]) for axis in (0, 1))
        return new_runs(_fit(table, table.quick, both), X)
    with torch.no_grad():
        there, here = (
            small_model.mean(Z.unsqueeze(-2)).squeeze(-2).numpy() for Z in (torch.as_tensor(table.large[0]), X)
        )
    lines = [np.polyfit(there[:, j], table.large[1][:, j], 1) for j in range(there.shape[1])]
    at = [
        np.stack([np.polyval(line, values[:, j]) for j, line in enumerate(lines)], axis=1) for values in (there, here)
    ]
    rest = new_runs(_fit(table, table.quick, (table.large[0], table.large[1] - at[0])), X)
    return HeldOut(rest.mean + torch.as_tensor(at[1]), rest.covariance)


def _fit(table: Table, surrogate: Surrogate, runs: Any) -> Any:
    data, context = table.data((runs, None))
    return surrogate.fit(data, context=context, seed=0)


def _botorch(known: list[Any], X: torch.Tensor) -> HeldOut:
    """BoTorch's process over mixture and fidelity, 0 for small runs and 1 for large ones, a loss at a time."""
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskMultiFidelityGP
    from botorch.models.transforms import Normalize, Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    d, means, variances = X.shape[-1], [], []
    fidelities = np.linspace(0.0, 1.0, len(known))
    inputs = np.concatenate(
        [np.c_[runs[0], np.full(len(runs[0]), f)] for f, runs in zip(fidelities, known, strict=True)]
    )
    train, losses = torch.as_tensor(inputs), torch.as_tensor(np.concatenate([runs[1] for runs in known]))
    for column in losses.mT.unsqueeze(-1):
        model = SingleTaskMultiFidelityGP(
            train, column, data_fidelities=[d], outcome_transform=Standardize(1), input_transform=Normalize(d + 1)
        )
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        with torch.no_grad():
            posterior = model.posterior(torch.cat([X, torch.ones(len(X), 1).double()], dim=-1), observation_noise=True)
        means.append(posterior.mean.squeeze(-1).detach())
        variances.append(posterior.variance.squeeze(-1).detach())
    return HeldOut(torch.stack(means, dim=-1), torch.diag_embed(torch.stack(variances, dim=-1)))


def targets(table: Table) -> dict[str, Array]:
    """Name to ``k x m`` coefficients of the losses."""
    m, rng = len(table.metrics), np.random.default_rng(60)
    return {
        "mean": np.full((1, m), 1.0 / m),
        "each": np.eye(m),
        "weighted": rng.dirichlet(np.full(m, 0.5), 3),
        "contrast": rng.normal(size=(3, m)) / table.judged[1].std(axis=0),
    }


def judge(found: HeldOut, table: Table) -> dict[str, list[float]]:
    """For each kind of target: Spearman x 100, NLPD (of values of variance one), coverage x 100, regret (in units)."""
    mean, covariance = found.mean.numpy(), found.covariance.numpy()
    scores = {}
    for name, every in targets(table).items():
        rows = []
        for c in every:
            mu, run, truth = mean @ c, table.judged[1] @ c, table.truth @ c
            sd, unit = np.sqrt(np.einsum("nij,i,j->n", covariance, c, c)), truth.std()
            z = (run - mu) / sd
            nlpd = np.mean(0.5 * z**2 + np.log(sd / unit) + 0.5 * math.log(2.0 * math.pi))
            regret = (truth[mu.argmin()] - truth.min()) / unit
            rows.append([100.0 * spearmanr(mu, truth).statistic, nlpd, 100.0 * (abs(z) <= 1.96).mean(), regret])
        scores[name] = np.mean(rows, axis=0).round(4).tolist()
    return scores


def run(options: Any) -> None:
    """Add what is missing to the results, a line for each method, table and draw."""
    there = {tuple(line[key] for key in KEYS) for line in _lines(options.results)}
    options.results.parent.mkdir(exist_ok=True)
    # Draws outside: the small runs of a draw, or of all, are the same for every number of large ones.
    for draw in range(*map(int, options.draws.split("-"))):
        for n in map(int, options.sizes.split(",")):
            table = regmix(options.data, n, draw) if options.table == "regmix" else None
            if table is None:
                family, agreement, *more = options.table.split()
                table = synthetic(family, float(agreement), n, draw, scales=3 if more == ["x3"] else 2)
            for method in options.methods.split(","):
                if (table.name, method, n, draw) in there:
                    continue
                started = time.process_time()
                found = predictions(method, table)
                if found is None:
                    continue
                line = {"table": table.name, "method": method, "n": n, "draw": draw, **judge(found, table)}
                line["seconds"] = round(time.process_time() - started, 2)
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")


KEYS = ("table", "method", "n", "draw")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def show(options: Any) -> None:
    """Print a table for each kind of target: mean and standard error of Spearman, then NLPD, coverage, regret."""
    lines = _lines(options.results)
    for name in sorted({line["table"] for line in lines}):
        chosen = [line for line in lines if line["table"] == name]
        sizes = sorted({line["n"] for line in chosen})
        for kind in ("mean", "each", "weighted", "contrast"):
            print(f"\n{name}, {kind}\n\n| method | {' | '.join(f'n = {n}' for n in sizes)} |")
            print("|---|" + "---|" * len(sizes))
            for method in dict.fromkeys(line["method"] for line in chosen):
                cells = []
                for n in sizes:
                    rows = np.array([each[kind] for each in chosen if (each["method"], each["n"]) == (method, n)])
                    if not len(rows):
                        cells.append("")
                        continue
                    se = rows[:, 0].std(ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else math.nan
                    middle = rows.mean(axis=0)
                    rest = f"{middle[1]:.2f}, {middle[2]:.0f} %" if method != "small alone" else "-"
                    cells.append(f"{middle[0]:.1f} ± {se:.1f}; {rest}; {middle[3]:.2f}")
                print(f"| {method} | {' | '.join(cells)} |")
