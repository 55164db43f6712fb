"""Eight workers on trials of a tenth of a second, every fourth of which meets a fault; and drivers that are ended.

``pytest -m slow -s tests/execution/local/test_faults.py`` prints the rows of ``docs/reliability.md``.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from bomix.config.budget import BudgetSpec
from bomix.contracts.preparation import Preparation
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.problem import Metric
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.trial import Record, Result, Trial
from tests.execution.local.test_executor import gone, wait

TRIALS = 64
"""Trials of a study."""
KILLS = 12
"""Times that a driver is ended in its course."""
FAULTS = {
    "hangs": "hangs",
    "ignores": "hangs, and ignores SIGTERM",
    "forks": "forks copies that hang and ignore SIGTERM",
    "setsid": "starts one in a session of its own (`setsid`) that hangs and ignores it",
    "killed": "is killed",
    "exits": "exits",
}
"""A fault in short and in words."""
DEAF = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@dataclasses.dataclass(frozen=True)
class Faulty:
    """A training that only takes its time; the first attempt at every fourth trial meets a fault.

    Attributes:
        fault: One of :data:`FAULTS`; none where empty.
        seconds: How long it takes.
    """

    fault: str = ""
    seconds: float = 0.1

    def prepare(self, domains: Sequence[str]) -> Preparation:
        return Preparation(metrics=(Metric("loss"),))

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        if self.fault and trial.id % 4 == 1 and workdir.name == "1":
            (workdir / "faulty").touch()
            self._meet(workdir)
        time.sleep(self.seconds)
        return Result({"loss": trial.weights["code"]})

    def _meet(self, workdir: Path) -> None:
        _note(workdir)
        match self.fault:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exits":
                os._exit(3)
            case "ignores":
                for number in DEAF:
                    signal.signal(number, signal.SIG_IGN)
            case "forks":
                for _ in range(2):
                    if not os.fork():
                        _hang(workdir)
            case "setsid":
                if not os.fork():
                    os.setsid()
                    if os.fork():
                        os._exit(0)
                    _hang(workdir)
        time.sleep(600)


def _note(workdir: Path) -> None:
    (workdir / f"pid-{os.getpid()}").touch()


def _hang(workdir: Path) -> None:
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    _note(workdir)
    time.sleep(600)
    os._exit(0)


def make(path: Path, fault: str = "", *, seconds: float = 0.1, limit: float = 2.0) -> Study:
    return Study(
        ["code", "web"],
        path=path,
        evaluator=Faulty(fault, seconds),
        strategy=Sobol(),
        budget=BudgetSpec(TRIALS),
        execution=LocalExecution(workers=8, attempts=2, timeout_s=limit, grace_s=0.5),
    )


class Acknowledging(Observer):
    """Says what is durable, on standard output."""

    def ended(self, study: object, record: Record) -> None:
        print(record.trial.id, record.result.losses["loss"], flush=True)


def show(fault: str, tried: int, acknowledged: dict[int, float], folder: Path, again: int) -> None:
    """Print a row, and check what was acknowledged against the record."""
    history = Study.open(folder).history
    kept = {record.trial.id: record.result.losses["loss"] for record in history.completed}
    lost = {number: loss for number, loss in acknowledged.items() if kept.get(number) != loss}
    print(f"| {fault} | {tried} | {len(acknowledged)} | {len(lost)} | {again} |")
    assert lost == {}
    assert len(kept) == TRIALS
    assert history.pending == ()
    assert history.failed == ()
    assert sorted(kept) == [*range(TRIALS)]
    for each in folder.glob("trials/*/attempts/*/pid-*"):
        pid = int(each.name.partition("-")[2])
        assert not psutil.pid_exists(pid) or gone(psutil.Process(pid)), f"{each} still runs"


def attempts(folder: Path) -> int:
    """Attempts beyond the first of a trial."""
    return len([*folder.glob("trials/*/attempts/*")]) - len([*folder.glob("trials/*")])


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_trials_that_meet_a_fault_are_tried_again_and_leave_nothing_behind(
    tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, fault).run(observer=Acknowledging())
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    acknowledged = {int(number): float(loss) for number, loss in said}
    tried = len([*tmp_path.glob("trials/*/attempts/1/faulty")])
    with capsys.disabled():
        show(FAULTS[fault], tried, acknowledged, tmp_path, again := attempts(tmp_path))
    assert tried == again == TRIALS // 4


DRIVER = """
import signal, sys
from pathlib import Path
from bomix.cli.main import _interrupt
from bomix.study.study import Study
from tests.execution.local.test_faults import Acknowledging, make
signal.signal(signal.SIGTERM, _interrupt)  # as the command line does
folder = Path(sys.argv[1])
study = Study.open(folder) if (folder / "resolved.json").exists() else make(folder, seconds=0.5, limit=60.0)
study.spec = make(Path(sys.argv[2]), seconds=0.5, limit=60.0).spec
study.run(observer=Acknowledging())
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "SIGKILL of the process that forks trials"])
def test_a_driver_that_is_ended_loses_nothing_that_it_said(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rng = tmp_path / "study", np.random.default_rng(17)
    make(folder, seconds=0.5, limit=60.0)
    acknowledged: dict[int, float] = {}
    ended = 0
    while ended < KILLS and len(acknowledged) < TRIALS:
        argv = [sys.executable, "-c", DRIVER, str(folder), str(tmp_path / f"other{ended}")]
        driver = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert driver.stdout is not None
        lines = [driver.stdout.readline()]  # it is well under way
        time.sleep(rng.uniform(0.0, 0.4))
        started = psutil.Process(driver.pid).children(recursive=True)
        if "forks" in how:
            psutil.Process(driver.pid).children()[0].kill()
        else:
            driver.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
        lines += driver.communicate(timeout=60)[0].splitlines()
        ended += 1
        acknowledged |= {int(line.split()[0]): float(line.split()[1]) for line in lines if line.strip()}
        wait(lambda started=started: all(map(gone, started)))  # type: ignore[misc]
    argv = [sys.executable, "-c", DRIVER, str(folder), str(tmp_path / "last")]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=300)
    with capsys.disabled():
        show(f"driver: {how}", ended, acknowledged, folder, attempts(folder))
