"""``bomix experts``: one trial for each domain alone."""

from __future__ import annotations

import sys

from click.testing import CliRunner

from bomix.cli.experts import experts
from bomix.errors import EvaluationError
from bomix.study.study import Study

STUDY = """
domains: {code: {}, web: {}}
evaluator: {kind: synthetic, family: token_experts, domains: [code, web]}
strategy: sobol
budget: {trials: 4}
experts: {train: always}
"""


def test_each_domain_gets_its_expert_once(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    for _ in range(2):
        run = CliRunner().invoke(experts, [str(tmp_path), "-q"])
        assert run.exit_code == 0, run.output
        assert run.output.splitlines()[-2:] == ["code: trial 0", "web: trial 1"]
    weights = [record.trial.weights for record in Study.open(tmp_path).history.records]
    assert weights == [{"code": 1.0, "web": 0.0}, {"code": 0.0, "web": 1.0}]


COMMAND = """
domains: {code: {}, web: {}}
evaluator: {kind: command, argv: [PYTHON, train.py, "{result}"], metrics: [loss]}
strategy: sobol
"""


def test_a_trainer_that_scores_no_tokens_is_stopped_at_its_first_expert(tmp_path):
    (tmp_path / "study.yaml").write_text(COMMAND.replace("PYTHON", sys.executable))
    (tmp_path / "train.py").write_text("import sys; open(sys.argv[1], 'w').write('{\"losses\": {\"loss\": 2.0}}')")
    run = CliRunner().invoke(experts, [str(tmp_path), "-q"])
    assert isinstance(run.exception, EvaluationError)
    assert "so would the others; the last one, trial 0" in str(run.exception)
    assert "artifacts.scored_tokens: missing" in str(run.exception)
    assert [record.status for record in Study.open(tmp_path).history.records] == ["failed"]
