"""Whether trials see as much of each domain as repeats it as often as the target will, and how often runs read it.

A study keeps what it began with: trials that see another part of the text could not be compared with those before.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bomix.config.build import FILLED
from bomix.config.sections import DomainSpec, TargetSpec, own_max_epochs, repetition_decays
from bomix.contracts.evaluator import EvaluatorTraits
from bomix.contracts.repetition import Matching
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.space.mixture_space import MixtureSpace

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.preparation import DomainStats
    from bomix.problem import Problem, StudyScale
    from bomix.scale import Scale

logger = logging.getLogger(__name__)

WHERE = "target.match_epochs"
"""The key's place in a study file."""


@dataclasses.dataclass(frozen=True)
class Begun:
    """What a study that has trials began with.

    Attributes:
        matching: What is cut; None where trials see all of the text.
    """

    matching: Matching | None


def decide(
    spec: StudySpec,
    target: TargetSpec | None,
    tokens: Mapping[str, float],
    space: MixtureSpace,
    begun: Begun | None,
    *,
    told: bool = False,
) -> Matching | None:
    """What is cut: as the study began; as the file says; else where a domain can repeat in the target within its cap.

    Args:
        spec: The study file.
        target: The run that the study decides about, with its tokens; None where they are unknown.
        tokens: Domain to the tokens that the target has of it, as far as they are known.
        space: The mixtures that are allowed.
        begun: What the study began with; None where nothing is frozen.
        told: Whether to log where a study that began now would do otherwise.
    """
    if begun is not None and _evaluators(spec):
        if told:
            _tell_kept(begun, decide(spec, target, tokens, space, None))
        return begun.matching
    stated = None if spec.target is None else spec.target.match_epochs
    if spec.target is None or target is None or target.tokens is None or stated is False:
        return None
    if set(tokens) != set(spec.domains) or (stated is None and not _may_repeat(spec, target.tokens, tokens, space)):
        return None
    return Matching(target.tokens, dict(sorted(tokens.items())))


def _may_repeat(spec: StudySpec, run: float, tokens: Mapping[str, float], space: MixtureSpace) -> bool:
    """Whether what trains keeps to a cut, and a mixture that is allowed repeats a domain in the target."""
    trained = _evaluators(spec)
    if not trained or not all(traits(each, EvaluatorTraits).matches_epochs for each in trained.values()):
        return False
    return any(top * run > tokens[name] for name, top in zip(space.domains, space.upper, strict=True))


def faults(
    spec: StudySpec, tokens: Mapping[str, float], own: Scale | None, several: tuple[StudyScale, ...]
) -> Iterator[Fault]:
    """Why trials cannot repeat as the target does, where the file says that they shall.

    Args:
        spec: The study file.
        tokens: Domain to the tokens that the target has of it, as far as they are known.
        own: The study's own scale.
        several: All of its scales; none where it has one.
    """
    if spec.target is None or not spec.target.match_epochs:
        return
    for name in sorted(set(spec.domains) - set(tokens)):
        yield Fault(f"domains.{name}.tokens", f"unknown, and {WHERE} needs them; state how many the target has")
    for name, each in _evaluators(spec).items():
        if filled_field(each) is None:
            what = f"{type(each).__name__} reads no text of which a part could be left out"
            yield Fault(WHERE, f"{what}; leave it out")
            return
        scale = own if not several else next(one.scale for one in several if one.name == name)
        if scale is None or scale.tokens is None:
            where, cure = (f"scales.{name}.tokens", "state them") if several else (WHERE, "name 'scales', with tokens")
            yield Fault(where, f"how many tokens a trial trains on is unknown, and {WHERE} needs it; {cure}")


def cap_faults(spec: StudySpec, tokens: Mapping[str, float], run_tokens: float | None) -> list[Fault]:
    """Caps of single domains that cannot be kept, as nothing says how often the target reads them.

    Args:
        spec: The study file.
        tokens: Domain to the tokens that the target has of it, as far as they are known.
        run_tokens: Tokens of the target; None where they are unknown.
    """
    found = []
    for name in own_max_epochs(spec.domains):
        where, lacks = f"domains.{name}.max_epochs", "how many tokens {} is unknown, and the cap needs it; {}"
        if name not in tokens:
            found.append(Fault(where, lacks.format(f"there are of '{name}'", f"give domains.{name}.tokens")))
        if run_tokens is None:
            found.append(Fault(where, lacks.format("the target has", "give target.tokens")))
    return found


