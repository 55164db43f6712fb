"""Surrogates compared on RegMix's published runs: how well they predict mixtures that they have not seen.

    python benchmarks/regression.py run [--kinds gp,ridge] [--sizes 25,64] [--subsets N] [--data FOLDER]
    python benchmarks/regression.py table [--results FILE] [--figure FILE]

FOLDER holds RegMix's tables (github.com/sail-sg/regmix, folder ``data``, MIT licence); by default
``$BOMIX_DATA/regmix``. Each kind learns all 13 losses from random subsets of the 512 training runs (the same for all
kinds: 50 of 25 runs, 20 of 64 and of 128, all 512) and predicts the 256 published test mixtures, trained at 1M and at
60M parameters. ``extrapolation`` learns from 64 runs with at most 30 % of Pile-CC and predicts every run with more.
``default`` is what a study of this size predicts with where no surrogate is named, ``default unnamed`` the same where
its metrics are not named after domains, ``gp`` that kind with its defaults.
``lightgbm on the target`` is RegMix's own way: one regressor per target, the mean of the losses being a target.

Results are appended line by line; what is there already is not run again. One thread.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from botorch.utils.datasets import SupervisedDataset
from scipy.stats import spearmanr

from bomix.config import registry
from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace

SUBSETS = {25: 50, 64: 20, 128: 20, 512: 1}
EXTRAPOLATION = "extrapolation"
LIMIT, LIMITED_RUNS, LIMITED_SUBSETS = 0.3, 64, 20
TARGETS = ("pile_cc", "mean")
GOALS = {
    ("mean", 25): (97.3, 94.0),
    ("mean", 64): (98.7, 95.6),
    ("mean", 128): (99.2, 96.2),
    ("mean", 512): (99.5, 96.5),
    ("pile_cc", 25): (96.5, 96.0),
    ("pile_cc", 64): (98.8, 98.4),
    ("pile_cc", 128): (99.2, 98.8),
    ("pile_cc", 512): (99.6, 99.1),
}
HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "regression.jsonl"


@dataclass(frozen=True)
class Runs:
    """A table: ``n x d`` weights in the order of the space's domains, ``n x m`` losses in nats per token."""

    weights: torch.Tensor
    losses: torch.Tensor
    domains: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def targets(self) -> torch.Tensor:
        """``n x 2``: the loss on Pile-CC, and the mean of all."""
        return torch.stack([self.losses[:, self.metrics.index("pile_cc")], self.losses.mean(dim=-1)], dim=-1)


def read(folder: Path, split: str, scale: str) -> Runs:
    """Join a split's two tables by their key and set the rounded weights right."""
    mixtures = pd.read_csv(folder / f"{split}_mixture_{scale}.csv").set_index("index")
    losses = pd.read_csv(folder / f"{split}_pile_loss_{scale}.csv").set_index("index")
    mixtures = mixtures.filter(like="train_the_pile_").rename(columns=lambda name: name.removeprefix("train_the_pile_"))
    losses = losses.filter(like="metric/").rename(
        columns=lambda name: name.removeprefix("metric/the_pile_").removesuffix("_val_loss")
    )
    order = mixtures.index
    losses = losses.loc[order]
    domains, metrics = tuple(sorted(mixtures.columns)), tuple(losses.columns)
    weights = mixtures[list(domains)].to_numpy()
    return Runs(
        torch.as_tensor(weights / weights.sum(axis=1, keepdims=True)),
        torch.as_tensor(losses.to_numpy(dtype=float)),
        domains,
        metrics,
    )


