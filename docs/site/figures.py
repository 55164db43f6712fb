"""Draws the figures of the concept and how-to pages from bomix's own results: `python docs/site/figures.py [NAME...]`.

What is drawn is either computed here, on functions whose optimum is known, or read from the tables of benchmarks/ and
experiments/, whose commands stand beside them. The files lie beside the pages, as SVG.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy import stats

import bomix
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.objectives.robust import Worst
from bomix.trial import Trial

ROOT = Path(__file__).resolve().parents[2]
INK, TEAL, ORANGE, PURPLE, GREY = "#263238", "#00897b", "#e64a19", "#5e35b1", "#90a4ae"
STYLE = {
    "axes.edgecolor": GREY, "axes.labelcolor": INK, "axes.spines.right": False, "axes.spines.top": False,
    "figure.constrained_layout.use": True, "figure.facecolor": "white", "font.size": 10, "legend.frameon": False,
    "svg.hashsalt": "bomix", "text.color": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip
"""Look of all figures; the salt makes a file the same each time that it is drawn."""
DOMAINS = ("books", "code", "web")
SHARES = np.linspace(0.0, 1.0, 201)
"""Shares of one domain of two, along which functions are drawn."""


def mixtures() -> Figure:
    """Three domains: what a cap allows, where a study looked, what it recommends; shares of tokens and documents."""
    study, problem = _small_study()
    figure, (simplex, bars) = plt.subplots(1, 2, figsize=(8, 3.4), width_ratios=(3, 2))
    corners = np.array([[0.5, 0.866], [1.0, 0.0], [0.0, 0.0]])  # an equilateral triangle, books on top
    simplex.fill(*corners.T, facecolor="none", edgecolor=GREY)
    # The cap of books is a line parallel to the side opposite of its corner.
    cap = dict(zip(problem.space.domains, problem.space.upper, strict=True))["books"]
    allowed = np.array([[0, 1, 0], [0, 0, 1], [cap, 0, 1 - cap], [cap, 1 - cap, 0]]) @ corners
    simplex.fill(*allowed.T, color=TEAL, alpha=0.12, label="allowed")
    tried = problem.space.to_arrays(record.trial.weights for record in study.history.completed) @ corners
    simplex.plot(*tried.T, "o", color=GREY, ms=4, label="tried")
    for name, marker in (("uniform", "s"), ("natural", "D")):
        (place,) = problem.space.to_arrays([problem.anchors()[name]]) @ corners
        simplex.plot(*place, marker, color=INK, ms=6, label=name, mfc="none")
    (best,) = problem.space.to_arrays([study.recommend().weights]) @ corners
    simplex.plot(*best, "*", color=ORANGE, ms=13, label="recommended")
    for name, place, shift in zip(DOMAINS, corners, ((0, 0.03), (0.03, -0.07), (-0.03, -0.07)), strict=True):
        simplex.text(*(place + shift), f"all {name}", ha="center")
    simplex.set(aspect="equal", ylim=(-0.12, 0.95))
    simplex.axis("off")
    simplex.legend(loc="upper left", bbox_to_anchor=(0.72, 1.08), fontsize=8)
    lengths = {"web": 600, "books": 90_000}  # tokens of a document
    documents = np.array([0.5 / each for each in lengths.values()])
    for row, shares in enumerate((documents / documents.sum(), np.array([0.5, 0.5]))):
        bars.barh(row, shares[0], color=TEAL, label="web" if row else None)
        bars.barh(row, shares[1], left=shares[0], color=ORANGE, label="books" if row else None)
    bars.set(yticks=(0, 1), yticklabels=("documents", "tokens"), xlabel="share of the same mixture", xlim=(0, 1))
    bars.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=2)
    return figure


def objectives() -> Figure:
    """Two losses along two domains: the mean has one minimum, the worst of them another."""
    losses = _losses(_function(noise=0.0))
    names = sorted(losses)
    mean = np.mean([losses[name] for name in names], axis=0)
    worst = Worst()(np.stack([losses[name] for name in names], axis=-1), names)
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    for name, colour in zip(names, (TEAL, PURPLE), strict=True):
        axes.plot(SHARES, losses[name], color=colour, lw=1, label=f"loss on {name}")
    for label, value, style in (("mean", mean, "-"), ("worst", worst, "--")):
        axes.plot(SHARES, value, style, color=INK, lw=1.8, label=label)
        axes.plot(SHARES[value.argmin()], value.min(), "*", color=ORANGE, ms=13)
    axes.set(xlabel="share of code, the rest is web", ylabel="nats per token", ylim=(None, mean[len(mean) // 2] + 1.2))
    axes.legend(loc="upper center", ncols=2)
    return figure


def surrogates() -> Figure:
    """A loss along two domains, as the surrogate sees it after four runs and after nine."""
    spec = _function(noise=0.02)
    truth = _losses(_function(noise=0.0))["code"]
    figure, panels = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
    for axes, runs in zip(panels, (4, 9), strict=True):
        study = bomix.Study(["code", "web"], ["code", "web"], seed=0)
        for share in np.linspace(0.06, 0.94, runs):
            weights = {"code": share, "web": 1.0 - share}
            study.add(weights, _measured(spec, weights, seed=runs + round(100 * share)))
        found = study.predict([{"code": share, "web": 1.0 - share} for share in SHARES]).sel(metric="code")
        axes.fill_between(SHARES, found.lower, found.upper, color=TEAL, alpha=0.2, label="95 % interval of a run")
        axes.plot(SHARES, found["mean"], color=TEAL, label="predicted")
        axes.plot(SHARES, truth, "--", color=INK, lw=1, label="true, which nobody sees")
        done = study.history.completed
        told = [record.result.losses["code"] for record in done]
        axes.plot([record.trial.weights["code"] for record in done], told, "o", color=ORANGE, label="runs")
        axes.set(xlabel="share of code", title=f"{runs} runs")
    panels[0].set(ylabel="loss on code, nats per token")
    panels[1].legend(fontsize=8)
    return figure


def experts() -> Figure:
    """How well mixtures that were never trained are ranked, from experiments/mde."""
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    heads, rows = _table(ROOT / "experiments" / "mde" / "README.md", "**Rank correlation on sp+et")
    shown = {"MDE": TEAL, "GP-MDE": ORANGE, "GP": PURPLE, "LightGBM": GREY}
    for name, colour in shown.items():
        points = [(n, value) for n, value in zip(map(float, heads), rows[name], strict=True) if np.isfinite(value)]
        axes.plot(*zip(*points, strict=True), "o-", color=colour, label=name, ms=4)
    axes.set(xlabel="mixtures trained, beside five experts", ylabel="rank correlation", ylim=(0.3, 1.0))
    axes.legend(loc="lower right")
    return figure


def noise() -> Figure:
    """Repeats of one mixture beside different mixtures, from benchmarks/proxy_noise.py."""
    lines = (ROOT / "benchmarks" / "results" / "proxy_noise.jsonl").read_text(encoding="utf-8").splitlines()
    runs = [run for run in map(json.loads, lines) if run["setting"] == "default"]
    repeats = [run["many"]["libraries"] for run in runs if run["run"] == "uniform"]
    others = [run["many"]["libraries"] for run in runs if run["run"] != "uniform" and run["seed"] == 0]
    figure, axes = plt.subplots(figsize=(6.5, 2))
    for row, (values, colour) in enumerate(((repeats, TEAL), (others, ORANGE))):
        axes.plot(values, np.full(len(values), row), "o", color=colour, alpha=0.8)
    labels = (f"uniform mixture,\n{len(repeats)} seeds", f"{len(others)} mixtures,\none seed")
    axes.set(yticks=(0, 1), yticklabels=labels, ylim=(-0.6, 1.6), xlabel="loss on libraries, nats per token")
    return figure


def repetition() -> Figure:
    """How the caps of three domains fall with the tokens of the target run."""
    tokens = {"web": 100e9, "code": 20e9, "books": 2e9}
    targets = np.geomspace(1e9, 200e9, 60)
    spaces = [_problem(tokens, target).space for target in targets]
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    for name, colour in zip(tokens, (TEAL, PURPLE, ORANGE), strict=True):
        caps = [space.upper[space.domains.index(name)] for space in spaces]
        axes.plot(targets, caps, color=colour, label=f"{name}, {tokens[name] / 1e9:.0f}B tokens")
    axes.set(xscale="log", xlabel="tokens of the target run", ylabel="largest weight", ylim=(0, 1.05))
    axes.legend(title="at most 4 passes")
    return figure


def scales() -> Figure:
    """Ranking mixtures at 60M from runs at 1M and some at 60M, from benchmarks/scales.py."""
    lines = (ROOT / "benchmarks" / "results" / "scales_prediction.jsonl").read_text(encoding="utf-8").splitlines()
    cells = [cell for cell in map(json.loads, lines) if cell["table"] == "regmix"]
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    for name, colour in (("small alone", GREY), ("large alone", PURPLE), ("multi_scale", TEAL)):
        ranks: dict[int, list[float]] = {}
        for cell in cells:
            if cell["method"] == name:
                ranks.setdefault(cell["n"], []).append(cell["mean"][0] / 100)
        sizes = sorted(ranks)
        axes.plot(sizes, [np.mean(ranks[n]) for n in sizes], "o-", color=colour, label=name, ms=4)
    axes.set(xlabel="runs at 60M, beside 768 at 1M", ylabel="rank correlation at 60M", ylim=(0.45, 1.0), xlim=(-2, 66))
    axes.legend(loc="lower right")
    return figure


def trials() -> Figure:
    """Regret of the recommendation by trials for each domain, from benchmarks/results/search_table.md."""
    figure, axes = plt.subplots(figsize=(6.5, 3.4))
    text = (ROOT / "benchmarks" / "results" / "search_table.md").read_text(encoding="utf-8")
    for case, colour in (("7-useless", TEAL), ("17-regmix", ORANGE), ("20-useless", PURPLE), ("50-useless", INK)):
        part = next(each for each in text.split("\n### ") if each.startswith(f"{case}:"))
        domains = int(case.split("-")[0])
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line.startswith("|")]
        own = next(row for row in rows if row[:2] == ["bomix", "own"])
        points = [
            (int(head.removeprefix("at ")), float(cell.split("±")[0]))
            for head, cell in zip(rows[0], own, strict=True)
            if head.startswith("at ") and cell
        ]
        x, y = np.array(points).T
        axes.plot(
            x / domains, y, "o-", color=colour, ms=4, label=f"{domains} domains, {x[0]:.0f} to {x[-1]:.0f} trials"
        )
    axes.set(yscale="log", xlabel="trials for each domain", ylabel="regret, nats per token")
    axes.legend()
    return figure


def seeds() -> Figure:
    """Half of the interval of a paired difference by the number of fresh seeds, for three sizes of noise."""
    counts = np.arange(2, 17)
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    for spread, colour in ((0.010, TEAL), (0.020, ORANGE), (0.040, PURPLE)):
        half = stats.t.ppf(0.975, counts - 1) * spread / np.sqrt(counts)
        axes.plot(counts, half, "o-", color=colour, ms=4, label=f"{spread:.3f}")
    axes.set(xlabel="fresh seeds (confirm)", ylabel="half of the 95 % interval", yscale="log", ylim=(0.004, 0.5))
    axes.legend(title="sd of one paired difference")
    return figure


def _function(*, noise: float) -> Synthetic:
    return Synthetic(domains=("code", "web"), seed=3, noise=noise)


def _measured(spec: Synthetic, weights: Mapping[str, float], *, seed: int) -> Mapping[str, float]:
    return spec.evaluate(Trial(id=seed, weights=weights, seed=seed, origin="line"), Path()).losses


def _losses(spec: Synthetic) -> dict[str, np.ndarray]:
    found = [_measured(spec, {"code": share, "web": 1.0 - share}, seed=0) for share in SHARES]
    return {name: np.array([each[name] for each in found]) for name in found[0]}


def _problem(tokens: Mapping[str, float], target: float) -> bomix.Problem:
    domains = {name: bomix.DomainSpec(tokens=count) for name, count in tokens.items()}
    return bomix.Study(domains, ["loss"], target=bomix.TargetSpec(tokens=target)).problem


def _small_study() -> tuple[bomix.Study, bomix.Problem]:
    """A study of three domains, one of them small, after fourteen trials of a known function."""
    domains = {name: bomix.DomainSpec(tokens=n) for name, n in zip(DOMAINS, (2e9, 20e9, 60e9), strict=True)}
    target = bomix.TargetSpec(tokens=20e9)
    study = bomix.Study(domains, DOMAINS, target=target, evaluator=Synthetic(domains=DOMAINS, seed=1), seed=0)
    for _ in range(14):
        trial = study.ask()
        study.tell(trial, _measured(Synthetic(domains=DOMAINS, seed=1), trial.weights, seed=trial.id))
    return study, study.problem


def _table(page: Path, title: str) -> tuple[Sequence[str], dict[str, list[float]]]:
    """Heads and rows of the table below a line of a page; a cell counts by its first number."""
    lines = page.read_text(encoding="utf-8").partition(title)[2].splitlines()[2:]
    block = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[: lines.index("", 1)]]
    rows = {row[0]: [_number(cell) for cell in row[1:]] for row in block[2:]}
    return block[0][1:], rows


def _number(cell: str) -> float:
    return float("nan") if cell == "-" else float(cell.split("±")[0])


FIGURES: Mapping[str, tuple[str, Callable[[], Figure]]] = {
    **{each.__name__: ("concepts", each) for each in (mixtures, objectives, surrogates, experts, noise, repetition)},
    "scales": ("concepts", scales),
    "trials": ("how-to", trials),
    "seeds": ("how-to", seeds),
}
"""Name of a figure to the folder of docs/ that it lies in, and what draws it."""


def main() -> None:
    """Draw some figures, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*FIGURES, []])
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder for theirs; docs/ unless given")
    given = parser.parse_args()
    for name in given.names or FIGURES:
        folder, draw = FIGURES[name]
        (given.out / folder).mkdir(parents=True, exist_ok=True)
        with plt.rc_context(STYLE):
            figure = draw()
            figure.savefig(given.out / folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)


if __name__ == "__main__":
    main()
