"""The study: ask, tell, add, resume, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import bomix
from bomix.config.sections import DomainSpec, TargetSpec
from bomix.contracts.preparation import Preparation
from bomix.errors import FaultsError, StoreError, StudyError
from bomix.evaluators.command import Command
from bomix.io.store import records
from bomix.objectives.weighted import Mean
from bomix.problem import Metric
from bomix.recommendation.confirmation import SEED_OFFSET
from bomix.space.weights import Weights
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study.confirmation import confirming_trial
from bomix.study.study import Study
from bomix.trial import Failure, Result

pytestmark = pytest.mark.usefixtures("short_chains")

DOMAINS = ["web", "code", "books"]


def losses(weights: Weights) -> dict[str, float]:
    return {name: 2.0 + math.exp(-4.0 * weights[name]) for name in DOMAINS}


def make(path: Path | None = None, **options: object) -> Study:
    options = {"strategy": Bayesian(n_init=4), **options}
    return Study(domains=DOMAINS, metrics=DOMAINS, path=path, **options)  # type: ignore[arg-type]


def test_what_the_readme_shows(tmp_path: Path) -> None:
    study = bomix.Study(domains=DOMAINS, metrics=DOMAINS, seed=0)
    study.add({"web": 0.5, "code": 0.3, "books": 0.2}, {"web": 3.1, "code": 2.2, "books": 3.4})
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, losses(trial.weights))
    best = study.recommend()
    assert math.isclose(sum(best.weights.values()), 1.0)
    assert best.interval[0] < best.loss < best.interval[1]
    predicted = study.predict([{"web": 0.2, "code": 0.4, "books": 0.4}])
    assert predicted["mean"].dims == predicted["sd"].dims == ("candidate", "metric")
    assert predicted["objective_mean"].dims == predicted["objective_sd"].dims == ("candidate",)
    assert study.dataset["loss"].sizes == {"trial": 7, "metric": 3}


def test_a_study_on_disk_goes_on_where_it_stopped(tmp_path: Path) -> None:
    undisturbed = make()
    for turn in range(7):
        study = Study.open(tmp_path) if turn else make(tmp_path)
        trial, expected = study.ask(), undisturbed.ask()
        assert trial == expected
        study.tell(trial.id, losses(trial.weights))
        undisturbed.tell(expected, losses(expected.weights))
    assert Study.open(tmp_path).history == undisturbed.history
    assert Study.open(tmp_path).recommend() == undisturbed.recommend()


def test_paired_trials_share_a_seed_and_replicates_take_the_next() -> None:
    study = make(seed=5, strategy=Sobol(anchors=True))
    assert {study.ask().seed for _ in range(5)} == {5}
    again = make(seed=5, strategy=Constant())
    assert [again.ask().seed for _ in range(3)] == [5, 6, 7]
    unpaired = make(seed=5, paired=False)
    assert [unpaired.ask().seed for _ in range(3)] == [5, 6, 7]


@dataclasses.dataclass(frozen=True)
class Constant:
    """A strategy that proposes one mixture for ever."""

    def ask(self, problem, history, q, *, seed):  # type: ignore[no-untyped-def]
        weights = problem.space.to_weights(problem.space.uniform())
        return [bomix.Candidate(weights, "constant") for _ in range(q)]


def test_a_confirming_trial_is_asked_once_moves_no_ask_while_it_runs_and_is_learnt_from() -> None:
    study, other = make(), make()
    for _ in range(4):
        trial = study.ask()
        study.tell(trial, losses(trial.weights))
        other.tell(other.ask(), losses(trial.weights))
    first = confirming_trial(study.records, trial.weights, SEED_OFFSET)
    assert first.trial.seed == SEED_OFFSET
    assert confirming_trial(study.records, trial.weights, SEED_OFFSET).trial.id == first.trial.id
    assert confirming_trial(study.records, trial.weights, SEED_OFFSET + 1).trial.id == first.trial.id + 1
    assert study.recommend().loss == other.recommend().loss
    study.tell(first.trial, dict.fromkeys(DOMAINS, 0.0))
    assert study.recommend().completed == other.recommend().completed + 1
    assert study.recommend().loss < other.recommend().loss


def test_askers_at_the_same_time_get_different_trials(tmp_path: Path) -> None:
    make(tmp_path)

    def ask_thrice(_: int) -> list[tuple[int, tuple[float, ...]]]:
        study = Study.open(tmp_path)
        return [(trial.id, tuple(trial.weights.values())) for trial in (study.ask() for _ in range(3))]

    with ThreadPoolExecutor(4) as pool:
        found = [pair for pairs in pool.map(ask_thrice, range(4)) for pair in pairs]
    assert sorted(number for number, _ in found) == list(range(12))
    assert len({weights for _, weights in found}) == 12


@pytest.mark.parametrize("outcome", [{"web": 1.0}, {"web": 1.0, "code": math.nan, "books": 1.0}, {}])
def test_a_result_that_is_none_is_refused_and_nothing_is_lost(tmp_path: Path, outcome: dict[str, float]) -> None:
    study = make(tmp_path)
    trial = study.ask()
    with pytest.raises(FaultsError):
        study.tell(trial, outcome)
    study.tell(trial, losses(trial.weights))
    with pytest.raises(StoreError, match="written once"):
        study.tell(trial, losses(trial.weights))


def test_a_trial_may_lack_a_metric(tmp_path: Path) -> None:
    study = make(tmp_path)
    record = study.tell(study.ask(), {"web": 2.0, "code": None, "books": 3.0})
    assert record.result == Result({"web": 2.0, "books": 3.0}, unmeasured=("code",))
    added = study.add(dict.fromkeys(DOMAINS, 1 / 3), {"web": 2.5, "code": math.nan, "books": None})
    assert added.result.losses == {"web": 2.5}
    again = Study.open(tmp_path)
    assert again.history.records == (record, added)
    assert np.isnan(again.dataset["loss"].sel(metric="code")).all()
    assert again.dataset["loss"].sel(metric="web").values.tolist() == [2.0, 2.5]
    assert math.isnan(again.problem.value(record.result.losses))
    assert make(objective=Mean(("web", "books"))).problem.value(record.result.losses) == 2.5
    with pytest.raises(FaultsError, match="at least one"):
        study.add(dict.fromkeys(DOMAINS, 1 / 3), dict.fromkeys(DOMAINS, math.nan))


def test_trials_that_lack_metrics_inform_the_recommendation() -> None:
    study = make()
    for turn in range(7):
        trial = study.ask()
        measured: dict[str, float | None] = {**losses(trial.weights)}
        if turn % 3:
            measured[DOMAINS[turn % 3]] = None
        study.tell(trial, measured)
    best = study.recommend()
    assert math.isfinite(best.loss)
    assert all(math.isfinite(estimate.sd) for estimate in best.per_metric.values())
    study.problem.space.check(best.weights)


def test_many_runs_are_added_at_once_or_not_at_all(tmp_path: Path) -> None:
    study, one_by_one = make(tmp_path), make()
    mixtures = [{"web": x, "code": 0.5 - x, "books": 0.5} for x in (0.1, 0.2)]
    runs = [(weights, losses(weights)) for weights in mixtures]
    with pytest.raises(FaultsError, match=r"runs\[2\]\.losses\.code"):
        study.records.add_all([*runs, (runs[0][0], {"web": 1.0, "books": 1.0})])
    assert not study.history.records
    added = study.records.add_all(runs)
    assert added == [one_by_one.add(*run) for run in runs]
    assert Study.open(tmp_path).history.records == tuple(added)


def test_a_trial_that_was_never_asked_cannot_be_told() -> None:
    with pytest.raises(StudyError, match="no trial 3"):
        make().tell(3, {})


def test_numpy_scalars_are_losses(tmp_path: Path) -> None:
    study = make(tmp_path)
    study.tell(study.ask(), {name: np.float32(2.5) for name in DOMAINS})
    assert Study.open(tmp_path).history.completed[0].result.losses == dict.fromkeys(DOMAINS, 2.5)


def test_an_added_run_is_checked_and_its_rounding_mended() -> None:
    study = make()
    record = study.add({"web": 0.5, "code": 0.3, "books": 0.203}, losses({"web": 0.5, "code": 0.3, "books": 0.2}))
    assert math.isclose(sum(record.trial.weights.values()), 1.0)
    with pytest.raises(FaultsError, match=r"sum to 1\.1"):
        study.add({"web": 0.5, "code": 0.3, "books": 0.3}, losses({"web": 0.5, "code": 0.3, "books": 0.2}))
    with pytest.raises(FaultsError) as caught:
        study.add({"web": 1.2, "code": -0.2, "boks": 0.0}, {"web": 1.0})
    named = {fault.where for fault in caught.value.faults}
    assert {"weights.code", "weights.books", "weights.boks", "losses.code", "losses.books"} <= named
    assert len(study.history.records) == 1


def test_token_caps_follow_the_target_run() -> None:
    domains = {"web": DomainSpec(tokens=10e6), "code": DomainSpec(tokens=1e6), "books": DomainSpec()}
    study = Study(domains=domains, metrics=["web"], target=TargetSpec(tokens=10e6, max_epochs=2))
    bounds = dict(zip(study.problem.space.domains, study.problem.space.upper_array, strict=True))
    assert bounds == {"web": 1.0, "code": pytest.approx(0.2), "books": 1.0}
    assert study.problem.natural is None
    assert list(study.problem.anchors()) == ["uniform"]
    assert study.problem.epochs({"web": 0.8, "code": 0.2}) == {"web": pytest.approx(0.8), "code": pytest.approx(2.0)}


def test_caps_that_leave_no_mixture_say_so() -> None:
    domains = {"web": DomainSpec(tokens=1e6), "code": DomainSpec(tokens=1e6)}
    with pytest.raises(FaultsError, match="max_epochs"):
        Study(domains=domains, metrics=["web"], target=TargetSpec(tokens=10e6, max_epochs=2))


def test_what_makes_losses_comparable_is_frozen_once_there_are_trials(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path, seed=3)  # nothing was asked yet
    study = make(tmp_path)
    study.tell(study.ask(), dict.fromkeys(DOMAINS, 2.0))
    make(tmp_path, strategy=Sobol())
    with pytest.raises(StoreError, match=r"seed: 0 when the study began, 3 now"):
        make(tmp_path, seed=3)
    with pytest.raises(StoreError, match="metrics"):
        Study(domains=DOMAINS, metrics=["web"], path=tmp_path)


def test_results_are_derived_and_say_where_they_come_from(tmp_path: Path) -> None:
    study = make(tmp_path)
    study.tell(study.ask(), Result(dict.fromkeys(DOMAINS, 2.0), sems={"web": 0.1}, cost=3.0))
    study.tell(study.ask(), Failure("out of memory"))
    study.ask()
    study.records.save_results()
    with xr.open_dataset(tmp_path / "results.nc", engine="h5netcdf") as dataset:
        assert dataset["status"].values.tolist() == ["completed", "failed", "pending"]
        assert json.loads(dataset.attrs["study"])["seed"] == 0
        assert dataset["cost"].values[0] == 3.0


def test_domains_named_twice_are_refused() -> None:
    with pytest.raises(FaultsError, match="twice"):
        Study(domains=["web", "web"], metrics=["web"])


def test_domains_that_come_or_go_are_refused_once_a_trial_has_completed(tmp_path: Path) -> None:
    study = make(tmp_path)
    study.tell(study.ask(), dict.fromkeys(DOMAINS, 2.0))
    for domains, changed in ((["web", "code"], "books"), ([*DOMAINS, "wiki"], "wiki")):
        with pytest.raises(StoreError, match=rf"domains\.{changed}"):
            Study(domains=domains, metrics=DOMAINS, path=tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 3}, "seed: 0 when the study began, 3 now"),
        ({"paired": False}, "paired"),
        ({"metrics": ["web"]}, "metrics"),
        ({"domains": [*DOMAINS, "wiki"]}, "domains.wiki"),
    ],
)
def test_what_makes_losses_comparable_is_frozen_from_the_first_trial_that_is_asked_for(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    study = make(tmp_path)
    study.ask()
    arguments: dict[str, Any] = {"domains": DOMAINS, "metrics": DOMAINS, "path": tmp_path, **changed}
    with pytest.raises(StoreError, match=rf"{said}.*\n.*`bomix restart`"):
        Study(**arguments)
    study.tell(0, dict.fromkeys(DOMAINS, 2.0))
    with pytest.raises(StoreError, match=rf"{said}.*\n.*in a new folder"):
        Study(**arguments)


def test_domains_of_failed_trials_keep_their_names(tmp_path: Path) -> None:
    study = make(tmp_path)
    study.tell(study.ask(), Failure("a typing error in the trainer"))
    with pytest.raises(StoreError, match=r"domains\.wiki"):
        Study(["web", "wiki"], ["web"], path=tmp_path)
    assert Study(DOMAINS, ["web"], path=tmp_path).ask().id == 1


def test_a_study_whose_trials_all_failed_may_still_be_mended(tmp_path: Path) -> None:
    study = make(tmp_path)
    study.tell(study.ask(), Failure("a typing error in the trainer"))
    assert make(tmp_path, seed=3).spec.seed == 3


def test_the_trainers_command_may_change_but_not_what_it_measures(tmp_path: Path) -> None:
    first = Command(argv=("train", "{result}"), metrics=("loss",))
    study = Study(domains=DOMAINS, evaluator=Prepared(first), path=tmp_path)
    study.tell(study.ask(), {"loss": 2.0})
    moved = dataclasses.replace(first, argv=("/opt/train", "{result}"), timeout_s=60.0)
    Study(domains=DOMAINS, evaluator=Prepared(moved), path=tmp_path)
    with pytest.raises(StoreError, match="metrics"):
        Study(domains=DOMAINS, evaluator=Prepared(dataclasses.replace(first, metrics=("los",))), path=tmp_path)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A command whose program need not be there."""

    may_change = ("command.argv", "command.timeout_s")

    command: Command

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        return Preparation(metrics=tuple(Metric(name) for name in self.command.metrics))

    def evaluate(self, trial: bomix.Trial, workdir: Path) -> Result:
        return self.command.evaluate(trial, workdir)


