"""Mixtures that one run finds, by reweighting the domains while it trains.

A strategy asks for the run, where its rule compares losses with a reference first for the reference, and then for the
mixture that was found, on a new seed each time. While it waits for a run it asks for the mixture that the run starts
with, which the one that is found is compared with. Runs are known again by what they were asked for: after a change of
the rule, or of what it is to lower, a new run is made.

References:
    [Albalak2023] Efficient Online Data Mixing for Language Model Pre-Training.
    [Fan2024] DoGE: Domain Reweighting with Generalization Estimation.
    [Tan2026] FastMix: Fast Data Mixture Optimization via Gradient Descent.
    [Xie2023] DoReMi: Optimizing Data Mixtures Speeds Up Language Model Pretraining.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bomix.config import registry
from bomix.config.build import plain
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.reweighter import Reweighter, ReweighterTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, StudyError, count_faults, raise_faults
from bomix.scale import comparable
from bomix.space.weights import same_mixture
from bomix.strategies.baselines.simple import moved_notes
from bomix.trial import REFERENCE, REWEIGHTING, Candidate, Record, Reweighting, Status

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.weights import Weights

_ATTEMPTS = 3
"""Runs of one kind after which another one is not expected to fare better."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reweighted:
    """The mixture that one run finds under a rule that reweights the domains while it trains.

    Attributes:
        rule: The rule.
        reference: Mixture of the reference run, where the rule compares losses with one.
        rounds: Runs that reweight, each compared with a model of what the last one found.
        batch_sequences: Sequences per step of the run; null for one of each domain, or as many as other trials have
            where those are more. A batch of one domain alone leaves nothing to reweight.
    """

    repeats: ClassVar[bool] = True
    """It proposes what is pending already; no two trials of it are alike but for their mixture."""
    needs_reweighting: ClassVar[bool] = True

    rule: Reweighter
    reference: Literal["uniform", "natural"] = "uniform"
    rounds: int = 1
    batch_sequences: int | None = None

    @property
    def origin(self) -> str:
        """Who its candidates say proposed them: the kind of the rule."""
        return registry.kind_of("reweighter", type(self.rule))

    def faults(self) -> list[Fault]:
        """What is wrong with the fields of its own; the rule looks after its own."""
        found = count_faults(1, rounds=self.rounds, batch_sequences=self.batch_sequences)
        if not self._compares:
            what = f"'{self.origin}' compares with no reference; leave it out"
            ours = {"rounds": self.rounds != 1, "reference": self.reference != "uniform"}
            found += [Fault(name, what) for name, is_given in ours.items() if is_given]
        kind = registry.kind_of("strategy", type(self))
        if kind in registry.kinds("reweighter") and kind != self.origin:
            what = f"'{kind}' finds its mixture by a rule of its own kind, and this is '{self.origin}'"
            found.append(Fault("rule", f"{what}; write strategy: {{kind: {self.origin}, ...}}, or 'reweighted'"))
        return found

    @property
    def least_trials(self) -> int:
        """The runs that reweight, a reference before each where the rule compares with one, and what was found."""
        return self.rounds * (2 if self._compares else 1) + 1

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What the rule needs and the problem does not have."""
        found = []
        if self.reference == "natural" and problem.natural is None:
            what = "the natural mixture is unknown; give every domain 'tokens' or a source, or take uniform"
            found.append(Fault("reference", what))
        if self._follows and not self._target(problem):
            what = f"the objective counts no loss whose gradient '{self.origin}' could follow; take another strategy"
            found.append(Fault("rule", what))
        held = sum(weight > 0.0 for weight in problem.anchors()["uniform"].values())
        if self._weighs_within_batches and self.batch_sequences is not None and self.batch_sequences < held:
            what = f"a batch of {self.batch_sequences} cannot hold a sequence of each of {held} domains, which "
            what += f"'{self.origin}' weighs against each other; give at least {held}, or leave it out"
            found.append(Fault("batch_sequences", what))
        return found

    def description(self, problem: Problem) -> str:
        """What is asked for, in their order."""
        reference = "a reference run, " if self._compares else ""
        return f"{reference}a run that reweights by '{self.origin}', then what it found"

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` runs, one after the other; see :class:`bomix.contracts.strategy.Strategy`.

        Raises:
            FaultsError: The problem lacks what the rule needs.
            StudyError: The reference run, or the one that reweights, keeps failing.
        """
        raise_faults(self.faults() or self.problem_faults(problem), f"'{self.origin}' finds no mixture in this study:")
        candidates: list[Candidate] = []
        for _ in range(q):
            candidates.append(self._next(problem, history))
            history = history.with_pending(candidates[-1:])
        return candidates

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the mixture is found, which is then asked for whatever comes back."""
        try:
            return isinstance(self._last_run(problem, history), Record)
        except StudyError:  # the ask tells it, once the trials that are there have been run
            return False

    @property
    def _compares(self) -> bool:
        """Whether the rule compares losses with those of a reference model."""
        return "excess" in traits(self.rule, ReweighterTraits).needs

    @property
    def _weighs_within_batches(self) -> bool:
        """Whether the rule moves the weights by what the domains of one batch tell of each other."""
        return bool(traits(self.rule, ReweighterTraits).needs)

    @property
    def _follows(self) -> bool:
        """Whether the rule follows the gradient of the validation losses."""
        return "target" in traits(self.rule, ReweighterTraits).needs

    def _next(self, problem: Problem, history: History) -> Candidate:
        """The next run: what the last round found, or the first run of those before it that is missing."""
        run = self._last_run(problem, history)
        if isinstance(run, Candidate):
            return run
        return Candidate(self._mixture(problem, run, first=not self._proposed(history)), self.origin)

    def _last_run(self, problem: Problem, history: History) -> Record | Candidate:
        """The run of the last round, or what to ask for before there is one.

        Raises:
            StudyError: A run keeps failing.
        """
        anchors = problem.anchors()
        start, reference = anchors["uniform"], anchors.get(self.reference, anchors["uniform"])
        run: Record | Candidate
        for at in range(self.rounds):
            number: int | None = None
            if self._compares:
                run = _served(history, Candidate(reference, REFERENCE), else_wait=start)
                if isinstance(run, Candidate):
                    return run
                number = run.trial.id
            how = Reweighting(self._plain(), number, self._target(problem), self.batch_sequences)
            run = _served(history, Candidate(start, REWEIGHTING, reweighting=how), else_wait=start)
            if isinstance(run, Candidate) or at == self.rounds - 1:
                break
            reference = self._mixture(problem, run, first=False)
        return run

    def _plain(self) -> dict[str, Any]:
        """The rule as plain data."""
        return {"kind": self.origin, **plain(self.rule)}

    def _target(self, problem: Problem) -> dict[str, float]:
        """Metric to its coefficient in what the rule is to lower; empty where it asks for nothing of that.

        Where the objective is no weighted sum, all losses count the same.
        """
        if not self._follows:
            return {}
        names = problem.metric_names
        shares = traits(problem.objective, ObjectiveTraits).coefficients(names)
        counted = dict.fromkeys(names, 1.0) if shares is None else dict(zip(names, shares.tolist(), strict=True))
        return {m.name: counted[m.name] for m in problem.metrics if m.direction == "min" and counted[m.name] > 0.0}

    def _proposed(self, history: History) -> bool:
        """Whether a found mixture was proposed before."""
        return any(record.trial.origin == self.origin for record in history.asked)

    def _mixture(self, problem: Problem, record: Record, *, first: bool) -> Weights:
        """The mixture that a run found, or the nearest that the bounds allow, which is logged at ``first``."""
        space = problem.space
        assert record.result.mixture is not None, "nothing else is recorded of such a run"
        ideal = space.to_array(record.result.mixture)
        nearest = space.snap(space.project(ideal), threshold=0.0)
        for note in moved_notes(space.domains, ideal, nearest) if first else ():
            logger.warning("%s: %s", self.origin, note)
        return space.to_weights(nearest)


def _served(history: History, wanted: Candidate, *, else_wait: Weights) -> Record | Candidate:
    """A run as it is wanted that has completed, or what to ask for while there is none.

    Args:
        history: The record.
        wanted: The run; it is asked for where it is missing.
        else_wait: The mixture that is asked for while the run is pending.

    Raises:
        StudyError: The run keeps failing.
    """
    runs = [
        record
        for record in history.asked
        if (record.trial.origin, record.trial.reweighting) == (wanted.origin, wanted.reweighting)
        and same_mixture(record.trial.weights, wanted.weights)
        and comparable(record.trial.scale, history.trains or history.scale)
    ]
    if (done := next((record for record in runs if record.status is Status.COMPLETED), None)) is not None:
        return done
    if any(record.status is Status.PENDING for record in runs):
        return Candidate(else_wait, "uniform")
    if len(runs) >= _ATTEMPTS:
        what = "reference run" if wanted.origin == REFERENCE else "run that reweights"
        numbers = ", ".join(str(record.trial.id) for record in runs)
        cure = "withdraw one of them (`bomix withdraw`)" if history.completed else "begin anew (`bomix restart`)"
        raise StudyError(
            f"the {what} failed {len(runs)} times (trials {numbers}), and nothing can be asked for without it; mend "
            f"the training (`bomix status` names the logs) and {cure}, or take another strategy"
        )
    return wanted


def _default(kind: str) -> Callable[[], Reweighter]:
    """What makes the rule of a kind with its defaults; its module is imported then."""
    return lambda: registry.resolve("reweighter", kind)()


@dataclass(frozen=True)
class DoReMi(Reweighted):
    """The mixture on which no domain lags far behind a reference model [Xie2023]_.

    Attributes:
        rule: ``doremi``, with its step and its smoothing.
        reference: Mixture of the reference run.
        rounds: Runs that reweight, each compared with a model of what the last one found.
        batch_sequences: Sequences per step of the run; null for one of each domain, or as many as other trials have.
    """

    rule: Reweighter = field(default_factory=_default("doremi"))


@dataclass(frozen=True)
class DoGE(Reweighted):
    """The mixture of domains whose gradients agree with those of the others, or of the validation sets [Fan2024]_.

    Attributes:
        rule: ``doge``; with ``target: true`` gradients are compared with that of the objective.
        reference: There is none.
        rounds: There is one.
        batch_sequences: Sequences per step of the run; null for one of each domain, or as many as other trials have.
    """

    rule: Reweighter = field(default_factory=_default("doge"))


@dataclass(frozen=True)
class ODM(Reweighted):
    """The mixture that a bandit draws from, rewarded by the training losses [Albalak2023]_.

    Attributes:
        rule: ``odm``, in the form ``exp3`` or ``average``.
        reference: There is none.
        rounds: There is one.
        batch_sequences: Sequences per step of the run; null for one of each domain, or as many as other trials have.
    """

    rule: Reweighter = field(default_factory=_default("odm"))


@dataclass(frozen=True)
class FastMix(Reweighted):
    """The mixture that gradient descent on the validation losses finds, one step of training ahead [Tan2026]_.

    Attributes:
        rule: ``fastmix``, with the learning rate of the weights.
        reference: There is none.
        rounds: There is one.
        batch_sequences: Sequences per step of the run; null for one of each domain, or as many as other trials have.
    """

    rule: Reweighter = field(default_factory=_default("fastmix"))