def changes(spec: StudySpec, begun: Begun) -> list[str]:
    """The key where a study file contradicts what the study began with, in one line."""
    stated = None if spec.target is None else spec.target.match_epochs
    before = begun.matching is not None
    if stated is None or not _evaluators(spec) or stated is before:
        return []
    words = {True: "true", False: "false"}
    return [f"{WHERE}: {words[before]} when the study began, {words[stated]} now"]


def _tell_kept(begun: Begun, anew: Matching | None) -> None:
    """Log where a study that is begun now would cut its text in another way than this one keeps to."""
    if anew == begun.matching:
        return
    if begun.matching is None:
        what = "the trials so far see all text of each domain, and so will those to come: a domain repeats in the"
        logger.warning("%s target and not in them; a study in a new folder would match that (%s)", what, WHERE)
    else:
        what = "the text that trials see stays cut as when the study began, for a target of %s tokens; a study in a new"
        then = f"{begun.matching.target_tokens:,.0f}"
        logger.warning(f"{what} folder would go by what target and domains have now", then)


def passes(
    matching: Matching | None,
    tokens: Mapping[str, float],
    *,
    run: float | None,
    target: float | None,
    text: Mapping[str, DomainStats],
    length: int = 1,
) -> dict[str, float]:
    """Domain to the passes over its text of a run on it alone.

    A run whose tokens are unknown is taken to be as long as the target: right up to one factor for all domains.

    Args:
        matching: What is cut; None where runs see all of the text.
        tokens: Domain to the tokens that the target has of it.
        run: Training tokens of a run; None where they are unknown.
        target: Those of the target.
        text: Domain to the text that runs are trained on, where that is here.
        length: Tokens of a sequence, of which a run sees whole ones.
    """
    if run is None or not text:
        if matching is not None:
            return matching.epochs()
        length_of_run = target if run is None else run
        return {} if length_of_run is None else {name: length_of_run / count for name, count in tokens.items()}
    there = {name: float(text[name].tokens) for name in tokens}
    if matching is None:
        return {name: run / count for name, count in there.items()}
    exact, cut = matching.epochs(), matching.tokens(run)
    return {
        name: exact[name] if length <= cut[name] <= there[name] else run / min(max(cut[name], length), there[name])
        for name in tokens
    }


def problem_fields(
    spec: StudySpec,
    matching: Matching | None,
    tokens: Mapping[str, float],
    *,
    run: float | None,
    target: float | None,
    text: Mapping[str, DomainStats],
) -> dict[str, Any]:
    """Fields of a problem that say how often its runs read each domain, and what repetition costs.

    Args:
        spec: The study file.
        matching: What is cut.
        tokens: Domain to the tokens that the target has of it; empty where those of a domain are unknown.
        run: Training tokens of a run; None where they are unknown.
        target: Those of the target.
        text: Domain to the text that runs are trained on, where that is here.
    """
    length = traits(spec.evaluator, EvaluatorTraits).sequence_length
    return {
        "passes": passes(matching, tokens, run=run, target=target, text=text, length=length),
        "repetition_decay": repetition_decays(spec.domains),
    }


def uncapped(space: MixtureSpace, domains: Mapping[str, DomainSpec]) -> MixtureSpace | None:
    """A space with the upper bounds that the file states; None where no cap by tokens lies below them."""
    upper = {name: spec.upper for name, spec in domains.items()}
    if all(top >= upper[name] for name, top in zip(space.domains, space.upper, strict=True)):
        return None
    kept = (space.lower, space.at_least, space.negligible)
    lower, least, small = (dict(zip(space.domains, values, strict=True)) for values in kept)
    return MixtureSpace(space.domains, lower, upper, least, small, space.constraints)


def target_passes(problem: Problem) -> dict[str, float]:
    """Domain to the passes of the target over it, were it all of the target; empty where that is unknown."""
    if problem.run_tokens is None:
        return {}
    return {name: problem.run_tokens / count for name, count in problem.tokens.items()}


def filled_field(evaluator: Evaluator) -> str | None:
    """The name of the field of an evaluator that takes what is cut; None where there is none."""
    cls: Any = type(evaluator)
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return next((field.name for field in fields if field.metadata.get(FILLED) == "matching"), None)


def matched(evaluator: Evaluator, matching: Matching | None) -> Evaluator:
    """An evaluator with what is cut filled in, where it has a field for it."""
    name = filled_field(evaluator)
    if name is None:
        return evaluator
    return dataclasses.replace(evaluator, **{name: matching})  # type: ignore[type-var]


def _evaluators(spec: StudySpec) -> dict[str, Evaluator]:
    """What trains at each scale; under no name in a study of one."""
    names: tuple[str, ...] = tuple(spec.scales) or ("",)
    found = {name: spec.evaluator_at(name) if name else spec.evaluator for name in names}
    return {name: each for name, each in found.items() if each is not None}
