"""Which trials are trained as one: those that their evaluator puts together, fewer at a time once a group has died."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bomix.contracts.evaluator import Evaluator, EvaluatorTraits, GroupEvaluator
from bomix.contracts.executor import GroupExecutor
from bomix.contracts.traits import traits
from bomix.errors import SetupError

if TYPE_CHECKING:
    from bomix.contracts.executor import Executor
    from bomix.trial import Trial


class Groups:
    """The groups of one run of a study.

    A group whose process ended before its trials did says little of them: one may have ended it, or all together were
    too many. They are tried again in groups of at most half as many, and at last alone. Trials that had no part in it
    are not put into wider groups either, unless the halves of a group die, too: then it was one of its trials.

    Where the evaluator raised an error, that may be one which would meet each of them, and halves would train them all
    several times over to find out. So one is tried alone first, the first that had not ended: where trials are
    evaluated one after the other, it is the one at fault. If it fails alone by the same error, the next one is tried
    alone; the others come in halves once one of them did not.

    Args:
        evaluator: What trains; one that knows no groups trains each trial by itself.
        executor: What runs the trials; the same holds of it.

    Raises:
        EvaluationError: The evaluator has one of the two methods that it takes to train groups.
    """

    def __init__(self, evaluator: Evaluator, executor: Executor) -> None:
        if traits(evaluator, EvaluatorTraits).evaluate_together and not isinstance(evaluator, GroupEvaluator):
            name = type(evaluator).__name__
            raise SetupError(
                f"{name} has evaluate_together and lacks groups(trials, slots), which says what is trained together "
                "(bomix.contracts.evaluator.GroupEvaluator)"
            )
        groups = isinstance(evaluator, GroupEvaluator) and isinstance(executor, GroupExecutor)
        self._evaluator = evaluator if groups and isinstance(evaluator, GroupEvaluator) else None
        self._widest: float = math.inf
        self._widths: dict[int, int] = {}
        self._submitted: dict[int, tuple[int, bool, int]] = {}
        self._errors: dict[int, str] = {}
        self._alone: dict[int, str] = {}
        self._tried_by_one: set[int] = set()
        self._count = 0

    def of(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        """Trials in the groups that are to be trained as one, the first ones first.

        Args:
            trials: At least one.
            slots: Groups that can run side by side.

        Raises:
            EvaluationError: The evaluator left trials out, or named some twice or others.
        """
        if self._evaluator is None:
            return [[trial] for trial in trials]
        found = self._evaluator.groups(trials, slots)
        if sorted(trial.id for group in found for trial in group) != sorted(trial.id for trial in trials):
            name = type(self._evaluator).__name__
            raise SetupError(f"{name}.groups must return each of the trials that it is given once")
        return [part for group in found for part in self._parts(group)]

    def full(self, trials: Sequence[Trial], slots: int) -> bool:
        """Whether one more trial like the last would have to wait for a slot, so that it need not be asked for yet.

        Args:
            trials: Those that are to be submitted.
            slots: Free slots.
        """
        if self._evaluator is None or not trials:
            return bool(trials)
        another = dataclasses.replace(trials[-1], id=1 + max(trial.id for trial in trials))
        return len(self.of([*trials, another], slots)) > slots

    def submitted(self, group: Sequence[Trial]) -> None:
        """Keep that some trials are trained as one from now on."""
        first = not any(trial.id in self._widths for trial in group)
        self._count += 1
        self._submitted |= {trial.id: (len(group), first, self._count) for trial in group}
        errors = {trial.id: self._errors.pop(trial.id) for trial in group if trial.id in self._errors}
        if len(group) == 1:
            self._alone |= errors

    def died(self, trial: Trial, error: str | None = None) -> int | None:
        """Have a trial whose group ended before it did tried in a smaller one.

        Args:
            trial: The trial; those of a group are told one after the other, in its order.
            error: What the evaluator raised; None where the process ended, or memory did not suffice.

        Returns:
            The most trials of its next group; None where it was alone, so that it has failed.
        """
        width, first, group = self._submitted.get(trial.id, (1, True, 0))
        if width == 1:
            return None
        self._widths[trial.id] = width // 2
        if first:
            self._widest = min(self._widest, width // 2)
        if error is not None:
            self._errors[trial.id] = error
            if group not in self._tried_by_one:
                self._tried_by_one.add(group)
                self._widths[trial.id] = 1
        return self._widths[trial.id]

    def failed(self, trial: Trial, error: str) -> None:
        """A trial failed alone; where its group had ended by the same error, the next of those is tried alone."""
        if self._alone.get(trial.id) == error:
            following = next((number for number, known in self._errors.items() if known == error), None)
            if following is not None:
                self._widths[following] = 1

    def _parts(self, group: Sequence[Trial]) -> list[list[Trial]]:
        """A group in parts, each as wide as every one of its trials may be."""
        parts: list[list[Trial]] = []
        for trial in group:
            joined = [*parts[-1], trial] if parts else [trial]
            if parts and len(joined) <= min(self._widths.get(each.id, self._widest) for each in joined):
                parts[-1] = joined
            else:
                parts.append([trial])
        return parts


def named(trials: Iterable[Trial]) -> str:
    """The numbers of trials in short: ``0-7, 9``."""
    runs: list[list[int]] = []
    for number in sorted(trial.id for trial in trials):
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
