"""What runs, as a watcher shows it: a group is one."""

from __future__ import annotations

import pytest
from rich.table import Table

from bomix.cli.running import RunningTrials, name_of, parting
from bomix.cli.watch import LiveObserver, PlainObserver
from bomix.progress import Progress
from bomix.study.study import Study
from bomix.trial import CONFIRM, Trial

SIXTEEN = [Trial(number, {"code": 0.5, "web": 0.5}, 0, "sobol" if number else "uniform") for number in range(16)]


def test_groups_have_a_name_and_shrink_as_their_trials_end() -> None:
    running = RunningTrials()
    running.group(SIXTEEN)
    for trial in SIXTEEN:
        running.start(trial)
    running.start(Trial(20, {"code": 1.0}, 0, "log_ei"))
    assert [each.name for each in running] == ["trials 0-15 (16 as one)", "trial 20"]
    assert [each.origins for each in running] == ["uniform, sobol", "log_ei"]
    running.end(SIXTEEN[3])
    running.end(SIXTEEN[3])
    assert next(iter(running)).name == "trials 0-2, 4-15 (15 as one)"
    for trial in SIXTEEN:
        running.end(trial)
    assert [each.name for each in running] == ["trial 20"]
    assert name_of(*(Trial(n, {}, 0, CONFIRM) for n in (4, 5))) == "confirming trials 4-5 (2 as one)"


def test_of_a_group_only_what_is_further_counts() -> None:
    running = RunningTrials()
    running.group(SIXTEEN[:3])
    whole, single = Progress(5, 10, 300.0), [Progress(6, 10, 90.0, {"a": 1.0}, n) for n in range(3)]
    assert running.report(SIXTEEN[0], single[0]) is not None
    assert [running.report(SIXTEEN[n], single[n]) for n in (1, 2)] == [None, None]
    assert [running.report(trial, whole) is None for trial in SIXTEEN[:3]] == [False, True, True]
    assert running.report(SIXTEEN[0], single[0]) is None
    assert next(iter(running)).progress == whole
    for trial in SIXTEEN[:2]:
        running.end(trial)
    assert running.report(SIXTEEN[2], single[2]) is None  # the last one of a group is none the more alone
    alone = Trial(7, {}, 0, "sobol")
    assert running.report(alone, whole) is not None
    assert running.report(alone, whole) is not None


def test_a_group_is_a_line_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    observer = PlainObserver(verbose=True)
    observer.began(Study(domains=["code", "web"], metrics=["x"]), [])
    observer.grouped(SIXTEEN)
    for trial in SIXTEEN:
        observer.started(trial)
    capsys.readouterr()
    for step in (60, 120):
        for trial in SIXTEEN:
            observer.progressed(trial, Progress(step, 400, 38_000.0))
            observer.progressed(trial, Progress(step, 400, 2_000.0, {"x": 1.0}, trial.id))
    assert capsys.readouterr().err.splitlines() == [
        "trials 0-15 (16 as one) step 60/400, 38,000 tokens/s",
        "trials 0-15 (16 as one) step 120/400, 38,000 tokens/s",
    ]
    observer.parted(SIXTEEN[4:], "killed by signal 9", 8)
    observer.parted(SIXTEEN[:1], "killed by signal 9", 1)
    assert capsys.readouterr().err.splitlines() == [
        "trials 4-15 ended with the group, trying again at most 8 as one: killed by signal 9",
        "trial 0 ended with the group, trying again alone: killed by signal 9",
    ]
    assert parting(SIXTEEN[:2], "x", 1).startswith("trials 0-1 ")


def test_the_live_view_has_a_row_for_a_group() -> None:
    study = Study(domains=["code", "web"], metrics=["x"])
    observer = LiveObserver()
    observer.began(study, [])
    observer.grouped(SIXTEEN)
    for trial in SIXTEEN:
        observer.started(trial)
    observer.progressed(SIXTEEN[0], Progress(120, 400, 38_000.0))
    observer.closed()
    table = observer._live.renderable
    assert isinstance(table, Table)
    first = [next(iter(column.cells)) for column in table.columns]
    assert first == ["trials 0-15 (16 as one)", "uniform, sobol", "step 120/400, 38,000 tokens/s", ""]
    assert table.row_count == 2
