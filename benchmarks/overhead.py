r"""What a study loses to bomix: idle slots, start and end of a run, and the driver's memory.

    python benchmarks/overhead.py wall [--strategy sobol] [--ahead 1] [--trials 64] [--workers 2] [--seconds 4]
                                     [--execution '{kind: ray, address: local}']
    python benchmarks/overhead.py memory [--trials 5000] [--workers 8] [--in-memory]
    python benchmarks/overhead.py turns [--recorded 50 1000 3000 5000] [--trials 60] [--workers 2]

Trials of ``wall`` sleep, from three quarters to five quarters of ``--seconds``, drawn by the trial's number. The ideal
is the time that the slots need where each takes the next trial at the moment that it is free; what is beyond it is
lost, by where it goes: before the first trial began, between two trials of a slot, after the last one, and in the
recommendation. The driver's CPU-seconds are what an idle machine would lose at most, but for the disk. Trials of
``memory`` do nothing; the driver's resident memory is printed as their number grows. ``turns`` goes on with a study of
which so many trials are recorded already, without having run: what the driver takes for each trial that follows, in
CPU-seconds and in looks at files, of which most are cheap on a local disk and none is on a network's.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import psutil
import yaml

from bomix.contracts.preparation import Preparation
from bomix.execution.observer import Observer
from bomix.problem import Metric
from bomix.trial import Record, Result, Trial

if TYPE_CHECKING:
    from bomix.study.study import Study

METRICS = ("code", "math", "web", "wiki")
"""Losses of a trial: as many as a small study has."""
DOMAINS = tuple(f"d{number}" for number in range(7))
"""Names of the domains."""


@dataclass(frozen=True)
class Sleeping:
    """A training that takes its time and no CPU; its losses are smooth in the mixture.

    Attributes:
        seconds: How long, on average.
    """

    seconds: float = 0.0

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Nothing is built."""
        return Preparation(metrics=tuple(map(Metric, METRICS)))

    def lasts(self, number: int) -> float:
        """How long a trial takes, seconds."""
        return self.seconds * float(np.random.default_rng(number).uniform(0.75, 1.25))

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Sleep."""
        began = time.time()
        time.sleep(self.lasts(trial.id))
        weights = np.array(list(trial.weights.values()))
        losses = [
            2.0 + float(np.exp(-3.0 * (0.1 + weights[place])) + weights[place] ** 2) for place in range(len(METRICS))
        ]
        info = {"slot": os.environ["BOMIX_SLOT"], "began": began, "ended": time.time()}
        return Result(dict(zip(METRICS, losses, strict=True)), cost=time.time() - began, info=info)


class Memory(Observer):
    """Prints the driver's memory as trials end."""

    def __init__(self) -> None:
        self.count, self.since = 0, time.time()

    def ended(self, study: object, record: Record) -> None:
        self.count += 1
        if self.count in (50, 100, 250) or self.count % 500 == 0:
            used = psutil.Process().memory_info().rss / 2**20
            cpu = sum(psutil.Process().cpu_times()[:2])
            print(f"| {self.count} | {used:.1f} | {time.time() - self.since:.1f} | {cpu:.1f} |", flush=True)


class Turns(Observer):
    """Counts what the driver takes from the end of one trial to that of the last; the first ones have imports in them.

    Attributes:
        looks: Calls for the names in a folder, its time of change, or the content of a file, since the run began.
    """

    CALLS = ("stat", "lstat", "listdir", "scandir", "open")
    SKIPPED = 10

    def __init__(self) -> None:
        self.looks, self.ends = 0, list[tuple[float, int]]()

    def ended(self, study: object, record: Record) -> None:
        self.ends.append((time.process_time(), self.looks))

    def each(self) -> tuple[float, float]:
        """CPU-seconds and looks, of each trial behind the first ones."""
        (began, before), (ended, after) = self.ends[self.SKIPPED], self.ends[-1]
        count = len(self.ends) - 1 - self.SKIPPED
        return (ended - began) / count, (after - before) / count

    def counting(self) -> contextlib.ExitStack:
        """Count looks in this block."""
        stack = contextlib.ExitStack()
        for name in self.CALLS:
            stack.enter_context(mock.patch.object(os, name, self._counted(getattr(os, name))))
        return stack

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.looks += 1
            return call(*args, **options)

        return counted


def greedy(lasting: Sequence[float], workers: int) -> float:
    """Seconds that slots need where each takes the next trial as soon as it is free."""
    free = [0.0] * workers
    for seconds in lasting:
        slot = free.index(min(free))
        free[slot] += seconds
    return max(free)


