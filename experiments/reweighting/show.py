"""The tables and the figure of the experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

DOMAINS = ("code", "dictionary", "german", "prose", "technical")
UNIFORM = "uniform"


class Found:
    """What each method found, and what that is worth.

    Args:
        rows: The lines of results.jsonl.
    """

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.searches = {(row["method"], row["seed"]): row for row in rows if "fresh" not in row}
        self.losses = {(row["method"], row["seed"], row["fresh"]): row["losses"] for row in rows if "fresh" in row}
        self.methods = [*dict.fromkeys(method for method, _, _ in self.losses)]

    def seeds(self, method: str) -> list[int]:
        """Seeds of the searches whose mixtures were trained again."""
        return sorted({seed for name, seed, _ in self.losses if name == method})

    def gains(self, method: str) -> list[np.ndarray]:
        """For each search, and each fresh seed, the mean loss of each kind minus that of uniform on the same seed.

        Returns:
            ``fresh x 3`` each: over all sets, those of the domains, and those from outside.
        """
        found = []
        for seed in self.seeds(method):
            fresh = sorted(f for name, s, f in self.losses if (name, s) == (method, seed))
            both = [(self.losses[method, seed, f], self.losses[UNIFORM, 0, f]) for f in fresh]
            found.append(np.array([np.subtract(means(one), means(other)) for one, other in both]))
        return found


def means(losses: dict[str, float]) -> tuple[float, float, float]:
    """The mean loss over all sets, over those of the domains, and over those from outside; nats per token."""
    own = [losses[name] for name in DOMAINS]
    outside = [loss for name, loss in losses.items() if name not in DOMAINS]
    return float(np.mean([*own, *outside])), float(np.mean(own)), float(np.mean(outside))


def spread(values: np.ndarray) -> str:
    """Mean and standard deviation."""
    return f"{values.mean():+.3f} ± {values.std(ddof=1):.3f}" if len(values) > 1 else f"{values.mean():+.3f}"


def table(rows: list[dict[str, Any]]) -> None:
    """What the mixtures are worth and cost, then the mixtures."""
    found = Found(rows)
    uniform = np.array([means(x) for (name, _, _), x in found.losses.items() if name == UNIFORM])
    print(f"uniform: {uniform[:, 0].mean():.3f} over all ten sets, on {len(uniform)} fresh seeds;")
    print(f"sd over them {uniform[:, 0].std(ddof=1):.3f}\n")
    print("| method | all ten sets | of the domains | from outside | better in | cost, runs | device-s |")
    print("|---|---|---|---|---|---|---|")
    for method in found.methods:
        gains = found.gains(method)
        columns = np.array([each.mean(axis=0) for each in gains]) if len(gains) > 1 else gains[0]
        better = sum(int((each[:, 0] < 0.0).sum()) for each in gains)
        own = [found.searches[method, seed] for seed in found.seeds(method) if (method, seed) in found.searches]
        runs, seconds = (np.mean([row[key] for row in own]) if own else 0.0 for key in ("runs", "seconds"))
        if method != UNIFORM:
            values = " | ".join(spread(column) for column in columns.T)
            print(f"| {method} | {values} | {better} of {sum(map(len, gains))} | {runs:.2f} | {seconds:.0f} |")
    print(f"\n| method | {' | '.join(DOMAINS)} |\n|---|{'---|' * len(DOMAINS)}")
    for method in dict.fromkeys(method for method, _ in found.searches):
        mixtures = np.array(
            [[row["weights"][d] for d in DOMAINS] for (name, _), row in found.searches.items() if name == method]
        )
        shares = zip(mixtures.mean(axis=0), mixtures.std(axis=0, ddof=1), strict=True)
        print(f"| {method} | {' | '.join(f'{mean:.2f} ± {sd:.2f}' for mean, sd in shares)} |")


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Loss minus that of the uniform mixture against cost, a point for each search; and how DoReMi's weights move."""
    from matplotlib import pyplot as plt

    found = Found(rows)
    shown, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    axes[0].axhline(0.0, color="0.7", linewidth=1)
    for at, method in enumerate(method for method in found.methods if method not in (UNIFORM, "natural")):
        gains = [each[:, 0].mean() for each in found.gains(method)]
        costs = [found.searches[method, seed]["runs"] for seed in found.seeds(method)]
        marker = "o" if "runs" not in method else "s"
        axes[0].plot(costs, gains, marker, color=f"C{at}", label=method, alpha=0.8)
    axes[0].set(xscale="log", xlabel="cost of the search, runs of one mixture", ylabel="loss - loss of uniform, nats")
    axes[0].legend(fontsize=7)
    course = found.searches["DoReMi", 0]["course"]
    for domain in DOMAINS:
        axes[1].plot(course["steps"], course["weights"][domain], label=domain)
    axes[1].set(xlabel="step", ylabel="weight", title="DoReMi, seed 0")
    axes[1].legend(fontsize=7)
    shown.savefig(path, dpi=110)
