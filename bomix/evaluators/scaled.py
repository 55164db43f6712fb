"""An evaluator for each of several scales, behind one: a trial is trained by that of its scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.contracts.evaluator import (
    EvaluatorTraits,
    GroupEvaluator,
    PreparingEvaluator,
    ReweightingEvaluator,
    ScaledEvaluator,
)
from bomix.contracts.preparation import Preparation
from bomix.contracts.traits import traits
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.io.store.result_checks import as_result

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.scale import Scale
    from bomix.trial import Outcome, Result, Reweighting, Trial


@dataclasses.dataclass(frozen=True)
class Part:
    """What trains at one scale.

    Attributes:
        name: The name of the scale.
        scale: What its trials carry.
        evaluator: What trains them, ready.
    """

    name: str
    scale: Scale
    evaluator: Evaluator


@dataclasses.dataclass(frozen=True)
class Scaled:
    """Trains every trial with the evaluator of its scale.

    A trial that names no scale, or one that is none of these (an expert's, say), is handed to the one that is trained
    by default, which looks at the trial's scale itself.

    Attributes:
        parts: What trains at each scale that is trained; at least one.
        default: Place of the one for trials that name no scale.
    """

    parts: tuple[Part, ...]
    default: int

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that any of the evaluators imports before it forks."""
        return tuple(dict.fromkeys(name for each in self._traits() for name in each.preload))

    @property
    def scratch(self) -> tuple[str, ...]:
        """What any of them keeps for a later attempt of a trial."""
        return tuple(dict.fromkeys(name for each in self._traits() for name in each.scratch))

    def process_environment(self) -> dict[str, str]:
        """Variables that the processes of any of them start with."""
        return {name: value for each in self._traits() for name, value in each.process_environment().items()}

    @property
    def scores_tokens(self) -> bool:
        """Whether experts, which are trained by default, leave behind what they make of every token."""
        return traits(self._usual.evaluator, EvaluatorTraits).scores_tokens

    @property
    def save_model(self) -> bool | str:
        """Whether models are kept, likewise."""
        return traits(self._usual.evaluator, EvaluatorTraits).save_model

    def trained_scale(self, scale: Scale) -> Scale:
        """The scale that is really trained where one is wanted: of another than the parts', by the usual evaluator."""
        if any(part.scale == scale for part in self.parts):
            return scale
        return traits(self._usual.evaluator, EvaluatorTraits).trained_scale(scale)

    def scale_faults(self, scale: Scale) -> list[Fault]:
        """What keeps all of them from training at a scale."""
        usual = self._usual.evaluator
        if any(part.scale == scale for part in self.parts):
            return []
        if isinstance(usual, ScaledEvaluator):
            return usual.scale_faults(scale)
        known = "; ".join(f"{part.name}: {part.scale}" for part in self.parts)
        return [Fault("", f"{scale} is none of the scales that are trained ({known}); take one of them")]

    def reweighting_faults(self, reweighting: Reweighting) -> list[Fault]:
        """What keeps the one that is trained by default from reweighting in this way."""
        usual = self._usual.evaluator
        if isinstance(usual, ReweightingEvaluator):
            return usual.reweighting_faults(reweighting)
        return [Fault("", f"{type(usual).__name__} cannot reweight (it has no method 'reweighting_faults')")]

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Have each of them build and measure its inputs, and put together what they found.

        What differs between scales, of provenance, stands under ``<scale>/<name>``; ``info`` is that of the scale that
        is trained by default, with those of all under ``scales``.

        Raises:
            FaultsError: Everything that is wrong with the inputs of any, or scales that measure different things.
        """
        found: dict[str, Preparation] = {}
        faults: dict[Fault, None] = {}
        for part in self.parts:
            try:
                if isinstance(part.evaluator, PreparingEvaluator):
                    found[part.name] = part.evaluator.prepare(domains)
            except FaultsError as error:
                faults |= dict.fromkeys(error.faults)
        raise_faults(faults)
        usual = found.get(self._usual.name, Preparation(metrics=()))
        for name, other in found.items():
            named, wanted = ({metric.name for metric in each.metrics} for each in (other, usual))
            if named != wanted:
                what = f"it measures {', '.join(sorted(named))}, and {self._usual.name} {', '.join(sorted(wanted))}"
                faults[Fault(f"scales.{name}", f"{what}; scales of one study share their metrics")] = None
        raise_faults(faults)
        provenance: dict[str, str] = {}
        for name, each in found.items():
            for key, value in each.provenance.items():
                same = all(other.provenance.get(key) == value for other in found.values())
                provenance[key if same else f"{name}/{key}"] = value
        info: dict[str, Any] = {**usual.info, "scales": {name: dict(each.info) for name, each in found.items()}}
        return dataclasses.replace(usual, scale=self._usual.scale, provenance=provenance, info=info)

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Train and measure at the scale of the trial."""
        return _whole(self.part_of(trial).evaluator.evaluate(trial, workdir))

    def part_of(self, trial: Trial) -> Part:
        """What trains a trial."""
        return next((part for part in self.parts if part.scale == trial.scale), self._usual)

    @property
    def _usual(self) -> Part:
        return self.parts[self.default]

    def _traits(self) -> Iterator[EvaluatorTraits]:
        return (traits(part.evaluator, EvaluatorTraits) for part in self.parts)


@dataclasses.dataclass(frozen=True)
class GroupScaled(Scaled):
    """The same where some of the evaluators can train several trials as one: those of one scale."""

    def groups(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        """Trials in groups of one scale each, as its evaluator groups them on its share of the slots."""
        together: dict[str, list[Trial]] = {}
        for trial in trials:
            together.setdefault(self.part_of(trial).name, []).append(trial)
        found: list[list[Trial]] = []
        for some in together.values():
            evaluator = self.part_of(some[0]).evaluator
            if isinstance(evaluator, GroupEvaluator):
                found += evaluator.groups(some, max(1, round(slots * len(some) / len(trials))))
            else:
                found += [[trial] for trial in some]
        order = {trial.id: place for place, trial in enumerate(trials)}
        return sorted(found, key=lambda group: order[group[0].id])

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        """Train and measure several trials of one scale as one."""
        evaluator = self.part_of(attempts[0][0]).evaluator
        if isinstance(evaluator, GroupEvaluator):
            yield from evaluator.evaluate_together(attempts)
        else:
            for trial, workdir in attempts:
                yield trial, _whole(evaluator.evaluate(trial, workdir))


def _whole(found: Result | Mapping[str, float | None]) -> Result:
    """A result, also of the losses alone; what is neither is refused where it would be written down."""
    return as_result(found) if isinstance(found, Mapping) else found


def scaled(evaluators: Mapping[str, tuple[Scale, Evaluator]], default: Scale) -> Scaled:
    """One evaluator for several scales.

    Args:
        evaluators: Name of each scale that is trained to what its trials carry and what trains them.
        default: The scale of trials that name none, one of these.
    """
    parts = tuple(Part(name, scale, _at(evaluator, name, scale)) for name, (scale, evaluator) in evaluators.items())
    place = next(place for place, part in enumerate(parts) if part.scale == default)
    groups = any(isinstance(part.evaluator, GroupEvaluator) for part in parts)
    return (GroupScaled if groups else Scaled)(parts, place)


def _at(evaluator: Evaluator, name: str, scale: Scale) -> Any:
    told = traits(evaluator, EvaluatorTraits).at_scale
    return evaluator if told is None else told(name, scale)
