"""The user's own trainer: what it is given, what it must give back."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bomix.contracts.repetition import Matching
from bomix.errors import EvaluationError, FaultsError
from bomix.evaluators.command import Command
from bomix.scale import Scale
from bomix.trial import EXPERT, Trial

TRIAL = Trial(7, {"code": 0.25, "web": 0.75}, 3, "sobol")


def command(script: str, **options: object) -> Command:
    argv = (sys.executable, "-c", script, "{mixture}", "{result}", "--seed={seed}", "{trial}")
    return Command(argv=argv, metrics=("loss",), **options)  # type: ignore[arg-type]


WELL = """
import json, os, sys
given = json.load(open(sys.argv[1]))
assert sys.argv[3:] == ["--seed=3", "7"], sys.argv
assert os.environ["BOMIX_MIXTURE"] == sys.argv[1] and os.environ["BOMIX_RESULT"] == sys.argv[2]
json.dump({"losses": {"loss": given["weights"]["web"]}, "realized": {"code": 0.2, "web": 0.8}}, open(sys.argv[2], "w"))
"""


def test_the_mixture_goes_in_and_the_losses_come_out(tmp_path: Path) -> None:
    result = command(WELL).evaluate(TRIAL, tmp_path)
    assert result.losses == {"loss": 0.75}
    assert result.realized == {"code": 0.2, "web": 0.8}
    assert result.cost is not None
    assert result.cost > 0
    assert json.loads((tmp_path / "mixture.json").read_text()) == {
        "trial": 7,
        "seed": 3,
        "weights": {"code": 0.25, "web": 0.75},
    }


def test_a_command_is_told_how_much_of_each_domain_it_may_see(tmp_path: Path) -> None:
    script = """
import json, os, sys
given, alone = (json.load(open(path)) for path in (sys.argv[1], os.environ["BOMIX_AVAILABLE"]))
assert alone == given.get("available", {}), alone
json.dump({"losses": {"loss": alone.get("code", -1)}}, open(sys.argv[2], "w"))
"""
    argv = (sys.executable, "-c", script, "{mixture}", "{result}", "{available}")
    matching = Matching(1e9, {"code": 2e7, "web": 5e9})
    told = replace(Command(argv, ("loss",)).at_scale("s", Scale(10, 1_000_000)), matching=matching)
    trial = replace(TRIAL, scale=Scale(10, 1_000_000))
    assert told.evaluate(trial, tmp_path).losses == {"loss": 20_000}
    expert = replace(trial, weights={"code": 1.0, "web": 0.0}, origin=EXPERT)
    assert told.evaluate(expert, tmp_path).losses == {"loss": -1}
    with pytest.raises(FaultsError, match=r"scales.s.tokens: .*asks for \{available\}, which is unknown; state it"):
        told.at_scale("s", Scale(10, None))


def test_it_runs_in_the_study_folder_with_the_variables_that_the_study_sets(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "work").mkdir()
    script = (
        "import json, os, sys; json.dump({'losses': {'loss': float(os.environ['SCALE'])}}, open(sys.argv[2], 'w'));"
    )
    script += "assert os.getcwd().endswith('study')"
    moved = command(script, environment={"SCALE": "2.5"}).relative_to(tmp_path / "study")
    assert moved.evaluate(TRIAL, tmp_path / "work").losses == {"loss": 2.5}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; sys.exit(4)", "exited with 4"),
        (
            "import os; os.kill(os.getpid(), 9)",
            r"killed by signal 9 \(SIGKILL\), as the system does to a",
        ),
        ("import os; os.kill(os.getpid(), 15)", r"was killed by signal 15 \(SIGTERM\); its output is"),
        ("pass", "its result cannot be read"),
        ("import sys; open(sys.argv[2], 'w').write('nothing')", "not JSON"),
        ("import sys; open(sys.argv[2], 'w').write('{\"losses\": {\"los\": 1}}')", "losses.loss"),
        ("import sys; open(sys.argv[2], 'w').write('{\"losses\": {\"loss\": NaN}}')", "finite"),
    ],
)
def test_what_is_no_result_is_a_failure_that_says_why(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        command(script).evaluate(TRIAL, tmp_path)


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="timeout_s"):
        command("import time; time.sleep(60)", timeout_s=0.5).evaluate(TRIAL, tmp_path)


def test_a_command_that_takes_too_long_may_save_what_it_has(tmp_path: Path) -> None:
    script = (
        "import pathlib, signal, sys, time\n"
        "def saves(*_):\n"
        "    time.sleep(0.2); pathlib.Path('saved').touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, saves)\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(EvaluationError, match="timeout_s"):
        command(script, timeout_s=5.0, cwd=str(tmp_path)).evaluate(TRIAL, tmp_path)
    assert (tmp_path / "saved").exists()


def test_an_unknown_placeholder_is_named_with_the_nearest() -> None:
    (fault,) = Command(argv=("train", "{mixtures}"), metrics=("loss",)).faults()
    assert fault.where == "argv[1]"
    assert "did you mean 'mixture'?" in fault.what


def test_other_braces_are_left_alone(tmp_path: Path) -> None:
    script = (
        "import json, sys; json.dump({'losses': {'loss': 1.0}}, open(sys.argv[1], 'w')); assert sys.argv[2] == '{}'"
    )
    evaluator = Command(argv=(sys.executable, "-c", script, "{result}", "{}"), metrics=("loss",))
    assert evaluator.evaluate(TRIAL, tmp_path).losses == {"loss": 1.0}


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match=r"evaluator\.cwd"):
        command("pass", cwd="nowhere").relative_to(tmp_path).prepare(("code", "web"))


def test_what_a_command_started_ends_with_it(tmp_path: Path) -> None:
    evaluator = Command(argv=("sh", "-c", "sleep 60 & echo $! > {workdir}/pid; wait"), metrics=("loss",), timeout_s=1.5)
    with pytest.raises(EvaluationError, match="timeout_s"):
        evaluator.evaluate(TRIAL, tmp_path)
    started = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(started) or psutil.Process(started).status() == psutil.STATUS_ZOMBIE
