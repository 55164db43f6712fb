"""What a study file says of Slurm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bomix.config.study_file import load
from bomix.contracts.queued import QueuedExecution
from bomix.errors import EvaluationError
from bomix.execution.slurm.spec import SlurmExecution
from bomix.testing.endings import Ending


def test_a_study_file_says_it_in_slurms_own_words(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "domains: {code: {}, web: {}}\nmetrics: [loss]\n"
        "execution: {kind: slurm, workers: 8, partition: gpu, time: 2:30:00, gpus: 'a100:2', memory: 32G,\n"
        "  setup: module load cuda, options: {account: nlp, nodes: 1, exclusive: true}}\n"
    )
    found = load(tmp_path / "study.yaml").execution
    assert isinstance(found, SlurmExecution)
    assert isinstance(found, QueuedExecution)
    assert (found.time, found.gpus, found.setup) == ("2:30:00", "a100:2", ("module load cuda",))
    assert found.options == {"account": "nlp", "nodes": 1, "exclusive": True}
    assert found.resources.memory == 32 * 1024


@pytest.mark.parametrize(
    ("memory", "mib"), [("4000", 4000), ("4000M", 4000), ("32G", 32768), ("1T", 2**20), ("2048K", 2), ("1kb", 1)]
)
def test_memory_is_counted_as_slurm_does(memory: str, mib: int) -> None:
    assert SlurmExecution(memory=memory).faults() == []
    assert SlurmExecution(memory=memory).resources.memory == mib


@pytest.mark.parametrize("time", ["90", "4:00", "2:30:00", "1-12", "1-12:30:00"])
def test_every_form_of_a_time_limit_is_taken(time: str) -> None:
    assert SlurmExecution(time=time).faults() == []


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"workers": 0}, "workers"),
        ({"attempts": 0}, "attempts"),
        ({"max_lost": -1}, "max_lost"),
        ({"ask_ahead": -1}, "ask_ahead"),
        ({"silence_s": 0.0}, "silence_s"),
        ({"max_running": 0}, "max_running"),
        ({"cpus": 0}, "cpus"),
        ({"time": "4 hours"}, "time"),
        ({"memory": "much"}, "memory"),
        ({"memory_factor": 0.5}, "memory_factor"),
        ({"memory_factor": 2.0, "attempts": 2}, "memory_factor"),
        ({"memory_factor": 2.0, "memory": "1G"}, "memory_factor"),
        ({"poll_s": 0.5}, "poll_s"),
        ({"poll_s": float("nan")}, "poll_s"),
        ({"options": {"job-name": "mine"}}, "options.job-name"),
        ({"options": {"requeue": True}}, "options.requeue"),
        ({"options": {"mem": "4G"}}, "options.mem"),
        ({"options": {"clusters": "other"}}, "options.clusters"),
        ({"options": {"cluster": "other"}}, "options.cluster"),
        ({"options": {"M": "other"}}, "options.M"),
        ({"options": {"account": "nlp\n#SBATCH --uid=0"}}, "options.account"),
        ({"partition": "gpu\nrm"}, "partition"),
        ({"partition": ""}, "partition"),
    ],
)
def test_what_slurm_would_refuse_or_misread_is_a_fault(options: dict[str, Any], where: str) -> None:
    assert [fault.where for fault in SlurmExecution(**options).faults()] == [where]


def test_a_study_in_memory_cannot_be_run_there() -> None:
    with pytest.raises(EvaluationError, match=r"Ending .* kept in memory"):
        SlurmExecution().start(Ending(), folder=None)


@pytest.mark.parametrize("name", ["two\nlines", "tab\t", "back\\slash"])
def test_a_folder_that_no_script_can_say_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvaluationError, match="control character or a backslash in its path"):
        SlurmExecution().start(Ending(), folder=tmp_path / name)
    with pytest.raises(EvaluationError, match="rename it"):
        SlurmExecution().preview([], folder=tmp_path / name)
