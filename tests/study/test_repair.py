"""Damage is named, set aside and said to be lost; a study without results begins anew; nothing is deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Called

from bomix.cli.main import cli
from bomix.errors import StoreError, StudyError
from bomix.io.store import lock
from bomix.study import repair
from bomix.study.study import Study

STUDY = "domains: {code: {}, web: {}}\nmetrics: [loss]\nstrategy: sobol\nbudget: {trials: 9}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


def call(*arguments: object) -> Called:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def told(folder: Path, count: int) -> Study:
    """A study with trials that came back, one more pending."""
    study = Study.open(folder)
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, {"loss": 1.0 + trial.weights["web"]})
    study.ask()
    return study


def without_damage(folder: Path) -> list[dict[str, float]]:
    """The mixtures of the trials, and of the next ask."""
    study = Study.open(folder)
    return [dict(record.trial.weights) for record in study.history.records] + [dict(study.ask().weights)]


@pytest.mark.parametrize("name", ["trial.json", "outcome.json"])
def test_a_study_goes_on_without_a_damaged_trial_and_names_it_once(
    folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    told(folder, 4)
    whole = without_damage(folder)
    (folder / "trials/0005/trial.json").unlink()
    (folder / "trials/0005").rmdir()
    (folder / f"trials/0002/{name}").write_text("{")
    study = Study.open(folder)
    assert [record.trial.id for record in study.history.records] == [0, 1, 3, 4]
    assert len(study.dataset.trial) == 4
    # The design goes on where it was, on the next free number.
    assert (study.ask().id, dict(study.history.records[-1].trial.weights)) == (5, whole[-1])
    assert study.recommend().completed == 3
    assert caplog.text.count(f"0002/{name}") == 1


@pytest.mark.parametrize(
    ("name", "lost", "left"),
    [("outcome.json", "the outcome of trial 2", [0, 1, 2, 3]), ("trial.json", "trial 2, mixture and all", [0, 1, 3])],
)
def test_check_reports_damage_and_repair_says_what_is_lost(folder: Path, name: str, lost: str, left: list[int]) -> None:
    told(folder, 3)
    (folder / f"trials/0002/{name}").write_text("{")
    found = call("check", folder)
    assert found.exit_code != 0
    assert f"0002/{name}" in str(found.exception)
    assert "--repair" in str(found.exception)
    repaired = call("check", folder, "--repair")
    assert repaired.exit_code == 0, repaired.output
    assert f"lost: {lost}" in repaired.output
    assert "no problems found" in repaired.output
    assert "lost" not in call("check", folder, "--repair").output
    study = Study.open(folder)
    assert [record.trial.id for record in study.history.records] == left
    if name == "outcome.json":
        study.tell(2, {"loss": 2.0})
        assert len(study.history.completed) == 3


def test_a_damaged_import_is_set_aside_whole_and_can_be_imported_again(folder: Path) -> None:
    study = Study.open(folder)
    for share in (0.2, 0.4):
        study.add({"code": share, "web": 1.0 - share}, {"loss": 1.0 + share})
    (folder / "trials/0000/outcome.json").write_text("{")
    (done,) = repair.repair(folder)
    assert (done.lost, done.now) == ("the imported run 0", "import its table again")
    assert (done.moved / "trial.json").is_file()
    found = Study.open(folder)
    assert [record.trial.id for record in found.history.records] == [1]
    assert found.add({"code": 0.2, "web": 0.8}, {"loss": 1.2}).trial.id == 2


def test_a_damaged_resolved_file_is_taken_from_the_study_file_again(folder: Path) -> None:
    told(folder, 1)
    (folder / "resolved.json").write_text((folder / "resolved.json").read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(StoreError, match=r"resolved\.json is damaged .*checksum"):
        Study.open(folder).ask()
    (done,) = repair.repair(folder)
    assert done.moved == folder / "damaged/resolved.json"
    assert Study.open(folder).ask().id == 2


def test_without_a_study_file_nothing_is_taken_away(tmp_path: Path) -> None:
    Study(["code", "web"], ["loss"], path=tmp_path)
    (tmp_path / "resolved.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        repair.repair(tmp_path)
    assert (tmp_path / "resolved.json").read_text() == "{"


def test_a_study_opened_by_another_file_is_repaired_from_that_one(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(STUDY)
    assert call("check", tmp_path / "other.yaml").exit_code == 0
    (tmp_path / "resolved.json").write_text("{")
    assert call("check", tmp_path / "other.yaml", "--repair").exit_code == 0
    assert (tmp_path / "resolved.json").read_text() != "{"


def test_a_renamed_domain_strands_nobody(folder: Path) -> None:
    study = Study.open(folder)
    asked = [study.ask() for _ in range(2)]
    (folder / "study.yaml").write_text(STUDY.replace("code", "kode"))
    for command in (["ask"], ["tell", "0", folder / "result.json"], ["check"]):
        (folder / "result.json").write_text('{"losses": {"loss": 1.0}}')
        refused = call(command[0], folder, *command[1:])
        assert "domains.kode" in str(refused.exception), refused.output
        assert "`bomix restart`" in str(refused.exception)
    began = call("restart", folder)
    assert began.exit_code == 0, began.output
    assert "restarted/1" in began.output
    assert (folder / "restarted/1/trials/0001/trial.json").is_file()
    again = call("ask", folder)
    assert '"trial": 0' in again.output
    assert "kode" in again.output
    # The change undone instead, the old trials would have gone on.
    (folder / "study.yaml").write_text(STUDY)
    call("restart", folder)
    assert Study.open(folder).ask().weights == asked[0].weights
    assert sorted(path.name for path in (folder / "restarted").iterdir()) == ["1", "2"]


def test_a_study_with_results_is_not_begun_anew(folder: Path) -> None:
    told(folder, 1)
    before = sorted(folder.rglob("*"))
    with pytest.raises(StudyError, match=r"trial 0 of .* came back with a result"):
        repair.restart(folder)
    assert sorted(path for path in folder.rglob("*") if path.name not in ("lock",)) == before


def test_nothing_is_moved_under_a_running_driver(folder: Path) -> None:
    Study.open(folder).ask()
    (folder / "trials/0000/trial.json").write_text("{")
    with lock.holding(folder):
        for change in (repair.repair, repair.restart):
            with pytest.raises(StoreError, match="already optimising"):
                change(folder)
    assert (folder / "trials/0000/trial.json").read_text() == "{"


def test_a_new_study_has_nothing_to_begin_anew(folder: Path) -> None:
    assert repair.restart(folder) is None
    assert "nothing was asked for yet" in call("restart", folder).output


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "deep"])
def test_a_resolved_file_that_is_none_is_named_and_repaired(tmp_path: Path, kind: str) -> None:
    (tmp_path / "study.yaml").write_text("domains: {a: {}, b: {}}\nmetrics: [loss]\nstrategy: sobol\n")
    Study.open(tmp_path).ask()
    path = tmp_path / "resolved.json"
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "deep":
            path.write_text("[" * 100_000)
    with pytest.raises(StoreError, match=r"resolved\.json is damaged .* `bomix check --repair`"):
        Study.open(tmp_path).ask()
    assert [done.moved.name for done in repair.repair(tmp_path)] == ["resolved.json"]
    assert Study.open(tmp_path).ask().id == 1
