"""Tables of the fits: the paper's Figure 2 and its learning curve, and what experts say that weights do not."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np

from experiments import runs
from experiments.mde import expert_tokens, fits, swarm
from experiments.mde.resampling import (
    Interval,
    drawn,
    interval,
    rank_correlations,
    ranked,
    shown,
    square_errors,
    table,
)

JUDGED_BY = (swarm.SP, swarm.ET, swarm.BOTH)
LEAST = 16
"""Mixtures below which an interval of a rank correlation says nothing."""
COMPARED = (("GP", "MDE"), ("DML", "MDE"), ("GP-MDE", "MDE"))
"""The experts alone, eight models, beside regressors that learn from 25."""
RAW = "MDE, raw"
LINES = {
    RAW: (False, False, False),
    "MDE, a + L": (True, False, False),
    "MDE, a + b L": (True, True, False),
    "MDE, a + b L through the experts too": (True, True, True),
}
"""Title to whether a level is fitted, a slope, and whether the experts are points of the line."""
Predicted = dict[tuple[str, int], list[tuple[int, dict[str, list[float]]]]]


@cache
def predicted() -> Predicted:
    """Method and models to each split with what it predicts of the held mixtures."""
    found: Predicted = defaultdict(list)
    for row in runs.kept(fits.FITS):
        found[row["method"], row["trained"]].append((row["split"], row["predicted"]))
    return found


@cache
def draws(n: int, splits: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of ``n`` mixtures, and the weights of ``splits`` splits that are drawn as well."""
    return drawn(n), drawn(splits, seed=1) / splits


def over_splits(score: str, method: str, trained: int, criterion: str, truth: np.ndarray) -> np.ndarray:
    """A score's mean over splits, for every draw of mixtures and splits; the first is that of all."""
    some = predicted()[method, trained]
    counts, shares = draws(len(truth), len(some))
    judge = {"rank": rank_correlations, "mse": square_errors}[score]
    found = []
    for split, each in some:
        # A constant does not depend on the split: MDE alone is judged on the same mixtures as the others.
        inside = np.isin(np.arange(len(truth)), fits.judged(split))
        found.append(judge(np.array(each[criterion]), truth, counts * inside))
    return np.asarray((np.stack(found, axis=1) * shares).sum(axis=1))


def figure2() -> None:
    """Rank correlation and mean square error of every regressor, with and without experts, and what they add."""
    if not runs.kept(fits.FITS):
        print("\nNo fit is kept yet: `python -m experiments.mde.eight fit`.")
        return
    truth = {name: swarm.losses(swarm.of("held", "0.3M")) @ swarm.CRITERIA[name] for name in JUDGED_BY}
    every = [name for pair in fits.PAIRS for name in pair] + list(fits.ALONE)
    every = [name for name in every if (name, fits.TRAINED) in predicted()]
    _noise()
    few = min(len(predicted()[name, fits.TRAINED]) for name in every)
    splits = "five splits" if few == fits.SPLITS else f"{few} to five splits, as far as they are fitted"
    for score, digits, scale, title in (
        ("rank", 2, 1.0, "Rank correlation"),
        ("mse", 2, 1000.0, "Mean square error x 1000"),
    ):
        rows = [
            [name]
            + [
                shown(interval(scale * over_splits(score, name, fits.TRAINED, each, truth[each])), digits)
                for each in JUDGED_BY
            ]
            for name in every
        ]
        rows += _lines(truth) if score == "mse" else []
        table(f"{title}, 25 models, 48 held mixtures, {splits}:", ["method", *JUDGED_BY], rows)
    _gains(truth)


def _noise() -> None:
    """What another seed does to the same mixtures: the ceiling of a rank correlation, the floor of an error."""
    again = swarm.of("held", "0.3M", seed=1)
    if len(again) < 3:
        print("\nThe held mixtures' second seeds are not trained yet.")
        return
    first = {row["name"]: row for row in swarm.of("held", "0.3M")}
    one, two = swarm.losses([first[row["name"]] for row in again]), swarm.losses(again)
    rows = []
    for name in (*JUDGED_BY, "kernel"):
        by = swarm.CRITERIA.get(name, np.array([each == name for each in swarm.NAMES], dtype=float))
        a, b = one @ by, two @ by
        r = float(np.corrcoef(a, b)[0, 1])
        noise = float(np.std(a - b, ddof=1)) / 2**0.5
        spread = float((swarm.losses(list(first.values())) @ by).std(ddof=1))
        cells = [f"{spread:.4f}", f"{noise:.4f}", f"{1000 * noise**2:.2f}", f"{max(r, 0.0) ** 0.5:.3f}"]
        rows.append([name, *cells, shown(ranked(a, b))])
    head = ["criterion", "spread", "noise", "noise² x 1000", "ceiling", "rank correlation of two seeds"]
    table(f"Noise of a run, from {len(again)} mixtures on a second seed:", head, rows)


