"""One strategy after another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.config.reweighting_checks import too_few_trials
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.surrogate import Surrogate
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.strategies.checks import lends_surrogate, relative_strategy, strategy_faults, surrogate_of
from bomix.strategies.replicates import asked_as_replicates
from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem


@dataclass(frozen=True)
class Step:
    """A strategy and how long it proposes.

    Attributes:
        strategy: The strategy that proposes.
        trials: Number of trials for which it does; None for the rest of the study, in the last step only.
    """

    strategy: Strategy
    trials: int | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = []
        if self.trials is not None and self.trials < 1:
            found.append(Fault("trials", f"trials is {self.trials}; give at least 1, or leave the step out"))
        if isinstance(self.strategy, Sequence):
            found.append(Fault("strategy", "a sequence inside a sequence; list its steps in the outer one"))
        elif self.trials is not None and self.trials >= 1:
            found += too_few_trials(self.strategy, self.trials, "trials")
        return found


@dataclass(frozen=True)
class Sequence:
    """Strategies one after the other, each for a number of trials.

    Trials count as they are asked for, whatever becomes of them; imported and confirming ones do not, nor do the runs
    of ``replicates``, which are the study's. Every strategy
    sees the whole record. The last one goes on for as long as trials are asked for.

    Attributes:
        steps: The steps, the first one first.
    """

    steps: tuple[Step, ...]

    @property
    def expects(self) -> bool:
        """Whether some strategy can say what improvement it expects."""
        return any(traits(step.strategy, StrategyTraits).can_expect for step in self.steps)

    @property
    def lends(self) -> bool:
        """Whether some strategy has a surrogate for some study."""
        return any(lends_surrogate(step.strategy) for step in self.steps)

    def predicting(self, problem: Problem) -> Surrogate | None:
        """The surrogate of the last strategy that has one for this study."""
        found = [surrogate_of(step.strategy, problem) for step in reversed(self.steps)]
        return next((surrogate for surrogate in found if surrogate is not None), None)

    @property
    def repeats(self) -> bool:
        """Whether some strategy proposes mixtures again that were tried before."""
        return any(traits(step.strategy, StrategyTraits).repeats for step in self.steps)

    @property
    def pool(self) -> str | Path | None:
        """The pool of the last strategy that has one: what is recommended is a mixture of it."""
        pools = [traits(step.strategy, StrategyTraits).pool for step in reversed(self.steps)]
        return next((pool for pool in pools if pool is not None), None)

    @property
    def least_trials(self) -> int:
        """Those of the earlier steps and the least of the last one, where that needs several for anything."""
        last = traits(self.steps[-1].strategy, StrategyTraits).least_trials if self.steps else 1
        return 1 if last == 1 else last + sum(step.trials or 0 for step in self.steps[:-1])

    def faults(self) -> list[Fault]:
        """What is wrong with the order of the steps."""
        if not self.steps:
            return [Fault("steps", "there are no steps; give at least one strategy")]
        endless = [index for index, step in enumerate(self.steps[:-1]) if step.trials is None]
        what = "only the last step may go on without end; say for how many trials this one proposes"
        return [Fault(f"steps[{index}].trials", what) for index in endless]

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What the strategies need and the problem does not know."""
        return [
            fault
            for index, step in enumerate(self.steps)
            for fault in strategy_faults(step.strategy, problem, f"steps[{index}].strategy")
        ]

    def relative_to(self, folder: Path) -> Sequence:
        """The same with the paths of its strategies taken from a study's folder."""
        return Sequence(tuple(replace(step, strategy=relative_strategy(step.strategy, folder)) for step in self.steps))

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, those of an earlier step pending; see :class:`bomix.contracts.strategy.Strategy`."""
        candidates: list[Candidate] = []
        while len(candidates) < q:
            strategy, left = self._current(_own(problem, history))
            wanted = q - len(candidates)
            proposed = strategy.ask(problem, history, wanted if left is None else min(wanted, left), seed=seed)
            history = history.with_pending(proposed)
            candidates += proposed
        return candidates

    def acting(self, problem: Problem, history: History) -> Strategy:
        """The strategy whose turn it is."""
        return self._current(_own(problem, history))[0]

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether that of the strategy whose turn it is does not depend on what comes back."""
        return traits(self.acting(problem, history), StrategyTraits).settled(problem, history)

    def _current(self, n_asked: int) -> tuple[Strategy, int | None]:
        """The strategy whose turn it is, and its number of trials left; None where it goes on without end."""
        end = 0
        for step in self.steps[:-1]:
            assert step.trials is not None, "faults() refuses it"
            end += step.trials
            if n_asked < end:
                return step.strategy, end - n_asked
        return self.steps[-1].strategy, None


def _own(problem: Problem, history: History) -> int:
    """Trials that the steps asked for."""
    return history.n_asked - asked_as_replicates(problem, history)
