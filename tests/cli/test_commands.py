"""The commands as their user meets them: what they print, what they write, how they end."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
from click.testing import CliRunner, Result

from bomix.cli.main import cli
from bomix.errors import BomixError, FaultsError
from bomix.io.store import files, lock
from bomix.objectives.robust import Excess
from bomix.study.study import Study
from bomix.testing.endings import lives
from tests.cli.called import called, ended

pytestmark = pytest.mark.usefixtures("short_chains")

BOMIX = [sys.executable, "-m", "bomix.cli.main"]

TRAINER = """
import json, math, sys
weights = json.load(open(sys.argv[1]))["weights"]
print("training on", weights)
json.dump({"losses": {name: 2 + math.exp(-4 * weight) for name, weight in weights.items()}, "cost": 2.0},
          open(sys.argv[2], "w"))
"""

STUDY = f"""
domains: {{books: {{}}, code: {{}}, web: {{upper: 0.5}}}}
evaluator:
  kind: command
  argv: ["{sys.executable}", train.py, "{{mixture}}", "{{result}}"]
  metrics: [books, code, web]
strategy: {{kind: bayesian, n_init: 3}}
budget: {{trials: 4}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(TRAINER)
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=True)


def shell(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*BOMIX, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_optimize_runs_reports_and_does_nothing_the_second_time(study: Path) -> None:
    (study / "train.py").write_text(TRAINER.replace("2 + math.exp(-4 * weight)", "7 - 9 * weights['web']"))
    first = ended("optimize", study, "--confirm", "2")
    assert first.returncode == 0, first.stderr
    assert "trial 3" in first.stderr
    assert "4 of 4 trials" in first.stderr
    for expected in ("uniform", "95 %", "fresh seeds", "best minus uniform", "record:", "budget of 4 trials is spent"):
        assert expected in first.stdout
    assert "2 paired seeds: the recommendation holds" in first.stdout
    again = ended("optimize", study, "--confirm", "2")
    assert again.returncode == 0
    assert again.stdout == first.stdout
    assert "trial" not in again.stderr


def test_the_detached_loop(study: Path, tmp_path: Path) -> None:
    asked = call("ask", study, "-n", "3", "--out", tmp_path / "asked")
    assert asked.exit_code == 0, asked.output
    trials = [json.loads((tmp_path / f"asked/{number}.json").read_text()) for number in range(3)]
    assert [trial["trial"] for trial in trials] == [0, 1, 2]
    assert all(abs(sum(trial["weights"].values()) - 1) < 1e-9 for trial in trials)
    result = tmp_path / "result.json"
    result.write_text(json.dumps({"losses": {"books": 2.0, "code": 2.5, "web": 3.0}}))
    told = call("tell", study, 1, result)
    assert told.exit_code == 0
    assert "2.5000" in told.output
    state = json.loads(call("status", study, "--json").output)
    assert (state["completed"], state["pending"], state["driver"]) == (1, 2, "none")
    assert "2 pending" in call("status", study).output
    best = json.loads(call("recommend", study, "--json").output)
    assert abs(sum(best["weights"].values()) - 1) < 1e-9
    assert best["interval"][0] <= best["loss"] <= best["interval"][1]
    assert best["source"] in ("space", "trials")
    assert set(best["weights"]) == {"books", "code", "web"}
    assert best["ranges"] == {}  # of a single run
    assert set(best["beats"]) == {"uniform"}
    assert {"of_space", "of_trials", "gap", "warnings", "feasible", "front", "confirmed", "change"} <= best.keys()
    assert state["ended"] is None


def test_a_trial_without_a_metric_has_no_objective_to_show(study: Path, tmp_path: Path) -> None:
    call("ask", study, "-n", 2)
    result = tmp_path / "result.json"
    result.write_text('{"losses": {"books": 2.0, "code": null, "web": 3.0}}')
    told = call("tell", study, 0, result)
    assert told.output == "trial 0: objective - (not measured: code)\n"
    result.write_text('{"losses": {"books": 2.0, "code": 2.5, "web": 3.0}}')
    assert call("tell", study, 1, result).output == "trial 1: objective 2.5000\n"
    rows = [line.split("│") for line in call("status", study).output.splitlines() if "completed │" in line]
    assert [row[5].strip() for row in rows] == ["-", "2.5000"]
    trials = json.loads(call("status", study, "--json").output)["trials"]
    assert trials[0]["losses"] == {"books": 2.0, "code": None, "web": 3.0}
    recommended = call("recommend", study)
    assert recommended.exit_code == 0, recommended.output
    assert "nan" not in recommended.output


def test_a_refused_result_leaves_the_trial_pending(study: Path, tmp_path: Path) -> None:
    call("ask", study)
    result = tmp_path / "result.json"
    result.write_text('{"losses": {"books": 2.0, "cod": 1, "web": "low"}}')
    refused = ended("tell", study, 0, result)
    assert refused.returncode == 2
    for name in ("losses.code", "losses.cod", "losses.web"):
        assert name in refused.stderr
    assert json.loads(call("status", study, "--json").output)["pending"] == 1


@pytest.mark.parametrize("arguments", [["tell", ".", "0", "missing.json"], ["tell", ".", "9", "result.json"]])
def test_what_the_user_can_mend_ends_with_2(study: Path, arguments: list[str]) -> None:
    (study / "result.json").write_text('{"losses": {"books": 1, "code": 1, "web": 1}}')
    refused = shell(*arguments, cwd=study)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errno.EROFS, "the file system there is read-only"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "permission is denied"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_and_nothing_is_said_of_a_record(
    study: Path, monkeypatch: pytest.MonkeyPatch, error: int, said: str
) -> None:
    opened = Study.open(study)
    opened.ask()
    opened.records.save_results()
    (study / "result.json").write_text('{"losses": {"books": 1, "code": 1, "web": 1}}')

    def refuse(path: object, *rest: object, **more: object) -> NoReturn:
        raise OSError(error, os.strerror(error), str(path))

    monkeypatch.setattr(files, "_write", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    code, printed = called("tell", study, 0, study / "result.json")
    assert code == 2
    assert printed.startswith(f"error: {study / 'trials/0000/outcome.json'}: {said}; what was not said to be done")
    assert printed.count("\n") == 1


def test_a_device_that_is_not_there_is_warned_of_and_ends_the_run_with_2(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (study / "study.yaml").open("a") as file:
        file.write("execution: {devices: [3]}\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    said = "execution.devices names 3, and CUDA_VISIBLE_DEVICES lets this process see 1 (0)"
    code, printed = called("check", study)
    assert code == 0
    assert f"warning: {said}" in printed
    assert printed.endswith("no other problems found\n")
    refused = ended("optimize", study)
    assert refused.returncode == 2
    assert f"error: {said}" in refused.stderr


@pytest.mark.parametrize("command", ["check", "optimize", "ask", "status", "recommend"])
def test_a_folder_without_a_study_says_how_to_get_one(tmp_path: Path, command: str) -> None:
    failed = call(command, tmp_path)
    assert isinstance(failed.exception, BomixError)
    assert "bomix init" in str(failed.exception)


def test_every_problem_of_a_file_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "domains:\n  web: {uper: 0.5}\n  web: {lower: high}\nevaluater: {}\nbudget: {trials: 0}\nseed: -1\n"
    )
    refused = ended("check", tmp_path)
    assert refused.returncode == 2
    for expected in (
        *("domains.web (line 3)", "domains.web.lower (line 3)", "did you mean 'evaluator'", "budget.trials (line 5)"),
    ):
        assert expected in refused.stderr, refused.stderr


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: b: c", "domains: {}", "\tdomains:"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    failed = call("check", tmp_path)
    assert isinstance(failed.exception, BomixError)
    assert "study.yaml" in str(failed.exception)


def test_a_trainer_that_fails_ends_the_run_with_1_and_its_last_words(study: Path) -> None:
    (study / "train.py").write_text("import sys; print('no memory left'); sys.exit(3)")
    failed = ended("optimize", study)
    assert failed.returncode == 1
    assert "exited with 3" in failed.stderr
    assert "no memory left" in failed.stderr
    assert json.loads(call("status", study, "--json").output)["failed"] == 3


def test_a_program_that_is_not_there_is_found_before_anything_is_asked(study: Path) -> None:
    path = study / "study.yaml"
    path.write_text(path.read_text().replace(sys.executable, "no-such-program"))
    failed = call("optimize", study)
    assert isinstance(failed.exception, FaultsError)
    assert "no-such-program" in str(failed.exception)
    assert not (study / "trials").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(study: Path, how: signal.Signals) -> None:
    (study / "train.py").write_text("import time; time.sleep(60)")
    driver = subprocess.Popen([*BOMIX, "optimize", str(study)], stderr=subprocess.PIPE, text=True)
    while not list(study.glob("trials/0000/attempts/1/mixture.json")):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.send_signal(how)
    _, said = driver.communicate(timeout=20)
    assert driver.returncode == 130
    assert "same command" in said
    assert lock.is_held(study) is False
    (study / "train.py").write_text(TRAINER)
    assert ended("optimize", study).returncode == 0
    assert [record.status for record in Study.open(study).history.records] == ["completed"] * 4


SAVING = """
import os, signal, sys, time
def saves(*_):
    time.sleep(0.5)
    open("saved", "w").write("all of it")
    sys.exit(1)
signal.signal(signal.SIGTERM, saves)
open("pid", "w").write(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("all_of_them", [False, True])
def test_sigterm_lets_trainers_save_what_they_have(study: Path, all_of_them: bool) -> None:
    """Where it goes to every process of a job, as batch systems send it, the driver ends in the same way."""
    (study / "train.py").write_text(SAVING)
    driver = driving(study)
    started = psutil.Process(driver.pid).children(recursive=True)
    assert len(started) == 3  # the process that forks trials, the trial's, and the trainer
    driver.send_signal(signal.SIGTERM)
    for process in started if all_of_them else ():
        process.terminate()
    _, said = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert "same command" in said
    assert not any(map(lives, (process.pid for process in started)))
    assert all_of_them or (study / "saved").read_text() == "all of it"
    history = Study.open(study).history
    assert [record.status for record in history.records] == ["pending"]


SLOW = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"


def driving(study: Path) -> subprocess.Popen[str]:
    """The driver of a study of two trials, of which the first one has begun."""
    short = STUDY.replace("{kind: bayesian, n_init: 3}", "sobol").replace("trials: 4", "trials: 2")
    (study / "study.yaml").write_text(short)
    driver = subprocess.Popen([*BOMIX, "optimize", str(study)], stderr=subprocess.PIPE, text=True)
    while not (study / "pid").exists() or not (study / "pid").read_text():
        assert driver.poll() is None
        time.sleep(0.05)
    return driver


def test_a_driver_that_is_hung_up_on_leaves_its_trial_to_the_next_and_nothing_running(study: Path) -> None:
    (study / "train.py").write_text(SLOW)
    driver = driving(study)
    driver.send_signal(signal.SIGHUP)
    driver.communicate(timeout=20)
    assert driver.returncode == -signal.SIGHUP
    assert lock.is_held(study) is False
    trainer, deadline = int((study / "pid").read_text()), time.monotonic() + 20.0
    while psutil.pid_exists(trainer) and psutil.Process(trainer).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the trainer outlived its driver"
        time.sleep(0.05)
    assert [record.status for record in Study.open(study).history.records] == ["pending"]


def test_a_driver_that_is_stopped_keeps_its_study_and_goes_on(study: Path) -> None:
    (study / "train.py").write_text(SLOW.replace("sleep(60)", "sleep(0.5)") + TRAINER)
    driver = driving(study)
    driver.send_signal(signal.SIGSTOP)
    try:
        second = ended("optimize", study)
        assert second.returncode == 2
        assert "already optimising" in second.stderr
    finally:
        driver.send_signal(signal.SIGCONT)
    driver.communicate(timeout=120)
    assert driver.returncode == 0
    history = Study.open(study).history
    assert [record.status for record in history.records] == ["completed"] * 2
    assert len(list(study.glob("trials/*/attempts/*"))) == 2  # no trial was trained twice


def test_a_terminal_sees_a_live_view(study: Path) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    driver = subprocess.Popen(
        [*BOMIX, "optimize", str(study)], stdout=subprocess.DEVNULL, stderr=follower, env=environment
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            chunk = os.read(leader, 1 << 16)
        except OSError:  # Linux's way to say that nobody holds the other end
            break
        if not chunk:
            break
        seen += chunk
    os.close(leader)
    assert driver.wait(timeout=60) == 0
    assert b"4 of 4 trials" in seen
    assert b"\x1b[" in seen


def test_quiet_is_quiet(study: Path) -> None:
    assert shell("optimize", study, "-q").stderr == ""


def test_init_writes_a_file_that_is_sound_and_never_over_another(tmp_path: Path) -> None:
    assert call("init", tmp_path / "new").exit_code == 0
    text = (tmp_path / "new/study.yaml").read_text()
    opened = Study.open(tmp_path / "new")
    assert opened.spec.budget.trials == 16
    assert opened.spec.target is not None
    refused = call("init", tmp_path / "new")
    assert isinstance(refused.exception, BomixError)
    assert (tmp_path / "new/study.yaml").read_text() == text


def test_kinds_lists_what_can_stand_in_a_study_file() -> None:
    listed = call("kinds").output
    for expected in (
        "source: choices, files, hf, installed, questions",
        "strategy: auto, bayesian",
        "surrogate: anchored, auto,",
    ):
        assert expected in listed
    assert "paths" in call("kinds", "source").output
    assert isinstance(call("kinds", "sauce").exception, BomixError)


def test_the_help_of_every_command_stands_alone() -> None:
    for command in cli.list_commands(None):  # type: ignore[arg-type]
        shown = call(command, "--help")
        assert shown.exit_code == 0
        assert "Usage" in shown.output


def test_names_with_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text('domains: {"[/b]": {}, "x [y]": {}}\nmetrics: ["[red]"]\n')
    study = Study.open(tmp_path)
    study.tell(study.ask(), {"[red]": 2.0})
    for command in ("status", "recommend"):
        shown = call(command, tmp_path)
        assert shown.exit_code == 0, shown.output
        assert "x [y]" in shown.output
        assert "[/b]" in shown.output


@pytest.mark.parametrize("damage", ["{}", "[1]", "{"])
@pytest.mark.parametrize("name", ["resolved.json", "driver.json"])
def test_damaged_files_of_a_study_are_named(study: Path, name: str, damage: str) -> None:
    call("ask", study)
    Study.open(study).tell(0, {"books": 1, "code": 1, "web": 1})
    (study / name).write_text(damage)
    again = ended("optimize", study, "-q", "--trials", "1")
    if name == "driver.json":  # words that name nobody hold nothing
        assert again.returncode == 0, again.stderr
    else:
        assert again.returncode == 2
        assert "resolved.json is damaged" in again.stderr


def test_a_folder_that_cannot_be_written_is_an_error_not_a_traceback(study: Path) -> None:
    (study / "trials").write_text("a file where a folder should be")
    failed = ended("optimize", study)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in failed.stderr


FAILING = """
import json, os, sys
mixture = json.load(open(sys.argv[1]))
if mixture["seed"] >= 1000000 and not os.path.exists("mended"):
    sys.exit("the disk is full")
slope = -9 if mixture["seed"] < 1000000 else 3  # fresh seeds do not confirm
losses = {name: 7 + slope * mixture["weights"]["web"] for name in mixture["weights"]}
json.dump({"losses": losses}, open(sys.argv[2], "w"))
"""


def test_confirmations_that_failed_are_said_and_tried_again(study: Path) -> None:
    (study / "train.py").write_text(FAILING)
    first = ended("optimize", study, "--confirm", "1")
    assert first.returncode == 0, first.stderr
    assert "0 of 2 confirming (2 failed)" in first.stderr
    assert "confirmation: 2 runs failed, the last one trial 5; mend the cause" in first.stdout
    assert "--confirm N tests it" not in first.stdout
    assert "0 failed, 0 imported, 0 confirming (2 more failed)" in call("status", study).output
    (study / "mended").touch()
    again = ended("optimize", study, "--confirm", "1")
    assert "2 of 2 confirming" in again.stderr
    assert "1 paired seed: worse on its only seed, and the model does not agree (better with" in again.stdout
    assert "confirmation: 2 runs failed, the last one trial 5\n" in again.stdout
    state = json.loads(call("status", study, "--json").output)
    assert (state["confirming"], state["confirming_pending"], state["confirming_failed"]) == (2, 0, 2)


def test_what_is_wrong_with_a_study_as_a_whole_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "domains: {web: {}, code: {}}\nmetrics: [x]\nobjective:\n  kind: excess\n  reference:\n    x: 1.0\n    z: 2.0\n"
    )
    said = str(call("check", tmp_path).exception)
    assert "study.yaml has a problem" in said
    assert "objective.reference.z (line 7)" in said
    (tmp_path / "study.yaml").write_text("domains:\n  web: {}\n  code: {}\nmetrics: [x]\nstrategy: natural\n")
    assert "strategy (line 5)" in str(call("check", tmp_path).exception)


def test_lines_are_told_only_of_what_the_file_still_says(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {web: {}, code: {}}\nmetrics: [x]\nobjective: mean\n")
    opened = Study.open(tmp_path)
    opened.spec = dataclasses.replace(opened.spec, objective=Excess(reference="natural"))
    with pytest.raises(FaultsError, match=r"objective\.reference: the natural mixture is unknown"):
        opened.records.prepare()


def test_the_front_shows_a_group_of_which_more_is_better_as_it_is_reported(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "domains: {web: {}, code: {}}\nmetrics: {accuracy: {unit: '1', direction: max}, loss: {}}\n"
        "objective: {kind: pareto, groups: {skill: [accuracy], text: [loss]}}\n"
    )
    study = Study.open(tmp_path)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        study.add({"web": 1 - share, "code": share}, {"accuracy": share, "loss": 2.0 + share})
    front = json.loads(call("recommend", tmp_path, "--json").output)["front"]
    skills = [point["groups"]["skill"] for point in front]
    assert skills == sorted(skills, reverse=True)
    assert skills[0] == pytest.approx(1.0, abs=0.05)
    assert front[0]["higher"] == ["skill"]
    assert "skill (higher is better)" in call("recommend", tmp_path).output


def test_a_metric_that_no_trial_has_measured_is_named_beside_the_recommendation(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {web: {}, code: {}}\nmetrics: [x, y]\n")
    study = Study.open(tmp_path)
    for share in (0.2, 0.5, 0.8):
        study.add({"web": 1 - share, "code": share}, {"x": share, "y": None})
    assert "no trial has measured metric 'y'" in call("recommend", tmp_path).stdout
