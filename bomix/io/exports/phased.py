"""Exports of two phases: a mixture of each, for a run of its share of the tokens.

Trainers read one mixture; a run of two phases is two of their runs, the second going on from the checkpoint of the
first, or one that changes its mixture in between where the trainer can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bomix.errors import ConfigError, did_you_mean
from bomix.io.exports.writing import Written, write
from bomix.space.phases import WHOLE

if TYPE_CHECKING:
    from bomix.contracts.exporter import Exporter
    from bomix.io.exports.mixture import TargetRun
    from bomix.problem import Problem
    from bomix.space.weights import Weights


def write_phases(
    problem: Problem, weights: Weights, exporter: Exporter, run: TargetRun, *, phase: str | None = None
) -> Mapping[str, tuple[Written, TargetRun]]:
    """Write the mixture of a study, of two phases where it has them and they differ.

    Args:
        problem: The study.
        weights: Shares of the training tokens, by phase and domain in a study of two.
        exporter: Which form.
        run: The target: all of its tokens.
        phase: The phase that is wanted alone, or ``whole`` for the mixture of the whole run.

    Returns:
        What belongs into the name of its file to each export, and the run that it is for: of both phases, or of one
        mixture under the empty text.

    Raises:
        BomixError: There is no such phase; or something that the export needs is not known, or the form cannot say it.
    """
    phases = problem.phases
    if phases is None:
        if phase is not None:
            raise ConfigError(f"--phase {phase}: the study has one mixture; leave it out")
        return {"": (write(problem, weights, exporter, run), run)}
    known = (*phases.names, WHOLE)
    if phase is not None and phase not in known:
        hint = did_you_mean(phase, known)
        raise ConfigError(f"--phase {phase}: there is no such phase{hint} (known: {', '.join(known)})")
    whole = problem.whole
    if phase == WHOLE or (phase is None and phases.is_tied(weights)):
        return {"": (write(whole, phases.aggregate(weights), exporter, run), run)}
    tokens = run.tokens if run.tokens is not None else problem.run_tokens
    found = {}
    for name, mixture in phases.split(weights).items():
        if phase in (None, name):
            own = replace(run, tokens=None if tokens is None else phases.share[name] * tokens)
            found[name] = write(whole, mixture, exporter, own), own
    return found
