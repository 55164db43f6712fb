from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bomix import Study
from bomix.cli.plan import WIDTH, plan
from bomix.errors import FaultsError
from bomix.trial import Candidate

FILE = """
domains: {d0: {}, d1: {}, d2: {}}
evaluator: {kind: synthetic, domains: 3, agreement: 0.8}
scales:
  small: {params: 1M, tokens: 20M, cost: 1}
  large: {params: 10M, tokens: 200M, cost: 10}
strategy: cost_aware
"""


def written(folder: Path, more: str = "") -> str:
    (folder / "study.yaml").write_text(FILE + more, encoding="utf-8")
    return str(folder)


def test_the_plan_fits_into_eighty_columns_and_names_what_is_recommended(tmp_path: Path) -> None:
    result = CliRunner().invoke(plan, [written(tmp_path), "--cost", "6 runs of large", "--functions", "2"])
    assert result.exit_code == 0, result.output
    table = result.output.partition("* recommended:")[0]
    assert max(map(len, table.splitlines())) <= WIDTH
    assert "* recommended:" in result.output
    assert "a cost of 60 (6 runs of large) is spent" in result.output


def test_for_programs_it_is_json_and_the_same_again(tmp_path: Path) -> None:
    arguments = [written(tmp_path, "budget: {cost: 40}\n"), "--functions", "2", "--json"]
    first, again = (CliRunner().invoke(plan, arguments).output for _ in range(2))
    assert first == again
    found = json.loads(first)
    assert found["budget"] == 40.0
    assert found["recommended"] in [way["name"] for way in found["allocations"]]
    assert set(found["allocations"][0]["states"]) == {"0.3", "0.6", "0.8", "0.95"}


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        (None, "missing, and the study has no budget.cost"),
        ("many", "expected a cost, or text as '8 runs of large'"),
        ("8 runs of huge", "unknown scale 'huge'"),
        ("-4", "expected a positive number"),
        ("1e12", "is more than 10,000 runs of the dearest scale"),
        ("1e400", "is more than 10,000 runs of the dearest scale"),
    ],
)
def test_a_cost_that_is_none_is_refused(tmp_path: Path, cost: str | None, told: str) -> None:
    given = [] if cost is None else ["--cost", cost]
    result = CliRunner().invoke(plan, [written(tmp_path), *given])
    assert isinstance(result.exception, FaultsError)
    assert told in str(result.exception)


def test_a_study_that_gave_its_small_scales_up_says_so(tmp_path: Path) -> None:
    folder = written(tmp_path)
    study = Study.open(folder)
    even = dict.fromkeys(study.problem.space.domains, 1 / 3)
    trial = study.records.enqueue(Candidate(even, "alone_sobol", study.problem.scale), seed=0)
    study.tell(trial.trial, {"d0": 3.0, "d1": 3.1, "d2": 3.2})
    result = CliRunner().invoke(plan, [folder, "--cost", "6 runs of large"])
    assert isinstance(result.exception, FaultsError)
    assert "trials: left-out runs said that smaller scales mislead" in str(result.exception)
    assert "all that is left goes to large" in str(result.exception)
