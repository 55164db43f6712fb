"""The search of the target alone, which takes over for good where smaller scales were found to mislead.

What tells that smaller scales mislead changes its mind from run to run, and every run that is made where it believes
them again lies where they say that good mixtures are. So the origin of a run says that they were given up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bomix.trial import ALONE

if TYPE_CHECKING:
    from bomix.contracts.strategy import Strategy
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Candidate, Record


def ask_alone(strategy: Strategy, problem: Problem, history: History, *, seed: int) -> Candidate:
    """What a strategy proposes in a study of the target's scale alone, of which it sees the runs.

    Args:
        strategy: The strategy; runs that it proposed here before have its own origins for it.
        problem: The problem of several scales.
        history: The record of all of them.
        seed: The study's seed.
    """
    known = history.of_scale(problem.scale)
    known = replace(known, records=tuple(_with_own_origin(record) for record in known.records))
    (candidate,) = strategy.ask(replace(problem, scales=()), known, 1, seed=seed)
    return replace(candidate, origin=f"{ALONE}{candidate.origin}", scale=problem.scale)


def _with_own_origin(record: Record) -> Record:
    """The run as the strategy proposed it."""
    return replace(record, trial=replace(record.trial, origin=record.trial.origin.removeprefix(ALONE)))