@pytest.mark.parametrize("result", [Result({"web": 1.0}), Result(dict.fromkeys(DOMAINS, 1.0), realized={"web": 0.5})])
def test_a_result_object_is_checked_like_a_mapping(result: Result) -> None:
    study = make()
    with pytest.raises(FaultsError):
        study.tell(study.ask(), result)
    with pytest.raises(FaultsError):
        study.add(dict.fromkeys(DOMAINS, 1 / 3), result)


@pytest.mark.parametrize(
    "arguments", [{"metrics": "loss"}, {"metrics": ["a", "a"]}, {"metrics": [""]}, {"seed": 2**63}]
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(FaultsError):
        Study(**{"domains": DOMAINS, "metrics": ["loss"], **arguments})  # type: ignore[arg-type]


def test_a_folder_with_a_study_file_is_opened_not_made(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {a: {}}\nmetrics: [loss]\n")
    with pytest.raises(StudyError, match=r"Study\.open"):
        make(tmp_path)


def resealed(data: dict[str, object]) -> str:
    """A file of a study with other content."""
    return records.sealed({key: value for key, value in data.items() if key != "checksum"})


def test_what_an_earlier_version_did_not_know_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {d0: {}, d1: {}}\nevaluator: {kind: synthetic, domains: 2}\n")
    study = Study.open(tmp_path)
    study.tell(study.ask(), {"d0": 2.0, "d1": 3.0})
    path = tmp_path / "resolved.json"
    resolved = json.loads(path.read_text())
    del resolved["spec"]["evaluator"]["tilt"]
    path.write_text(resealed(resolved))
    assert Study.open(tmp_path).ask().id == 1
    resolved["spec"]["evaluator"]["tilt"] = 0.5
    path.write_text(resealed(resolved))
    with pytest.raises(StoreError, match=r"evaluator\.tilt: 0\.5 when the study began, 0\.0 now"):
        Study.open(tmp_path).ask()


def test_what_is_asked_for_changes_no_answer() -> None:
    """A page, an export and a recommendation around an ask are of the same results, and agree."""
    study = bomix.Study(["code", "web"], ["code", "web"], seed=1)
    for share in (0.2, 0.4, 0.6, 0.8):
        study.add({"code": share, "web": 1.0 - share}, {"code": 3.0 - share, "web": 2.0 + share**2})
    best, expected = study.recommend(), study.predict([{"code": 0.5, "web": 0.5}])
    study.ask(3)
    assert len(study.history.pending) == 3
    assert study.recommend() == best
    assert study.predict([{"code": 0.5, "web": 0.5}]).identical(expected)


def test_a_domain_that_is_no_spec_is_named() -> None:
    with pytest.raises(FaultsError, match=r"domains\.b: expected a DomainSpec, found 0\.1"):
        bomix.Study(domains={"a": bomix.DomainSpec(), "b": 0.1}, metrics=["a"])


def test_a_folder_whose_execution_has_no_kind_yet_opens(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "resolved.json"
    resolved = json.loads(path.read_text())
    assert resolved["spec"]["execution"].pop("kind") == "local"
    resolved["spec"]["execution"]["workers"] = 3
    path.write_text(resealed(resolved))
    study = Study.open(tmp_path)
    assert study.spec.execution == bomix.LocalExecution(workers=3)
    study.tell(study.ask(), dict.fromkeys(DOMAINS, 2.0))
    assert Study.open(tmp_path).ask().id == 1
