"""Watching a run: a live view on a terminal, plain lines elsewhere. Both write to standard error."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from bomix.cli.pace import Pace, in_words
from bomix.cli.running import RunningTrials, losses_of, name_of, parting, position
from bomix.contracts.study import WatchedStudy
from bomix.execution.observer import Observer
from bomix.progress import Progress
from bomix.recommendation.confirmation import failed_seeds
from bomix.report.shown import done_of, value
from bomix.scale import comparable
from bomix.space.display import mixture
from bomix.trial import CONFIRM, Failure, Record, Result, Status, Trial

PREPARING = "preparing the evaluator (the first time takes a while)"
CANCELLED = "cancelled: what it confirms is no longer recommended, or fewer seeds are wanted"

QUIET_S = 60.0
"""Seconds without a line in a log after which one says how far what runs is: a study of hours keeps a log of pages."""


class _Teller(Observer):
    """What both say of a run alike."""

    def __init__(self) -> None:
        self._tally = _Tally()
        self._running = RunningTrials()

    def preparing(self) -> None:
        """Say that text becomes tokens: the first time takes a while."""
        self._say(PREPARING)

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """Begin to count."""
        self._tally.begin(study)

    def resuming(self, running: Sequence[Trial], again: Sequence[Trial]) -> None:
        """Say what becomes of the trials of an interrupted run."""
        if running:
            what = (
                "still runs, or ended unheard, and is" if len(running) == 1 else "still run, or ended unheard, and are"
            )
            self._say(f"resuming: {_plural(len(running), 'trial')} {what} taken over")
        if again:
            self._say(f"resuming: {_plural(len(again), 'interrupted trial')} will be trained again")

    def retried(self, trial: Trial, message: str) -> None:
        """Say why an attempt failed and that the trial is tried again."""
        self._running.end(trial)
        self._say(f"{name_of(trial)} failed, trying again: {message}")

    def lost(self, trial: Trial, message: str) -> None:
        """Say that the cluster ended an attempt, and that this is no failure."""
        self._running.end(trial)
        self._say(f"{name_of(trial)} was lost, and is run again: {message}")

    def parted(self, trials: Sequence[Trial], message: str, width: int) -> None:
        """Say that trials ended with their group and are tried again in smaller ones."""
        for trial in trials:
            self._running.end(trial)
        self._say(parting(trials, message, width))

    def cancelled(self, trial: Trial) -> None:
        """Say that a confirming trial of an earlier run was ended."""
        self._running.end(trial)
        self._say(f"{name_of(trial)}{_origin(trial)} {CANCELLED}")

    def stopped(self, reason: str) -> None:
        """Say why nothing more is tried."""
        self._tally.stop()
        self._say(f"the search ends: {reason}")

    def _line(self) -> str:
        return self._tally.line(self._running.under_way())

    def _say(self, text: str) -> None:
        raise NotImplementedError


class PlainObserver(_Teller):
    """One line per event, and where there was none for :data:`QUIET_S`, how far what runs is; for logs.

    Args:
        verbose: Also one line per report of a running trial, or group of trials.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        super().__init__()
        self._verbose = verbose
        self._said = time.monotonic()

    def grouped(self, trials: Sequence[Trial]) -> None:
        """Say which trials are trained as one."""
        self._running.group(trials)
        self._say(name_of(*trials))

    def started(self, trial: Trial) -> None:
        """Say which mixture is trained now."""
        self._running.start(trial)
        self._say(f"{name_of(trial)}{_origin(trial)} {mixture(trial.weights)}")

    def progressed(self, trial: Trial, progress: Progress) -> None:
        """Say how far a trial, or a group, is, where the user wants to know all or has heard nothing for long."""
        together = self._running.report(trial, progress)
        if self._verbose and together is not None:
            self._say(f"{together.name} {position(progress, losses=not together.grouped)}")
        elif time.monotonic() - self._said >= QUIET_S:
            self._say("; ".join([*self._running.positions(), self._line()]))

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Say what came back of a trial, and how many are done."""
        self._running.end(record.trial)
        self._tally.end(study, record)
        self._say(f"{name_of(record.trial)} {self._tally.outcome(study, record)}; {self._line()}")

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        click.echo(text, err=True)


class LiveObserver(_Teller):
    """A table of what runs, a row for each trial or group, rewritten in place; above it a line per ended trial."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def began(self, study: WatchedStudy, pending: Sequence[Trial]) -> None:
        """Open the view."""
        super().began(study, pending)
        self._live.start()

    def grouped(self, trials: Sequence[Trial]) -> None:
        """Add a row for some trials."""
        self._running.group(trials)

    def started(self, trial: Trial) -> None:
        """Add a row for a trial, unless its group has one."""
        self._running.start(trial)
        self._draw()

    def progressed(self, trial: Trial, progress: Progress) -> None:
        """Show the progress of a trial, or of its group, in the row."""
        if self._running.report(trial, progress) is not None:
            self._draw()

    def cancelled(self, trial: Trial) -> None:
        """Remove the row of a confirming trial of an earlier run, and say above the view that it was ended."""
        super().cancelled(trial)
        self._draw()

    def ended(self, study: WatchedStudy, record: Record) -> None:
        """Remove a trial from its row and print what came back of it, above the view."""
        trial = record.trial
        self._running.end(trial)
        self._tally.end(study, record)
        self._say(f"{name_of(trial)}{_origin(trial)} {self._tally.outcome(study, record)}  {mixture(trial.weights)}")
        self._draw()

    def closed(self) -> None:
        """Close the view."""
        self._live.stop()

    def _say(self, text: str) -> None:
        self._console.print(text)

    def _draw(self) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for each in self._running:
            known = each.progress
            losses = "" if known is None or each.grouped else losses_of(known.losses)
            where = "starting" if known is None else position(known, losses=False)
            table.add_row(each.name, each.origins, where, losses)
        table.add_row("", "", self._line(), "")
        self._live.update(table, refresh=True)


