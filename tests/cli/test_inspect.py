"""Commands that look and change nothing."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bomix.cli.inspect import check, status


def test_looking_at_a_new_study_adds_nothing_to_it(tmp_path):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\nbudget: {trials: 7}\n")
    found = CliRunner().invoke(status, [str(tmp_path), "--json"])
    assert found.exit_code == 0, found.output
    state = json.loads(found.output)
    assert state["completed"] == state["pending"] == state["failed"] == 0
    assert "no problems found" in CliRunner().invoke(check, [str(tmp_path)]).output
    assert not (tmp_path / "trials").exists() or not list((tmp_path / "trials").iterdir())


@pytest.mark.parametrize(
    ("count", "strategy", "expected"),
    [
        (3, "auto", "gp with its defaults"),
        (
            12,
            "auto",
            "gp with kernels: [own + sparse_linear + stationary, stationary + effective_weight], pooling: 1.0",
        ),
        (12, "sobol", "gp with its defaults"),
        (12, "{kind: auto, surrogate: {kind: gp, draws: 0}}", "gp with draws: 0"),
        (3, "{kind: bayesian, surrogate: {kind: law, form: log_linear}}", 'law with form: "log_linear"'),
    ],
)
def test_check_says_which_surrogate_predicts(tmp_path, count, strategy, expected):
    names = [f"d{index}" for index in range(count)]
    domains, metrics = (f"{{{', '.join(f'{name}: {{}}' for name in names)}}}" for _ in range(2))
    (tmp_path / "study.yaml").write_text(f"domains: {domains}\nmetrics: {metrics}\nstrategy: {strategy}\n")
    found = CliRunner().invoke(check, [str(tmp_path)])
    assert f"surrogate of predictions and the recommendation: {expected}\n" in found.output, found.output
