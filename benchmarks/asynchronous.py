r"""What is lost where trials run side by side: each ask knows less, and slots wait for asks.

    python benchmarks/asynchronous.py run --out FILE [--problems 7-useless 20-useless] [--slots 1 2 8 32] \
        [--ahead 0 1] [--seeds 100 101]
    python benchmarks/asynchronous.py table FILE ...

The driver is bomix's own; what it drives is a simulated machine whose clock stands still but for trials and asks, so
that nothing sleeps. A trial takes 1 on average (lognormal, the logarithm's standard deviation 0.3, drawn by the trial's
number, the same in every cell of a seed), an ask 0.01. Losses are those of ``kind: synthetic``. After every eighth
trial that came back a recommendation is made, outside of that time, and judged by its true regret.

Seeds from 100 on are for reporting; choose by others. Files are appended to; a cell that is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bomix.contracts.executor import Attempt, Ended
from bomix.execution.driver import drive
from bomix.execution.observer import Observer
from bomix.study.running import RunningStudy

PROBLEMS: dict[str, dict[str, Any]] = {
    "7-useless": {"domains": 7, "useless": 2},
    "20-useless": {"domains": 20, "useless": 8},
    "7-mean": {"domains": 7, "useless": 2, "groups": 1},
}
"""Name of a problem to the fields of its function."""
TRIALS = {"7-useless": 48, "20-useless": 64, "7-mean": 48}
"""Budget of a search: twice what 32 slots begin with at once, or somewhat less."""
EVERY = 8
"""Trials between two recommendations."""
ASK, SPREAD = 0.01, 0.3
"""Time of an ask, and the standard deviation of the logarithm of a trial's, both with a mean trial as the unit."""


class Clock:
    """The time of the simulated machine, in mean trials."""

    now = 0.0


@dataclass(frozen=True)
class Simulated:
    """An execution on a simulated machine, see :class:`bomix.contracts.executor.Execution`.

    Attributes:
        slots: Trials at a time.
        ask_ahead: See :class:`bomix.contracts.executor.ExecutionTraits`.
        seed: Of the durations.
        clock: The machine's.
        attempts, max_failures: No trial fails.
    """

    slots: int = 1
    ask_ahead: int = 0
    seed: int = 0
    clock: Clock = field(default_factory=Clock)
    attempts: int = 1
    max_failures: int = 1

    def start(self, evaluator: Any, *, folder: Path | None) -> Machine:
        """The running machine."""
        return Machine(evaluator, self)


class Machine:
    """Runs trials by the clock, see :class:`bomix.contracts.executor.Executor`."""

    def __init__(self, evaluator: Any, how: Simulated) -> None:
        self._evaluator, self._how = evaluator, how
        self._running: list[tuple[float, int, Any]] = []
        self._free_since = [0.0] * how.slots
        how.clock.idle = 0.0

    @property
    def free(self) -> int:
        """Slots without a trial."""
        return self._how.slots - len(self._running)

    def reattach(self, pending: Sequence[Any]) -> tuple[Any, ...]:
        """Nothing runs on."""
        return ()

    def submit(self, trial: Any, attempt: Attempt) -> None:
        """Start a trial now."""
        clock = self._how.clock
        draw = np.random.default_rng([self._how.seed, trial.id]).normal()
        self._running.append((clock.now + math.exp(SPREAD * draw - SPREAD**2 / 2), trial.id, trial))
        clock.idle += clock.now - self._free_since.pop(0)

    def events(self, timeout: float) -> Iterator[Ended]:
        """What has ended; where nothing has and one may wait, the clock goes on to the next end."""
        clock = self._how.clock
        if self._running and timeout > 0:
            clock.now = max(clock.now, min(self._running)[0])
        for end in sorted(each for each in self._running if each[0] <= clock.now):
            self._running.remove(end)
            self._free_since.append(end[0])
            yield Ended(end[2], self._evaluator.evaluate(end[2], Path()))

    def cancel(self, trial: Any) -> None:
        """Nothing is cancelled here."""

    def close(self) -> None:
        """Nothing is held."""


class Timed(RunningStudy):
    """A study whose asks take time."""

    def ask(self, *, expert: bool = False) -> Any:
        trial = super().ask(expert=expert)
        self.spec.execution.clock.now += ASK
        return trial


class Judge(Observer):
    """Notes the regret of what would be recommended.

    Args:
        function: What is searched.
        surrogate: What recommends.
        seed: Of the study.
    """

    def __init__(self, function: Any, surrogate: Any, seed: int) -> None:
        self.function, self.surrogate, self.seed = function, surrogate, seed
        self.path: list[tuple[int, float, float]] = []

    def ended(self, study: Any, record: Any) -> None:
        from bomix.numerics.determinism import deterministic
        from bomix.recommendation.decision import decide

        count = len(study.history.completed)
        if count % EVERY or count < 2 * EVERY:
            return
        with deterministic():
            found = decide(study.problem, study.history, self.surrogate, seed=self.seed)
        now = study.spec.execution.clock.now
        self.path.append((count, round(now, 4), float(self.function.regret(found.point))))


