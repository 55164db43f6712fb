"""How far mixtures lie apart, against how far repeats of one mixture do: decided the setting of the first demo.

    python experiments/noise/run.py [--workers 1|2] [--out FILE] [--check]

Trains what FILE does not hold yet, a line of JSON each, then prints the table; --check trains nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from bomix.config import study_file
from bomix.config.build import plain
from bomix.evaluators.proxy import Proxy
from bomix.trial import Trial

PROXY = cast(Proxy, study_file.load(Path(__file__).with_name("study.yaml")).ready_evaluator(Path()))
"""The evaluator of the first demo's study file."""
DOMAINS = tuple(sorted(PROXY.sources))
UNIFORM = dict.fromkeys(DOMAINS, 1 / len(DOMAINS))
DRAWS, REPEATS, PAIRED_MIXTURES, PAIRED_SEEDS = 16, 12, 2, 5
SPREAD_SEED = 0


def mixtures() -> list[dict[str, float]]:
    """Uniform draws of the simplex, always the same."""
    shares = np.random.default_rng(0).dirichlet(np.ones(len(DOMAINS)), size=DRAWS)
    return [dict(zip(DOMAINS, map(float, row), strict=True)) for row in shares]


def plan() -> Iterator[tuple[str, dict[str, float], int]]:
    """Name, mixture and seed of every run, those first that the table cannot do without."""
    yield "uniform", UNIFORM, SPREAD_SEED
    for seed in range(1, REPEATS):
        yield "uniform", UNIFORM, seed
    for draw, weights in enumerate(mixtures()):
        yield f"draw{draw:02d}", weights, SPREAD_SEED
    for seed in range(1, PAIRED_SEEDS + 1):
        for draw, weights in enumerate(mixtures()[:PAIRED_MIXTURES]):
            yield f"draw{draw:02d}", weights, seed


def fingerprint() -> str:
    """Changes with the setting and with the tokens: runs of different ones share no table."""
    preparation = PROXY.prepare(DOMAINS)
    entering = json.dumps([plain(PROXY), dict(preparation.provenance)], sort_keys=True)
    return hashlib.sha256(entering.encode()).hexdigest()[:12]


def train(name: str, weights: dict[str, float], seed: int, setting: str) -> dict[str, object]:
    """One run as a line of the results."""
    with TemporaryDirectory() as folder:
        started = time.process_time()
        result = PROXY.evaluate(Trial(0, weights, seed, name), Path(folder))
        cpu = time.process_time() - started
    return {
        "setting": setting,
        "name": name,
        "seed": seed,
        "weights": {key: round(value, 6) for key, value in weights.items()},
        "losses": {key: round(value, 6) for key, value in result.losses.items()},
        "cpu_s": round(cpu, 1),
        "tokens_per_second": result.info["tokens_per_second"],
    }


def table(rows: list[dict[str, object]]) -> str:
    """The table, in Markdown."""
    losses: dict[tuple[str, int], dict[str, float]] = {(r["name"], r["seed"]): r["losses"] for r in rows}  # type: ignore[misc]
    metrics = [*DOMAINS, "mean"]
    runs = {key: [*(found[d] for d in DOMAINS), float(np.mean(list(found.values())))] for key, found in losses.items()}
    draws = np.array([runs[f"draw{i:02d}", SPREAD_SEED] for i in range(DRAWS)])
    repeats = np.array([runs["uniform", seed] for seed in range(REPEATS)])
    paired = [
        np.array([np.subtract(runs[f"draw{i:02d}", seed], runs["uniform", seed]) for seed in range(PAIRED_SEEDS + 1)])
        for i in range(PAIRED_MIXTURES)
    ]
    noise = repeats.std(axis=0, ddof=1)
    lines = [
        f"{len(rows)} runs of {PROXY.steps} steps, {PROXY.scale.params:,} parameters without embeddings; "
        f"median {np.median([r['cpu_s'] for r in rows]):.1f} CPU-s a run",
        "",
        "| loss | uniform | spread | noise | spread / noise (95 %: F) | (bootstrap) | paired noise | spread / it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    pooled = np.sqrt(np.mean([group.var(axis=0, ddof=1) for group in paired], axis=0))
    for column, metric in enumerate(metrics):
        spread = draws[:, column].std(ddof=1)
        low, high = f_interval(spread / noise[column])
        boot_low, boot_high = bootstrap(draws[:, column], repeats[:, column])
        lines.append(
            f"| {metric} | {repeats[:, column].mean():.3f} | {spread:.4f} | {noise[column]:.4f} | "
            f"{spread / noise[column]:.1f} ({low:.1f}-{high:.1f}) | ({boot_low:.1f}-{boot_high:.1f}) | "
            f"{pooled[column]:.4f} | {spread / pooled[column]:.1f} |"
        )
    return "\n".join(lines)


def f_interval(ratio: float) -> tuple[float, float]:
    """Two-sided 95 % interval of a ratio of standard deviations, both samples normal."""
    from scipy.stats import f

    low, high = f.ppf([0.025, 0.975], DRAWS - 1, REPEATS - 1)
    return ratio / high**0.5, ratio / low**0.5


def bootstrap(draws: np.ndarray, repeats: np.ndarray, resamples: int = 20_000) -> tuple[float, float]:
    """Percentile interval of the same, both samples drawn anew."""
    rng = np.random.default_rng(0)
    top = rng.choice(draws, (resamples, len(draws))).std(axis=1, ddof=1)
    bottom = rng.choice(repeats, (resamples, len(repeats))).std(axis=1, ddof=1)
    low, high = np.quantile(top / bottom, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, choices=(1, 2), default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.jsonl"))
    parser.add_argument("--check", action="store_true", help="print the table of what is there")
    args = parser.parse_args()
    from experiments import runs

    rows = runs.kept(args.out)
    if not args.check:
        setting = fingerprint()
        if others := {row["setting"] for row in rows} - {setting}:
            parser.error(
                f"{args.out} holds runs of another setting or other text ({', '.join(others)}); give another --out"
            )
    done = {(row["name"], row["seed"]) for row in rows}
    todo = [run for run in plan() if (run[0], run[2]) not in done]
    if todo and args.check:
        parser.error(f"{args.out} lacks {len(todo)} of the runs; run without --check")
    if todo:
        with ProcessPoolExecutor(args.workers) as pool:
            for future in as_completed([pool.submit(train, *run, setting) for run in todo]):
                rows.append(future.result())
                runs.add(args.out, rows[-1:])
                print(f"{len(rows)}/{len(list(plan()))}", rows[-1], file=sys.stderr, flush=True)
    print(table(rows))


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # a script finds the package that it is in nowhere else
    from experiments import runs

    runs.command(main)