def wall(given: argparse.Namespace, folder: Path) -> None:
    """Print what a run loses, and where."""
    import overhead

    import bomix
    from bomix.study.running import run

    evaluator = overhead.Sleeping(given.seconds)
    began = time.time()
    cpu = time.process_time()
    study = bomix.Study(
        DOMAINS,
        path=folder / "study",
        evaluator=evaluator,
        strategy=strategy_of(given.strategy),
        budget=bomix.BudgetSpec(trials=given.trials),
        execution=execution_of(given.execution, workers=given.workers, ask_ahead=given.ahead),
    )
    run(study.records)
    ran, used = time.time() - began, time.process_time() - cpu
    study.recommend()
    took, whole = time.time() - began, time.process_time() - cpu
    facts = [record.result.info for record in study.history.completed]
    ideal = greedy([evaluator.lasts(number) for number in range(given.trials)], given.workers)
    slots = [sorted((f["began"], f["ended"]) for f in facts if f["slot"] == str(n)) for n in range(given.workers)]
    between = [after[0] - before[1] for slot in slots for before, after in itertools.pairwise(slot)]
    first, last = min(f["began"] for f in facts) - began, began + ran - max(f["ended"] for f in facts)
    print(f"load {os.getloadavg()[0]:.1f}; ideal {ideal:.2f} s; the driver took {used:.1f} CPU-s")
    print(
        f"run {ran:.2f} s: {ran / ideal - 1:.2%} lost; {first:.2f} s before the first trial, {last:.2f} after the last"
    )
    print(f"between trials {sum(between) / given.workers:.2f} s a slot: median {np.median(between):.3f}, ", end="")
    print(f"90 % below {np.quantile(between, 0.9):.3f}, most {max(between):.3f}")
    print(f"with the recommendation {took:.2f} s: {took / ideal - 1:.2%} lost; {whole - used:.1f} CPU-s for it")


def memory(given: argparse.Namespace, folder: Path) -> None:
    """Print the driver's memory as a study grows."""
    import overhead

    import bomix

    print("| trials | MiB | seconds | CPU-seconds |\n|---|---|---|---|")
    bomix.Study(
        DOMAINS,
        path=None if given.in_memory else folder / "study",
        evaluator=overhead.Sleeping(),
        strategy=strategy_of("sobol"),
        budget=bomix.BudgetSpec(trials=given.trials),
        execution=bomix.LocalExecution(workers=given.workers),
    ).run(observer=Memory())


def turns(given: argparse.Namespace, folder: Path) -> None:
    """Print what the driver takes for a trial in studies of some size."""
    import overhead

    import bomix
    from bomix.study.running import run

    print("| recorded | CPU-seconds a trial | looks a trial |\n|---|---|---|")
    for recorded in given.recorded:
        study = bomix.Study(
            DOMAINS,
            path=folder / str(recorded),
            evaluator=overhead.Sleeping(),
            strategy=strategy_of("sobol"),
            budget=bomix.BudgetSpec(trials=recorded + given.trials),
            execution=bomix.LocalExecution(workers=given.workers),
        )
        record(study, recorded)
        told = Turns()
        with told.counting():
            run(study.records, observer=told)
        seconds, looks = told.each()
        print(f"| {recorded} | {seconds:.4f} | {looks:.0f} |", flush=True)


def record(study: Study, count: int) -> None:
    """Record trials that were never run, and no power cut need spare them."""
    draw = np.random.default_rng(0)
    study.records.prepare()
    with mock.patch.object(os, "fsync"):
        for number in range(count):
            weights = dict(zip(DOMAINS, map(float, draw.dirichlet(np.ones(len(DOMAINS)))), strict=True))
            result = Result({name: float(draw.uniform(2, 3)) for name in METRICS}, cost=1.0)
            study.records.store.create(Trial(number, weights, 0, "sobol"), result)


def strategy_of(kind: str) -> object:
    """A strategy with its defaults; only its own module is imported."""
    from bomix.config.registry import resolve

    return resolve("strategy", kind)()


def execution_of(text: str, **options: int) -> object:
    """What `execution` of a study file says, in one line of YAML."""
    from bomix.config.registry import resolve

    said = yaml.safe_load(text)
    return resolve("executor", said.pop("kind", "local"))(**options, **said)


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name, trials, workers in (("wall", 64, 2), ("memory", 5000, 8), ("turns", 60, 2)):
        command = commands.add_parser(name)
        command.add_argument("--trials", type=int, default=trials)
        command.add_argument("--workers", type=int, default=workers)
    commands.choices["wall"].add_argument("--seconds", type=float, default=4.0)
    commands.choices["wall"].add_argument("--strategy", default="sobol")
    commands.choices["wall"].add_argument("--ahead", type=int, default=0)
    commands.choices["wall"].add_argument("--execution", default="{kind: local}")
    commands.choices["memory"].add_argument("--in-memory", action="store_true")
    commands.choices["turns"].add_argument("--recorded", type=int, nargs="+", default=[50, 1000, 3000, 5000])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"wall": wall, "memory": memory, "turns": turns}[given.command](given, Path(folder))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
