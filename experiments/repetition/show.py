"""The tables and the figure of the experiment, from kept results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import grid
import models
import numpy as np
import plan
from grid import Row, mean
from scipy.stats import rankdata

SHORT = (plan.UNMATCHED, plan.MATCHED)
RESAMPLES = 4000
"""Of mixtures, for intervals of rank correlations: more moves no second digit."""
SAMPLED, PROMISING = 4000, 400
"""Mixtures that are looked at for the optimum, and those with the lowest means, of which functions are drawn."""
LEAST_RUNS = 12
"""Runs of the target from which on a model says where it is best."""
TWO_SIDED = 1.959964
"""Standard deviations of 95 %."""


def chosen(rows: Iterable[Row], kind: str, names: Callable[[str], bool] = lambda name: True) -> list[Row]:
    """The runs of a kind whose name is wanted, on the first cut."""
    return [row for row in rows if row["set"] == kind and row["cut"] == plan.SEED and names(row["name"])]


def by_name(rows: Iterable[Row], kind: str) -> dict[str, float]:
    """Objective of each mixture of a kind on the first seed."""
    return {row["name"]: mean(row) for row in chosen(rows, kind) if row["seed"] == plan.SEED}


def kinds(rows: Iterable[Row]) -> list[str]:
    """The kinds of run that there are, the target last."""
    done = {row["set"] for row in rows}
    return [kind for kind in (*SHORT, plan.TARGET) if kind in done]


def noise(rows: Iterable[Row], kind: str) -> float:
    """Standard deviation of the objective over repeats of the uniform mixture; of short runs where there are none."""
    found = [mean(row) for row in chosen(rows, kind, "uniform".__eq__)]
    return float(np.std(found, ddof=1)) if len(found) > 1 else noise(rows, plan.UNMATCHED)


def ranked(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Rank correlation with its 95 % interval by the bootstrap over mixtures."""
    places = np.random.default_rng(0).integers(len(one), size=(RESAMPLES, len(one)))
    low, high = np.nanquantile(_correlations(one[places], other[places]), [0.025, 0.975])
    return float(_correlations(one[None], other[None])[0]), float(low), float(high)


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Rank correlations of ``r x n`` rows, ``r``; NaN where all of a row is one mixture."""
    ranks = [rankdata(values, axis=1) for values in (one, other)]
    centred = [each - each.mean(axis=1, keepdims=True) for each in ranks]
    squares = [(each**2).sum(axis=1) for each in centred]
    scale = np.sqrt(squares[0] * squares[1])
    return np.where(scale > 0.0, (centred[0] * centred[1]).sum(axis=1) / np.where(scale > 0.0, scale, 1.0), np.nan)


def interval(found: tuple[float, float, float]) -> str:
    """A number with its interval."""
    return f"{found[0]:.2f} [{found[1]:.2f}, {found[2]:.2f}]"


# ---- short runs, and the target


def noise_table(rows: Sequence[Row]) -> None:
    """How far mixtures lie apart, and repeats of one."""
    print("| runs | tokens | mixtures | spread | repeats | noise | mean loss, uniform |\n|---|---|---|---|---|---|---|")
    for kind in kinds(rows):
        drawn = [value for name, value in by_name(rows, kind).items() if name.startswith(("fit", "held"))]
        repeats = [mean(row) for row in chosen(rows, kind, "uniform".__eq__)]
        if len(drawn) > 1 and len(repeats) > 1:
            spread = f"{len(drawn)} | {np.std(drawn, ddof=1):.4f}"
            told = f"{len(repeats)} | {noise(rows, kind):.4f} | {np.mean(repeats):.3f}"
            print(f"| {kind} | {plan.tokens_of(kind):,} | {spread} | {told} |")
    recut = [mean(row) for row in rows if row["set"] == plan.MATCHED and row["name"] == "uniform" and row["seed"] == 0]
    print(f"\n{len(recut)} cuts of the matched pools, one seed: sd {np.std(recut, ddof=1):.4f}")


def agreement_table(rows: Sequence[Row]) -> None:
    """How each kind of run ranks the mixtures of another, without any model."""
    pairs = [
        (one, other)
        for one, other in ((plan.UNMATCHED, plan.MATCHED), (plan.UNMATCHED, plan.TARGET), (plan.MATCHED, plan.TARGET))
        if {one, other} <= {*kinds(rows)}
    ]
    shared = [[name for name in by_name(rows, other) if name in by_name(rows, one)] for one, other in pairs]
    heads = (f"{one}, {other} ({len(names)})" for (one, other), names in zip(pairs, shared, strict=True))
    print(f"| loss | {' | '.join(heads)} |\n|---|" + "---|" * len(pairs))
    for loss in ("mean", *plan.DOMAINS):
        cells = []
        for pair, names in zip(pairs, shared, strict=True):
            one, other = (_values(rows, kind, names, loss) for kind in pair)
            cells.append(interval(ranked(one, other)))
        print(f"| {loss} | {' | '.join(cells)} |")


def _values(rows: Sequence[Row], kind: str, names: Sequence[str], loss: str) -> np.ndarray:
    """A loss at named mixtures, over all seeds of each."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for row in chosen(rows, kind, found.__contains__):
        found[row["name"]].append(mean(row) if loss == "mean" else row["losses"][loss])
    return np.array([np.mean(values) for values in found.values()])


