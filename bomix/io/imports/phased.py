"""Runs of one mixture in a study of two phases: they are tied, and enter it as what they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bomix.io.imports.runs import Runs
    from bomix.problem import Problem


def read_as(problem: Problem, names: Iterable[str]) -> Problem:
    """The problem that runs are read for: that of one mixture where no name is of a weight by phase and domain.

    Args:
        problem: The study.
        names: Columns of a table and what they are mapped to, or domains of another study; ``weights.`` may stand
            before them.
    """
    if problem.phases is None or problem.phases.are_columns([name.removeprefix("weights.") for name in names]):
        return problem
    return problem.whole


def as_tied(found: Runs, read: Problem, problem: Problem) -> Runs:
    """Runs of one mixture as runs of both phases.

    Args:
        found: What was read.
        read: The problem that it was read for.
        problem: The study.
    """
    if read is problem or problem.phases is None:
        return found
    tied = problem.phases.tied
    runs = tuple((tied(weights) if weights else weights, result, scale) for weights, result, scale in found.runs)
    return replace(found, runs=runs)
