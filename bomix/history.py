"""The record of a study as a value: what was asked, what came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bomix.errors import StudyError
from bomix.scale import comparable, counted_as
from bomix.space.weights import SAME_MIXTURE
from bomix.trial import (
    ALONE,
    CONFIRM,
    EXPERT,
    SCORED_TOKENS,
    UNCOUNTED_ORIGINS,
    Candidate,
    Record,
    Status,
    Trial,
)

if TYPE_CHECKING:
    import xarray as xr

    from bomix.problem import Problem
    from bomix.scale import Scale


@dataclass(frozen=True)
class History:
    """Every trial of a study, ordered by id.

    Example:
        >>> study = bomix.Study(["code", "web"], ["loss"])
        >>> record = study.add({"code": 0.4, "web": 0.6}, {"loss": 3.2})
        >>> trial = study.ask()
        >>> history = study.history  # a value: what is recorded later does not change it
        >>> [record.trial.origin for record in history.completed], [record.trial.id for record in history.pending]
        (['imported'], [1])
        >>> history.n_asked  # imported runs cost no budget
        1

    Attributes:
        records: Any order is accepted; ascending ids are kept. Those that were withdrawn move to ``withdrawn``.
        scale: The study's own scale: losses of another one are not learnt from. None where it is unknown, so that all
            runs count.
        damaged: Ids of trials that are left out since their files cannot be read. Their numbers are taken, and they
            count as asked, so that designs and seeds go on after them.
        withdrawn: Trials that count for nothing; only their numbers stay taken.
        scales: All scales of a study of several, that one among them, see :attr:`informative`; empty in one of one.
        trains: The scale of trials that ask for none, where it is another than ``scale``; None where it is that one.
    """

    records: tuple[Record, ...] = ()
    scale: Scale | None = None
    damaged: tuple[int, ...] = ()
    withdrawn: tuple[Record, ...] = ()
    scales: tuple[Scale, ...] = ()
    trains: Scale | None = None

    def __post_init__(self) -> None:
        everything = self.all_records
        # A driver makes a history of thousands of records twice a trial: what is rare is looked for only where it is.
        if len({record.trial.id for record in everything}) < len(everything):
            ids = Counter(record.trial.id for record in everything)
            doubled = next(trial_id for trial_id, count in ids.items() if count > 1)
            raise StudyError(f"trial {doubled} stands twice in the record; give every trial its own id")
        gone = tuple(record for record in everything if record.withdrawn is not None)
        kept = tuple(record for record in everything if record.withdrawn is None) if gone else everything
        object.__setattr__(self, "records", kept)
        object.__setattr__(self, "withdrawn", gone)

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def completed(self) -> tuple[Record, ...]:
        """Trials that came back with a result, imported and confirming ones included."""
        return self._with_status(Status.COMPLETED)

    @cached_property
    def pending(self) -> tuple[Record, ...]:
        """Trials that were asked and have not ended."""
        return self._with_status(Status.PENDING)

    @cached_property
    def failed(self) -> tuple[Record, ...]:
        """Trials that failed for good."""
        return self._with_status(Status.FAILED)

    @cached_property
    def observations(self) -> tuple[Record, ...]:
        """What surrogates learn from: completed trials, imported and confirming ones and experts included.

        What a confirmation judges was chosen without it, see :attr:`unconfirmed`; afterwards it is a run like others.
        Runs of another scale than the study's are left out; a run whose scale is unknown counts as one of the
        study's. So are runs that reweighted the domains while they trained: their losses are those of no mixture.
        """
        if self.scales:
            return tuple(record for record in self.informative if self.counted_as(record) == self.scale)
        return tuple(
            record
            for record in self.completed
            if record.trial.reweighting is None and comparable(record.trial.scale, self.scale)
        )

    @cached_property
    def informative(self) -> tuple[Record, ...]:
        """What a surrogate across scales learns from: as :attr:`observations`, of every scale of the study.

        A run of a scale that the study does not name is left out, and one of which too little is known to say which it
        is of; one without a scale counts as one of the study's own.
        """
        if not self.scales:
            return self.observations
        return tuple(
            record
            for record in self.completed
            if record.trial.reweighting is None and self.counted_as(record) is not None
        )

    def learnt_from(self, *, across: bool) -> tuple[Record, ...]:
        """What a surrogate is given: :attr:`informative` where it learns across scales, else :attr:`observations`."""
        return self.informative if across else self.observations

    def counted_as(self, record: Record) -> Scale | None:
        """The scale of a study of several that a run counts as, see :func:`bomix.scale.counted_as`."""
        return counted_as(record.trial.scale, self.scales, self.scale)

    def of_scale(self, scale: Scale | None) -> History:
        """The record of one of several scales, as that of a study of that scale alone; other runs are left out."""
        kept = tuple(record for record in self.records if self.counted_as(record) == scale)
        return replace(self, records=kept, scale=scale, scales=(), trains=None, withdrawn=())

    @cached_property
    def target_alone(self) -> bool:
        """Whether smaller scales were found to mislead and given up: a run of the own one says so by its origin."""
        own = (record for record in self.records if record.trial.origin.startswith(ALONE))
        return bool(self.scales) and any(self.counted_as(record) == self.scale for record in own)

    @cached_property
    def tried(self) -> tuple[Record, ...]:
        """What need not be proposed as new: trials of the study's scale or of an unknown one, whatever became of them.

        A mixture that was run at another scale may still be proposed, and one that a run only started with. Experts of
        every scale are included: a domain alone is known by what they make of the tokens. Where the study's own scale
        is not trained, it is that of the trials (:attr:`trains`) that counts.
        """
        trained = self.trains or self.scale
        return tuple(
            record
            for record in self.records
            if record.trial.reweighting is None
            and (record.trial.origin == EXPERT or comparable(record.trial.scale, trained))
        )

    @cached_property
    def searched(self) -> tuple[Record, ...]:
        """Completed trials, imported ones and experts included, confirming ones not."""
        return tuple(record for record in self.informative if record.trial.origin != CONFIRM)

    @cached_property
    def experts(self) -> dict[str, int]:
        """Domain to the first trial that is its expert and kept what it made of the tokens.

        A study that needs experts asks for nothing while these are of another scale than its file names, see
        :func:`bomix.study.experts.refuse_others`.
        """
        found: dict[str, int] = {}
        for record in self.completed:
            if record.trial.origin == EXPERT and SCORED_TOKENS in record.result.artifacts:
                domain = max(record.trial.weights, key=record.trial.weights.__getitem__)
                # One of a node that was closed when it was asked for is no expert of any domain inside.
                if record.trial.weights[domain] >= 1.0 - SAME_MIXTURE:
                    found.setdefault(domain, record.trial.id)
        return found

    @cached_property
    def confirming(self) -> tuple[Record, ...]:
        """The present round of confirmations: those younger than every other completed trial, see :meth:`confirms`."""
        last = max((record.trial.id for record in self.searched), default=-1)
        return tuple(record for record in self.records if record.trial.id > last and self.confirms(record))

    def confirms(self, record: Record) -> bool:
        """Whether a trial is a confirming one of the scale at which confirmations run now.

        In a study of several scales those of another one, that was the target before, are runs like others.
        """
        if record.trial.origin != CONFIRM:
            return False
        return not self.scales or self.counted_as(record) == (self.trains or self.scale)

    @cached_property
    def unconfirmed(self) -> History:
        """The record without the present round of confirmations: what decided which mixture the round is about."""
        present = {record.trial.id for record in self.confirming}
        kept = tuple(record for record in self.records if record.trial.id not in present)
        return replace(self, records=kept) if present else self

    def until(self, trial_id: int) -> History:
        """The record of the trials before one, with what came back of them."""
        kept = tuple(record for record in self.all_records if record.trial.id < trial_id)
        damaged = tuple(number for number in self.damaged if number < trial_id)
        return replace(self, records=kept, withdrawn=(), damaged=damaged)

    def require_observations(self) -> None:
        """Raise StudyError where there is nothing to learn from yet, at any scale of the study."""
        if self.informative:
            return
        counts = f"{len(self.pending)} pending, {len(self.failed)} failed"
        came = f"no trial has come back yet ({counts})"
        found = [record for record in self.completed if record.trial.reweighting is not None]
        if found:
            came = f"no trial of one mixture has come back yet ({counts}, {len(found)} reweighted while they trained)"
        elif self.completed:
            scales = ", ".join(sorted({str(record.trial.scale) for record in self.completed}))
            own = f"the study's own scale ({self.scale})"
            if self.scales:
                own = f"a scale of the study ({'; '.join(map(str, self.scales))})"
            came = (
                f"no trial of {own} has come back yet ({counts}, {len(self.completed)} completed at another: {scales})"
            )
        raise StudyError(
            f"{came}, so there is nothing to predict from; run the study, tell it a result, or add runs made earlier"
        )

    @cached_property
    def asked(self) -> tuple[Record, ...]:
        """Trials that a strategy asked for, whatever became of them; neither imported nor confirming ones."""
        return tuple(record for record in self.records if record.trial.origin not in UNCOUNTED_ORIGINS)

    @cached_property
    def ever_asked(self) -> tuple[Record, ...]:
        """The same and those that were withdrawn since: a design goes on behind them, and their seeds stay taken."""
        return tuple(record for record in self.all_records if record.trial.origin not in UNCOUNTED_ORIGINS)

    @property
    def n_asked(self) -> int:
        """How many trials a strategy ever asked for, those that cannot be read included."""
        return len(self.ever_asked) + len(self.damaged)

    @cached_property
    def ended(self) -> History:
        """The record without the trials that have not ended, which tell nothing yet."""
        return replace(self, records=tuple(each for each in self.records if each.status is not Status.PENDING))

    @cached_property
    def all_records(self) -> tuple[Record, ...]:
        """Every trial, the withdrawn ones at their places: for showing, never for learning."""
        return tuple(sorted((*self.records, *self.withdrawn), key=lambda record: record.trial.id))

    @property
    def next_id(self) -> int:
        """The id of the trial to come."""
        last = self.all_records[-1].trial.id if self.all_records else -1
        return 1 + max([last, *self.damaged])

    def with_record(self, record: Record) -> History:
        """This history and one record; a record of the same trial gives way."""
        others = tuple(other for other in self.records if other.trial.id != record.trial.id)
        return replace(self, records=(*others, record))

    def with_pending(self, candidates: Iterable[Candidate], *, seed: int = 0) -> History:
        """This history with candidates that were proposed and have no outcome yet."""
        added = tuple(
            Record(Trial(self.next_id + offset, each.weights, seed, each.origin, each.scale, each.reweighting))
            for offset, each in enumerate(candidates)
        )
        return replace(self, records=(*self.records, *added))

    def to_dataset(self, problem: Problem, *, attrs: Mapping[str, Any] | None = None) -> xr.Dataset:
        """The record as a labelled dataset, see :func:`bomix.dataset.to_dataset`.

        Args:
            problem: Names, units and directions.
            attrs: Attributes beside ``schema_version`` and ``bomix_version``; numbers or text.
        """
        from bomix.dataset import to_dataset

        return to_dataset(self.all_records, problem, attrs=attrs)

    def _with_status(self, status: Status) -> tuple[Record, ...]:
        return self._by_status[status]

    @cached_property
    def _by_status(self) -> dict[Status, tuple[Record, ...]]:
        found: dict[Status, list[Record]] = {status: [] for status in Status}
        for record in self.records:
            found[record.status].append(record)
        return {status: tuple(records) for status, records in found.items()}