def run(problem: str, slots: int, ahead: int, seed: int) -> dict[str, Any]:
    """One search: its regrets, its time, and the time that slots were idle."""
    from bomix.config.budget import BudgetSpec
    from bomix.evaluators.synthetic.spec import Synthetic
    from bomix.strategies.bayesian.whole_space import Bayesian
    from bomix.study.study import Study
    from bomix.surrogates.gp.spec import GP

    started = time.process_time()
    function = Synthetic(**PROBLEMS[problem], seed=seed)
    surrogate = GP(draws=0, restarts=1, growth=0.1)
    execution = Simulated(slots, ahead, seed)
    study = Study(
        function.domain_names,
        evaluator=function,
        strategy=Bayesian(surrogate=surrogate),
        budget=BudgetSpec(trials=TRIALS[problem]),
        execution=execution,
        seed=seed,
    )
    judge = Judge(function, surrogate, seed)
    drive(Timed(study.records), observer=judge)
    clock = execution.clock
    return {
        "cell": [problem, slots, ahead, seed],
        "path": judge.path,
        "wall": round(clock.now, 4),
        "idle": round(clock.idle / (clock.now * slots), 5),
        "cpu_s": round(time.process_time() - started, 1),
    }


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Lines of a table: regret beside that of one slot, and the time that it took."""
    yield "| problem | slots | ahead | seeds | regret, mnat | of sequential's | to the same number of trials | idle |"
    yield "|---|---|---|---|---|---|---|---|"
    by = {tuple(row["cell"]): row for row in rows}
    for problem, slots, ahead in sorted({cell[:3] for cell in by}):
        seeds = [s for *rest, s in by if tuple(rest) == (problem, slots, ahead) and (problem, 1, 0, s) in by]
        own = np.array([_log_regrets(by[problem, slots, ahead, seed]) for seed in seeds])
        sequential = np.array([_log_regrets(by[problem, 1, 0, seed]) for seed in seeds])
        if not seeds:
            continue
        ratio = (own - sequential).mean(axis=1)
        error = ratio.std(ddof=1) / math.sqrt(len(seeds)) if len(seeds) > 1 else float("nan")
        checks = [count for count, _, _ in by[problem, slots, ahead, seeds[0]]["path"]]
        shown = ", ".join(
            f"{1e3 * math.exp(value):.2f}"
            for value, count in zip(own.mean(axis=0), checks, strict=True)
            if count % 16 == 0
        )
        wall = np.mean([by[problem, slots, ahead, s]["wall"] / by[problem, 1, 0, s]["wall"] for s in seeds])
        idle = np.mean([by[problem, slots, ahead, s]["idle"] for s in seeds])
        low, middle, high = (math.exp(ratio.mean() + place * error) for place in (-1, 0, 1))
        yield (
            f"| {problem} | {slots} | {ahead} | {len(seeds)} | {shown} | {middle:.2f} ({low:.2f} to {high:.2f}) "
            f"| {wall:.4f} | {idle:.2%} |"
        )


def _log_regrets(row: dict[str, Any]) -> list[float]:
    return [math.log(max(regret, 1e-6)) for _, _, regret in row["path"]]


def main() -> None:
    """Run cells, or show them."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--problems", nargs="+", default=[*PROBLEMS])
    running.add_argument("--slots", nargs="+", type=int, default=[1, 2, 8, 32])
    running.add_argument("--ahead", nargs="+", type=int, default=[0, 1])
    running.add_argument("--seeds", nargs="+", type=int, default=[0])
    commands.add_parser("table").add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    if given.command == "table":
        rows = [json.loads(line) for file in given.files for line in file.read_text().splitlines()]
        print("\n".join(table(rows)))
        return
    warnings.simplefilter("ignore")
    known = [json.loads(line)["cell"] for line in given.out.read_text().splitlines()] if given.out.exists() else []
    for seed, problem, slots, ahead in product(given.seeds, given.problems, given.slots, given.ahead):
        if [problem, slots, ahead, seed] in known or (slots == 1 and ahead):
            continue
        row = run(problem, slots, ahead, seed)
        print(
            row["cell"],
            row["wall"],
            row["idle"],
            row["cpu_s"],
            [round(1e3 * r, 2) for *_, r in row["path"]],
            flush=True,
        )
        with given.out.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
