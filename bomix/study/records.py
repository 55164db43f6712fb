"""What a study keeps: its spec, the inputs that follow from it, and the record of its trials."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex

from bomix.contracts.evaluator import PreparingEvaluator
from bomix.errors import FaultsError, StoreError, StudyError, raise_faults
from bomix.history import History
from bomix.io.store import results_file
from bomix.io.store.files import FolderTaken
from bomix.io.store.incoming import ForeignRun, checked_runs
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.plain import short
from bomix.io.store.reading import Kept
from bomix.io.store.result_checks import bounded, failure_faults, kept_text
from bomix.io.store.study_folder import FolderStore
from bomix.io.store.trial_files import Damage
from bomix.objectives.reference import resolved, wants_reference
from bomix.study import resolved_file, scales, study_scales
from bomix.study.accepting import acceptable, with_ranges
from bomix.study.arguments import is_same, trial_number
from bomix.study.resolution import Resolution, as_measured, resolve
from bomix.trial import Candidate, Failure, Outcome, Record, Result, Status, Trial

if TYPE_CHECKING:
    import xarray as xr

    from bomix.config.spec import StudySpec
    from bomix.problem import Problem, StudyScale
    from bomix.scale import Scale
    from bomix.surrogates.data.quarantine import Quarantined

logger = logging.getLogger(__name__)


class Records:
    """The spec of a study and the record of its trials; every change of either goes through here.

    Args:
        spec: The study file.
        store: The folder, or the memory, that keeps the records.
        resolution: What follows from the spec, where that is known.

    Attributes:
        spec: The study file, with what a run was told to do otherwise.
    """

    def __init__(self, spec: StudySpec, store: FolderStore | MemoryStore, resolution: Resolution | None = None) -> None:
        self.spec = spec
        self._store = store
        self._resolution = resolution
        self._believed = resolution
        self._reading = store.reading()
        self._read: tuple[Kept, tuple[Scale | None, tuple[StudyScale, ...]], History] | None = None
        self._clean: tuple[Problem, History, History] | None = None
        self._named: set[Damage] = set()
        self._scaled: tuple[Kept, bool] | None = None
        self._glances = False

    @property
    def store(self) -> FolderStore | MemoryStore:
        """The folder, or the memory, that keeps the records."""
        return self._store

    @property
    def folder(self) -> Path | None:
        """The study folder; None in memory."""
        return self._store.folder if isinstance(self._store, FolderStore) else None

    @property
    def resolution(self) -> Resolution:
        """The problem and what the evaluator measured; the first use in a new study may build caches.

        Raises:
            FaultsError: Everything that is wrong with the inputs.
            StoreError: The study file no longer fits the records.
        """
        if self._believed is None:
            self._believed = with_ranges(self.resolved, self._learnt(self.resolved.problem))
        return self._believed

    @property
    def resolved(self) -> Resolution:
        """The same, the record not looked at: metrics have the ranges of their units whatever it holds."""
        if self._resolution is None:
            self._resolution = resolve(self.spec, self._store)
        return self._resolution

    def resolve_to_show(self) -> FaultsError | None:
        """Resolve the study to show it, by what was measured last where its inputs cannot be read now.

        Returns:
            What keeps a new study, of which nothing was measured yet, from being resolved; None where it is resolved.

        Raises:
            FaultsError: Everything that is wrong with the study beside its inputs.
            StoreError: The study file no longer fits the records.
        """
        try:
            _ = self.resolved  # kept where it can be had
        except FaultsError as error:
            try:
                kept = as_measured(self.spec, self._store)
            except FaultsError:
                raise error from None  # which has the lines of all faults
            if kept is None:
                if self.history.all_records or not isinstance(self.spec.evaluator, PreparingEvaluator):
                    raise
                return error
            self._resolution = kept
        return None

    def prepare(self) -> Resolution:
        """Have the evaluator build and measure its inputs now, and compare them with those the study began with.

        Raises:
            FaultsError: Everything that is wrong with the inputs.
            StoreError: The inputs changed since the first trial.
        """
        self._resolution = resolve(self.spec, self._store, measure=True)
        self._believed = None
        return self.resolution

    @property
    def problem(self) -> Problem:
        """Space, metrics, objective; what the objective compares with is that of the record as it is now."""
        problem = self.resolution.problem
        return resolved(problem, self._learnt(problem)) if wants_reference(problem) else problem

    @property
    def history(self) -> History:
        """The record as it is now, other processes' additions included; nothing is resolved or prepared.

        Its scale is the study's own: before the study is resolved, that of the last time it was. A trial of which a
        file cannot be read is left out, and named once. Within :meth:`glancing` it may be older in part.

        Raises:
            StoreError: A record of a newer version.
        """
        return self._as_history(self._reading.glance() if self._glances else self._reading.read())

    def look(self) -> History:
        """The record as it is now, in all its parts also within :meth:`glancing`."""
        return self._as_history(self._reading.read())

    @contextmanager
    def glancing(self) -> Iterator[None]:
        """Have looks in this block take as long however many trials have ended: a driver looks several times a trial.

        Pending trials and new ones are seen at once, whoever changed them; what others revise or withdraw of trials
        that have ended is seen a little later, see :meth:`bomix.io.store.reading.Reading.glance`.
        """
        self._glances = True
        try:
            yield
        finally:
            self._glances = False

    def _as_history(self, kept: Kept) -> History:
        self._name(kept.damages)
        own: Scale | None = None
        several: tuple[StudyScale, ...] = ()
        # Only a run whose scale is known can be of another one.
        if self.spec.scales or self._has_scales(kept):
            own, several = self._own_scales()
        of = (own, several)
        # What a history derives from its records stays with it: one that is the same is not made anew.
        if self._read is None or self._read[0] is not kept or self._read[1] != of:
            damaged = tuple(damage.trial for damage in kept.damages)
            self._read = kept, of, study_scales.history_of(kept.records, damaged, own, several)
        return self._read[2]

    def _has_scales(self, kept: Kept) -> bool:
        """Whether the scale of any run is known; records that are the same are not gone through again."""
        if self._scaled is None or self._scaled[0] is not kept:
            self._scaled = kept, any(record.trial.scale is not None for record in kept.records)
        return self._scaled[1]

    def _name(self, damages: Sequence[Damage]) -> None:
        for damage in damages:
            if damage not in self._named:
                self._named.add(damage)
                logger.warning("%s; the study goes on without the trial; `bomix check --repair` sets it aside", damage)

    @property
    def dataset(self) -> xr.Dataset:
        """The record as an xarray dataset, schema v1."""
        return self.history.to_dataset(self.problem, attrs=self.resolution.attrs(self.spec))

    def to_learn_from(self) -> tuple[Problem, History]:
        """The problem and the record, which is looked at first: without a result nothing need be resolved.

        Trials that have not ended are left out: the same results give the same answer, whatever was asked for since.
        The record is read again once the study is resolved, as which runs are learnt from depends on the study's scale.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.surrogates.data.quarantine import quarantined, without

        self.history.require_observations()
        problem, whole = self.problem, self.history
        left_out = quarantined(problem, whole)
        for each in left_out:
            logger.warning("%s", each)
        history = without(whole, left_out).ended
        if whole.observations and not history.observations:
            first = f"trial {left_out[0].trial}, whose {left_out[0].metric} is {left_out[0].value:g}"
            raise StudyError(
                f"{len(whole.observations)} trials came back, and no value of them can be learnt from (as {first}, "
                f"{left_out[0].why}), so there is nothing to predict from; {left_out[0].cure}"
            )
        history.require_observations()
        return problem, history

    def quarantined(self) -> tuple[Quarantined, ...]:
        """Values of the record that nobody can have measured, and that are not learnt from."""
        from bomix.surrogates.data.quarantine import quarantined

        return quarantined(self.resolution.problem, self.history)

    def _learnt(self, problem: Problem) -> History:
        """The record without what is quarantined; computed again when either has changed."""
        from bomix.surrogates.data.quarantine import learnt

        history = self.history
        if self._clean is None or self._clean[0] is not problem or self._clean[1] is not history:
            self._clean = problem, history, learnt(problem, history)
        return self._clean[2]

    def _own_scales(self) -> tuple[Scale | None, tuple[StudyScale, ...]]:
        """The study's own scale, and all of them where it has several.

        Reading must neither prepare nor check: the scale of a study of one that is not resolved yet is that of the last
        time it was, and several scales follow from the study file and what was measured then.

        Raises:
            FaultsError: Scales that the study file leaves open.
            StoreError: What the folder keeps of them is damaged.
        """
        if self._resolution is None:
            if not self.spec.scales:
                return resolved_file.own_scale(self._store), ()
            several, own = study_scales.study_scales(self.spec, resolved_file.measured_info(self._store))
            return own, several
        return self._resolution.problem.scale, self._resolution.problem.scales

    def tell(self, trial: Trial | int, outcome: Mapping[str, float | None] | Outcome) -> Record:
        """End a pending trial, see :meth:`bomix.study.study.Study.tell`.

        It takes as long however many trials there are: of the others nothing is read that is not needed.
        """
        record = self.find(trial)
        trial_id = record.trial.id
        if record.withdrawn is not None:
            raise StoreError(
                f"trial {trial_id} was withdrawn ({record.withdrawn}); what came back of it counts no more"
            )
        if isinstance(outcome, Failure):
            raise_faults(failure_faults(outcome), f"trial {trial_id}: the failure cannot be recorded:")
            outcome = bounded(outcome)
        else:
            outcome = acceptable(
                record.trial,
                outcome,
                self.resolved.problem,
                believed=lambda: self.resolution.problem,
                history=lambda: self.history,
            )
        self._store.finish(trial_id, outcome)
        return Record(record.trial, outcome)

    def value(self, result: Result) -> float:
        """The objective of a result, lower is better; the record is read only where the objective compares with it."""
        problem = self.resolved.problem
        return (self.problem if wants_reference(problem) else problem).value(result.losses)

    def withdraw(self, trial: Trial | SupportsIndex, *, why: str) -> Record:
        """Have a trial count for nothing, see :meth:`bomix.study.study.Study.withdraw`."""
        record = self.find(trial)
        if not isinstance(why, str) or not why.strip():
            raise StudyError("say why the run is withdrawn: the record keeps it")
        self._store.withdraw(record.trial.id, why=kept_text(why.strip()))
        self._reading.look_at_all()
        return self.find(record.trial.id)

    def revise(self, record: Record, *, why: str) -> None:
        """Record what takes the place of an imported run.

        Args:
            record: The run with the number of revisions that it has so far, and weights, scale and result as they are
                to be.
            why: What changes, in words.
        """
        self._store.revise(record, why=why)
        self._reading.look_at_all()

    def find(self, trial: Trial | SupportsIndex) -> Record:
        """The record of a trial that is told of, withdrawn or not.

        Raises:
            StudyError: There is no such trial, or it is one of another study.
        """
        trial_id = trial_number(trial)
        found = self._store.read_one(trial_id)
        if isinstance(found, Damage):
            self._name([found])
        if not isinstance(found, Record):
            raise StudyError(f"there is no trial {short(trial_id)}; `ask` gives the number")
        if isinstance(trial, Trial) and not is_same(trial, found.trial):
            raise StudyError(
                f"trial {trial_id} of this study is another one (other weights, seed or origin), so that the result "
                "would be recorded for a mixture that it is not of; tell it to the study that asked"
            )
        return found

    def add_all(self, runs: Iterable[ForeignRun]) -> list[Record]:
        """Record runs that were made elsewhere; nothing is recorded where anything is wrong with one of them.

        Args:
            runs: Mixture and losses, or mixture, losses and scale, of each; see :meth:`bomix.study.study.Study.add`.

        Raises:
            FaultsError: Everything that is wrong with the mixtures and the losses.
        """
        problem, evaluator = self.resolution.problem, study_scales.trainer(self.spec)
        checked = checked_runs(study_scales.with_named_scales(problem, runs), problem)
        added = [scales.of(candidate, problem, evaluator) for candidate, _ in checked]
        scales.warn_of_others(problem, self.history, added)
        return self._enqueue_all(checked, seed=self.spec.seed)

    def enqueue(self, candidate: Candidate, *, seed: int) -> Record:
        """Record a trial that no strategy asked for as pending."""
        return self._enqueue_all([(candidate, None)], seed=seed)[0]

    def _enqueue_all(self, trials: Sequence[tuple[Candidate, Result | None]], *, seed: int) -> list[Record]:
        """Record trials in a row; the record is read once, and again where another process took a number."""
        from bomix.io.imports.identity import trained_seed

        added: list[Record] = []
        # What the objective compares with is of no account here, and finding it would read the record for each run.
        problem, evaluator = self.resolution.problem, study_scales.trainer(self.spec)
        number = self.history.next_id
        for candidate, outcome in trials:
            scale = scales.of(candidate, problem, evaluator)
            while True:
                own_seed = seed if outcome is None else trained_seed(outcome, seed)
                trial = Trial(number, candidate.weights, own_seed, candidate.origin, scale)
                try:
                    added.append(Record(self._store.create(trial, outcome), outcome))
                    number += 1
                    break
                except FolderTaken:
                    number = self.history.next_id
        return added

    def save_results(self) -> None:
        """Write ``results.nc`` as the record is now, see :mod:`bomix.io.store.results_file`; nothing in memory."""
        if not isinstance(self._store, FolderStore):
            return
        before = self.look()
        dataset = before.to_dataset(self.problem, attrs=self.resolution.attrs(self.spec))
        seen = _ended(before)
        results_file.write(self._store.folder, dataset, is_current=lambda: _ended(self.look()) == seen)


def _ended(history: History) -> list[int]:
    """What tells whether records have changed that ``results.nc`` must hold: of what has ended one object is kept."""
    return [id(record) for record in history.all_records if record.status is not Status.PENDING]