def observer_for(*, quiet: bool, verbose: int) -> Observer:
    """A live view on a terminal, lines elsewhere, nothing where nothing is wanted."""
    if quiet:
        return Observer()
    if sys.stderr is not None and sys.stderr.isatty():
        return LiveObserver()
    return PlainObserver(verbose=verbose > 0)


class _Tally:
    """Counts, the best so far, and the time left."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._ended_at_start = 0
        self._ended = 0
        self._done = 0
        self._total: int | None = 0
        self._spent = False
        self._confirmed = 0
        self._unconfirmed = 0
        self._to_confirm = 0
        self._stopped = False
        self._best: tuple[float, int] | None = None

    def stop(self) -> None:
        self._stopped = True

    def begin(self, study: WatchedStudy) -> None:
        self._pace = Pace()
        self._total = study.spec.budget.trials
        self._to_confirm = study.spec.confirm * (1 + len(study.problem.anchors()))
        history = study.history
        for record in history.completed:
            self._count(study, record)
        # Earlier rounds of confirmations are none of this run's, and seeds on which a run failed are replaced.
        replaced = failed_seeds(history)
        confirmed = [r for r in history.confirming if r.status is Status.COMPLETED and r.trial.seed not in replaced]
        self._confirmed = min(len(confirmed), self._to_confirm)
        self._ended_at_start = self._ended
        self._note_budget(study)

    def end(self, study: WatchedStudy, record: Record) -> None:
        if isinstance(record.outcome, Result):
            self._count(study, record)
            self._note_budget(study)
        elif record.trial.origin == CONFIRM:
            self._unconfirmed += 1

    def outcome(self, study: WatchedStudy, record: Record) -> str:
        if isinstance(record.outcome, Failure):
            return f"failed: {record.outcome.message}"
        losses = losses_of(record.result.losses)
        cost = "" if record.result.cost is None else f", {record.result.cost:.0f} s"
        name = study.problem.scale_name(record.trial.scale) if study.problem.scales else ""
        where = f" at {name}" if name else ""  # losses of two scales do not compare
        return f"objective{where} {value(study.problem.value(record.result.losses))} ({losses}{cost})"

    def line(self, under_way: float) -> str:
        best = "" if self._best is None else f", best observed {value(self._best[0])} (trial {self._best[1]})"
        searched = self._stopped or self._spent
        confirming = ""
        if searched and self._to_confirm:
            failed = f" ({self._unconfirmed} failed)" if self._unconfirmed else ""
            confirming = f", {self._confirmed} of {self._to_confirm} confirming{failed}"
        return f"{done_of(self._done, self._total)}{confirming}{best}{self._left(under_way)}"

    def _note_budget(self, study: WatchedStudy) -> None:
        counted = study.spec.counted(study.history)
        self._spent = study.spec.budget.spent(counted, study.problem.scales) is not None

    def _count(self, study: WatchedStudy, record: Record) -> None:
        self._ended += 1
        if record.trial.origin == CONFIRM:
            self._confirmed += 1
        if not study.spec.counts(record.trial.origin):
            return
        self._done += 1
        if record.trial.reweighting is not None or not comparable(record.trial.scale, study.problem.default_scale):
            return
        self._confirmed = 0  # what comes back of the search ends a round
        found = study.problem.value(record.result.losses)
        # A trial without all the metrics that count has no objective, so it cannot be the best.
        if not math.isnan(found) and (self._best is None or found < self._best[0]):
            self._best = (found, record.trial.id)

    def _left(self, under_way: float) -> str:
        searched = self._stopped or self._spent
        if self._total is None and not searched:
            return ""  # how many more fit into a cost is not known
        searching = 0 if searched or self._total is None else max(0, self._total - self._done)
        to_end = searching + max(0, self._to_confirm - self._confirmed - self._unconfirmed)
        return in_words(self._pace.left(self._ended - self._ended_at_start, to_end, under_way))


def _origin(trial: Trial) -> str:
    """Who proposed it, unless the trial's name says so."""
    return "" if trial.origin == CONFIRM else f" ({trial.origin})"


def _plural(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
