"""Tables that are imported again, and runs that are withdrawn: what is recorded, learnt from, and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bomix.errors import FaultsError, StoreError, StudyError
from bomix.io.imports.columns import Reading
from bomix.io.imports.csv import read_runs
from bomix.scale import Scale
from bomix.strategies.designs import Sobol
from bomix.study.importing import Imported, import_runs
from bomix.study.study import Study
from bomix.trial import Status

SHARES = np.random.default_rng(0).dirichlet(np.ones(3), 8).round(4)


@pytest.fixture(params=["folder", "memory"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Study:
    path = tmp_path / "study" if request.param == "folder" else None
    return Study(["code", "math", "web"], ["a", "b"], path=path, strategy=Sobol())


def table(folder: Path, changes: dict[str, str] | None = None, *, gaps: bool = False) -> Path:
    rows = ["run,code,math,web,a,b"]
    for number, shares in enumerate(SHARES.tolist()):
        later = "" if gaps else f"{2.5 + shares[1]:.4f}"
        rows.append(f"r{number},{shares[0]},{shares[1]},{shares[2]},{2 + shares[0]:.4f},{later}")
    text = "\n".join(rows) + "\n"
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "t.csv").write_text(text)
    return folder / "t.csv"


def take(study: Study, path: Path, *, update: bool = False, **options: object) -> Imported:
    found = read_runs(path, None, study.problem, Reading(**options))  # type: ignore[arg-type]
    return import_runs(study.records, found, update=update)


def test_evaluations_that_came_later_complete_the_runs(study: Study, tmp_path: Path) -> None:
    assert len(take(study, table(tmp_path, gaps=True)).added) == 8
    again = take(study, table(tmp_path))
    assert (again.added, again.there, again.completed) == ((), 0, tuple(range(8)))
    assert take(study, table(tmp_path)).there == 8
    history = study.history
    assert len(history.completed) == 8
    assert {record.revision for record in history.records} == {1}
    np.testing.assert_allclose(study.dataset.loss.sel(metric="b"), 2.5 + SHARES[:, 1], atol=1e-4)
    assert study.dataset.revision.values.tolist() == [1] * 8


def test_other_values_are_refused_all_together_and_become_revisions_where_that_is_wanted(
    study: Study, tmp_path: Path
) -> None:
    take(study, table(tmp_path))
    first, second = f"{2 + SHARES[2, 0]:.4f}", f"{2.5 + SHARES[5, 1]:.4f}"
    path = table(tmp_path, {first: "4.0000", second: "5.0000"})
    with pytest.raises(FaultsError, match="--update") as caught:
        take(study, path)
    assert [str(fault) for fault in caught.value.faults] == [
        f"{path}:4: run r2 (trial 2): a {float(first):g} recorded, 4 now",
        f"{path}:7: run r5 (trial 5): b {float(second):g} recorded, 5 now",
    ]
    assert not any(record.revision for record in study.history.records)
    done = take(study, path, update=True)
    assert (done.revised, done.there, done.added) == ((2, 5), 6, ())
    assert study.dataset.loss.sel(metric="a", trial=2).item() == 4.0
    assert take(study, path).there == 8
    back = take(study, table(tmp_path), update=True)
    assert back.revised == (2, 5)
    assert [record.revision for record in study.history.records if record.revision] == [2, 2]


def test_a_corrected_mixture_is_revised_too(study: Study, tmp_path: Path) -> None:
    take(study, table(tmp_path))
    code, math, web = SHARES[3].tolist()
    path = table(tmp_path, {f"r3,{code},{math},{web}": "r3,0.2,0.3,0.5"})
    with pytest.raises(FaultsError, match=r"run r3 \(trial 3\): weight of"):
        take(study, path)
    take(study, path, update=True)
    assert dict(study.history.records[3].trial.weights) == pytest.approx({"code": 0.2, "math": 0.3, "web": 0.5})


def test_keys_of_another_table_are_told_apart_by_a_prefix(study: Study, tmp_path: Path) -> None:
    take(study, table(tmp_path))
    path = tmp_path / "other.csv"
    path.write_text("run,code,math,web,a,b\nr0,0.1,0.1,0.8,2.0000,2.6000\n")
    with pytest.raises(FaultsError, match="--prefix TEXT"):
        take(study, path)
    assert len(take(study, path, prefix="other-").added) == 1
    assert take(study, path, prefix="other-").there == 1


def test_a_withdrawn_run_counts_for_nothing_and_is_shown(study: Study, tmp_path: Path) -> None:
    take(study, table(tmp_path))
    asked = [study.ask() for _ in range(3)]
    study.tell(asked[0], {"a": 2.0, "b": 3.0})
    study.tell(asked[1], {"a": 2.1, "b": 3.1})
    before = study.history
    record = study.withdraw(2, why="trained on the wrong tokens")
    assert (record.status, record.withdrawn) == (Status.WITHDRAWN, "trained on the wrong tokens")
    study.withdraw(asked[1], why="node failed")
    study.withdraw(asked[2], why="never started")
    history = study.history
    assert [r.trial.id for r in history.withdrawn] == [2, asked[1].id, asked[2].id]
    assert len(history.observations) == len(before.observations) - 2
    assert history.pending == ()
    assert (history.n_asked, history.next_id) == (before.n_asked, before.next_id)
    assert [r.trial.id for r in study.spec.counted(history)] == [asked[0].id]
    dataset = study.dataset
    assert dataset.sizes["trial"] == 11
    assert dataset.status.sel(trial=2).item() == "withdrawn"
    assert dataset.withdrawn.sel(trial=2).item() == "trained on the wrong tokens"
    assert np.isnan(dataset.loss.sel(trial=[2, asked[1].id])).all()
    with pytest.raises(StoreError, match=r"trial 10 was withdrawn \(never started\)"):
        study.tell(asked[2], {"a": 2.0, "b": 3.0})
    again = take(study, table(tmp_path))
    assert (again.there, again.withdrawn, again.added) == (7, (2,), ())


def test_a_design_goes_on_behind_withdrawn_trials(study: Study) -> None:
    trials = [study.ask() for _ in range(4)]
    study.withdraw(trials[2], why="broken")
    following = study.ask()
    assert following.id == 4
    assert all(following.weights != trial.weights for trial in trials)


def test_a_run_made_anew_after_its_withdrawal_is_recorded_where_that_is_wanted(study: Study, tmp_path: Path) -> None:
    take(study, table(tmp_path))
    study.withdraw(1, why="diverged late")
    path = table(tmp_path, {f"{2 + SHARES[1, 0]:.4f}": "2.3333"})
    with pytest.raises(FaultsError, match=r"run r1 \(trial 1\), withdrawn"):
        take(study, path)
    (added,) = take(study, path, update=True).added
    assert added.trial.id == 8
    assert take(study, path).there == 8


@pytest.mark.parametrize(("trial", "why", "said"), [(9, "x", "there is no trial 9"), (0, " ", "say why")])
def test_what_cannot_be_withdrawn_is_said(study: Study, tmp_path: Path, trial: int, why: str, said: str) -> None:
    take(study, table(tmp_path))
    with pytest.raises(StudyError, match=said):
        study.withdraw(trial, why=why)


def test_scales_of_two_tables_are_not_mixed_in_a_study_without_one(study: Study, tmp_path: Path) -> None:
    take(study, table(tmp_path), scale=Scale(1_000_000))
    path = table(tmp_path, {"r0,": "s0,"})
    with pytest.raises(FaultsError, match="the study would hold several scales"):
        take(study, path, scale=Scale(60_000_000))
    found = read_runs(path, None, study.problem, Reading(scale=Scale(60_000_000)))
    assert len(import_runs(study.records, found, as_one=True).added) == 8


def test_the_seed_of_a_table_is_recorded(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("seed,code,math,web,a,b\n11,0.1,0.1,0.8,2.0,2.5\n12,0.1,0.1,0.8,2.01,2.5\n")
    take(study, path)
    assert [record.trial.seed for record in study.history.records] == [11, 12]


@pytest.mark.parametrize("keyed", [True, False])
def test_a_seed_that_a_table_tells_later_completes_the_run(study: Study, tmp_path: Path, keyed: bool) -> None:
    path, key, name = tmp_path / "t.csv", "run," if keyed else "", "r0," if keyed else ""
    path.write_text(f"{key}code,math,web,a,b\n{name}0.1,0.1,0.8,2.0,2.5\n")
    take(study, path)
    path.write_text(f"{key}seed,code,math,web,a,b\n{name}11,0.1,0.1,0.8,2.0,2.5\n")
    assert take(study, path).completed == (0,)
    assert take(study, path).there == 1
    (record,) = study.history.records
    assert (record.trial.seed, record.revision, dict(record.result.losses)) == (11, 1, {"a": 2.0, "b": 2.5})


def test_a_seed_that_was_corrected_is_a_revision_and_no_second_run(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("run,seed,code,math,web,a,b\nr0,1,0.1,0.1,0.8,2.000,2.500\nr1,1,0.2,0.1,0.7,2.100,2.600\n")
    take(study, path)
    path.write_text("run,seed,code,math,web,a,b\nr0,2,0.1,0.1,0.8,2.000,2.500\nr1,1,0.2,0.1,0.7,2.100,2.600\n")
    with pytest.raises(FaultsError, match=r"t\.csv:2: run r0 \(trial 0\): seed 1 recorded, 2 now"):
        take(study, path)
    done = take(study, path, update=True)
    assert (done.added, done.there, done.revised) == ((), 1, (0,))
    assert [record.trial.seed for record in study.history.records] == [2, 1]
    # Other losses under the same key are those of another seed.
    path.write_text("run,seed,code,math,web,a,b\nr0,3,0.1,0.1,0.8,2.010,2.510\n")
    assert [record.trial.seed for record in take(study, path).added] == [3]


def test_recommendations_do_not_see_a_withdrawn_run() -> None:
    with_it, without = (Study(["code", "web"], ["a"], seed=0) for _ in range(2))
    runs = [({"code": share, "web": 1 - share}, {"a": 2 + (share - 0.4) ** 2}) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    wrong = ({"code": 0.95, "web": 0.05}, {"a": 0.5})
    with_it.records.add_all([*runs, wrong])
    without.records.add_all(runs)
    with_it.withdraw(5, why="another tokenizer")
    assert with_it.recommend() == without.recommend()


def test_a_checkpoint_without_keys_is_not_mixed_with_the_recorded_ones(study: Study, tmp_path: Path) -> None:
    def checkpoint(offset: float) -> Path:
        rows = [
            f"{code},{math},{web},{2 + code + offset:.4f},{3 - math + offset:.4f}"
            for code, math, web in SHARES.tolist()
        ]
        (tmp_path / "t.csv").write_text("\n".join(["code,math,web,a,b", *rows]) + "\n")
        return tmp_path / "t.csv"

    assert len(take(study, checkpoint(0.0)).added) == 8
    with pytest.raises(FaultsError, match="losses that no seed explains, as"):
        take(study, checkpoint(1.0))
    assert len(take(study, checkpoint(0.002)).added) == 8  # another seed
