"""Exports of two phases: a mixture of each, for a run of its share of the tokens.

Trainers read one mixture; a run of two phases is two of their runs, the second going on from the checkpoint of the
first, or one that changes its mixture in between where the trainer can.

A second run begins the data of every domain anew, where the first has read: by the same seed in the same order, so that
all that it reads was read before. The later phase has another seed, and a note says what is left of that.
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

SHOWN = 5
"""Domains that a note names."""


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
    before: dict[str, float] = {}
    for number, (name, mixture) in enumerate(phases.split(weights).items()):
        length = None if tokens is None else phases.share[name] * tokens
        if phase in (None, name):
            own = replace(run, tokens=length, seed=run.seed + number)
            written = write(whole, mixture, exporter, own)
            notes = (*written.export.notes, *read_before(name, written, before))
            found[name] = replace(written, export=replace(written.export, notes=notes)), own
        before = {each: before.get(each, 0.0) + share * (length or 0.0) for each, share in mixture.items()}
    return found


def read_before(name: str, written: Written, before: Mapping[str, float]) -> list[str]:
    """A sentence on what a phase reads that earlier ones have read; none where no such domain is known.

    In an order that is independent of theirs it is as much of it as they have read of the whole domain.

    Args:
        name: The phase.
        written: Its export.
        before: Domain to the tokens that earlier phases have drawn of it.
    """
    shares = {
        each.name: min(1.0, before.get(each.name, 0.0) * each.epochs / each.tokens)
        for each in written.drawn
        if each.tokens and each.epochs
    }
    told = [f"{each} {100 * share:.0f} %" for each, share in sorted(shares.items(), key=lambda one: -one[1])]
    told = [each for each in told if not each.endswith(" 0 %")]
    if not told:
        return []
    some = ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "")
    return [
        f"the run of {name} begins every domain anew, where the first has read: in the order of another seed, which "
        f"the trainer must be given, about so much of what it draws was read then: {some}; in the same order up to all "
        f"of it. Other files for each phase (--phase {name} --paths ...) have none twice"
    ]
