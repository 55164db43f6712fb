"""From a study spec to a problem, and what is frozen of it."""

from __future__ import annotations

import pytest

from bomix.errors import BomixError, ConfigError
from bomix.study import units
from bomix.study.frozen import FROZEN
from bomix.study.resolution import reopen
from bomix.study.study import Study

STUDY = "domains: {code: {}, web: {}}\nmetrics: {loss: {}}\nstrategy: sobol\nseed: 3\n"


def test_what_makes_losses_comparable_is_frozen_once_there_are_trials(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    study = Study.open(tmp_path)
    study.tell(study.ask(), {"loss": 2.5})
    assert "seed" in FROZEN
    assert "strategy" not in FROZEN
    path.write_text(STUDY.replace("sobol", "dirichlet"))
    assert Study.open(tmp_path).ask().origin == "dirichlet"
    path.write_text(STUDY.replace("seed: 3", "seed: 4"))
    with pytest.raises(BomixError, match="seed"):
        Study.open(tmp_path).ask()


def test_a_folder_or_its_file_open_the_same_study_and_an_empty_one_none(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    assert reopen(tmp_path)[0] == reopen(tmp_path / "study.yaml")[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty"):
        reopen(tmp_path / "empty")


@pytest.mark.parametrize(
    ("objective", "warned"),
    [
        ("mean", True),
        ("{kind: mean, metrics: [a, b]}", False),
        ("{kind: weighted_mean, of: {a: 1, score: 2}}", False),
        ("{kind: groups, of: {all: [a, score]}}", True),
        ("worst", True),
        ("smooth_max", True),
        ("{kind: worst, metrics: [a, b]}", False),
        ("excess", True),
        ("{kind: excess, metrics: [b]}", False),
        ("guardrail", True),
        ("{kind: guardrail, metrics: [score]}", True),
        ("{kind: guardrail, base: {kind: mean, metrics: [a, b]}}", False),
    ],
)
def test_metrics_of_different_units_are_not_counted_together_in_silence(tmp_path, caplog, objective, warned):
    metrics = "{a: {}, b: {}, score: {unit: accuracy, direction: max}}"
    (tmp_path / "study.yaml").write_text(
        f"domains: {{code: {{}}, web: {{}}}}\nmetrics: {metrics}\nobjective: {objective}\n"
    )
    assert Study.open(tmp_path).problem.metric_names == ("a", "b", "score")
    logged = [record.getMessage() for record in caplog.records if record.name == units.__name__]
    said = [line for line in logged if "metrics of different units together" in line]
    assert len(said) == warned
    if warned:
        assert "score in accuracy, more is better" in said[0]
        assert "in nats/token" in said[0]
        assert "objective.base.metrics" in said[0]
