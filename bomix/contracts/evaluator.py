"""An evaluator: what turns a mixture into losses.

Write a frozen dataclass with :meth:`Evaluator.evaluate`; it must survive pickling, as trials run in processes of their
own. One that builds or checks something before the first trial also has :meth:`PreparingEvaluator.prepare`. What else
bomix makes use of stands in :class:`EvaluatorTraits`. A field with the metadata ``{FILLED: "domains"}``
(:data:`bomix.config.build.FILLED`) is filled with the domains' sources, name to source, and is no key of a study file.
One with ``{FILLED: "phases"}`` takes the :class:`bomix.space.phases.Phases` of a study of two phases, whose
``split(trial.weights)`` are both mixtures; without one such a study is refused.
One that can train several trials as one, many small models in one process say, has the two methods of
:class:`GroupEvaluator`.

>>> from dataclasses import dataclass
>>> from typing import ClassVar
>>> from bomix.trial import Result
>>> @dataclass(frozen=True)
... class Bowl:
...     '''A loss that is lowest at the uniform mixture; it reports half way.'''
...     depth: float = 1.0
...     may_change: ClassVar[tuple[str, ...]] = ()
...     def evaluate(self, trial, workdir):
...         from bomix.progress import Progress, report
...         even = 1.0 / len(trial.weights)
...         report(Progress(step=1, steps=2))
...         return Result({"loss": self.depth * sum((w - even) ** 2 for w in trial.weights.values())})
>>> from bomix.trial import Trial
>>> Bowl().evaluate(Trial(0, {"code": 0.5, "web": 0.5}, 0, "uniform"), None).losses
{'loss': 0.0}
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from bomix.contracts.traits import ComponentTraits
from bomix.errors import Fault
from bomix.scale import Scale

if TYPE_CHECKING:
    from bomix.contracts.preparation import Preparation
    from bomix.trial import Outcome, Result, Reweighting, Trial


@runtime_checkable
class Evaluator(Protocol):
    """Turns a mixture into losses. Must survive pickling.

    Inside, :func:`bomix.progress.report` tells the driver how far the training is. ``Study.run`` calls an evaluator
    in processes of its own, so that its class has to stand in a module, not in a notebook's cell.

    Example:
        >>> import dataclasses, pathlib
        >>> @dataclasses.dataclass(frozen=True)
        ... class Formula:
        ...     offset: float = 2.0  # fields are the keys in a study file
        ...
        ...     def evaluate(self, trial, workdir):
        ...         return {"loss": self.offset + (trial.weights["code"] - 0.3) ** 2}
        >>> isinstance(Formula(), bomix.Evaluator)
        True
        >>> study = bomix.Study(["code", "web"], ["loss"], evaluator=Formula())
        >>> trial = study.ask()
        >>> round(study.tell(trial, Formula().evaluate(trial, pathlib.Path("."))).result.losses["loss"], 2)
        2.04
    """

    def evaluate(self, trial: Trial, workdir: Path) -> Result | Mapping[str, float | None]:
        """Train and measure.

        Args:
            trial: What to train.
            workdir: An empty folder of this attempt's own.

        Returns:
            The result, or metric name to loss where there is nothing else to say of the run.
        """
        ...


@runtime_checkable
class PreparingEvaluator(Evaluator, Protocol):
    """An evaluator that must build or check something before the first trial."""

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Build caches, measure the domains; every fault at once.

        Args:
            domains: The names of the study's domains.

        Raises:
            FaultsError: All that is wrong with the inputs.
        """
        ...


@dataclass(frozen=True)
class EvaluatorTraits(ComponentTraits):
    """What an evaluator may have beyond :class:`Evaluator`, and what bomix assumes where it does not.

    Attributes:
        may_change: Names of its fields, dotted where they lie deeper, that a running study may change, since they move
            no loss.
        preload: Modules to import before its processes are forked, so that each trial need not; none may touch a GPU.
        process_environment: Environment variables that its processes start with.
        scores_tokens: Whether the trial of an expert leaves behind what the expert makes of every validation token;
            believed of an evaluator that does not say.
        trained_scale: Takes a scale at which it can train and returns the one that is then really trained, as of whole
            steps: that one is recorded, and scales of which it is the same are one.
        evaluate_together: Trains several trials as one, see :class:`GroupEvaluator`, which has ``groups`` beside it.
        own_scale: The scale of a trial that names none, where it is known before anything is prepared.
        at_scale: Takes the name and the scale of one of several scales of a study and returns the evaluator that trains
            there, where that depends on more than the scale of the trial.
        run_flops: Takes a scale, and what was measured (``Preparation.info``), and returns the training FLOPs of a run
            with whatever ``6 * params * tokens`` leaves out; None where that is all that is known.
        alternatives: Sets of its fields of which one is given: a scale that has one over those of the study's evaluator
            has none of the others.
        scratch: Patterns of names of what it keeps in the folder of an attempt for a later attempt of the trial alone,
            as checkpoints are. Nobody reads that once the trial has ended, and what is left of it then is removed.
        faults_before_network: Takes the names of the domains and returns what is wrong that is seen before any network
            is asked; None where none is.
        save_model: Whether trained models are kept: ``False`` refuses means that average experts' parameters. Believed
            of an evaluator that does not say.
        matches_epochs: Whether it reads no more of a domain than it is told, in a field with the metadata
            ``{FILLED: "matching"}`` (:class:`bomix.contracts.repetition.Matching`, or None), so that trials repeat the
            text as the target will.
        sequence_length: Tokens that it reads as one; of a domain it reads at least as many.
    """

    contract: ClassVar[type | None] = PreparingEvaluator

    may_change: Collection[str] = ()
    preload: Collection[str] = ()
    process_environment: Callable[[], Mapping[str, str]] = dict
    scores_tokens: bool = True
    trained_scale: Callable[[Scale], Scale] = lambda scale: scale
    evaluate_together: Callable[..., Any] | None = None
    own_scale: Scale | None = None
    at_scale: Callable[[str, Scale], Any] | None = None
    run_flops: Callable[[Scale, Mapping[str, Any]], float | None] = lambda scale, info: None
    alternatives: Collection[Collection[str]] = ()
    scratch: Collection[str] = ()
    faults_before_network: Callable[[Sequence[str]], list[Fault] | None] = lambda domains: None
    save_model: bool | str = True
    matches_epochs: bool = False
    sequence_length: int = 1


