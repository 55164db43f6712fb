"""Results that appear in a folder are taken in any order, once, and nothing that is not of this study."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from bomix.errors import StudyError
from bomix.io.exports.sheet import sheet_of
from bomix.strategies.designs import Sobol
from bomix.study import handed
from bomix.study.handed import State
from bomix.study.records import Records
from bomix.study.study import Study
from bomix.trial import Failure, Result

GOOD = '{"losses": {"loss": 2.5, "other": 3.0}}'


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(["code", "web"], ["loss", "other"], path=tmp_path / "study", strategy=Sobol())


def out(study: Study, count: int, name: str = "out") -> Path:
    """The files of some new trials."""
    assert study.folder is not None
    folder = study.folder.with_name(name)
    folder.mkdir(exist_ok=True)
    for _ in range(count):
        handed.hand_out(study.records, study.ask(), folder, (), tokens=None)
    return folder


def taken(study: Study, folder: Path, **options: bool) -> dict[int, tuple[State, str]]:
    return {each.trial: (each.state, each.why) for each in handed.take(study.records, folder, **options)}


def test_whatever_came_back_is_recorded_in_any_order_and_told_again_at_will(study: Study) -> None:
    folder = out(study, 4)
    (folder / "3.result.json").write_text(GOOD)
    assert taken(study, folder) == {3: (State.TOLD, "")}
    (folder / "0.result.json").write_text('{"failure": "out of memory"}')
    (folder / "2.result.json").write_text('{"losses": {"loss": 2.5, "other": null}}')
    assert taken(study, folder) == {
        0: (State.FAILED, "out of memory"),
        2: (State.TOLD, "not measured: other"),
        3: (State.BEFORE, ""),
    }
    assert {state for state, _ in taken(study, folder).values()} == {State.BEFORE}
    assert handed.waiting(study.records, folder) == [1]
    assert [record.trial.id for record in study.history.pending] == [1]
    assert isinstance(study.history.all_records[0].outcome, Failure)


def test_metrics_that_are_not_named_are_gaps_where_that_is_said(study: Study) -> None:
    folder = out(study, 1)
    (folder / "0.result.json").write_text('{"losses": {"loss": 2.5}}')
    state, why = taken(study, folder)[0]
    assert state is State.REFUSED
    assert "other" in why
    assert taken(study, folder, partial=True)[0] == (State.TOLD, "not measured: other")
    assert taken(study, folder, partial=True)[0][0] is State.BEFORE


WHOLE = json.dumps({"losses": {"loss": 2.5, "other": 3.0}, "info": {"note": "für später"}}, ensure_ascii=False).encode()


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_file_that_is_half_written_is_left_for_later_wherever_it_was_cut(tmp_path: Path, length: int) -> None:
    with pytest.raises(handed._Unfinished, match=r"written to \d+ s ago"):
        handed._whole(_written(tmp_path / "r", WHOLE[:length]))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_what_was_left_for_later_is_taken_once_it_is_whole(study: Study) -> None:
    folder = out(study, 1)
    (folder / "0.result.json").write_bytes(WHOLE[:30])
    os.utime(folder / "0.result.json", (0, 0))
    state, why = taken(study, folder)[0]
    assert state is State.LATER
    assert "days ago" in why
    (folder / "0.result.json").write_bytes(WHOLE)
    assert taken(study, folder)[0][0] is State.TOLD
    assert study.history.completed[0].result.info == {"note": "für später"}


STRANGE: dict[str, tuple[Callable[[Study, Path], object], str]] = {
    "no file of the trial": (lambda study, folder: (folder / "0.json").unlink(), "there is no 0.json beside it"),
    "another study's": (
        lambda study, folder: (folder / "0.json").write_text(sheet_of(study.ask(), study.problem).to_json("else")),
        "it is of trial 1, as 0.json says",
    ),
    "another study of the same mixtures": (
        lambda study, folder: _edited(folder / "0.json", study="0123"),
        "it is of a trial of another study, as 0.json says",
    ),
    "another seed": (lambda study, folder: _edited(folder / "0.json", seed=9), "trial 0 of this study is another one"),
    "no such trial": (
        lambda study, folder: [
            (folder / "0.json").rename(folder / "77.json"),
            (folder / "0.result.json").rename(folder / "77.result.json"),
            _edited(folder / "77.json", trial=77),
        ],
        "there is no trial 77",
    ),
    "no trial": (lambda study, folder: (folder / "0.json").write_text("{}"), "is no trial as"),
    "no result": (lambda study, folder: (folder / "0.result.json").write_text("{}"), "the result must look like"),
    "unknown metric": (
        lambda study, folder: (folder / "0.result.json").write_text('{"losses": {"los": 1}}'),
        "unknown name 'los'",
    ),
    "a folder": (
        lambda study, folder: [(folder / "0.result.json").unlink(), (folder / "0.result.json").mkdir()],
        "cannot read",
    ),
    "a deep nest": (lambda study, folder: (folder / "0.result.json").write_text("[" * 10**5 + "]" * 10**5), "too deep"),
}


def _edited(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_not_of_this_study_or_no_result_is_named_and_the_others_are_taken(study: Study, case: str) -> None:
    folder = out(study, 1)
    (folder / "0.result.json").write_text(GOOD)
    change, said = STRANGE[case]
    change(study, folder)
    other = study.ask()
    handed.hand_out(study.records, other, folder, (), tokens=None)
    (folder / f"{other.id}.result.json").write_text(GOOD)
    found = taken(study, folder)
    assert found.pop(other.id) == (State.TOLD, "")
    ((state, why),) = found.values()
    assert state is State.REFUSED
    assert said in why
    assert [record.trial.id for record in study.history.completed] == [other.id]


def test_another_result_than_the_recorded_one_is_refused_and_changes_nothing(study: Study) -> None:
    folder = out(study, 2)
    study.tell(0, {"loss": 1.0, "other": 1.0})
    study.tell(1, Failure("diverged"))
    for number in range(2):
        (folder / f"{number}.result.json").write_text(GOOD)
    assert {state for state, _ in taken(study, folder).values()} == {State.REFUSED}
    assert study.history.completed[0].result.losses == {"loss": 1.0, "other": 1.0}


def test_a_trial_that_was_withdrawn_meanwhile_is_no_error(study: Study) -> None:
    folder = out(study, 1)
    study.withdraw(0, why="wrong data")
    (folder / "0.result.json").write_text(GOOD)
    assert taken(study, folder)[0] == (State.WITHDRAWN, "wrong data; what came back of it counts no more")


def test_two_that_take_the_same_folder_at_once_record_each_result_once(study: Study) -> None:
    """The other process tells the trial between our look at it and our record."""
    folder = out(study, 1)
    (folder / "0.result.json").write_text(GOOD)
    tell = Records.tell

    def late(self: Records, *arguments: object) -> object:
        tell(self, 0, Result({"loss": 2.5, "other": 3.0}))
        return tell(self, *arguments)  # type: ignore[arg-type]

    with mock.patch.object(Records, "tell", late):
        assert taken(study, folder)[0] == (State.BEFORE, "")


def test_artifacts_lie_beside_the_result_and_are_known_again(study: Study) -> None:
    folder = out(study, 1)
    (folder / "0.result.json").write_text(
        '{"losses": {"loss": 2.5, "other": 3.0}, "artifacts": {"log": "x/../log.txt"}}'
    )
    assert taken(study, folder)[0][0] is State.TOLD
    assert taken(study, folder)[0][0] is State.BEFORE
    assert study.history.completed[0].result.artifacts == {"log": str(folder / "log.txt")}


def test_a_result_is_known_again_by_another_way_to_its_folder(study: Study, tmp_path: Path) -> None:
    folder = out(study, 1)
    (folder / "0.result.json").write_text(
        '{"losses": {"loss": 2.5, "other": 3.0}, "artifacts": {"log": "x/../log.txt"}}'
    )
    assert taken(study, folder)[0][0] is State.TOLD
    (tmp_path / "link").symlink_to(folder)
    assert taken(study, tmp_path / "link")[0] == (State.BEFORE, "")


def test_gaps_that_were_stated_once_are_known_again_unless_the_losses_differ(study: Study) -> None:
    folder = out(study, 1)
    (folder / "0.result.json").write_text('{"losses": {"loss": 2.5}}')
    assert taken(study, folder, partial=True)[0][0] is State.TOLD
    assert taken(study, folder)[0] == (State.BEFORE, "")
    (folder / "0.result.json").write_text('{"losses": {"other": 2.5}}')
    assert taken(study, folder)[0][0] is State.REFUSED


def test_files_of_another_study_are_not_written_over(study: Study, tmp_path: Path) -> None:
    folder = out(study, 1)
    handed.refuse_strangers(study.records, folder)
    (folder / "notes.json").write_text("{}")
    (folder / "5.json").write_text("mine")
    handed.refuse_strangers(study.records, folder)
    other = Study(["code", "web"], ["loss", "other"], path=tmp_path / "other", strategy=Sobol())
    with pytest.raises(StudyError, match=r"0\.json is trial 0 of another study"):
        handed.refuse_strangers(other.records, folder)


def test_pending_trials_without_a_file_are_known(study: Study) -> None:
    folder = out(study, 2)
    study.ask()
    study.tell(0, {"loss": 1.0, "other": 1.0})
    assert handed.without_file(study.records, folder) == [2]
    assert handed.waiting(study.records, folder) == [1]
