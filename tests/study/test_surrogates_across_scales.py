"""Surrogates across scales from a study file to its recommendation: asked with, told, recommended with."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bomix.study.study import Study
from bomix.surrogates.combined.auto import Auto
from bomix.surrogates.scales.anchored_spec import Anchored
from bomix.surrogates.scales.law_spec import ScalingLaw
from bomix.surrogates.scales.spec import MultiScale

FILE = """
domains: {{d0: {{}}, d1: {{}}}}
evaluator: {{kind: synthetic, domains: 2, agreement: 0.8}}
scales:
  small: {{params: 1M, tokens: 20M, cost: 1}}
  large: {{params: 10M, tokens: 200M, cost: 4}}
target: {{scale: large}}
strategy: {{kind: cost_aware, n_init: 3, surrogate: {surrogate}}}
budget: {{trials: 4}}
"""


@pytest.mark.parametrize(
    ("surrogate", "expected"),
    [
        ("auto", Auto()),
        pytest.param(
            "{kind: auto, of: [multi_scale, anchored]}", Auto((MultiScale(), Anchored())), marks=pytest.mark.slow
        ),
        ("{kind: multi_scale, mean: scaling_law}", MultiScale(mean=ScalingLaw())),
    ],
)
def test_a_file_names_it_and_a_search_ends_in_a_recommendation_at_the_target(
    tmp_path: Path, surrogate: str, expected: object
) -> None:
    (tmp_path / "study.yaml").write_text(FILE.format(surrogate=surrogate))
    study = Study.open(tmp_path)
    study.run()
    records = study.history.records
    assert study.spec.strategy.surrogate == expected
    assert [record.trial.origin for record in records].count("cost_aware") == 1
    best = study.recommend()
    assert best.scale is not None
    assert best.scale.name == "large"
    assert 0.0 < best.objective.sd < math.inf
    assert len(best.per_metric) == len(study.problem.metrics)
