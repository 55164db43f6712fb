"""A benchmark in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.benchmark import dataset

if TYPE_CHECKING:
    import xarray as xr

    from bomix.space.polytope import Array


def markdown(found: xr.Dataset) -> str:
    """Regret of the recommended mixture, and seconds per suggestion, one table for each problem.

    ``-0.02 after`` is the median over seeds of :func:`~bomix.benchmark.dataset.trials_to_beat`. Of a pool stand the
    trials until its best mixture was found instead, mean over seeds and standard error.

    Args:
        found: The cells of a benchmark, from :func:`bomix.benchmark.dataset.load`.
    """
    return "\n".join(line for problem in found["problem"].values.tolist() for line in _problem(found, problem))


def _problem(found: xr.Dataset, problem: str) -> Iterator[str]:
    """The lines of one problem."""
    here = found.sel(problem=problem)
    regret = here["regret"].transpose("rule", "method", "seed", "trial").values
    counts = [int(trial) for trial in found["trial"].values if np.isfinite(regret[..., int(trial) - 1]).any()]
    yield f"### {problem}: {int(here['domains'])} domains, {int(here['budget'])} trials ({int(here['design'])})"
    yield ""
    pool = bool(here["found_after"].notnull().any())
    goals = [f"{best} best after" for best in found["best"].values.tolist()] if pool else ["-0.02 after"]
    heads = ["method", "rule", "seeds", *(f"at {count}" for count in counts), *goals, "ask, CPU-s", "recommend"]
    yield _row(heads)
    yield _row(["---", "---", *["---:"] * (len(heads) - 2)])
    for name in found["method"].values.tolist():
        mine = here.sel({"method": name})
        if pool:
            after = [_with_error(values, 1) for values in mine["found_after"].transpose("best", "seed").values]
        else:
            after = [_median(dataset.trials_to_beat(found).sel({"problem": problem, "method": name}).values)]
        times = [*after, _middle(mine["ask_s"].values), _middle(mine["recommend_s"].values)]
        for rule in found["rule"].values.tolist():
            values = mine["regret"].sel(rule=rule).transpose("seed", "trial").values
            seeds = int(np.isfinite(values).any(axis=1).sum())
            if seeds:
                cells = [_with_error(values[:, count - 1]) for count in counts]
                yield _row([name, rule, str(seeds), *cells, *times])
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _with_error(values: Array, decimals: int = 4) -> str:
    """Mean over seeds and its standard error."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else float("nan")
    return f"{known.mean():.{decimals}f}" + (f" ± {error:.{decimals}f}" if np.isfinite(error) else "")


def _middle(values: Array) -> str:
    """Mean of the finite values, two decimals; empty where there is none."""
    known = values[np.isfinite(values)]
    return f"{known.mean():.2f}" if len(known) else ""


def _median(values: Array) -> str:
    """Median of counts, some of them infinite."""
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return ""
    middle = 0.5 * (known[(len(known) - 1) // 2] + known[len(known) // 2])
    return f"{middle:g}" if np.isfinite(middle) else "never"
