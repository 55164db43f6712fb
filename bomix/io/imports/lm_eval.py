"""Runs whose losses are results of lm-evaluation-harness: files ``results_<date>.json`` of a folder, by run.

What stands in a file says :mod:`bomix.io.artifacts.harness_results`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.errors import Fault, raise_faults
from bomix.io.artifacts.harness_results import (
    DOCUMENTS,
    EXAMPLES,
    VERSION,
    Scores,
    is_results,
    score_of,
    scores_of,
    several,
)
from bomix.io.imports.columns import Reading, listed
from bomix.io.imports.csv import runs_of
from bomix.io.imports.differences import KEY
from bomix.io.imports.mapping import expanded
from bomix.io.imports.runs import Runs
from bomix.io.imports.trackers import run_key, unpacked
from bomix.io.store import files
from bomix.io.tables.columns import ERRORS
from bomix.io.tables.reading import SHOWN, read_table
from bomix.io.tables.table import Row, Table

if TYPE_CHECKING:
    from bomix.problem import Problem

RESULTS = "results*.json"
"""Names of the files."""
LARGEST = 64 * 2**20
"""Bytes of a file: one without samples has some hundred kilobytes for a thousand tasks."""
_DATE = re.compile(r"results_?(.*)\.json$")


def read_lm_eval(weights: Path, folder: Path, problem: Problem, reading: Reading | None = None) -> Runs:
    """Read runs whose losses are results of lm-evaluation-harness.

    Args:
        weights: A table with a row for each run, and a column for each domain.
        folder: The folder of the results, see :func:`read_folder`.
        problem: The study's domains and metrics; a metric is called ``task/measure``, or as the task if that has one.
        reading: How the table is read, ``arc_easy/acc=arc`` in its mapping saying which metric a score is.

    Returns:
        The runs, with standard errors where the harness tells them.

    Raises:
        FaultsError: Everything that is wrong; also a metric whose direction is not that of the harness.
    """
    faults: list[Fault] = []
    notes: list[str] = []
    reading = reading or Reading()
    first = read_table(weights, faults, decimal_comma=reading.decimal_comma)
    if first is not None and (key := run_key(first, reading.key, faults)) is not None:
        first = unpacked(first)
        table, scores = read_folder(folder, first.cells_of(key), faults, notes)
        table = _of_study(table, scores, problem, reading, faults)
        left = {column: name for column, name in reading.mapping.items() if column in first.columns or "*" in column}
        reading = dataclasses.replace(reading, mapping=left, key=key)
        table = dataclasses.replace(table, columns=(key, *table.columns[1:]))
        if not faults:
            found = runs_of(first, table, problem, reading, faults)
    raise_faults(faults, "the results cannot be imported; nothing was recorded:", most=SHOWN)
    return dataclasses.replace(found, notes=(*notes, *found.notes))


def _of_study(table: Table, scores: Scores, problem: Problem, reading: Reading, faults: list[Fault]) -> Table:
    """The table with the scores that are metrics of the study alone, under their names."""
    names = list(scores.higher)
    mapped = {name: column for column, name in expanded(reading.mapping, names, problem.metric_names, []).items()}
    chosen: dict[str, str] = {}
    for metric in problem.metrics:
        told = mapped.get(metric.name) or mapped.get(f"losses.{metric.name}")
        score = told if told in names else score_of(metric.name, names)
        if score is None and (own := several(metric.name, names)):
            what = (
                f"task '{metric.name}' has {len(own)} scores ({listed(own)}); say which, --map '{own[0]}={metric.name}'"
            )
            faults.append(Fault(str(table.path), what))
        if score is None:
            continue
        chosen[metric.name] = score
        higher = scores.higher[score]
        if higher is not None and higher != (metric.direction == "max"):
            better, word = ("higher", "max") if higher else ("lower", "min")
            what = f"{better} is better by lm-evaluation-harness, and the study says direction: {metric.direction}"
            faults.append(Fault(f"metrics.{metric.name}", f"{what}; write direction: {word} in the study file"))
    if not chosen and names and not faults:
        what = f"has none of the study's metrics ({listed(problem.metric_names)}) but {listed(names)}"
        faults.append(Fault(str(table.path), f"{what}; name metrics so, or say with --map SCORE=METRIC which they are"))
    places = {column: at for at, column in enumerate(table.columns)}
    kept = {table.columns[0]: 0} | {name: places[score] for name, score in chosen.items()}
    for name, score in chosen.items():
        if (at := places.get(f"{score}{ERRORS[0]}")) is not None:
            kept[f"{name}{ERRORS[0]}"] = at
    rows = [Row(row.line, tuple(row.cells[at] for at in kept.values())) for row in table.rows]
    return dataclasses.replace(table, columns=tuple(kept), rows=tuple(rows))


def read_folder(folder: Path, keys: Collection[str], faults: list[Fault], notes: list[str]) -> tuple[Table, Scores]:
    """The results of a folder as a table with a row per run.

    A file belongs to the run whose key is the name of a folder that it lies in, its own name, that of the model, or
    the last part of the model's path. Of two files with one task the later one counts.

    Args:
        folder: The folder; files are looked for at any depth. A single file will do.
        keys: The keys of the runs, of the table of their weights.
        faults: Files that cannot be read, or belong to several runs, are added here.
        notes: Files that belong to no run, and tasks that were measured again, are told here.

    Returns:
        The table, columns as in :class:`Scores` with ``_stderr`` behind those of errors; and the directions.
    """
    found = sorted(folder.rglob(RESULTS)) if folder.is_dir() else [folder]
    if not found:
        faults.append(Fault(str(folder), f"has no file {RESULTS}, as lm-evaluation-harness writes with --output_path"))
    runs: dict[str, list[tuple[str, Scores]]] = {}
    strays: list[str] = []
    for path in found:
        data = _data(path, faults)
        if data is None:
            continue
        fits = _names(path, folder, data) & {*keys}
        if len(fits) > 1:
            what = f"may belong to {' or '.join(sorted(fits))}, by its folders and its model; put it into one folder"
            faults.append(Fault(str(path), what, kind="several runs"))
        for key in fits:
            runs.setdefault(key, []).append((_date(path), scores_of(data)))
        if not fits:
            strays.append(str(path.relative_to(folder)) if path != folder else path.name)
    if strays and not runs:
        some = listed(sorted(map(str, keys)))
        what = f"no file belongs to a run: neither folders nor models are called as the keys, {some}; name them so"
        faults.append(Fault(str(folder), f"{what} (--id names another column of keys)"))
    elif strays:
        notes.append(f"{folder}: left out {len(strays)} files that belong to no run: {listed(strays)}")
    latest = {key: _latest(key, each, notes) for key, each in runs.items()}
    notes += unlike(folder, latest)
    return _table(folder, latest)


def unlike(folder: Path, runs: Mapping[str, Scores]) -> list[str]:
    """A note on tasks that were not asked alike in all runs: with other examples or versions, or of fewer documents.

    Their scores differ by that as well, and a model of them takes it for the effect of the mixture.

    Args:
        folder: Where the files are, which the note names.
        runs: The scores of each run.
    """
    told: dict[str, str] = {}
    for task in dict.fromkeys(task for each in runs.values() for task in each.asked):
        for what in (EXAMPLES, VERSION, DOCUMENTS):
            ways: dict[float | str, list[str]] = {}
            for key, each in runs.items():
                if (value := each.asked.get(task, {}).get(what)) is not None:
                    ways.setdefault(value, []).append(key)
            if len(ways) > 1:
                some = "; ".join(f"{value} in {listed(keys)}" for value, keys in ways.items())
                told.setdefault(task, f"{what} {some}")
    if not told:
        return []
    first, how = next(iter(told.items()))
    others = f" (and of {listed([*told][1:])})" if len(told) > 1 else ""
    return [
        f"{folder}: scores of {first}{others} cannot be compared between runs, which were not asked alike: {how}; "
        "leave the files of one kind out, or measure again"
    ]


def _table(folder: Path, runs: Mapping[str, Scores]) -> tuple[Table, Scores]:
    names = list(dict.fromkeys(name for each in runs.values() for name in each.values))
    errors = [name for name in names if any(name in each.errors for each in runs.values())]
    rows = [
        Row(
            at,
            (
                key,
                *(_text(each.values.get(name)) for name in names),
                *(_text(each.errors.get(name)) for name in errors),
            ),
        )
        for at, (key, each) in enumerate(runs.items(), 1)
    ]
    columns = (KEY, *names, *(f"{name}{ERRORS[0]}" for name in errors))
    higher: dict[str, bool | None] = {}
    for each in runs.values():
        higher.update({name: said for name, said in each.higher.items() if said is not None})
    return Table(folder, columns, tuple(rows), "run"), Scores(higher={name: higher.get(name) for name in names})


def _latest(key: str, found: Sequence[tuple[str, Scores]], notes: list[str]) -> Scores:
    """The scores of all files of a run, a task's from the last of them that has it."""
    values: dict[str, float | None] = {}
    errors: dict[str, float] = {}
    higher: dict[str, bool | None] = {}
    asked: dict[str, Mapping[str, float | str]] = {}
    again: list[str] = []
    for _, each in sorted(found, key=lambda one: one[0]):
        # One that a later file has no number of keeps the number and the error of an earlier one.
        new = {name: value for name, value in each.values.items() if value is not None or values.get(name) is None}
        again += [name for name, value in new.items() if values.get(name, value) not in (value, None)]
        values.update(new)
        errors = {name: error for name, error in errors.items() if name not in new}
        errors |= {name: error for name, error in each.errors.items() if name in new}
        higher.update(each.higher)
        tasks = {name.rpartition("/")[0] for name, value in new.items() if value is not None}
        asked.update({task: how for task, how in each.asked.items() if task in tasks})
    if again:
        notes.append(f"{key}: {listed(list(dict.fromkeys(again)))} measured more than once: the last one counts")
    return Scores(values, errors, higher, asked)


