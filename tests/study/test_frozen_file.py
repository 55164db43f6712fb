"""Whether a study file is still the one of its trials: the driver and the jobs of a cluster ask alike."""

from __future__ import annotations

from pathlib import Path

import pytest

import bomix
from bomix.errors import StoreError
from bomix.execution.slurm.evaluator import ready_evaluator

STUDY = """
domains: {d0: {}, d1: {}}
strategy: sobol
evaluator: {kind: synthetic, domains: 2, noise: 0.0}
scales: {small: {params: 1k, tokens: 10k, noise: 0.5}, large: {params: 2k, tokens: 10k}}
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("noise: 0.5", "noise: 0.7", "scales.small.evaluator.noise: 0.5 when the study began, 0.7 now"),
        ("params: 1k", "params: 3k", "scales.small.params: 1000"),
        ("params: 2k", "params: 4k", None),
    ],
)
def test_a_scale_that_has_runs_is_compared_where_a_job_reads_the_file_as_well(
    tmp_path: Path, before: str, after: str, said: str | None
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    opened = bomix.Study.open(tmp_path)
    opened.add({"d0": 0.5, "d1": 0.5}, {"d0": 2.0, "d1": 2.0}, scale="small")
    (tmp_path / "study.yaml").write_text(STUDY.replace(before, after))
    if said is None:
        ready_evaluator(tmp_path)
        return
    with pytest.raises(StoreError, match=said):
        ready_evaluator(tmp_path)
    with pytest.raises(StoreError, match=said):
        _ = bomix.Study.open(tmp_path).problem
