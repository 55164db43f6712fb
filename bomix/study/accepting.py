"""What came back of a trial as it can be recorded, looked at without reading the record wherever that will do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bomix.errors import raise_faults
from bomix.io.store.incoming import accepted
from bomix.io.store.result_checks import range_faults
from bomix.study import experts, reweighting
from bomix.trial import EXPERT, Result, Trial

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.study.resolution import Resolution

logger = logging.getLogger(__name__)


def acceptable(
    trial: Trial,
    result: Mapping[str, float | None] | Result,
    problem: Problem,
    *,
    believed: Callable[[], Problem],
    history: Callable[[], History],
) -> Result:
    """The result of a trial as it can be recorded.

    Args:
        trial: The trial that it came back of.
        result: What came back.
        problem: The study, metrics with the ranges of their units.
        believed: The same with the ranges that the record leaves, see :func:`with_ranges`: asked for where a value is
            beyond the range of its unit.
        history: The record: asked for where the trial is an expert.

    Raises:
        FaultsError: Everything that is wrong with it.
    """
    title = f"trial {trial.id}: the result cannot be used:"
    result = accepted(result, problem.metric_names, problem.space.domains, title=title)
    if range_faults(result, problem.metrics):  # unless the record goes beyond the range as well
        raise_faults(range_faults(result, believed().metrics), title)
    if trial.origin == EXPERT:
        wrong = experts.result_faults(trial, result, problem, history())
        raise_faults(wrong, f"trial {trial.id}: the expert cannot be used:")
    raise_faults(reweighting.result_faults(trial, result), title)
    return result


def with_ranges(resolution: Resolution, history: History) -> Resolution:
    """A study in which metrics whose record goes beyond the range of their unit may have every value.

    A range that is stated holds; what a unit says is a guess, and records that were made before it stay valid.

    Args:
        resolution: The study.
        history: What is learnt from.
    """
    problem, losses = resolution.problem, [record.result.losses for record in history.completed]
    beyond = []
    for metric in problem.metrics:
        low, high = metric.limits
        if metric.range is None and any(not low <= each.get(metric.name, low) <= high for each in losses):
            beyond.append(metric.name)
    if not beyond:
        return resolution
    logger.warning(
        "the record holds values of %s beyond the range of the unit, so that no range is assumed; state it "
        "(metrics: {NAME: {range: [smallest, largest]}})",
        ", ".join(beyond),
    )
    metrics = [replace(each, range=(None, None)) if each.name in beyond else each for each in problem.metrics]
    return replace(resolution, problem=replace(problem, metrics=tuple(metrics)))
