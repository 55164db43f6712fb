"""What the states of Slurm's jobs mean for the trials in them."""

from __future__ import annotations

import dataclasses
import os

from bomix.errors import killed_by

LIVE = frozenset(
    {
        *("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "COMPLETING"),
        *("STAGE_OUT", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
    }
)
"""States of a job that runs, or that may."""
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
"""Those of them in which it does not."""
STUCK = frozenset(
    {
        *(
            "JobHeldUser",
            "JobHeldAdmin",
            "BadConstraints",
            "PartitionDown",
            "PartitionInactive",
            "DependencyNeverSatisfied",
        ),
        *("PartitionNodeLimit", "PartitionTimeLimit", "AssociationTimeLimit", "QOSTimeLimit", "InvalidAccount"),
        *("InvalidQOS", "MaxMemPerLimit", "launch failed requeued held", "launch_failed_requeued_held"),
    }
)
"""Reasons to wait that do not go by themselves."""
UNKNOWN = "UNKNOWN"
"""Of a job that Slurm has forgotten."""
CANCELLED = "CANCELLED"
OUT_OF_MEMORY = "OUT_OF_MEMORY"
TIMEOUT = "TIMEOUT"

LOST = {
    "PREEMPTED": "preempted by the cluster",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not boot",
    "LAUNCH_FAILED": "the cluster could not start it",
    TIMEOUT: "cut off by the cluster's time limit (execution.time)",
    "DEADLINE": "cut off by its deadline in the cluster",
    "REVOKED": "taken over by another cluster of the federation",
    UNKNOWN: "the cluster does not know the job any more, and it left no result",
}
"""States to what is said of a trial that the cluster ended, through no fault of its own."""
REQUEUED = "requeued by the cluster after it had begun"
FROM_THE_START = (
    "before it left a checkpoint behind, so that the next attempt would be cut off as well; raise execution.time, or "
    "execution.attempts where the trainer goes on from what it saved itself"
)
"""Added of a trial that was cut off and would begin anew: it has failed."""
NOT_STARTED = "the cluster could not start it on its node"
"""Of a job that Slurm cancelled itself: it does so where a node fails to start one that must not be requeued."""
SECOND_COPY = "the cluster ran the job a second time, after its first copy had ended without a result"


@dataclasses.dataclass(frozen=True)
class Seen:
    """A job as Slurm shows it.

    Attributes:
        job: Its id, ``17`` or ``17_3``.
        name: Its name.
        state: One of Slurm's states, in capitals.
        status: Its wait status, as the system calls give it.
        restarts: How often it was requeued.
        reason: Why it waits, in a word of Slurm.
        nodes: Where it runs or ran; empty where it never was to.
    """

    job: str
    name: str
    state: str
    status: int = 0
    restarts: int = 0
    reason: str = ""
    nodes: str = ""

    @property
    def live(self) -> bool:
        """Whether it runs, or may."""
        return self.state in LIVE

    @property
    def code(self) -> int:
        """Its exit status; negative for a signal."""
        return os.waitstatus_to_exitcode(self.status)

    def message(self, *, begun: bool) -> str:
        """What is said of a trial that left neither result nor error in a job that ended like this.

        Args:
            begun: Whether its training had.
        """
        if self.state in LOST:
            return LOST[self.state]
        if self.state == CANCELLED:
            return f"job {self.job} was cancelled in the cluster's queue"
        if self.state == OUT_OF_MEMORY:
            return "out of memory: the cluster ended the job at its limit (execution.memory)"
        if self.code < 0:
            return killed_by(-self.code)
        if not begun:
            cure = "see the end of its output, execution.setup and execution.python"
            return f"job {self.job} ended with exit status {self.code} before the training began; {cure}"
        return f"job {self.job} ended as {self.state} with exit status {self.code}, and left no result"