def _lines(truth: dict[str, np.ndarray]) -> list[list[str]]:
    """Errors of the experts' own prediction: as it is, shifted, and after a line that 25 models fix."""
    rows = []
    for title in LINES:
        cells = [shown(interval(1000 * _after_line(title, name, truth[name]))) for name in JUDGED_BY]
        rows.append([title, *cells])
    return rows


def _after_line(title: str, criterion: str, truth: np.ndarray) -> np.ndarray:
    """Square error of the experts' own prediction after one of :data:`LINES`, as :func:`over_splits` has it."""
    held = expert_tokens.mde("0.3M", swarm.weights(swarm.of("held", "0.3M")), swarm.NAMES) @ swarm.CRITERIA[criterion]
    counts, shares = draws(len(truth), fits.SPLITS)
    found = []
    for split in range(fits.SPLITS):
        a, b = _line(split, criterion, *LINES[title])
        inside = np.isin(np.arange(len(held)), fits.judged(split))
        found.append(square_errors(a + b * held, truth, counts * inside))
    return np.asarray((np.stack(found, axis=1) * shares).sum(axis=1))


def _line(split: int, criterion: str, level: bool, slope: bool, with_experts: bool) -> tuple[float, float]:
    """Level and slope by least squares over the mixtures of a split, and its experts where they are wanted."""
    some = fits.learnt(split, fits.TRAINED) + (swarm.of("experts", "0.3M") if with_experts else [])
    by = swarm.CRITERIA[criterion]
    real, expected = swarm.losses(some) @ by, expert_tokens.mde("0.3M", swarm.weights(some), swarm.NAMES) @ by
    if not slope:
        return float((real - expected).mean()) if level else 0.0, 1.0
    b, a = np.polyfit(expected, real, 1)
    return float(a), float(b)


def _gains(truth: dict[str, np.ndarray]) -> None:
    """What the experts' features add to each regressor, and how the experts alone compare."""
    rows = []
    for without, with_ in (*fits.PAIRS, *COMPARED):
        if any((name, fits.TRAINED) not in predicted() for name in (without, with_)):
            continue
        cells = []
        for score, digits, scale in (("rank", 2, 1.0), ("mse", 2, 1000.0)):
            for name in (swarm.SP, swarm.BOTH):
                both = [over_splits(score, each, fits.TRAINED, name, truth[name]) for each in (with_, without)]
                cells.append(shown(interval(scale * (both[0] - both[1])), digits, signed=True))
        rows.append([with_, without, *cells])
    cells = []
    for name in (swarm.SP, swarm.BOTH):
        apart = _after_line(RAW, name, truth[name]) - over_splits(
            "mse", "empirical mean", fits.TRAINED, name, truth[name]
        )
        cells.append(shown(interval(1000 * apart), signed=True))
    rows.append([RAW, "empirical mean", "", "", *cells])
    head = ["method", "less", f"rank, {swarm.SP}", f"rank, {swarm.BOTH}", f"MSE, {swarm.SP}", f"MSE, {swarm.BOTH}"]
    table("What experts add (differences; mean square errors x 1000):", head, rows)


