"""Runs of TensorBoard: folders of event files, whose scalars are read by TensorBoard's own code.

Scalars come in two forms: as numbers, which PyTorch and TensorFlow 1 write, and as tensors of the plugin ``scalars``,
which TensorFlow 2 and JAX's writers write.

TensorBoard keeps no settings that all trainers write, so the mixtures come from a table of their own, whose key is the
folder of each run below that of the logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bomix.errors import Fault
from bomix.io.imports.offline import OfflineRun, table_of_runs
from bomix.io.tables.table import Table

EVENTS = "*tfevents*"
"""Names of event files."""
_SCALAR_PLUGIN = "scalars"


def read_tensorboard(folder: Path, faults: list[Fault]) -> Table | None:
    """The runs of a folder of logs as a table, each with the last value of each scalar.

    Args:
        folder: The folder; each folder below it that has event files is a run.
        faults: What keeps it from being read is added here.

    Returns:
        The table of :func:`bomix.io.imports.offline.table_of_runs`; None where there is no run.
    """
    try:
        from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator
    except ModuleNotFoundError:
        faults.append(Fault(str(folder), "is read by TensorBoard's own code: pip install 'bomix[tensorboard]'"))
        return None
    runs = []
    for place in sorted({path.parent for path in folder.rglob(EVENTS)}):
        # Of each scalar all values are kept: by default it would be a random sample of ten thousand.
        events = EventAccumulator(str(place), size_guidance={SCALARS: 0, TENSORS: 0})
        events.Reload()
        last = {tag: (each.step, each.value) for tag in events.Tags()[SCALARS] for each in events.Scalars(tag)[-1:]}
        last |= {tag: each for tag in events.Tags()[TENSORS] if (each := _last_tensor(events, tag)) is not None}
        steps = [float(step) for step, _ in last.values()]
        name = str(place.relative_to(folder)) if place != folder else folder.name
        summary = {tag: float(value) for tag, (_, value) in last.items()}
        runs.append(OfflineRun(name, name, {}, summary, max(steps, default=None)))
    if not runs:
        faults.append(Fault(str(folder), f"has no event file of TensorBoard ({EVENTS})"))
    return table_of_runs(folder, runs) if runs else None


def _last_tensor(events: Any, tag: str) -> tuple[int, float] | None:
    """Step and value of the last tensor of a tag that is a scalar; None where it holds something else, as a picture."""
    from tensorboard.util.tensor_util import make_ndarray

    if events.SummaryMetadata(tag).plugin_data.plugin_name != _SCALAR_PLUGIN:
        return None
    *_, event = events.Tensors(tag)
    return event.step, float(make_ndarray(event.tensor_proto).reshape(-1)[0])
