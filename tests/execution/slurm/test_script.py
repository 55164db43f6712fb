"""The script of a job, or of an array."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bomix.execution.slurm import script
from bomix.execution.slurm.job_file import JobFile
from bomix.execution.slurm.resources import Resources


def job(folder: Path, element: int | None = None, memory: int | None = None) -> JobFile:
    output = str(script.output_of(folder, element))
    return JobFile(
        "bomix-demo-0007-1", "/study", (("{}", str(folder)),), output, element=element, memory=memory, token="c4d0e8"
    )


def directives(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH ")]


def test_only_what_is_asked_for_is_in_it() -> None:
    text = script.text([job(Path("/a"))], Resources())
    name, output, *others = directives(text)
    assert (name, output) == ("job-name=bomix-demo-0007-1", "output=/a/slurm.out")
    assert others == ["open-mode=append", "no-requeue"]


def test_all_that_is_asked_for_is_in_it() -> None:
    options = {"account": "nlp", "exclusive": True, "nodes": 2, "overcommit": False, "comment": "two words"}
    wanted = Resources(
        "gpu", "2:00:00", "a100:2", 8, setup=("module load cuda",), python="/env/python", options=options
    )
    text = script.text([job(Path("/a"), memory=4000)], wanted)
    assert directives(text)[4:] == [
        *("partition=gpu", "time=2:00:00", "cpus-per-task=8", "gres=gpu:a100:2", "mem=4000M"),
        *("account=nlp", "exclusive", "nodes=2", 'comment="two words"'),
    ]
    *_, line, start = text.splitlines()
    assert line == "module load cuda"
    assert start.startswith("exec /env/python -P -m bomix.execution.slurm.job ")


def test_folders_with_spaces_and_percent_signs_keep_their_names() -> None:
    text = script.text([job(Path("/a b/100%j/1"))], Resources())
    assert 'output="/a b/100%%j/1/slurm.out"' in text


@pytest.mark.parametrize(
    ("folder", "said"), [("/a#b", '"/a#b/slurm.out"'), ("/it's", '"/it\'s/slurm.out"'), ('/a"b', '"/a\\"b/slurm.out"')]
)
def test_what_slurm_would_take_for_quotes_or_a_comment_is_quoted(folder: str, said: str) -> None:
    assert f"output={said}" in directives(script.text([job(Path(folder))], Resources()))


@pytest.mark.parametrize(("element", "folder"), [("", "/it's"), ("0", "/it's"), ("1", "/b c")])
def test_each_element_of_an_array_is_handed_its_own_folder(element: str, folder: str) -> None:
    jobs = [job(Path("/it's"), 0), job(Path("/b c"), 1)]
    text = script.text(jobs, Resources(python="/bin/echo", max_running=1))
    assert "array=0-1%1" in directives(text)
    assert 'output="/it\'s/slurm-%a.out"' in directives(text)
    said = subprocess.run(["bash", "-c", text], env={"SLURM_ARRAY_TASK_ID": element}, capture_output=True, text=True)
    assert said.stdout.strip().endswith(f"{script.MODULE} {folder} c4d0e8")
