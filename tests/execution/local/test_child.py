"""What runs in a trial's own process; the process itself is tested with the executor."""

from __future__ import annotations

from bomix.execution.local import child
from bomix.progress import Progress


def test_a_report_fits_into_one_write_to_a_pipe():
    message = child._as_message(Progress(3, 9, 10.0, {f"a metric of a long name {n:05d}": n for n in range(5000)}))
    assert len(str(message)) < 4096
    assert (message["step"], message["steps"]) == (3, 9)
