"""How often proxies and the target read each domain, side by side, and where a proxy cannot do as the target does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.contracts.evaluator import EvaluatorTraits
from bomix.contracts.traits import traits
from bomix.report.shown import listed
from bomix.study import repetition

if TYPE_CHECKING:
    from bomix.scale import Scale
    from bomix.study.study import Study

FEW = 8
"""Sequences of a cut below which rounding to whole ones moves epochs by more than a sixteenth, and a single document
may be all that trials see of the domain."""
FAR = 2.0
"""Ratio of epochs from which a proxy is said to mislead: what a second pass is worth is about what a first one is, what
a fourth is worth is not."""


@dataclass(frozen=True)
class Runs:
    """How often runs of one length read each domain.

    Attributes:
        name: What they are called: a scale, ``proxy`` or ``target``.
        passes: Domain to the passes of a run on it alone.
        sequence_length: Tokens that are read as one.
        tokens: Training tokens of a run.
    """

    name: str
    passes: Mapping[str, float]
    sequence_length: int
    tokens: float


def runs(study: Study) -> list[Runs]:
    """The runs that are trained here, the cheapest first, and the target; empty where either is unknown."""
    problem, spec = study.problem, study.spec
    text = study.records.resolved.preparation.domains
    if spec.target is None or problem.run_tokens is None or set(problem.tokens) != set(spec.domains):
        return []
    kinds: list[tuple[str, Scale | None]] = [(each.name, each.scale) for each in problem.scales if each.trained] or [
        ("proxy", problem.scale)
    ]
    found = []
    for name, scale in kinds:
        evaluator = spec.evaluator_at(name) if problem.scales else spec.evaluator
        if evaluator is None or scale is None or scale.tokens is None or not (text or problem.matching):
            continue
        length = traits(evaluator, EvaluatorTraits).sequence_length
        passes = repetition.passes(
            problem.matching, problem.tokens, run=scale.tokens, target=problem.run_tokens, text=text, length=length
        )
        found.append(Runs(name, passes, length, scale.tokens))
    if not found:
        return []
    return [*found, Runs("target", repetition.target_passes(problem), 1, problem.run_tokens)]


def warnings(study: Study) -> Iterator[str]:
    """A sentence where runs repeat domains far more or less often than the target, and for cuts that are too small."""
    found = runs(study)
    for each in found[:-1]:
        yield from _far(study, each, found[-1])
        yield from _small(study, each)


def _far(study: Study, proxy: Runs, target: Runs) -> Iterator[str]:
    """What differs by more than :data:`FAR`, where either can read the domain more than once."""
    space, matching = study.problem.single, study.problem.matching
    fewer: list[str] = []
    more: list[str] = []
    for name, top in zip(space.domains, space.upper, strict=True):
        here, there = proxy.passes[name], target.passes[name]
        if top * max(here, there) > 1.0 and not 1.0 / FAR <= here / there <= FAR:
            (fewer if here < there else more).append(f"'{name}' ({_ratio(here, there)})")
    which = "proxies" if proxy.name == "proxy" else f"runs of '{proxy.name}'"
    if fewer:
        cure = "target.match_epochs: true lets them" if matching is None else "state target.tokens as it is"
        cure += "" if not study.history.all_records else ", in a study in a new folder"
        yield f"{which} repeat domains less often than the target: {listed(fewer)}; {cure}"
    if more:
        what = "their text is small, so that its repetition is taken for the domain's"
        cure = "give more text, or take fewer evaluator.tokens"
        yield f"{which} repeat domains more often than the target: {listed(more)}; {what}: {cure}"


def _ratio(here: float, there: float) -> str:
    return f"{there / here:.3g} times less" if here < there else f"{here / there:.3g} times more"


def _small(study: Study, proxy: Runs) -> Iterator[str]:
    """Cuts of fewer than :data:`FEW` sequences, and what would help."""
    if (matching := study.problem.matching) is None:
        return
    length, cut = proxy.sequence_length, matching.tokens(proxy.tokens)
    small = [name for name in sorted(cut, key=cut.__getitem__) if cut[name] < FEW * length]
    if not small or length <= 1:
        return
    names = listed([f"'{name}' ({cut[name]:,.0f} tokens)" for name in small])
    need = proxy.tokens * FEW * length / cut[small[0]]
    which = "proxies" if proxy.name == "proxy" else f"runs of '{proxy.name}'"
    yield (
        f"what {which} may see is less than {FEW} sequences of {length} tokens of {names}; longer proxies (of "
        f"{need:,.0f} tokens, for all of them), shorter sequences, or a domain that takes them together would help"
    )
