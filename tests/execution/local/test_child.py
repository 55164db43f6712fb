"""What runs in a trial's own process; the process itself is tested with the executor."""

from __future__ import annotations

import pytest

from bomix.errors import EvaluationError
from bomix.execution.local import child
from bomix.progress import Progress
from bomix.trial import Result


def test_what_is_no_result_is_named():
    assert child._checked(Result({"loss": 1.0})) == Result({"loss": 1.0})
    with pytest.raises(EvaluationError, match="returned float"):
        child._checked(2.5)


def test_a_report_fits_into_one_write_to_a_pipe():
    message = child._as_message(Progress(3, 9, 10.0, {f"a metric of a long name {n:05d}": n for n in range(5000)}))
    assert len(str(message)) < 4096
    assert (message["step"], message["steps"]) == (3, 9)
