"""Whether the runs of a table can be compared with each other: they are not mixed in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bomix.errors import Fault, did_you_mean
from bomix.io.imports.named_scales import lines_to_add
from bomix.io.imports.repeats import Run, distinguishing_columns, far_from_each_other
from bomix.io.imports.selecting import Pair, named_step, shown
from bomix.io.tables.columns import MODELS
from bomix.scale import Scale, comparable

if TYPE_CHECKING:
    from bomix.io.imports.columns import Reading
    from bomix.io.imports.joining import Join

_AS_ONE = "--as-one takes all of them for runs that compare"


def unnamed_columns(reading: Reading, columns: Sequence[str], *, scales: Sequence[str] = ()) -> list[Fault]:
    """Columns that an option names and no table has.

    Args:
        reading: How the tables are read.
        columns: The columns of all tables.
        scales: Names of the study's scales, one of which may have been meant.
    """
    asked = [("--where", name) for name, _ in reading.where]
    asked += [("--scale", name) for name in reading.scale_from.values()]
    if reading.step is not None:
        named = named_step(reading.step, columns)
        if not named:
            what = "no table has a column of steps (looked for step, global_step, ...); name it, --step COLUMN"
            return [Fault("--step", what)]
        asked.append(("--step", named[0]))
    faults = []
    for option, name in asked:
        if name not in columns:
            also = list(scales) if option == "--scale" else []
            neither = f", and the study no scale of that name (known: {', '.join(also)})" if also else ""
            faults.append(
                Fault(option, f"no table has a column '{name}'{neither}{did_you_mean(name, (*columns, *also))}")
            )
    return faults


def mixed(join: Join, runs: Sequence[tuple[Pair, Run]], metrics: Sequence[str], *, own: Scale | None) -> list[Fault]:
    """What says that runs are not of one kind: several models, several scales, repeats far from each other.

    Args:
        join: The tables, and what their columns stand for.
        runs: The rows of each run and what is compared of it, its scale in ``other``.
        metrics: The metrics that are compared.
        own: The study's own scale, which decides what is learnt from where it is known.
    """
    if faults := [*_of_models(join, [pair for pair, _ in runs]), *_of_scales(join, runs, own)]:
        return faults
    spread = far_from_each_other([run for _, run in runs], metrics)
    if spread is None:
        return []
    cells = {name: [join.cells.of(pair, name) for pair, _ in runs] for name in join.others()}
    columns = distinguishing_columns(cells, spread.groups)
    if columns:
        first = cells[columns[0]][spread.groups[0][-1]]
        cure = f"column '{columns[0]}' tells them apart: --where {columns[0]}={first}, or --step {columns[0]}"
    else:
        cure = "no column tells them apart; give the table one that does"
    pairs = [pair for pair, _ in runs]
    values = [runs[at][1].losses[spread.metric] for at in spread.widest]
    lines = [pairs[at].second.line for at in spread.widest]
    repeated = sum(len(group) for group in spread.groups)
    what = (
        f"{repeated} rows repeat {len(spread.groups)} mixtures with losses that no seed explains, as {spread.metric} "
        f"{values[0]:g} in line {lines[0]} and {values[1]:g} in line {lines[1]}"
    )
    return [Fault(str(join.second.path), f"{what}; {cure}; {_AS_ONE}")]


def several_scales(scales: Iterable[Scale | None]) -> list[str]:
    """Scales of which two cannot be compared, in words; empty where all can."""
    known = sorted({scale for scale in scales if scale is not None}, key=str)
    differ = any(not comparable(one, other) for one in known for other in known)
    return [str(scale) for scale in known] if differ else []


def _of_models(join: Join, pairs: Sequence[Pair]) -> list[Fault]:
    """Columns of models with several values; where each run has one of its own, they are names."""
    faults = []
    for name in MODELS:
        if name not in join.others() or "params" in join.axes:
            continue
        values = Counter(join.cells.of(pair, name) for pair in pairs)
        if 1 < len(values) <= len(pairs) / 2:
            some = next(iter(values))
            cure = f"--where {name}={some} takes one, --scale {name} reads it as the number of parameters"
            what = f"column '{name}' names {len(values)} models, {shown(values)}, whose losses do not compare"
            faults.append(Fault(str(join.second.path), f"{what}; {cure}; {_AS_ONE}"))
    return faults


def _of_scales(join: Join, runs: Sequence[tuple[Pair, Run]], own: Scale | None) -> list[Fault]:
    """Several scales in a study without one of its own, which could not tell the one that counts."""
    found = [run.other if isinstance(run.other, Scale) else None for _, run in runs]
    if own is not None or not (names := several_scales(found)):
        return []
    axis = next((name for name in join.axes if len({join.cells.of(pair, name) for pair, _ in runs}) > 1), "params")
    some, column = join.cells.of(runs[0][0], axis), join.reading.scale_from.get(axis, axis)
    what = f"the runs are of {len(names)} scales ({shown(Counter(map(str, filter(None, found))))})"
    why = "and the study has no scale of its own that says which count"
    cure = f"--where {column}={some} takes those of one, --step {column} the last of each run"
    named = f"to learn from all of them, name them in the study file, one as target.scale:\n{lines_to_add(found)}"
    return [Fault(str(join.second.path), f"{what}, {why}; {cure}; {_AS_ONE}; {named}")]
