"""A study of two phases: its problem, made from that of one mixture for the whole run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bomix.config.phase_spec import phases_of_study
from bomix.space.phased import PhasedSpace

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.problem import Problem


def phased(problem: Problem, spec: StudySpec) -> Problem:
    """The problem with a mixture for each phase; the same where the study has no phases.

    Passes over each domain are those of the whole run. It is not looked for what would be best without caps.

    Args:
        problem: The problem of one mixture for the whole run, its caps those of all its tokens.
        spec: The study file: the phases, and the upper bounds that hold in each.
    """
    if not spec.phases:
        return problem
    upper = {name: domain.upper for name, domain in spec.domains.items()}
    space = PhasedSpace(phases_of_study(spec.phases), problem.space, upper)
    natural = None if problem.natural is None else space.phases.tied(problem.natural)
    return replace(problem, space=space, natural=natural, uncapped=None)
