"""What a study keeps: its spec, the inputs that follow from it, and the record of its trials."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex

from bomix.errors import StoreError, StudyError, raise_faults
from bomix.history import History
from bomix.io.imports.identity import trained_seed
from bomix.io.store.files import FolderTaken
from bomix.io.store.incoming import ForeignRun, accepted, checked_runs
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.plain import short
from bomix.io.store.result_checks import bounded, failure_faults, kept_text, range_faults
from bomix.io.store.study_folder import FolderStore
from bomix.io.store.trial_files import Damage
from bomix.objectives.reference import resolved, wants_reference
from bomix.study import experts, resolved_file, reweighting, scales, study_scales
from bomix.study.arguments import is_same, trial_number
from bomix.study.resolution import Resolution, resolve
from bomix.trial import Candidate, Failure, Outcome, Record, Result, Trial

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
        self._seen: Mapping[int, Record] = {}
        self._named: set[Damage] = set()

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
        if self._resolution is None:
            self._resolution = self._believed(resolve(self.spec, self._store))
        return self._resolution

    def prepare(self) -> Resolution:
        """Have the evaluator build and measure its inputs now, and compare them with those the study began with.

        Raises:
            FaultsError: Everything that is wrong with the inputs.
            StoreError: The inputs changed since the first trial.
        """
        self._resolution = self._believed(resolve(self.spec, self._store, measure=True))
        return self._resolution

    @property
    def problem(self) -> Problem:
        """Space, metrics, objective; what the objective compares with is that of the record as it is now."""
        problem = self.resolution.problem
        return resolved(problem, self._learnt(problem)) if wants_reference(problem) else problem

    @property
    def history(self) -> History:
        """The record as it is now, other processes' additions included; nothing is resolved or prepared.

        Its scale is the study's own: before the study is resolved, that of the last time it was. A trial of which a
        file cannot be read is left out, and named once.

        Raises:
            StoreError: A record of a newer version.
        """
        records, damages = self._store.read(self._seen)
        self._seen = {record.trial.id: record for record in records}
        self._name(damages)
        damaged = tuple(damage.trial for damage in damages)
        # Only a run whose scale is known can be of another one.
        if not self.spec.scales and all(record.trial.scale is None for record in records):
            return History(records, None, damaged)
        own, several = self._own_scales()
        return study_scales.history_of(records, damaged, own, several)

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

        It is read again once the study is resolved, as which runs are learnt from depends on the study's scale.

        Raises:
            StudyError: There is nothing to learn from yet.
        """
        from bomix.surrogates.data.quarantine import quarantined, without

        self.history.require_observations()
        problem, whole = self.problem, self.history
        left_out = quarantined(problem, whole)
        for each in left_out:
            logger.warning("%s", each)
        history = without(whole, left_out)
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
        """The record without what is quarantined."""
        from bomix.surrogates.data.quarantine import learnt

        return learnt(problem, self.history)

    def _believed(self, resolution: Resolution) -> Resolution:
        """The same, where metrics whose record goes beyond the range of their unit may have every value.

        A range that is stated holds; what a unit says is a guess, and records that were made before it stay valid.
        """
        problem = resolution.problem
        beyond = [
            metric.name
            for metric in problem.metrics
            if metric.range is None
            and any(
                not metric.limits[0] <= record.result.losses.get(metric.name, metric.limits[0]) <= metric.limits[1]
                for record in self._learnt(problem).completed
            )
        ]
        if not beyond:
            return resolution
        logger.warning(
            "the record holds values of %s beyond the range of the unit, so that no range is assumed; state it "
            "(metrics: {NAME: {range: [smallest, largest]}})",
            ", ".join(beyond),
        )
        metrics = [replace(each, range=(None, None)) if each.name in beyond else each for each in problem.metrics]
        return replace(resolution, problem=replace(problem, metrics=tuple(metrics)))

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
        """End a pending trial, see :meth:`bomix.study.study.Study.tell`."""
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
            problem = self.problem
            outcome = accepted(
                outcome,
                problem.metric_names,
                problem.space.domains,
                title=f"trial {trial_id}: the result cannot be used:",
            )
            raise_faults(range_faults(outcome, problem.metrics), f"trial {trial_id}: the result cannot be used:")
            wrong = experts.result_faults(record.trial, outcome, problem, self.history)
            raise_faults(wrong, f"trial {trial_id}: the expert cannot be used:")
            wrong = reweighting.result_faults(record.trial, outcome)
            raise_faults(wrong, f"trial {trial_id}: the result cannot be used:")
        self._store.finish(trial_id, outcome)
        self.save_results()
        return Record(record.trial, outcome)

    def withdraw(self, trial: Trial | SupportsIndex, *, why: str) -> Record:
        """Have a trial count for nothing, see :meth:`bomix.study.study.Study.withdraw`."""
        record = self.find(trial)
        if not isinstance(why, str) or not why.strip():
            raise StudyError("say why the run is withdrawn: the record keeps it")
        self._store.withdraw(record.trial.id, why=kept_text(why.strip()))
        self.save_results()
        return self.find(record.trial.id)

    def revise(self, record: Record, *, why: str) -> None:
        """Record what takes the place of an imported run; ``results.nc`` is left to :meth:`save_results`.

        Args:
            record: The run with the number of revisions that it has so far, and weights, scale and result as they are
                to be.
            why: What changes, in words.
        """
        self._store.revise(record, why=why)

    def find(self, trial: Trial | SupportsIndex) -> Record:
        """The record of a trial that is told of, withdrawn or not.

        Raises:
            StudyError: There is no such trial, or it is one of another study.
        """
        trial_id = trial_number(trial)
        found = next((record for record in self.history.all_records if record.trial.id == trial_id), None)
        if found is None:
            raise StudyError(f"there is no trial {short(trial_id)}; `ask` gives the number")
        if isinstance(trial, Trial) and not is_same(trial, found.trial):
            raise StudyError(
                f"trial {trial_id} of this study is another one (other weights, seed or origin), so that the result "
                "would be recorded for a mixture that it is not of; tell it to the study that asked"
            )
        return found

    def add_all(self, runs: Iterable[ForeignRun]) -> list[Record]:
        """Record runs that were made elsewhere; nothing is recorded where anything is wrong with one of them.

        ``results.nc`` is left to the next ``tell`` or to :meth:`save_results`: tables of runs are long.

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
        """Write the derived ``results.nc``; nothing in memory."""
        if isinstance(self._store, FolderStore):
            self._store.write_results(self.dataset)
