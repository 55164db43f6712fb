"""Anchors that are run several times, so that it is known by how much repeats of one mixture differ.

Noise is not the same everywhere, and a surrogate learns it from repeats alone: without them it takes for noise what it
cannot explain otherwise. Runs beyond an anchor's first are no part of a design's size, as they tell of no other
mixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.errors import Fault
from bomix.space.weights import same_mixture
from bomix.trial import CONFIRM, EXPERT, Candidate, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.weights import Weights
    from bomix.trial import Record


def unknown_anchors(problem: Problem) -> list[Fault]:
    """Anchors that are to be repeated and that this study does not have."""
    anchors = problem.anchors()
    reasons = {
        True: "the natural mixture is unknown; give every domain 'tokens' or a source, or leave it out",
        False: "the natural mixture is the uniform one here; ask for more runs of 'uniform' instead",
    }
    return [
        Fault(f"replicates.{name}", reasons[problem.natural is None])
        for name in problem.replicates
        if name not in anchors
    ]


def next_replicate(problem: Problem, history: History) -> Candidate | None:
    """The next run of an anchor that is to be repeated; None where each has had its runs.

    Args:
        problem: The anchors, and the runs that are wanted of each.
        history: The record; runs count whatever became of them, so that one that keeps failing ends as well.
    """
    for name, weights, wanted, runs in _of_anchors(problem, _searched(problem, history)):
        if len(runs) < wanted:
            return Candidate(weights, name)
    return None


def repeated(problem: Problem, history: History) -> int:
    """Runs of anchors beyond their first, as far as they were asked to be repeated, completed or pending."""
    standing = [record for record in _searched(problem, history) if record.status is not Status.FAILED]
    return sum(max(0, min(len(runs), wanted) - 1) for _, _, wanted, runs in _of_anchors(problem, standing))


def asked_as_replicates(problem: Problem, history: History) -> int:
    """Runs that were asked for since anchors are to be repeated, whatever became of them."""
    return sum(min(len(runs), wanted) for _, _, wanted, runs in _of_anchors(problem, history.ever_asked))


def _of_anchors(problem: Problem, records: Sequence[Record]) -> Iterator[tuple[str, Weights, int, list[Record]]]:
    """Name, mixture, wanted runs and those among some records of every anchor that is to be repeated."""
    anchors = problem.anchors() if problem.replicates else {}
    for name, wanted in problem.replicates.items():
        weights = anchors[name]
        yield name, weights, wanted, [each for each in records if same_mixture(each.trial.weights, weights)]


def _searched(problem: Problem, history: History) -> list[Record]:
    """What was tried, confirming runs and experts left out; not looked at where no anchor is to be repeated."""
    tried = history.tried if problem.replicates else ()
    return [record for record in tried if record.trial.origin not in {CONFIRM, EXPERT}]
