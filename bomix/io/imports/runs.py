"""What every importer hands over, and what it owes: runs that can be recorded, or all that keeps them from it.

An importer reads the files of another tool and gives :class:`RunCollector` one run after the other, with the place
where it stands. The collector holds the importer to what a record needs:

* **names**: weights of the study's domains, every one of them, and losses of its metrics and no others;
* **weights** that are not negative and sum to one, a sum within 1 % of one being set right;
* **losses** that are finite numbers. None, NaN, and a metric that is not named stand for one that was not measured,
  which the result then names as ``unmeasured``; a run without any loss is a stray;
* a **key**, which says which run it is, where the files have one: under ``run`` in ``info`` of its result, where
  ``seed``, ``step`` and ``decimals`` stand as well, see :mod:`bomix.io.imports.identity`;
* the **scale** where the files say it, else None: then the run counts as one of the study's;
* **faults** with file and line, all of them together, before anything is recorded.

Which of :class:`Runs` the record has already is decided in :mod:`bomix.io.imports.identity`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bomix.errors import Fault
from bomix.io.imports.columns import listed
from bomix.io.store.incoming import Losses
from bomix.io.store.phased import set_right
from bomix.io.store.result_checks import cleaned, range_faults, result_faults
from bomix.scale import Scale
from bomix.space.weights import Weights, normalized
from bomix.trial import SUM_TOLERANCE, Result

if TYPE_CHECKING:
    from bomix.problem import Problem

ImportedRun: TypeAlias = tuple[Weights, Result, Scale | None]
"""Mixture, result and, where it is known, scale."""


@dataclass(frozen=True)
class Runs:
    """What an importer found.

    Attributes:
        runs: Mixture, result and scale, where that is known, in the order of the files.
        metrics: The metrics of which the files tell.
        notes: What was left out, a line each.
        places: File and line of each run; empty where nobody told.
    """

    runs: tuple[ImportedRun, ...]
    metrics: tuple[str, ...]
    notes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


class RunCollector:
    """The runs of an import while its files are read; each is checked as it is added.

    Args:
        problem: The study's domains and metrics.
        faults: A list to which whatever is wrong is added; the importer raises it once everything was read.
        allow_partial: Whether runs that have weights or losses and not both are dropped with a note; else they are
            faults.
    """

    def __init__(self, problem: Problem, faults: list[Fault], *, allow_partial: bool = False) -> None:
        self._problem, self._faults, self._allow_partial = problem, faults, allow_partial
        self._runs: list[ImportedRun] = []
        self._places: list[str] = []
        self._dropped: list[str] = []

    def add(
        self,
        weights: Weights | None,
        losses: Losses,
        scale: Scale | None,
        *,
        where: str,
        losses_at: str,
        key: str = "",
        told: bool = False,
    ) -> None:
        """Check a run, and keep it where it can be recorded.

        Args:
            weights: Every domain's share; None where they could not be read, which is a fault already.
            losses: Metric name to loss, None where it was not measured or is a fault already; or a result, with what
                else is known of the run. Metrics that it does not name were not measured.
            scale: Parameters and tokens of the run; None where nothing is known of them.
            where: File and line of the weights, ``weights.csv:7``.
            losses_at: File and line of the losses; the same where they stand together.
            key: The name of the run in its files; empty where it has none.
            told: Whether a loss of the run is a fault already, so that nothing more is said where it has no other.
        """
        result = self._with_gaps(losses)
        if weights is not None:
            wrong = self._problem.space.faults_of(weights, sum_tolerance=SUM_TOLERANCE, bounded=False)
            self._faults += [Fault(where, fault.what) for fault in wrong]
            weights = weights if wrong else normalized(weights)
            if not wrong and self._problem.phases is not None:
                weights, wrong = set_right(weights, self._problem.phases)
                self._faults += [Fault(where, fault.what) for fault in wrong]
        if not result.losses:
            if not told:
                self.stray(f"{key or 'the run'} has no loss", losses_at)
            return
        wrong = result_faults(result, self._problem.metric_names, self._problem.space.domains)
        wrong += range_faults(result, self._problem.metrics)
        self._faults += [Fault(losses_at, f"{fault.where}: {fault.what}") for fault in wrong]
        self._runs.append((weights or {}, result, scale))
        self._places.append(losses_at)

    def stray(self, what: str, where: str) -> None:
        """Tell or drop a run that has weights or losses and not both.

        Args:
            what: What the run lacks, said after the word "run".
            where: File and line.
        """
        if self._allow_partial:
            self._dropped.append(where)
        else:
            kind = f"stray in {where.rpartition(':')[0]}"
            self._faults.append(Fault(where, f"run {what}; --allow-partial drops it", kind=kind))

    def found(self, metrics: Iterable[str], notes: Sequence[str], *, where: str) -> Runs:
        """Everything that was kept; of no use where there are faults.

        Args:
            metrics: The metrics of which the files tell.
            notes: What the importer left out, a line each.
            where: The file that a fault names where nothing was kept.
        """
        dropped = []
        if self._dropped:
            dropped = [f"dropped {len(self._dropped)} without weights or losses: {listed(self._dropped)}"]
        if not (self._runs or self._faults):
            self._faults.append(Fault(where, "no run is left that has weights and losses"))
        return Runs(tuple(self._runs), tuple(metrics), (*notes, *dropped), tuple(self._places))

    def _with_gaps(self, losses: Losses) -> Result:
        """The result with plain numbers, every metric of the study without a loss named as not measured."""
        result = losses if isinstance(losses, Result) else Result(losses)  # type: ignore[arg-type]  # gaps are named next
        named = {*result.losses, *result.unmeasured}
        absent = [name for name in self._problem.metric_names if name not in named]
        return cleaned(dataclasses.replace(result, unmeasured=(*result.unmeasured, *absent)), nan_is_gap=True)
