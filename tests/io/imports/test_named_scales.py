"""The lines that would name the scales of runs in a study file; tables: ``tests/cli/test_several_scales.py``."""

from __future__ import annotations

import pytest
import yaml

import bomix
from bomix.io.imports.named_scales import lines_to_add
from bomix.scale import Scale


@pytest.mark.parametrize(
    ("scales", "names"),
    [
        ([Scale(10**6, 10**9), None, Scale(6 * 10**7, 10**9)], ["1M", "60M"]),
        ([Scale(10**6, 10**9), Scale(10**6, 2 * 10**9)], ["1M-1B", "1M-2B"]),
        ([Scale(1_234_567), Scale(2 * 10**7)], ["1234567", "20M"]),
        ([Scale(9, 5), Scale(9, 5, "low")], ["9-5", "9-5-low"]),
    ],
)
def test_the_lines_name_every_scale_so_that_a_study_takes_them(scales: list[Scale | None], names: list[str]) -> None:
    given = yaml.safe_load(lines_to_add(scales))["scales"]
    named = {str(name): keys for name, keys in given.items()}
    assert [*named] == names
    problem = bomix.Study(["a", "b"], ["loss"], scales=named).problem
    assert {each.scale for each in problem.scales} == {scale for scale in scales if scale is not None}