def curve() -> None:
    """Fits to runs of the smallest size, judged by held mixtures' losses at a larger one."""
    for size in ("3M", "1M"):
        real = swarm.of("held", size)
        if len(real) < LEAST:
            print(f"\nOf the held mixtures of {size}, {len(real)} are trained yet: too few to rank.")
            continue
        by_name = {row["name"]: at for at, row in enumerate(swarm.of("held", "0.3M"))}
        places = [by_name[row["name"]] for row in real]
        for criterion in (swarm.SP, swarm.BOTH):
            head = ["method", *map(str, (fits.EXPERTS, *fits.CURVE))]
            rows = curve_rows(criterion, places, swarm.losses(real) @ swarm.CRITERIA[criterion])
            same = swarm.losses([swarm.of("held", "0.3M")[at] for at in places]) @ swarm.CRITERIA[criterion]
            reached = shown(ranked(same, swarm.losses(real) @ swarm.CRITERIA[criterion]))
            title = f"Rank correlation of {criterion} with {len(real)} held mixtures at {size}, by models of 0.3M"
            table(f"{title} (their own losses reach {reached}):", head, [[name, *cells] for name, cells in rows])


def curve_rows(criterion: str, places: list[int], truth: np.ndarray) -> list[tuple[str, list[str]]]:
    """A method's cells, by number of models."""
    found = []
    for method in ("MDE", *fits.CURVED):
        cells = []
        for count in (fits.EXPERTS, *fits.CURVE):
            if count == fits.EXPERTS and method != "MDE":
                cells.append("")
                continue
            value = curve_point(method, count, criterion, places, truth)
            cells.append("" if value is None else shown(value))
        found.append((method, cells))
    return found


def curve_point(method: str, count: int, criterion: str, places: list[int], truth: np.ndarray) -> Interval | None:
    """Mean over splits of the rank correlation; None where no fit is kept. Experts alone learn from no mixture."""
    some = predicted().get((method, fits.EXPERTS if method == "MDE" else count), [])
    if not some:
        return None
    counts, shares = draws(len(truth), len(some))
    found = [rank_correlations(np.array(each[criterion])[places], truth, counts) for _, each in some]
    return interval((np.stack(found, axis=1) * shares).sum(axis=1))


def control() -> None:
    """How much of the experts' prediction a regression on the weights alone finds, on held mixtures."""
    from experiments.regmix import plan

    drawn_ = plan.mixtures(plan.FITTED + plan.HELD)
    every = np.array([[each[name] for name in plan.DOMAINS] for each in drawn_])
    fit, held = every[: plan.FITTED], every[plan.FITTED :]
    given, asked = (expert_tokens.mde("0.3M", some, swarm.NAMES) for some in (fit, held))
    rows = []
    for title, model in (("linear in w", _linear), ("quadratic in w", _quadratic), ("GP on w", _process)):
        for count in (17, 64, 256):
            if model is _quadratic and count == 17:
                continue  # 36 coefficients
            guess = model(fit[:count], given[:count], held)
            counts = drawn(len(held))
            cells = []
            for name in JUDGED_BY:
                by = swarm.CRITERIA[name]
                cells.append(shown(interval(_explained(guess @ by, asked @ by, counts))))
            each = [_explained(guess[:, at], asked[:, at], counts) for at in range(len(swarm.NAMES))]
            rows.append([title, str(count), *cells, shown(interval(np.mean(each, axis=0)))])
    head = ["regression", "mixtures", *JUDGED_BY, "mean of the 12"]
    table("R2 of the MDE features given the weights, on 64 held mixtures:", head, rows)


def _explained(guess: np.ndarray, real: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """R2 for every draw of mixtures."""
    total = counts.sum(axis=1, keepdims=True)
    mean = counts @ real / total[:, 0]
    spread = (counts * (real[None, :] - mean[:, None]) ** 2).sum(axis=1)
    return np.asarray(1 - square_errors(guess, real, counts) * total[:, 0] / spread)


def _linear(X: np.ndarray, Y: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.asarray(at @ np.linalg.lstsq(X, Y, rcond=None)[0])


def _quadratic(X: np.ndarray, Y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights sum to one, so that the 36 products hold linear terms and a constant."""
    one, other = np.triu_indices(X.shape[1])
    return _linear(X[:, one] * X[:, other], Y, at[:, one] * at[:, other])


def _process(X: np.ndarray, Y: np.ndarray, at: np.ndarray) -> np.ndarray:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel(1.0, (1e-3, 1e6)) * RBF(1.0, (0.05, 50.0)) + WhiteKernel(1e-4, (1e-9, 1.0))
    found = GaussianProcessRegressor(kernel, normalize_y=True).fit(np.sqrt(X), Y)
    return np.asarray(found.predict(np.sqrt(at)))
