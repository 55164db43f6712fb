"""Runs of an earlier study as runs of one whose domains have changed since."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bomix.errors import raise_faults
from bomix.io.imports.carried import CARRIED, Carried
from bomix.io.imports.columns import listed
from bomix.io.imports.domain_changes import Carriage, next_generation
from bomix.io.imports.runs import RunCollector, Runs
from bomix.io.imports.study import OtherStudy, metric_faults, special, told_by
from bomix.io.tables.reading import SHOWN
from bomix.trial import Result

if TYPE_CHECKING:
    from bomix.errors import Fault
    from bomix.problem import Problem

_TITLE = "the runs cannot be carried over; nothing was recorded:"


def read_extended(
    other: OtherStudy,
    problem: Problem,
    carriage: Carriage,
    *,
    metrics: Mapping[str, str] | None = None,
    exact: bool = False,
    recipe: bool = False,
) -> Runs:
    """The completed runs of an earlier study as runs of one with other domains.

    Left out are, with a note each, what was reweighted while it trained, experts, and runs that were next to nothing
    but text which is no more; without one what was withdrawn.

    Args:
        other: The earlier study.
        problem: The domains and metrics of the later one.
        carriage: What became of the domains.
        metrics: Metric of the earlier study to the one of the later that it is, where names differ.
        exact: Whether runs on text that the later study has no more, or has another cut of, are left out.
        recipe: Whether all runs were trained by another recipe, by which they differ by nobody knows how much.

    Raises:
        FaultsError: Everything that is wrong.
    """
    names = dict(metrics or {})
    # A name that is mapped onto is that metric alone: one that is called so there is another one.
    names |= {each.name: "" for each in other.metrics if each.name in {*names.values()} - {*names}}
    faults: list[Fault] = metric_faults(other, problem, names)
    raise_faults(faults, _TITLE)
    collector = RunCollector(problem, faults)
    known = [metric.name for metric in other.metrics if names.get(metric.name, metric.name) in problem.metric_names]
    completed = [each for each in other.records if isinstance(each.outcome, Result) and each.withdrawn is None]
    generation = next_generation(completed)
    left_out = Counter(kind for record in completed if (kind := special(record)))
    for record in completed:
        if special(record):
            continue
        found = carriage.of(record, generation=generation)
        if found is None or (exact and not carriage.exact(record)):
            left_out["of text that the study has no more, or has another cut of"] += 1
            continue
        weights, told = found
        place = f"{other.path}:trial {record.trial.id}"
        result = told_by(record, known, names, f"{other.path.name}/{record.trial.id}")
        collector.add(
            {name: weights.get(name, 0.0) for name in problem.space.domains},
            dataclasses.replace(result, info={**result.info, CARRIED: _with_recipe(told, recipe).to_data()}),
            record.trial.scale,
            where=place,
            losses_at=place,
            key=str(record.trial.id),
        )
    raise_faults(faults, _TITLE, most=SHOWN)
    notes = [f"{other.path}: left out {number} runs {kind}" for kind, number in left_out.items()]
    left = [metric.name for metric in other.metrics if metric.name not in known]
    notes += [f"{other.path}: left out {listed(left)}, no metrics of the later study"] if left else []
    found_runs = collector.found([names.get(name, name) for name in known], notes, where=str(other.path))
    raise_faults(faults, _TITLE)
    return found_runs


def _with_recipe(found: Carried, recipe: bool) -> Carried:
    """The same of a run by another recipe: all of it is text that was trained on in another way."""
    if not recipe:
        return found
    return dataclasses.replace(found, other={**found.other, f"recipe (before {found.generation})": 1.0})
