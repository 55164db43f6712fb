from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.posterior.belief import Belief, believe
from bomix.posterior.scales_alone import at_target, better_alone
from bomix.problem import StudyScale
from bomix.scale import Scale
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.spec import MultiScale
from bomix.trial import Record, Trial

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**9)


def beliefs(agreement: float, large: int) -> tuple[Belief, History]:
    function = Synthetic(domains=3, seed=1, agreement=agreement, scales=(SMALL, LARGE))
    scales = (StudyScale("small", SMALL, 1.0), StudyScale("large", LARGE, 10.0))
    problem = replace(function.problem(), scale=LARGE, scales=scales)
    drawn = np.random.default_rng(0).dirichlet(np.ones(3), 20 + large)
    records = []
    for number, row in enumerate(drawn):
        weights = dict(zip(function.domain_names, row.tolist(), strict=True))
        trial = Trial(number, weights, 0, "sobol", SMALL if number < 20 else LARGE)
        records.append(Record(trial, function.evaluate(trial, Path())))
    history = History(tuple(records), scale=LARGE, scales=(SMALL, LARGE))
    return believe(problem, history, MultiScale(), seed=0), history


@pytest.mark.parametrize(("agreement", "large", "alone"), [(0.05, 14, True), (0.99, 5, False)])
def test_left_out_runs_tell_whether_smaller_scales_help(agreement: float, large: int, alone: bool) -> None:
    belief, history = beliefs(agreement, large)
    assert better_alone(belief, history, GP(), least=5, seed=0) == alone


def test_too_few_runs_of_the_target_tell_nothing() -> None:
    belief, history = beliefs(0.05, 4)
    assert not better_alone(belief, history, GP(), least=5, seed=0)


def test_rows_of_the_target_are_found_among_all() -> None:
    belief, history = beliefs(0.9, 3)
    assert at_target(belief.problem, history) == [20, 21, 22]
