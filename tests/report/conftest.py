"""A small study with everything that a report can show: curves, costs, a failure, names that are markup."""

from __future__ import annotations

import numpy as np
import pytest

import bomix
from bomix.report.findings import Findings
from bomix.study.reporting import findings
from bomix.trial import Curve, Failure

EVIL = "<script>document.title = 'run'</script>"
"""A domain whose name is markup."""
STEPS = np.arange(1, 6) * 10


@pytest.fixture(scope="session")
def studied() -> bomix.Study:
    tokens = {"web": 60e9, "code": 20e9, EVIL: 5e9}
    study = bomix.Study(
        {name: bomix.DomainSpec(tokens=each) for name, each in tokens.items()},
        metrics=["web", "code", "<b>books</b> $x$"],
        target=bomix.TargetSpec(tokens=20e9),
    )
    rng = np.random.default_rng(0)
    for point in study.problem.space.sobol(14, seed=0):
        web, code, evil = point
        losses = {
            "web": 2.5 + 0.3 * (web + 0.02) ** -0.3,
            "code": 1.2 + 0.3 * (code + 0.02) ** -0.3,
            "<b>books</b> $x$": 2.8 + 0.25 * (evil + 0.02) ** -0.3 + 0.3 * code,
        }
        losses = {name: float(loss + 0.005 * rng.normal()) for name, loss in losses.items()}
        curve = Curve(STEPS, {name: loss + 3.0 * np.exp(-STEPS / 20.0) for name, loss in losses.items()})
        study.add(study.problem.space.to_weights(point), bomix.Result(losses, cost=60.0, curve=curve))
    study.tell(study.ask(), Failure("out of <memory>"))
    return study


@pytest.fixture(scope="session")
def found(studied: bomix.Study) -> Findings:
    return findings(studied.records)