def predicted(kind: str, train: Runs, rows: np.ndarray, points: list[torch.Tensor]) -> dict[str, Any]:
    """Fit on some rows and predict both targets: means and standard deviations ``n x 2`` for each set of points."""
    on_target = kind == "lightgbm on the target"
    Y = train.targets if on_target else train.losses
    names = TARGETS if on_target else train.metrics
    data = SupervisedDataset(train.weights[rows], Y[rows], feature_names=list(train.domains), outcome_names=list(names))
    context = FitContext(MixtureSpace(train.domains), names)
    started = time.process_time()
    model = spec_of(kind).fit(data, context=context, seed=0)
    fitted = time.process_time()
    moments = []
    with torch.no_grad():
        for X in points:
            posterior = model.posterior(X.unsqueeze(-2), observation_noise=True)
            if on_target:
                moments.append((posterior.mean.squeeze(-2), posterior.variance.squeeze(-2).sqrt()))
                continue
            combine = torch.zeros(2, len(names), dtype=torch.float64)
            combine[0, names.index("pile_cc")], combine[1] = 1.0, 1.0 / len(names)
            covariance = posterior.distribution.covariance_matrix
            variance = torch.einsum("ti,nij,tj->nt", combine, covariance, combine)
            moments.append((posterior.mean.squeeze(-2) @ combine.mT, variance.sqrt()))
    return {"moments": moments, "fit": fitted - started, "predict": time.process_time() - fitted}


def spec_of(kind: str) -> Any:
    """The surrogate behind a row of the table."""
    from bomix.surrogates.regression.specs import LightGBM

    if kind in OTHERS:
        return OTHERS[kind]()
    if kind.startswith("lightgbm"):
        return LightGBM(leaf=20) if kind != "lightgbm" else LightGBM()
    return registry.resolve("surrogate", kind)()


def _law(form: str) -> Callable[[], Any]:
    def build() -> Any:
        from bomix.surrogates.laws.spec import LawRegression

        return LawRegression(form=form)  # type: ignore[arg-type]

    return build


def _default(metric: str = "d") -> Any:
    """What a study of 17 domains and 13 metrics predicts with where none is named; ``d`` names these after domains."""
    from bomix.objectives.weighted import Mean
    from bomix.problem import Metric, Problem
    from bomix.strategies.auto import Auto

    metrics = tuple(Metric(f"{metric}{number}") for number in range(13))
    return Auto().predicting(Problem(MixtureSpace([f"d{number}" for number in range(17)]), metrics, Mean()))


OTHERS: dict[str, Callable[[], Any]] = {
    "default": _default,
    "default unnamed": lambda: _default("m"),
    "law: exponential (DML)": _law("exponential"),
    "law: effective power": _law("effective_power"),
    "law: additive": _law("additive"),
    "law: log-linear": _law("log_linear"),
    "law: BiMix": _law("bimix"),
    "law: AutoScale": _law("autoscale"),
}


def scores(target: torch.Tensor, mean: torch.Tensor, sd: torch.Tensor) -> dict[str, float]:
    """Spearman x 100, mean squared and absolute error, NLPD and coverage of one target."""
    z = (target - mean) / sd
    rank = 0.0 if mean.std() < 1e-12 else spearmanr(target, mean).statistic
    return {
        "spearman": 100.0 * float(rank),
        "mse": float((target - mean).square().mean()),
        "mae": float((target - mean).abs().mean()),
        "nlpd": float((0.5 * z.square() + sd.log()).mean() + 0.5 * math.log(2.0 * math.pi)),
        "coverage": 100.0 * float((z.abs() <= 1.959964).double().mean()),
    }


def unseen(kind: str, n: int, subset: int, folder: Path) -> dict[str, Any]:
    """Learn from a random subset, predict the published test mixtures."""
    train, small, large = read(folder, "train", "1m"), read(folder, "test", "1m"), read(folder, "test", "60m")
    rows = np.random.default_rng([n, subset]).permutation(len(train.weights))[:n]
    found = predicted(kind, train, rows, [small.weights, large.weights])
    line: dict[str, Any] = {"fit": found["fit"], "predict": found["predict"]}
    for scale, runs, (mean, sd) in zip(("1m", "60m"), (small, large), found["moments"], strict=True):
        for i, target in enumerate(TARGETS):
            line[f"{target} {scale}"] = scores(runs.targets[:, i], mean[:, i], sd[:, i])
    return line


