"""Runs of proxies that are kept as rows of a file: what is missing is trained, many in one stack."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bomix.evaluators.proxy import Proxy
from bomix.scale import Scale
from bomix.training.device import process_environment
from bomix.trial import EXPERT, SCORED_TOKENS, Failure, Result, Trial

Row = dict[str, Any]
MIXTURE = "mixture"
"""Origin of a run whose scored tokens nobody needs."""


@dataclass(frozen=True)
class Planned:
    """One run.

    Attributes:
        set: What it is for.
        name: Of its mixture within the set.
        weights: Domain to share; every domain of the proxy.
        seed: Of initial parameters and order.
        scale: Parameters and tokens; None for those of the proxy itself.
        scored: Whether its probability of every validation token is kept, as that of a data expert.
    """

    set: str
    name: str
    weights: dict[str, float]
    seed: int = 0
    scale: Scale | None = None
    scored: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """What no two runs share."""
        return self.set, self.name, self.seed


def in_process_environment(module: str) -> None:
    """Begin a command anew with the variables that a process that trains starts with, unless it has them.

    Args:
        module: Its name, as ``python -m`` takes it.
    """
    if any(os.environ.get(name) != value for name, value in process_environment().items()):
        again = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, **process_environment()})


def with_rate(proxy: Proxy, rate: float) -> Proxy:
    """The same with another learning rate."""
    return replace(proxy, optimization=replace(proxy.optimization, rate=rate))


def kept(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key(row: Row) -> tuple[str, str, int]:
    """What no two rows of one file share."""
    return row["set"], row["name"], row["seed"]


def add(path: Path, rows: Iterable[Row]) -> None:
    """Keep further rows."""
    with path.open("a") as out:
        out.write("".join(json.dumps(row) + "\n" for row in rows))


def missing(path: Path, planned: Iterable[Planned]) -> list[Planned]:
    """The runs that no row tells of, in order."""
    known = {key(row) for row in kept(path)}
    return [run for run in planned if run.key not in known]


def evaluated(
    proxy: Proxy, trials: Sequence[Trial], keep: Sequence[Path | None] | None = None
) -> list[tuple[Result, float]]:
    """Train mixtures as one stack; each result with its part of the CPU-seconds.

    Args:
        proxy: Trains them.
        trials: All of one scale.
        keep: Where the scored tokens of each go; None for none.
    """
    started = time.process_time()
    with TemporaryDirectory(prefix="bomix-runs-") as folder:
        attempts = [(trial, Path(folder) / str(at)) for at, trial in enumerate(trials)]
        for _, workdir in attempts:
            workdir.mkdir()
        found: list[Result] = []
        for (_, workdir), (_, result), place in zip(
            attempts, proxy.evaluate_together(attempts), keep or [None] * len(trials), strict=True
        ):
            assert not isinstance(result, Failure), result.message
            if place is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(workdir / SCORED_TOKENS, place, dirs_exist_ok=True)
            found.append(result)
    cpu = (time.process_time() - started) / len(trials)
    return [(result, round(cpu, 2)) for result in found]


def told(result: Result, cpu_s: float) -> Row:
    """What a row keeps of a result: the losses, those on the way by steps, and what it cost."""
    row: Row = {"losses": {name: round(loss, 5) for name, loss in result.losses.items()}, "cpu_s": cpu_s}
    if result.curve is not None:
        curve = result.curve
        row["curve"] = {
            "steps": [int(step) for step in curve.steps],
            "losses": {name: [round(float(x), 5) for x in losses] for name, losses in curve.losses.items()},
        }
    return row


def rows_of(proxy: Proxy, some: Sequence[Planned], scored: Path | None = None) -> Iterator[Row]:
    """Train runs of one scale as one stack; a row for each.

    Args:
        proxy: Trains them.
        some: The runs.
        scored: Folder that the scored tokens of experts go to.
    """
    trials = [
        Trial(at, run.weights, run.seed, EXPERT if run.scored else MIXTURE, scale=run.scale)
        for at, run in enumerate(some)
    ]
    keep = [scored / f"{run.set}-{run.name}" if scored and run.scored else None for run in some]
    for run, (result, cpu_s) in zip(some, evaluated(proxy, trials, keep), strict=True):
        weights = {name: round(x, 6) for name, x in run.weights.items() if x}
        yield {"set": run.set, "name": run.name, "seed": run.seed, "weights": weights, **told(result, cpu_s)}


def train(
    path: Path,
    proxy: Proxy,
    planned: Iterable[Planned],
    *,
    width: int = 16,
    limit: float = math.inf,
    scored: Path | None = None,
) -> None:
    """Train what is missing, stack by stack, and keep each stack's rows when it ends.

    Args:
        path: The file of rows.
        proxy: Trains them.
        planned: Every run.
        width: Runs of one stack.
        limit: Seconds after which no further stack is begun.
        scored: Folder that the scored tokens of experts go to.
    """
    started = time.monotonic()
    left = missing(path, planned)
    while left and time.monotonic() - started < limit:
        some = [run for run in left if (run.scale, run.set) == (left[0].scale, left[0].set)][:width]
        rows = list(rows_of(proxy, some, scored))
        add(path, rows)
        done = {run.key for run in some}
        left = [run for run in left if run.key not in done]
        print(f"{some[0].set}: {some[-1].name}, {rows[0]['cpu_s']} CPU-s a run, {len(left)} left", file=sys.stderr)
    if not left:
        print(f"{path.name}: nothing is missing", file=sys.stderr)
