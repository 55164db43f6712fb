"""``bomix optimize``; its loop is tested with the driver, its screen with ``watch``."""

from __future__ import annotations

from click.testing import CliRunner

from bomix.cli.optimize import optimize
from bomix.study.study import Study

STUDY = """
domains: {code: {}, web: {}}
evaluator: {kind: synthetic, domains: [code, web]}
strategy: sobol
budget: {trials: 2}
"""


def test_it_spends_the_budget_and_no_more(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    for _ in range(2):
        run = CliRunner().invoke(optimize, [str(tmp_path), "-q"])
        assert run.exit_code == 0, run.output
        assert len(Study.open(tmp_path).history.completed) == 2
