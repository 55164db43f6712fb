"""The server that forks trials, by what it says on its standard output."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys

from bomix.execution.local import server
from bomix.testing.endings import Ending, Unloadable


def talk(evaluator):
    header = {"evaluator": base64.b64encode(pickle.dumps(evaluator)).decode(), "sys_path": sys.path, "grace_s": 1.0}
    run = subprocess.run(
        [sys.executable, "-m", server.__name__],
        input=json.dumps(header) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_it_is_ready_once_the_evaluator_is_loaded_and_ends_with_its_input():
    assert talk(Ending()) == [{"event": "ready"}]


def test_an_evaluator_that_cannot_be_loaded_is_told():
    (message,) = talk(Unloadable())
    assert message["event"] == "broken"
    assert "of_this_machine_alone" in message["message"]
