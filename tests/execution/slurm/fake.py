"""Slurm's four commands over a folder, for tests without daemons: a job is a file, and runs when the test says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_COMMANDS = """#!{python} -SE
import json, os, re, sys, time
here = os.path.dirname(os.path.abspath(__file__))
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(here + "/calls", "a") as file:
    file.write(json.dumps([name, time.monotonic(), words]) + "\\n")
with open(here + "/state.json") as file:
    state = json.load(file)
if name in state["down"]:
    sys.exit(name + ": error: " + state["down"][name])
jobs = state["jobs"]
if name == "sbatch" and words[0] == "--test-only":
    pass
elif name == "sbatch":
    text = open(words[-1]).read()
    number = str(max([int(key.split("_")[0]) for key in jobs], default=0) + 1)
    count = re.search(r"--array=0-(\\d+)", text)
    title = re.search(r"--job-name=(\\S+)", text)[1]
    with open(copy := here + "/" + number + ".sh", "w") as file:
        file.write(text)
    for key in ([number] if count is None else [number + "_" + str(k) for k in range(int(count[1]) + 1)]):
        jobs[key] = [title, "PENDING", 0, 0, "Priority", copy, ""]
    print(number)
elif name == "squeue":
    for key, (title, word, status, restarts, reason, _, nodes) in jobs.items():
        print(f"{{key:48}}{{title:96}}{{word:24}}{{status:<16}}{{restarts:<16}}{{reason:96}}{{nodes:64}}")
elif name == "scancel":
    for key in words:
        if key in jobs and jobs[key][1] in ("PENDING", "RUNNING"):
            jobs[key][1:3] = ["CANCELLED", 15]
elif name == "sacct":
    if "--completion" not in words:
        sys.exit("Slurm accounting storage is disabled")
    for key, line in state["history"].items():
        print(key + "|" + line)
with open(here + "/state.json.tmp", "w") as file:
    json.dump(state, file)
os.replace(here + "/state.json.tmp", here + "/state.json")
"""


class FakeSlurm:
    """The commands, in a folder that stands first on the path.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._write({"jobs": {}, "down": {}, "history": {}})
        for name in ("sbatch", "squeue", "scancel", "sacct"):
            (folder / name).write_text(_COMMANDS.format(python=sys.executable))
            (folder / name).chmod(0o755)

    @property
    def jobs(self) -> dict[str, str]:
        """Ids to states."""
        return {job: line[1] for job, line in self._read()["jobs"].items()}

    def calls(self, name: str) -> list[tuple[float, list[str]]]:
        """When a command was called, and how."""
        file = self.folder / "calls"
        lines = map(json.loads, file.read_text().splitlines() if file.exists() else [])
        return [(when, words) for command, when, words in lines if command == name]

    def set(
        self, job: str, state: str, *, status: int = 0, restarts: int = 0, reason: str = "None", nodes: str = ""
    ) -> None:
        """Have a job be in a state."""
        data = self._read()
        data["jobs"][job][1:5] = [state, status, restarts, reason]
        data["jobs"][job][6] = nodes
        self._write(data)

    def forget(self, job: str, history: str = "") -> None:
        """Have a job leave the queue; ``history`` is what is kept of it, as ``FAILED|137:0``."""
        data = self._read()
        del data["jobs"][job]
        if history:
            data["history"][job] = history
        self._write(data)

    def down(self, *names: str, why: str = "Unable to contact slurm controller (connect failure)") -> None:
        """Have some commands fail, and the others work."""
        self._write({**self._read(), "down": dict.fromkeys(names, why)})

    def run(self, job: str, **environment: str) -> int:
        """Run a job as a node does, and have it end; its exit status."""
        self.set(job, "RUNNING")
        script = self._read()["jobs"][job][5]
        _, _, element = job.partition("_")
        environment |= {"SLURM_JOB_ID": job, **({"SLURM_ARRAY_TASK_ID": element} if element else {})}
        done = subprocess.run(["bash", script], env={**os.environ, **environment}, capture_output=True, check=False)
        self.set(job, "COMPLETED" if done.returncode == 0 else "FAILED", status=done.returncode << 8)
        return done.returncode

    def _read(self) -> dict[str, dict[str, list[str]]]:
        data: dict[str, dict[str, list[str]]] = json.loads((self.folder / "state.json").read_text())
        return data

    def _write(self, data: dict[str, dict[str, list[str]]]) -> None:
        (self.folder / "state.json").write_text(json.dumps(data))
