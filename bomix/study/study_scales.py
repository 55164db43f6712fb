"""Several scales of a study: which they are, what a run of each costs, which one is decided about, what trains them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.config.build import filled_field
from bomix.config.components import child
from bomix.contracts.evaluator import EvaluatorTraits, ScaledEvaluator
from bomix.contracts.traits import traits
from bomix.errors import Fault, did_you_mean, raise_faults
from bomix.evaluators.scaled import scaled
from bomix.history import History
from bomix.io.store.plain import short
from bomix.problem import StudyScale
from bomix.scale import Scale, comparable
from bomix.study.repetition import matched

if TYPE_CHECKING:
    from bomix.config.scale_spec import StudyScaleSpec
    from bomix.config.spec import StudySpec
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.repetition import Matching
    from bomix.io.store.incoming import ForeignRun
    from bomix.problem import Problem
    from bomix.trial import Record


def ready_evaluator(spec: StudySpec, folder: Path, matching: Matching | None = None) -> Evaluator | None:
    """What trains the trials of a study, with everything filled in that it takes from the study.

    Args:
        spec: The study file.
        folder: What relative paths are relative to.
        matching: What text trials may see; all where None.

    Raises:
        FaultsError: Scales that cannot be trained, or told apart.
    """
    if spec.evaluator is None or not spec.scales:
        evaluator = spec.ready_evaluator(folder)
        return None if evaluator is None else matched(evaluator, matching)
    found, target = study_scales(spec)
    trained: dict[str, tuple[Scale, Evaluator]] = {}
    for each in found:
        if (evaluator := spec.ready_evaluator_at(each.name, folder)) is not None:
            trained[each.name] = each.scale, matched(_with_all(evaluator, found, target), matching)
    return scaled(trained, default_of(found, target))


def _with_all(evaluator: Evaluator, scales: tuple[StudyScale, ...], target: Scale) -> Evaluator:
    """An evaluator with the scales of the study up to the target, the cheapest first, where it has a field for them."""
    name = filled_field(evaluator, "scales")
    if name is None:
        return evaluator
    known = [each.scale for each in scales]
    upto = tuple(known[: known.index(target) + 1])
    return dataclasses.replace(evaluator, **{name: upto})  # type: ignore[type-var]


def trainer(spec: StudySpec) -> Evaluator | None:
    """What :func:`ready_evaluator` returns with nothing filled in: it says at which scales it trains."""
    if spec.evaluator is None or not spec.scales:
        return spec.evaluator
    found, target = study_scales(spec)
    evaluators = {each.name: (each.scale, spec.evaluator_at(each.name)) for each in found}
    known = {name: (scale, part) for name, (scale, part) in evaluators.items() if part is not None}
    return scaled(known, default_of(found, target))


def default_of(scales: tuple[StudyScale, ...], target: Scale) -> Scale:
    """The scale of trials that name none: the target where it is trained, else the dearest that is."""
    trained = [each.scale for each in scales if each.trained]
    return target if target in trained or not trained else trained[-1]


def study_scales(spec: StudySpec, info: Mapping[str, Any] | None = None) -> tuple[tuple[StudyScale, ...], Scale]:
    """The scales of a study of several, the cheapest first, and the one that is decided about, last of equal cost.

    Args:
        spec: The study file, which names scales.
        info: What was measured, for costs that depend on it; None where only the scales are wanted.

    Raises:
        FaultsError: Scales of which it is not known what they are or cost, that cannot be trained or told apart.
    """
    faults: list[Fault] = []
    scales = {name: _scale(name, each, spec.evaluator_at(name), faults) for name, each in spec.scales.items()}
    known = {name: scale for name, scale in scales.items() if scale is not None}
    for first, second in combinations(known, 2):
        if comparable(known[first], known[second]):
            what = f"its runs ({known[second]}) cannot be told from those of '{first}' ({known[first]})"
            cure = "give one of them another 'recipe'" if known[first] == known[second] else "state params and tokens"
            faults.append(Fault(f"scales.{second}", f"{what}; {cure}, or keep one scale"))
    if not faults:
        faults += _trained_the_same(spec)
    found = []
    for name, scale in known.items():
        stated = spec.scales[name].cost
        cost = _flops(name, scale, spec.evaluator_at(name), info or {}) if stated is None else stated
        if cost is None:
            lacking = " and ".join(axis for axis in ("params", "tokens") if scale.to_data()[axis] is None)
            what = f"its {lacking} are unknown, so that nobody can say what a run costs"
            faults.append(Fault(f"scales.{name}", f"{what}; state them, or the 'cost' of every scale"))
        else:
            found.append(StudyScale(name, scale, cost, spec.scales[name].train))
    raise_faults(faults)
    wanted = None if spec.target is None else spec.target.scale
    ordered = tuple(sorted(found, key=lambda each: (each.cost, each.name == wanted)))
    target = next((each.scale for each in ordered if each.name == wanted), ordered[-1].scale)
    return ordered, target


def unreached(problem: Problem) -> str | None:
    """What a budget in cost leaves undone that holds no run of the scale that is decided about; None where it does."""
    target = next((each for each in problem.scales if each.scale == problem.scale), None)
    if problem.cost is None or target is None or not target.trained or target.cost <= problem.cost:
        return None
    return (
        f"budget.cost ({problem.cost:g}) is less than one run of '{target.name}', which is decided about, costs "
        f"({target.cost:g}): what is said of it will be carried over from other scales"
    )


def named_scale(problem: Problem, given: Any, where: str = "scale") -> Scale | None:
    """A scale that a caller names: by its name in the study, or as what it is.

    Args:
        problem: The study's scales.
        given: A name, a :class:`~bomix.scale.Scale`, or None.
        where: What it is called in a message.

    Raises:
        FaultsError: The study has no scale of that name; or it is neither.
    """
    if given is None or isinstance(given, Scale):
        return given
    names = [each.name for each in problem.scales]
    if not isinstance(given, str) or not names:
        known = "" if not names else f", the name of one of the study's scales ({', '.join(names)}),"
        cure = "; the study names no scales (key 'scales')" if isinstance(given, str) else ""
        raise_faults([Fault(where, f"expected a bomix.Scale{known} or None, found {short(given)}{cure}")])
    if given not in names:
        hint = did_you_mean(given, names) or f" (known: {', '.join(names)})"
        raise_faults([Fault(where, f"unknown scale '{given}'{hint}")])
    return problem.scales[names.index(given)].scale


def _scale(name: str, spec: StudyScaleSpec, evaluator: Evaluator | None, faults: list[Fault]) -> Scale | None:
    """What runs of a scale carry; None and a fault where that cannot be known."""
    where = f"scales.{name}"
    own = traits(evaluator, EvaluatorTraits).own_scale
    if spec.params is None and spec.tokens is None and own is None and spec.recipe is None:
        knows = "" if evaluator is None else f", and {type(evaluator).__name__} does not say on what it trains"
        faults.append(Fault(where, f"nothing tells its runs from those of others{knows}; state params and tokens"))
        return None
    stated = None if spec.params is None and spec.tokens is None else Scale(spec.params, spec.tokens)
    trains_any = spec.evaluator is None and isinstance(evaluator, ScaledEvaluator)
    if stated is not None and trains_any and isinstance(evaluator, ScaledEvaluator):
        wrong = evaluator.scale_faults(stated)
        faults += [Fault(child(where, fault.where) if fault.where else where, fault.what) for fault in wrong]
        if wrong:
            return None
        own = traits(evaluator, EvaluatorTraits).trained_scale(stated)
    elif stated is not None and own is not None and not comparable(stated, own):
        faults.append(Fault(where, f"{stated} is stated, and its evaluator trains {own}; leave params and tokens out"))
        return None
    sizes = own or stated
    if sizes is None:
        return Scale(recipe=spec.recipe)
    filled = stated or sizes
    return Scale(sizes.params or filled.params, sizes.tokens or filled.tokens, spec.recipe)


def _trained_the_same(spec: StudySpec) -> list[Fault]:
    """Scales that would be trained in the same way, since their evaluator takes no scale from a trial."""
    trained = {name: spec.evaluator_at(name) for name in spec.scales}
    faults = []
    for first, second in combinations([name for name, part in trained.items() if part is not None], 2):
        part = trained[second]
        told = traits(part, EvaluatorTraits).at_scale is not None or (part and filled_field(part, "scales"))
        if not told and not isinstance(part, ScaledEvaluator) and part == trained[first]:
            what = f"{type(part).__name__} takes no scale from a trial, and would train it as it trains '{first}'"
            faults.append(Fault(f"scales.{second}", f"{what}; give the keys that differ, or 'train: false'"))
    return faults


def _flops(name: str, scale: Scale, evaluator: Evaluator | None, info: Mapping[str, Any]) -> float | None:
    """Training FLOPs of a run, the head counted where the evaluator knows it; None where the sizes are unknown."""
    measured = info.get("scales", {}).get(name, info)
    counted = traits(evaluator, EvaluatorTraits).run_flops(scale, measured)
    return scale.flops if counted is None else counted


def with_named_scales(problem: Problem, runs: Iterable[ForeignRun]) -> Iterable[ForeignRun]:
    """Runs in which a scale that is given by its name in the study is that scale.

    Raises:
        FaultsError: The study has no scale of a name.
    """
    if not problem.scales or not isinstance(runs, (list, tuple)):
        return runs
    return [
        (*run[:2], named_scale(problem, run[2]))
        if isinstance(run, (tuple, list)) and len(run) == 3 and isinstance(run[2], str)
        else run
        for run in runs
    ]


def history_of(
    records: tuple[Record, ...], damaged: tuple[int, ...], own: Scale | None, several: tuple[StudyScale, ...]
) -> History:
    """The record of a study with its scales.

    Args:
        records: Every trial that can be read.
        damaged: Ids of the others.
        own: The study's own scale.
        several: All of its scales; none where it has one.
    """
    if not several or own is None:
        return History(records, own, damaged)
    trains = default_of(several, own)
    known = tuple(each.scale for each in several)
    return History(records, own, damaged, scales=known, trains=None if trains == own else trains)


def scale_of_study(problem: Problem, given: Any) -> Scale | None:
    """One of several scales of a study, as :func:`named_scale`; None for the one that is decided about.

    Raises:
        FaultsError: It is none of them.
    """
    scale = named_scale(problem, given)
    if scale is None or scale == problem.scale:
        return None
    if all(each.scale != scale for each in problem.scales):
        known = "; ".join(f"{each.name}: {each.scale}" for each in problem.scales) or str(problem.scale)
        raise_faults([Fault("scale", f"{scale} is none of the study's scales ({known})")])
    return scale
