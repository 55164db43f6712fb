"""Runs of proxies that are kept as rows of a file: what is missing is trained, many in one stack."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bomix.errors import BomixError
from bomix.evaluators.proxy import Proxy
from bomix.scale import Scale
from bomix.training.device import process_environment
from bomix.trial import EXPERT, SCORED_TOKENS, Failure, Result, Trial

Row = dict[str, Any]
MIXTURE = "mixture"
"""Origin of a run whose scored tokens nobody needs."""
HEADS = (
    *("set", "name", "seed", "cut", "fresh", "method", "split", "trained", "target"),
    *("learnt", "model", "count", "part", "step", "size", "draw", "criterion", "law"),
)
"""Fields that say what a row is of; all others are what came out."""
TEXTS = Path("~/.cache/bomix/mde")
"""Where the text lies that experiments are of."""


class RowsError(BomixError):
    """A file of rows that is damaged, or that tells of one run twice."""


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


def command(main: Callable[[], None], module: str | None = None) -> None:
    """Run a command with the variables that a process that trains starts with; begin it anew where it lacks them.

    It ends with 2 and one message on what its user can mend, and with 130 where it was stopped, by SIGTERM as well,
    so that nothing half trained is left in the folder of temporary files.

    Args:
        main: The command; reads its own arguments.
        module: Its name, as ``python -m`` takes it; None for a script.
    """
    if any(os.environ.get(name) != value for name, value in process_environment().items()):
        again = [sys.executable, *(["-m", module, *sys.argv[1:]] if module else sys.argv)]
        os.execve(sys.executable, again, {**os.environ, **process_environment()})
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also where SIGINT is ignored, as in the background
    try:
        main()
    except BomixError as error:
        print(f"error: {error}", file=sys.stderr)
        if not TEXTS.expanduser().is_dir():
            print("the text is not there: `python experiments/mde/corpora.py` builds it", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # nobody reads on, as `head`; the interpreter would complain once more while it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def seconds(text: str) -> float:
    """The argument of ``--limit``.

    Raises:
        ArgumentTypeError: It is no number of seconds, or below zero.
    """
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not limit >= 0.0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds; give 0 or more")
    return limit


def with_rate(proxy: Proxy, rate: float) -> Proxy:
    """The same with another learning rate."""
    return replace(proxy, optimization=replace(proxy.optimization, rate=rate))


def kept(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file yet.

    A last line that a stop has cut off counts for nothing, and is told of: its run is trained anew.

    Raises:
        RowsError: Another line is no row, or two rows are of one run.
    """
    *whole, rest = _lines(path)
    rows = [_parsed(line) for line in whole]
    if None in rows:
        raise RowsError(f"{path}: line {rows.index(None) + 1} is damaged; delete it, and what it told of is made anew")
    if rest:
        print(f"{path}: line {len(rows) + 1} is cut off and counts for nothing", file=sys.stderr)
    first: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows, 1):
        if (before := first.setdefault(head(row), number)) != number:
            told = ", ".join(f"{name} {row[name]}" for name in HEADS if name in row)
            raise RowsError(f"{path}: lines {before} and {number} are both of {told}; delete one of them")
    return rows


def _lines(path: Path) -> list[str]:
    """The lines of a file, then what stands behind the last of them: nothing, unless it was cut off."""
    *whole, rest = path.read_text("utf-8").split("\n") if path.exists() else [""]
    return [*whole, rest, ""] if rest and _parsed(rest) is not None else [*whole, rest]


def _parsed(line: str) -> Row | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def head(row: Row) -> tuple[Any, ...]:
    """What a row is of, which no two rows of a file share."""
    return tuple(row.get(name) for name in HEADS)


def key(row: Row) -> tuple[str, str, int]:
    """Set, name and seed of a run, which no two runs of one file share."""
    return row["set"], row["name"], row["seed"]


def add(path: Path, rows: Iterable[Row]) -> None:
    """Keep further rows, but those of runs that another process has kept meanwhile."""
    with path.open("a", encoding="utf-8") as out:
        fcntl.flock(out, fcntl.LOCK_EX)  # which goes with the file
        known = {head(row) for row in kept(path)}
        new = [row for row in rows if head(row) not in known]
        *whole, rest = _lines(path)
        if rest:  # else the next row would be glued to it
            out.truncate(sum(len(line.encode()) + 1 for line in whole))
        elif whole and not path.read_bytes().endswith(b"\n"):
            out.write("\n")
        out.write("".join(json.dumps(row) + "\n" for row in new))


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


def retrained(path: Path, proxy: Proxy, planned: Sequence[Planned]) -> Iterator[tuple[Planned, dict[str, float]]]:
    """Train runs that are kept already once more; the loss of each domain now minus that of the row, nats."""
    rows = {key(row): row["losses"] for row in kept(path)}
    for run, row in zip(planned, rows_of(proxy, planned), strict=True):
        yield run, {name: loss - rows[run.key][name] for name, loss in row["losses"].items()}


def text_of(proxy: Proxy, kind: str, domains: Iterable[str], path: Path) -> str:
    """What changes with any token that a run reads or is judged on, as rows keep it in ``text``.

    Args:
        proxy: Trains and judges.
        kind: The set of the runs.
        domains: What they read.
        path: The file that they are kept in.

    Raises:
        RowsError: Rows of the same set are of other text: packages that it is built of have newer versions.
    """
    entering = json.dumps(dict(proxy.prepare(tuple(sorted(domains))).provenance), sort_keys=True)
    text = hashlib.sha256(entering.encode()).hexdigest()[:8]
    of = {row.get("text") for row in kept(path) if row["set"] == kind}
    if others := sorted(of - {None, text}):
        raise RowsError(
            f"{path}: rows of '{kind}' are of text {others[0]}, and what is built here is {text}: their losses cannot "
            "be compared. Build the text of the same packages (packages.json beside it names them), or train the set "
            "anew: take its rows out of the file"
        )
    if None in of:
        print(f"{path}: some rows of '{kind}' do not say of which text they are; it may be another", file=sys.stderr)
    return text


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
    started, planned, texts = time.monotonic(), [*planned], {}
    left = missing(path, planned)
    while left and time.monotonic() - started < limit:
        some = [run for run in left if (run.scale, run.set) == (left[0].scale, left[0].set)][:width]
        if (kind := some[0].set) not in texts:
            texts[kind] = text_of(proxy, kind, some[0].weights, path)
        rows = [{**row, "text": texts[kind]} for row in rows_of(proxy, some, scored)]
        add(path, rows)
        left = missing(path, planned)  # of which another process may have trained some
        print(f"{some[0].set}: {some[-1].name}, {rows[0]['cpu_s']} CPU-s a run, {len(left)} left", file=sys.stderr)
    if not left:
        print(f"{path.name}: nothing is missing", file=sys.stderr)
