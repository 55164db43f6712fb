"""``bomix experts``: one trial for each domain alone."""

from __future__ import annotations

from click.testing import CliRunner

from bomix.cli.experts import experts
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
