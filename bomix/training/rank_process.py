"""What runs in each of the processes that train one model together.

Started by torch's own launcher, ``python -m torch.distributed.run -m bomix.training.rank_process REQUEST``, once for
each device. The first of them reports progress and writes the run's last checkpoint, which is what they bring back;
where the loss left the numbers, it writes why. The request and what is written are JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

from bomix import progress
from bomix.config.build import build, plain
from bomix.contracts.traits import field_values
from bomix.errors import BomixError, EvaluationError, raise_faults
from bomix.io.store import files
from bomix.training import device
from bomix.training.checkpoint import Place
from bomix.training.data.tokens import Corpus, open_corpus
from bomix.training.loop import train_together
from bomix.training.ranks import Ranks
from bomix.training.run import Run
from bomix.training.spec import TrainingSpec

PROGRESS_FILE, FAILURE_FILE = "progress.json", "failure.json"
LONGEST_WAIT = timedelta(days=7)
"""How long a process waits for the others, as while the first one measures; the trial has limits of its own."""


def request(corpus: Corpus, run: Run, place: Place, *, slot: int) -> str:
    """What :func:`main` reads.

    Args:
        corpus: The tokens; a stored corpus.
        run: The run; none that reweights.
        place: Where its checkpoints lie, and which one it goes on from.
        slot: The driver's slot that it is trained in.
    """
    values = field_values(run.spec)
    spec = TrainingSpec(**{field.name: values[field.name] for field in dataclasses.fields(TrainingSpec)})
    own = {name: value for name, value in field_values(run).items() if name not in ("spec", "guide")}
    facts = {
        "run": own | {"weights": dict(run.weights), "phases": dict(run.phases)},
        "spec": plain(spec),
        "place": field_values(place),
    }
    return json.dumps({**facts, "corpus": corpus.folder, "slot": slot}, default=str)


def main(path: Path) -> int:
    """Train as one of the processes; the exit status."""
    import torch.distributed

    asked = json.loads(path.read_text(encoding="utf-8"))
    spec, faults = build(TrainingSpec, asked["spec"])
    raise_faults(faults)
    assert spec is not None
    ranks = Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    # Each takes a device of its own, as slots do.
    os.environ["BOMIX_SLOT"] = str(asked["slot"] * ranks.count + ranks.rank)
    run, place = Run(**asked["run"], spec=spec), _place(asked["place"])
    try:
        _join(spec)
        with progress.reporting_to(lambda update: _tell(path.parent, update)) if ranks.leads else nullcontext():
            found = train_together(open_corpus(Path(asked["corpus"])), [run], places=[place], ranks=ranks)
        for failure in found:
            if isinstance(failure, EvaluationError):
                raise failure
    except BomixError as error:
        if not ranks.leads:
            raise
        files.replace(path.parent / FAILURE_FILE, json.dumps(str(error)))
        return 1
    torch.distributed.destroy_process_group()
    return 0


def _join(spec: TrainingSpec) -> None:
    """Join the group of all processes, over what their devices talk by."""
    import torch

    hardware = device.choose(spec.device, spec.dtype, spec.compile)
    if hardware.is_cuda:
        torch.cuda.set_device(hardware.device)
    torch.distributed.init_process_group("nccl" if hardware.is_cuda else "gloo", timeout=LONGEST_WAIT)


def _place(facts: dict[str, Any]) -> Place:
    found = facts["found"]
    return Place(Path(facts["folder"]), facts["identity"], None if found is None else Path(found), facts["step"])


def _tell(folder: Path, update: progress.Progress) -> None:
    """Leave a report for the trial's process, which looks for it."""
    files.replace(folder / PROGRESS_FILE, json.dumps(dataclasses.asdict(update)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
