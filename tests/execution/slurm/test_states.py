"""What Slurm's states say of a trial."""

from __future__ import annotations

import re

import pytest

from bomix.execution.slurm.states import LIVE, LOST, STUCK, WAITING, Seen


def test_no_state_is_two_things() -> None:
    assert WAITING < LIVE
    assert not LIVE & LOST.keys()
    assert not STUCK & LIVE


@pytest.mark.parametrize(
    ("state", "status", "begun", "said"),
    [
        ("PREEMPTED", 15, True, "preempted"),
        ("TIMEOUT", 15, True, r"execution\.time"),
        ("CANCELLED", 0, False, "job 7 was cancelled"),
        ("OUT_OF_MEMORY", 9, True, r"execution\.memory"),
        ("FAILED", 9, True, r"killed by signal 9 \(SIGKILL\)"),
        ("FAILED", 3 << 8, True, "exit status 3, and left no result"),
        ("FAILED", 127 << 8, False, r"before the training began; .*execution\.setup"),
    ],
)
def test_the_message_says_what_happened(state: str, status: int, begun: bool, said: str) -> None:
    seen = Seen("7", "bomix", state, status)
    assert not seen.live
    assert re.search(said, seen.message(begun=begun))