def extrapolated(kind: str, subset: int, folder: Path) -> dict[str, Any]:
    """Learn where Pile-CC is at most :data:`LIMIT`, predict every run above it, of both files."""
    train, test = read(folder, "train", "1m"), read(folder, "test", "1m")
    column = train.domains.index("pile_cc")
    low = np.flatnonzero((train.weights[:, column] <= LIMIT).numpy())
    rows = np.random.default_rng([1, subset]).permutation(low)[:LIMITED_RUNS]
    above = [runs.weights[:, column] > LIMIT for runs in (train, test)]
    X = torch.cat([train.weights[above[0]], test.weights[above[1]]])
    targets = torch.cat([train.targets[above[0]], test.targets[above[1]]])
    found = predicted(kind, train, rows, [X])
    mean, sd = found["moments"][0]
    line: dict[str, Any] = {"fit": found["fit"], "predict": found["predict"], "judged": len(X)}
    for i, target in enumerate(TARGETS):
        regret = float(targets[mean[:, i].argmin(), i] - targets[:, i].min())
        line[f"{target} 1m"] = {**scores(targets[:, i], mean[:, i], sd[:, i]), "regret": regret}
    return line


def run(kinds: list[str], sizes: list[str], folder: Path, results: Path, limit: int) -> None:
    """Append what is missing."""
    results.parent.mkdir(parents=True, exist_ok=True)
    done = {(line["kind"], line["size"], line["subset"]) for line in read_results(results)}
    for size in sizes:
        for kind in kinds:
            count = LIMITED_SUBSETS if size == EXTRAPOLATION else SUBSETS[int(size)]
            for subset in range(min(count, limit)):
                if (kind, size, subset) in done:
                    continue
                line = (
                    extrapolated(kind, subset, folder)
                    if size == EXTRAPOLATION
                    else unseen(kind, int(size), subset, folder)
                )
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"kind": kind, "size": size, "subset": subset, **line}) + "\n")
            print(f"{kind}, {size}: {min(count, limit)} subsets", flush=True)