def along(rows: Sequence[Row], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The shares of German of the slice that were run, and the objective there over all seeds."""
    done = by_name(rows, kind)
    shares = [share for share in plan.SHARES if f"german={share:g}" in done]
    return np.array(shares), _values(rows, kind, [f"german={share:g}" for share in shares], "mean")


def slice_table(rows: Sequence[Row]) -> None:
    """The objective along the share of German, against its least value, and the best share."""
    print(f"| share of German | {' | '.join(f'{share:g}' for share in plan.SHARES)} | best share |")
    print("|---|" + "---|" * (len(plan.SHARES) + 1))
    for kind in kinds(rows):
        shares, values = along(rows, kind)
        found = dict(zip(shares, values - values.min(), strict=True))
        cells = " | ".join(f"{found[share]:.3f}" if share in found else "" for share in plan.SHARES)
        best, low, high = best_share(shares, values, noise(rows, kind) / (1 if kind == plan.TARGET else 2) ** 0.5)
        print(f"| {kind} | {cells} | {best:.2f} [{low:.2f}, {high:.2f}] |")


def best_share(shares: np.ndarray, values: np.ndarray, sd: float) -> tuple[float, float, float]:
    """The share with the least loss of a cubic in its logarithm; an interval by noise added to each point."""
    at = np.log(shares)
    fine = np.linspace(at[0], at[-1], 400)

    def lowest(y: np.ndarray) -> float:
        return float(np.exp(fine[np.polyval(np.polyfit(at, y, 3), fine).argmin()]))

    drawn = [lowest(values + each) for each in np.random.default_rng(0).normal(0.0, sd, (500, len(values)))]
    return lowest(values), *map(float, np.quantile(drawn, [0.025, 0.975]))


# ---- models of short runs


def model_table(rows: Sequence[Row], fits: Sequence[Row]) -> None:
    """What each model of short runs predicts of short runs that it did not see, and of the target."""
    target = by_name(rows, plan.TARGET)
    print("| short runs | model | rank correlation | RMSE | inside 95 % | rank correlation, target |")
    print("|---|---|---|---|---|---|")
    for fit in fits:
        if fit["model"] == models.CAPPED:  # the same model
            continue
        names = [name for name in fit["predicted"] if name in target]
        at = np.array([fit["predicted"][name][0] for name in names])
        there = interval(ranked(at, np.array([target[name] for name in names]))) if len(names) > 3 else ""
        own = " | | " if fit["model"] == models.ASKED else _short(by_name(rows, fit["kind"]), fit)
        print(f"| {fit['kind']} | {fit['model']} | {own} | {there} |")


def _short(own: dict[str, float], fit: Row) -> str:
    """Three cells about held runs of the kind that a model learnt from."""
    held = [name for name in fit["predicted"] if name.startswith("held")]
    at, sd = np.array([fit["predicted"][name] for name in held]).T
    y = np.array([own[name] for name in held])
    inside = int((np.abs(y - at) <= TWO_SIDED * sd).sum())
    return f"{interval(ranked(at, y))} | {np.sqrt(np.mean((y - at) ** 2)):.4f} | {inside} of {len(held)}"


def optimum(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray, float]:
    """The target's best mixture, draws of where it may be, and its loss, by a process of all its runs."""
    import torch

    model = models.fitted(chosen(rows, plan.TARGET), models.GP(), models.passes(rows, plan.TARGET))
    best, value = model.best(plan.space())
    X = plan.space().sample(SAMPLED, np.random.default_rng(1))
    promising = np.concatenate([best[None], X[model.moments(X)[0].argsort()[:PROMISING]]])
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(plan.SEED)
        drawn = model.model.posterior(torch.as_tensor(promising)).rsample(torch.Size([RESAMPLES // 10]))
    return best, promising[drawn.mean(dim=-1).argmin(dim=-1).numpy()], value


def proposal_table(rows: Sequence[Row], fits: Sequence[Row]) -> None:
    """What each model proposes, and what the target makes of it; a shared run is that of the first of its kind."""
    target = by_name(rows, plan.TARGET)
    least = min(target.values(), default=float("nan"))
    print(f"| proposed by | {' | '.join(plan.DOMAINS)} | target's loss | above the least |")
    print("|---|" + "---|" * (len(plan.DOMAINS) + 2))
    uniform = {"name": "uniform", "run": "uniform", "weights": plan.uniform()}
    for fit in (*fits, uniform):
        loss = target.get(fit["run"])
        told = "| |" if loss is None else f"{loss:.4f} | {loss - least:+.4f} |"
        shares = " | ".join(f"{fit['weights'][name]:.3f}" for name in plan.DOMAINS)
        print(f"| {fit['name']} | {shares} | {told}")


def optimum_table(rows: Sequence[Row], fits: Sequence[Row]) -> None:
    """Where the target is best by a process of all its runs, and how far from there each proposal lies."""
    best, drawn, value = optimum(rows)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    ends = " | ".join(f"{b:.2f} [{x:.2f}, {y:.2f}]" for b, x, y in zip(best, low, high, strict=True))
    print(f"| best by the target's runs | {' | '.join(plan.DOMAINS)} | loss |\n|---|---|---|---|---|---|")
    print(f"| | {ends} | {value:.4f} |\n")
    print("| proposed by | share of the tokens that is elsewhere |\n|---|---|")
    for fit in fits:
        off = sum(abs(fit["weights"][name] - x) for name, x in zip(plan.DOMAINS, best, strict=True)) / 2
        print(f"| {fit['name']} | {off:.2f} |")


def table(rows: Sequence[Row], fits: Sequence[Row]) -> None:
    """Everything that README.md tells."""
    minutes = {kind: sum(row["cpu_s"] for row in rows if (row["set"] == plan.TARGET) == kind) / 60 for kind in (0, 1)}
    long = len(chosen(rows, plan.TARGET))
    print(f"{len(rows) - long} short runs, {minutes[0]:.0f} CPU-minutes; {long} of the target, {minutes[1]:.0f}\n")
    grid.table(rows)
    for part in (noise_table, agreement_table, slice_table):
        print()
        part(rows)
    for part in (model_table, proposal_table):
        print()
        part(rows, fits)
    if long >= LEAST_RUNS:
        print()
        optimum_table(rows, fits)
