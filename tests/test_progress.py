"""Reports reach the sink of their block and no other."""

from __future__ import annotations

from bomix.progress import Progress, report, reporting_to


def test_reports_go_to_the_innermost_sink_and_to_nobody_without_one():
    outer, inner = [], []
    report(Progress(0, 3))
    with reporting_to(outer.append):
        with reporting_to(inner.append):
            report(Progress(1, 3))
        report(Progress(2, 3))
    report(Progress(3, 3))
    assert (outer, inner) == ([Progress(2, 3)], [Progress(1, 3)])
