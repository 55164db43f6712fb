"""A strategy: what proposes mixtures.

Write a frozen dataclass with :meth:`Strategy.ask`, a pure function of its arguments. Asking for two mixtures is asking
for one twice, the first one pending: ``history.with_pending`` counts it. What else bomix makes use of stands in
:class:`StrategyTraits`. A strategy that learns from the trials takes its usual course from
:func:`bomix.strategies.design_first.take`: a design first, then what the record says.

>>> from dataclasses import dataclass
>>> import numpy as np
>>> from bomix.errors import count_faults
>>> from bomix.trial import Candidate
>>> @dataclass(frozen=True)
... class Few:
...     '''Mixtures of a few domains, drawn at random.'''
...     domains: int = 2
...     def faults(self):
...         return count_faults(1, domains=self.domains)
...     def ask(self, problem, history, q, *, seed):
...         space, found = problem.space, []
...         for _ in range(q):
...             rng = np.random.default_rng([seed, len(history)])
...             chosen = rng.choice(space.dimension, min(self.domains, space.dimension), replace=False)
...             point = np.zeros(space.dimension)
...             point[chosen] = rng.dirichlet(np.ones(len(chosen)))
...             found.append(Candidate(space.to_weights(space.snap(space.project(point))), "few"))
...             history = history.with_pending(found[-1:])
...         return found
...     def description(self, problem):
...         return f"{self.domains} of {problem.space.dimension} domains"
>>> isinstance(Few(), Strategy)
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from bomix.contracts.surrogate import Surrogate
from bomix.contracts.traits import ComponentTraits
from bomix.errors import Fault
from bomix.history import History
from bomix.problem import Problem, StudyScale
from bomix.space.weights import Weights
from bomix.trial import Candidate


@runtime_checkable
class Strategy(Protocol):
    """Proposes mixtures. A pure function of its arguments; it keeps nothing.

    Example:
        >>> import dataclasses
        >>> import numpy as np
        >>> @dataclasses.dataclass(frozen=True)
        ... class Random:
        ...     def ask(self, problem, history, q, *, seed):
        ...         found = []
        ...         for _ in range(q):  # one after the other, the earlier ones pending
        ...             (point,) = problem.space.sample(1, np.random.default_rng([seed, len(history)]))
        ...             weights = problem.space.to_weights(problem.space.snap(point))
        ...             found.append(bomix.Candidate(weights, "random"))
        ...             history = history.with_pending(found[-1:])
        ...         return found
        >>> study = bomix.Study(["code", "web"], ["loss"], strategy=Random(), seed=3)
        >>> again = bomix.Study(["code", "web"], ["loss"], strategy=Random(), seed=3)
        >>> study.ask() == again.ask()  # the same record and seed give the same mixture
        True
    """

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, the pending trials of the history taken into account.

        Args:
            problem: The space, the metrics and what is minimised.
            history: All trials so far; those that are pending need no second proposal.
            q: Number of candidates to propose.
            seed: The study's; with ``history.n_asked``, or with the number of records, it decides everything random.
        """
        ...


@runtime_checkable
class Recommended(Protocol):
    """What a strategy without a surrogate recommends."""

    @property
    def weights(self) -> Weights:
        """The recommended mixture, domain to weight."""
        ...


@runtime_checkable
class Expecting(Protocol):
    """A method that says what improvement the best candidate promises."""

    def __call__(self, problem: Problem, history: History, *, seed: int) -> float | None:
        """Expected improvement of the objective over the best mixture known, in the objective's unit.

        None where it cannot tell: in the design, say, or where nothing could be fitted.
        """
        ...


@runtime_checkable
class Recommending(Protocol):
    """A method that recommends a mixture without a surrogate."""

    def __call__(self, problem: Problem, history: History, *, seed: int) -> Recommended:
        """The mixture that the trials so far speak for."""
        ...


@dataclass(frozen=True)
class StrategyTraits(ComponentTraits):
    """What a strategy may have beyond :class:`Strategy`, and what bomix assumes where it does not.

    Attributes:
        surrogate: The surrogate that it fits, which it lends to ``Study.predict`` and ``Study.recommend``.
        predicting: Takes the problem and returns the surrogate to lend, or None, where that depends on the study; it
            comes before ``surrogate``.
        lends: Whether it lends a surrogate in some study, where that depends on its parts; None where ``surrogate`` and
            ``predicting`` tell.
        problem_faults: Takes the problem and returns what the strategy lacks in this study: token counts or a
            reference, say.
        acting: Takes the problem and the history and returns the strategy that proposes next, where this one hands its
            asks on; that one is then asked what improvement it expects.
        expected_improvement: The improvement that its best candidate promises, see :class:`Expecting`; where it is
            absent, the surrogate is asked once the design is over, see :mod:`bomix.recommendation.stopping`.
        expects: Whether it can tell an expected improvement, where that depends on its parts; None where
            ``expected_improvement`` and ``surrogate`` tell.
        design_trials: Takes the problem and returns how many trials it proposes without looking at results, where
            ``n_init`` does not tell.
        settled: Takes the problem and the history and returns whether the next ask is the same whatever comes back of
            the trials that are pending, as long as none of them fails: in a design, of a baseline. Such trials may be
            trained as one, see :class:`bomix.contracts.evaluator.GroupEvaluator`.
        design: The strategy that proposes its first trials, where it has one.
        listed: Takes the problem and returns how many runs it lists by name besides the two anchors: a design of the
            usual size has as many more.
        n_init: Trials of its design; None for the usual number, two more than there are domains. 0, the default, is no
            design.
        pool: A CSV file of mixtures that alone are proposed and recommended.
        least_trials: Trials without which nothing comes of it: those before it knows the mixture that it is asked for,
            and one of that mixture.
        repeats: Whether it proposes mixtures again that were tried before: a baseline always does, a search that runs
            its leader once more now and then.
        description: Takes the problem and returns a line on what it will do, for ``bomix check``.
        offers: Takes the problem and returns the scales that it may ask for in a study of several; where it is absent,
            those of trials that name none.
        ended: Takes the problem and the history and returns why it proposes no more though a run would fit into what is
            left of the stated cost, in words; None while it does.
        recommend: What it recommends without a surrogate, see :class:`Recommending`; for ``bomix benchmark``.
    """

    contract: ClassVar[type | None] = Strategy

    surrogate: Surrogate | None = None
    predicting: Callable[[Problem], Surrogate | None] | None = None
    lends: bool | None = None
    problem_faults: Callable[[Problem], list[Fault]] = lambda _: []
    acting: Callable[[Problem, History], Strategy] | None = None
    expected_improvement: Expecting | None = None
    expects: bool | None = None
    design_trials: Callable[[Problem], int] | None = None
    settled: Callable[[Problem, History], bool] = lambda problem, history: False
    design: Strategy | None = None
    listed: Callable[[Problem], int] = lambda problem: 0
    n_init: int | None = 0
    pool: str | Path | None = None
    least_trials: int = 1
    repeats: bool = False
    description: Callable[[Problem], str] | None = None
    offers: Callable[[Problem], tuple[StudyScale, ...]] | None = None
    ended: Callable[[Problem, History], str | None] = lambda problem, history: None
    recommend: Recommending | None = None

    @property
    def can_expect(self) -> bool:
        """Whether it can tell an expected improvement in some study."""
        told = self.expected_improvement is not None or self.surrogate is not None
        return told if self.expects is None else self.expects

    @property
    def can_lend(self) -> bool:
        """Whether it lends a surrogate in some study."""
        told = self.predicting is not None or self.surrogate is not None
        return told if self.lends is None else self.lends
