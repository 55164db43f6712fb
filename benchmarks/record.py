"""What the record of a study costs: opening it, looking at it, telling it one more result, and keeping it in memory.

    python benchmarks/record.py            # the tables of benchmarks/README.md: about two CPU-minutes

Seconds are CPU-seconds of a whole process, or of a call, the least of several: what others do on the machine adds to
them and never takes away. Trials have 17 domains, 13 metrics and a curve of 10 steps.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from bomix.io.store.study_folder import FolderStore
from bomix.study.study import Study
from bomix.trial import Curve, Result, Trial

DOMAINS = [f"domain{number:02d}" for number in range(17)]
METRICS = [f"metric{number:02d}" for number in range(13)]
STUDY = f"domains: {{{', '.join(f'{name}: {{}}' for name in DOMAINS)}}}\nmetrics: [{', '.join(METRICS)}]\n"
STUDY += "budget: {trials: 100000}\n"
SIZES = (50, 500, 5000)
REPEATS = 5
TOLD = 20
IMPORTS = "import numpy, yaml, click, rich.table, rich.console"
OPEN = "from bomix.study.study import Study; study = Study.open('.'); study.problem; len(study.history)"


def result(rng: np.random.Generator) -> Result:
    losses = dict(zip(METRICS, (2.0 + rng.random(len(METRICS))).tolist(), strict=True))
    curve = Curve(np.arange(10.0, 101.0, 10.0), {name: 2.0 + rng.random(10) for name in METRICS})
    return Result(losses, cost=1.0, curve=curve)


def weights(rng: np.random.Generator) -> dict[str, float]:
    return dict(zip(DOMAINS, rng.dirichlet(np.ones(len(DOMAINS))).tolist(), strict=True))


def filled(folder: Path, trials: int) -> Path:
    """A study with so many results and one pending trial for each call that is measured."""
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    assert Study.open(folder).problem.metrics  # writes resolved.json, as the first ask does
    store, rng = FolderStore(folder), np.random.default_rng(0)
    with mock.patch.object(os, "fsync"):
        for number in range(trials):
            store.create(Trial(number, weights(rng), 0, "sobol"), result(rng))
        for number in range(trials, trials + 2 * TOLD + REPEATS):
            store.create(Trial(number, weights(rng), 0, "sobol"))
    return folder


def cpu_of(call: Callable[[], object]) -> float:
    """CPU-seconds of a call in this process, of which those of its children count."""
    before = sum(resource.getrusage(each)[0] + resource.getrusage(each)[1] for each in WHOSE)
    call()
    return sum(resource.getrusage(each)[0] + resource.getrusage(each)[1] for each in WHOSE) - before


WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def process(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def bomix(folder: Path, *arguments: str) -> float:
    return cpu_of(lambda: process(folder, "-m", "bomix.cli.main", *arguments))


def least(measured: Callable[[], float], repeats: int = REPEATS) -> float:
    return min(measured() for _ in range(repeats))


def table(heads: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def reading(folder: Path) -> None:
    """Whole processes that read a study, by its size."""
    rows = []
    for trials in (50, 1000):
        study = filled(folder / f"read{trials}", trials)
        opened = least(lambda study=study: cpu_of(lambda: process(study, "-c", OPEN)))
        status = least(lambda study=study: bomix(study, "status", "."))
        programs = least(lambda study=study: bomix(study, "status", ".", "--json"))
        rows.append([f"{trials:,}", f"{opened:.2f}", f"{status:.2f}", f"{programs:.2f}"])
    nothing = least(lambda: cpu_of(lambda: process(folder, "-c", IMPORTS)))
    rows.append(["NumPy, PyYAML, click, rich imported", f"{nothing:.2f}", "", ""])
    table(["trials", "opened in Python", "`bomix status`", "`bomix status --json`"], rows)


def telling(folder: Path) -> None:
    """One more result, by the number of trials that are there."""
    rows, rng = [], np.random.default_rng(1)
    for trials in SIZES:
        path = filled(folder / f"tell{trials}", trials)
        study = Study.open(path)
        study.tell(trials, result(rng))
        calls = []
        for number in range(trials + 1, trials + TOLD):
            calls.append(cpu_of(lambda study=study, number=number: study.tell(number, result(rng))))
        (path / "result.json").write_text('{"losses": {' + ", ".join(f'"{name}": 2.5' for name in METRICS) + "}}")
        numbers = iter(range(trials + TOLD, trials + 2 * TOLD))
        command = least(lambda path=path, numbers=numbers: bomix(path, "tell", ".", str(next(numbers)), "result.json"))
        written = least(lambda study=study: cpu_of(study.records.save_results), 3)
        again = least(lambda study=study: cpu_of(lambda: study.history), 3)
        median = float(np.median(calls))
        rows.append([f"{trials:,}", f"{1e3 * median:.1f}", f"{command:.2f}", f"{1e3 * again:.1f}", f"{written:.2f}"])
    heads = ["trials", "`study.tell`, ms", "`bomix tell`", "the record looked at again, ms", "`results.nc` written"]
    table(heads, rows)


LOOK = """
import sys, psutil
from bomix.study.study import Study
study, own = Study.open("."), psutil.Process()
study.problem
length = len(study.history)
first = own.memory_info().rss
for _ in range(100):
    assert len(study.history) == length
print(first / 2**20, own.memory_info().rss / 2**20)
"""


def memory(folder: Path) -> None:
    """Resident memory of a process that has the record of a study, and has looked at it a hundred times more."""
    rows, least_of = [], 0.0
    for trials in SIZES:
        study = filled(folder / f"memory{trials}", trials)
        done = subprocess.run([sys.executable, "-c", LOOK], cwd=study, check=True, capture_output=True, text=True)
        first, last = map(float, done.stdout.split())
        least_of = least_of or first
        per_trial = "" if trials == SIZES[0] else f"{1024 * (first - least_of) / (trials - SIZES[0]):.1f}"
        rows.append([f"{trials:,}", f"{first:.0f}", f"{last:.0f}", per_trial])
    table(["trials", "resident, MiB", "after a hundred looks", "KiB a trial"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("reading", "telling", "memory"))
    arguments = parser.parse_args()
    # Modules are compiled once, as they are where bomix is installed.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="bomix-record-") as made:
        folder = Path(made)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
        if arguments.only in (None, "reading"):
            reading(folder)
        if arguments.only in (None, "telling"):
            telling(folder)
        if arguments.only in (None, "memory"):
            memory(folder)


if __name__ == "__main__":
    main()