def read_results(path: Path) -> list[dict[str, Any]]:
    """The lines written so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def averaged(lines: list[dict[str, Any]], *keys: str) -> tuple[float, float]:
    """Mean over subsets and its standard error."""
    values = []
    for line in lines:
        value: Any = line
        for key in keys:
            value = value[key]
        values.append(float(value))
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values)), float(error)


def table(results: Path) -> str:
    """Markdown tables of all that was measured."""
    lines = read_results(results)
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    parts = []
    for target in TARGETS:
        parts.append(f"\nSpearman x 100 on 1M / 60M, {target}\n")
        parts.append("| kind | " + " | ".join(f"N={n}" for n in SUBSETS) + " |")
        parts.append("|---" * (1 + len(SUBSETS)) + "|")
        goals = [f"{GOALS[target, n][0]} / {GOALS[target, n][1]}" for n in SUBSETS]
        parts.append("| *goal* | " + " | ".join(goals) + " |")
        for kind in kinds:
            cells = [_ranks(_some(lines, kind, str(n)), target) for n in SUBSETS]
            parts.append(f"| {kind} | " + " | ".join(cells) + " |")
        parts.append(f"\nCoverage of 95 % intervals, NLPD and MSE on 1M, {target}\n")
        parts.append("| kind | " + " | ".join(f"N={n}" for n in SUBSETS) + " |")
        parts.append("|---" * (1 + len(SUBSETS)) + "|")
        for kind in kinds:
            cells = [_spread(_some(lines, kind, str(n)), target) for n in SUBSETS]
            parts.append(f"| {kind} | " + " | ".join(cells) + " |")
    parts.append(f"\nExtrapolation: {LIMITED_RUNS} runs with Pile-CC <= {LIMIT}, judged on all above\n")
    parts.append("| kind | mean: Spearman | mean: regret | Pile-CC: Spearman | Pile-CC: regret |")
    parts.append("|---|---|---|---|---|")
    parts.append("| *goal* | 95 | | | |")
    for kind in kinds:
        if some := _some(lines, kind, EXTRAPOLATION):
            cells = []
            for target in ("mean", "pile_cc"):
                rank, error = averaged(some, f"{target} 1m", "spearman")
                cells += [f"{rank:.1f} ± {error:.1f}", f"{averaged(some, f'{target} 1m', 'regret')[0]:.4f}"]
            parts.append(f"| {kind} | " + " | ".join(cells) + " |")
    parts.append("\nCPU-seconds of a fit, and of predicting 512 mixtures\n")
    parts.append("| kind | " + " | ".join(f"N={n}" for n in SUBSETS) + " |")
    parts.append("|---" * (1 + len(SUBSETS)) + "|")
    for kind in kinds:
        some = [_some(lines, kind, str(n)) for n in SUBSETS]
        cells = [f"{averaged(s, 'fit')[0]:.2f} + {averaged(s, 'predict')[0]:.2f}" if s else "-" for s in some]
        parts.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(parts)


def _some(lines: list[dict[str, Any]], kind: str, size: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == kind and line["size"] == size]


def _ranks(lines: list[dict[str, Any]], target: str) -> str:
    if not lines:
        return "-"
    small, large = averaged(lines, f"{target} 1m", "spearman"), averaged(lines, f"{target} 60m", "spearman")
    error = f" ± {small[1]:.2f}" if len(lines) > 1 else ""
    return f"{small[0]:.2f}{error} / {large[0]:.2f}"


def _spread(lines: list[dict[str, Any]], target: str) -> str:
    if not lines:
        return "-"
    of = f"{target} 1m"
    coverage, nlpd, mse = (averaged(lines, of, name)[0] for name in ("coverage", "nlpd", "mse"))
    return f"{coverage:.1f} %, {nlpd:.2f}, {mse:.5f}"


def figure(results: Path, path: Path) -> None:
    """Spearman against the number of runs, both targets."""
    from matplotlib.figure import Figure

    lines = read_results(results)
    drawn = Figure(figsize=(11, 4.5), layout="constrained")
    axes = drawn.subplots(1, 2)
    for axis, target in zip(axes, TARGETS, strict=True):
        for kind in dict.fromkeys(line["kind"] for line in lines):
            points = [
                (n, *averaged(some, f"{target} 1m", "spearman"))
                for n in SUBSETS
                if (some := _some(lines, kind, str(n)))
            ]
            if points:
                n, rank, error = zip(*points, strict=True)
                axis.errorbar(n, 100.0 - np.array(rank), yerr=error, marker="o", markersize=3, label=kind)
        axis.plot(list(SUBSETS), [100.0 - GOALS[target, n][0] for n in SUBSETS], "k*", label="goal")
        axis.set(xscale="log", yscale="log", xlabel="training runs", ylabel="100 - Spearman x 100", title=target)
        axis.set_xticks(list(SUBSETS), [str(n) for n in SUBSETS])
        axis.minorticks_off()
    axes[1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    drawn.savefig(path, dpi=130)


def main() -> None:
    """Run what is missing, or print what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BOMIX_DATA", ".")) / "regmix")
    parser.add_argument("--kinds", default="gp")
    parser.add_argument("--sizes", default=",".join([*map(str, SUBSETS), EXTRAPOLATION]))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--subsets", type=int, default=50, help="at most so many, for kinds that are slow")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    if options.action == "table":
        print(table(options.results))
        if options.figure:
            figure(options.results, options.figure)
        return
    if not (options.data / "train_mixture_1m.csv").is_file():
        parser.exit(2, f"no tables in {options.data}; see --help for where to get them\n")
    torch.set_num_threads(1)
    run(options.kinds.split(","), options.sizes.split(","), options.data, options.results, options.subsets)


if __name__ == "__main__":
    main()