def _data(path: Path, faults: list[Fault]) -> Mapping[str, Any] | None:
    try:
        data = json.loads(files.read_bounded(path, LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        faults.append(Fault(str(path), f"cannot be read: {error}", kind="cannot be read"))
        return None
    if not is_results(data):
        faults.append(
            Fault(str(path), "is no file of results: 'results' maps no task to its scores", kind="no results")
        )
        return None
    return dict(data)


def _names(path: Path, folder: Path, data: Mapping[str, Any]) -> set[str]:
    """What a file may be called after."""
    parts = path.relative_to(folder).parts[:-1] if path != folder else ()
    names = {*parts, path.stem, _date(path)}
    config = data.get("config")
    arguments = config.get("model_args") if isinstance(config, Mapping) else None
    if isinstance(arguments, Mapping):
        arguments = f"pretrained={arguments.get('pretrained', '')}"
    models = re.findall(r"(?:^|,)(?:pretrained|model|path)=([^,]+)", str(arguments or ""))
    for model in [*models, data.get("model_name"), data.get("model_name_sanitized")]:
        if isinstance(model, str):
            names |= {model, model.rstrip("/").rpartition("/")[2]}
    # The harness writes "__" where a model's name has a slash.
    return (names | {name.removesuffix("__").rpartition("__")[2] for name in names}) - {""}


def _date(path: Path) -> str:
    found = _DATE.search(path.name)
    return found[1] if found else ""


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)