@runtime_checkable
class ScaledEvaluator(Evaluator, Protocol):
    """An evaluator that trains at the scale of the trial, and can say beforehand at which it cannot.

    This is the only place where an evaluator says at which scales it trains. One without :meth:`scale_faults` is taken
    to train at one scale whatever the trial says: candidates and experts of another scale are then refused before they
    are recorded, since the record would say of a run what is not true of it.
    """

    def scale_faults(self, scale: Scale) -> list[Fault]:
        """What keeps it from training at a scale, and which scales are possible.

        Args:
            scale: Parameters and tokens, either None where they are to be the study's own.

        Returns:
            Faults at ``params`` or ``tokens``; none where a trial of that scale can be trained.
        """
        ...


@runtime_checkable
class ReweightingEvaluator(Evaluator, Protocol):
    """An evaluator that can reweight the domains while it trains, as ``Trial.reweighting`` says.

    Its result then names the mixture that was found, ``Result.mixture``. Of a trial of the origin ``reference`` it
    keeps the model, as the artifact ``model``. An evaluator without :meth:`reweighting_faults` is not asked for either:
    it would train on the weights of the start, and the record would say of the run what is not true of it.
    """

    def reweighting_faults(self, reweighting: Reweighting) -> list[Fault]:
        """What keeps it from reweighting in this way; none where it can.

        Args:
            reweighting: The rule, and what it is to lower.
        """
        ...


@runtime_checkable
class GroupEvaluator(Evaluator, Protocol):
    """An evaluator that can train several trials as one; one without these methods trains each by itself.

    A trial's result must not depend on which others share its group, beyond rounding: groups change from one run of a
    study to the next. A trial by itself is a group of one.

    Example:
        >>> import dataclasses, pathlib
        >>> @dataclasses.dataclass(frozen=True)
        ... class Formula:
        ...     widest: int = 8
        ...
        ...     def evaluate(self, trial, workdir):
        ...         return bomix.Result(losses={"loss": (trial.weights["code"] - 0.3) ** 2})
        ...
        ...     def groups(self, trials, slots):
        ...         width = min(self.widest, -(-len(trials) // slots))  # all alike, spread over the slots
        ...         return [list(trials[first : first + width]) for first in range(0, len(trials), width)]
        ...
        ...     def evaluate_together(self, attempts):
        ...         for trial, workdir in attempts:
        ...             yield trial, self.evaluate(trial, workdir)
        >>> study = bomix.Study(["code", "web"], ["loss"], evaluator=Formula())
        >>> trials = [study.ask() for _ in range(5)]
        >>> [[trial.id for trial in group] for group in Formula().groups(trials, slots=2)]
        [[0, 1, 2], [3, 4]]
        >>> attempts = [(trial, pathlib.Path(".")) for trial in trials]
        >>> [trial.id for trial, result in Formula().evaluate_together(attempts)]
        [0, 1, 2, 3, 4]
    """

    def groups(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        """How trials that could all be started now are best grouped: a pure function, called often, so cheap.

        Args:
            trials: At least one, as they are to be started; of any scales.
            slots: Groups that could run side by side, at least one.

        Returns:
            Every trial once. Those of a group can be trained as one: of one shape and scale, no more than memory
            holds. A group takes a slot; more groups than slots wait, the first ones first. Trials of a group, and as
            far as shapes allow groups, keep the order of ``trials``.
        """
        ...

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        """Train and measure several trials as one.

        Inside, :func:`bomix.progress.report` tells how far all of them are, or one where the report names its
        ``trial``. An exception ends the group: what came before counts, and the others are tried again in smaller
        groups, one of them alone before the rest unless memory ran out.

        Args:
            attempts: A group, or a part of one, of at least one trial, each with an empty folder of the attempt's own.

        Yields:
            Each trial once, as soon as it is finished, with its result, or with a failure where that one failed and
            the others go on. It is durable when the next one is asked for.
        """
        ...
