"""One scenario under one fault, in a process of its own, and what became of the study."""

from __future__ import annotations

import dataclasses
import os
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from bomix.errors import BomixError
from bomix.io.store.study_folder import FolderStore
from tests.faults.layer import KILLED, Layer
from tests.faults.scenarios import SCENARIOS, Acknowledge

SAID = 2
"""Exit status of a process that ended with an error that bomix, or the system, raises on purpose."""


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        code: 0, :data:`SAID`, :data:`~tests.faults.layer.KILLED`, or 1 for a traceback.
        acknowledged: What it had said is durable, a line each.
        said: The error, or the traceback.
        operations: The file operations that it made.
    """

    code: int
    acknowledged: tuple[str, ...]
    said: str
    operations: tuple[str, ...]


def run(scenario: str, folder: Path, kind: str | None = None, at: int = -1) -> Ended:
    """Run a scenario in a forked process, under a fault or none."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        os._exit(_child(SCENARIOS[scenario], folder, Layer(folder, kind, at), writer))
    os.close(writer)
    with open(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tagged = [line.partition(" ")[::2] for line in lines]
    found = {tag: tuple(text for each, text in tagged if each == tag) for tag in ("ack", "say", "did")}
    return Ended(code, found["ack"], "\n".join(found["say"]), found["did"])


def _child(scenario: Callable[[Path, Acknowledge], None], folder: Path, layer: Layer, writer: int) -> int:
    raw = os.write

    def tell(tag: str, text: str) -> None:
        for line in text.splitlines():
            raw(writer, f"{tag} {line}\n".encode())

    # ``results.nc`` is derived, and its making takes nine tenths of the time; its file is written all the same.
    xr.Dataset.to_netcdf = lambda self, **_: b"results"  # type: ignore[assignment, method-assign]
    layer.put_up()
    try:
        scenario(folder, lambda text: tell("ack", text))
        code = 0
    except (BomixError, OSError) as error:
        tell("say", str(error))
        code = SAID
    except BaseException:
        tell("say", traceback.format_exc())
        code = 1
    for operation in layer.operations:
        tell("did", operation)
    return code


def record(folder: Path) -> dict[int, tuple[object, ...]]:
    """What a study folder holds of each trial, without where it lies."""
    kept = FolderStore(folder).read()
    assert not kept.damages, kept.damages
    return {
        each.trial.id: (
            tuple(sorted(each.trial.weights.items())),
            each.trial.seed,
            each.trial.origin,
            None if each.outcome is None else tuple(sorted(each.result.losses.items())),
        )
        for each in kept.records
    }


@dataclasses.dataclass
class Tally:
    """What became of the studies under one kind of fault.

    Attributes:
        tried: Faults, one at each file operation.
        acknowledged: Outcomes that were said to be durable before the fault.
        lost: Those of them that were not there after the same command ran again, or not as they were.
        silent: Studies that ended otherwise than the undisturbed one without an error.
        tracebacks: Processes that ended with a traceback instead of a sentence.
        recovered: Studies that the same command brought to the end of the undisturbed one.
    """

    tried: int = 0
    acknowledged: int = 0
    lost: int = 0
    silent: int = 0
    tracebacks: int = 0
    recovered: int = 0
    codes: Counter[int] = dataclasses.field(default_factory=Counter)


def under_fault(scenario: str, kind: str, at: int, folder: Path, expected: dict[int, tuple[object, ...]]) -> Tally:
    """A study under one fault and the same command again, compared with the undisturbed study."""
    folder.mkdir()
    first = run(scenario, folder, kind, at)
    again = run(scenario, folder)
    found = record(folder)
    told = dict(line.split() for line in first.acknowledged)
    lost = [k for k, value in told.items() if found.get(int(k), (None,) * 4)[3] != (("loss", float(value)),)]
    same = again.code == 0 and found == expected
    # An error may leave nothing to go on with, but then it is said.
    silent = first.code == 0 and not same
    tracebacks = (first.code == 1) + (again.code not in (0, SAID))
    return Tally(1, len(told), len(lost), int(silent), tracebacks, int(same), Counter({first.code: 1}))


def warm(scenario: str, folder: Path) -> None:
    """Run a scenario here: what it imports is there in every process that is forked."""
    folder.mkdir()
    SCENARIOS[scenario](folder, lambda text: None)


def undisturbed(scenario: str, folder: Path) -> tuple[dict[int, tuple[object, ...]], tuple[str, ...]]:
    """The record of a scenario without any fault, and its file operations."""
    folder.mkdir()
    ended = run(scenario, folder)
    assert ended.code == 0, ended.said
    return record(folder), ended.operations


def sum_of(tallies: list[Tally]) -> Tally:
    """Tallies of one kind of fault as one."""
    total = Tally()
    for tally in tallies:
        for field in dataclasses.fields(Tally):
            setattr(total, field.name, getattr(total, field.name) + getattr(tally, field.name))
    return total


__all__ = ["KILLED", "SAID", "Ended", "Tally", "record", "run", "sum_of", "under_fault", "undisturbed", "warm"]
