"""Which weights are as good as zero: relative to caps, natural shares and what a run can draw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bomix.cli.inspect import check
from bomix.config.sections import DomainSpec, TargetSpec
from bomix.errors import FaultsError
from bomix.posterior.explored import explored
from bomix.space.mixture_space import MixtureSpace
from bomix.space.negligible import SEQUENCE, left_out, negligible_weights
from bomix.study.study import Study

TOKENS = {"code": 200e9, "glossary": 60e6, "web": 900e9}
TARGET = TargetSpec(1e12, 1.0)


def study(**options: object) -> Study:
    domains = {name: DomainSpec(tokens=tokens) for name, tokens in TOKENS.items()}
    return Study(domains, ["loss"], target=TARGET, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("upper", "natural", "least", "run", "expected"),
    [
        (1.0, None, 0.0, None, 1e-4),
        (1.0, 0.5, 0.0, 1e12, 1e-4),
        (1.0, 1e-3, 0.0, 1e12, 1e-4),  # a tenth of it is just that
        (6e-5, None, 0.0, None, 6e-6),
        (6e-5, 3e-5, 0.0, 1e12, 3e-6),
        (1.0, 5e-5, 0.0, 1e12, 5e-6),
        (1.0, 5e-5, 0.0, 2e7, SEQUENCE / 2e7),  # no less than one sequence
        (1.0, 5e-5, 0.0, 1e6, 1e-4),  # and no more than what is negligible to everybody
        (1.0, None, 5e-5, None, 2.5e-5),
        (1.0, 0.0, 0.0, 1e12, 1e-4),
        (0.0, None, 0.0, None, 1e-4),
    ],
)
def test_the_threshold_follows_what_matters(
    upper: float, natural: float | None, least: float, run: float | None, expected: float
) -> None:
    shares = None if natural is None else np.array([natural])
    found = negligible_weights(np.array([upper]), np.array([least]), natural=shares, run_tokens=run)
    np.testing.assert_allclose(found, [expected])


def test_a_domain_whose_weights_are_all_too_small_is_named() -> None:
    upper = np.array([1.0, 5e-6, 0.0])
    assert left_out(("a", "b", "c"), upper, np.array([1e-4, 1e-5, 1e-4])) == {"b": 5e-6}


def test_a_small_domain_keeps_its_share_and_natural_is_natural() -> None:
    made = study()
    problem = made.problem
    total = sum(TOKENS.values())
    anchors = problem.anchors()
    assert anchors["natural"] == pytest.approx({name: tokens / total for name, tokens in TOKENS.items()}, rel=1e-12)
    assert problem.allows("natural")
    assert anchors["uniform"]["glossary"] == 6e-5
    points = problem.space.snap(problem.space.sobol(64, seed=0))
    assert (points[:, 1] > 0).mean() > 0.8
    assert problem.space.contains(points, tolerance=0.0).all()


@pytest.mark.parametrize("share", [1e-7, 1e-6, 3e-5, 9e-5, 2e-4])
def test_natural_is_natural_whatever_the_share(share: float) -> None:
    tokens = {"web": 7e11, "code": 3e11 - 1e12 * share, "small": 1e12 * share}
    domains = {name: DomainSpec(tokens=count) for name, count in tokens.items()}
    problem = Study(domains, ["loss"], target=TargetSpec(8e11, 1.0)).problem
    assert problem.anchors()["natural"]["small"] == pytest.approx(share, rel=1e-9)


def test_nothing_changes_where_nothing_is_small() -> None:
    space = MixtureSpace(["a", "b", "c"], upper={"c": 0.3}, at_least={"b": 0.1})
    assert set(space.negligible) == {1e-4}
    points = np.array([[0.99995, 0.0, 0.00005], [0.5, 0.4999, 0.0001]])
    np.testing.assert_array_equal(space.snap(points), space.snap(points, threshold=1e-4))


def test_an_at_least_below_the_threshold_is_kept() -> None:
    space = MixtureSpace(["a", "b"], at_least={"b": 5e-5})
    np.testing.assert_allclose(space.snap(np.array([[1 - 6e-5, 6e-5], [1 - 1e-5, 1e-5]]))[:, 1], [6e-5, 0.0])


def test_parts_of_a_space_keep_its_thresholds() -> None:
    space = MixtureSpace([f"d{n:02d}" for n in range(40)], negligible={"d00": 1e-6})
    made = Study(space.domains, ["loss"])
    made.add(dict.fromkeys(space.domains, 1 / 40), {"loss": 1.0})
    assert explored(space, made.history).negligible == space.negligible


def test_the_threshold_is_stated_in_the_study(tmp_path: Path) -> None:
    rows = "".join(f"  {name}: {{tokens: {tokens:.0f}}}\n" for name, tokens in TOKENS.items())
    (tmp_path / "study.yaml").write_text(f"domains:\n{rows}target: {{tokens: 1T, max_epochs: 1}}\nmetrics: [x]\n")
    shown = CliRunner().invoke(check, [str(tmp_path)]).output
    row = next(line for line in shown.splitlines() if "glossary" in line)
    assert "5.5e-05" in row
    assert "6e-05" in row
    assert "5e-06" in row
    kept = json.loads((tmp_path / "resolved.json").read_text())
    assert kept["spec"]["negligible"] == 1e-4
    assert kept["space"]["glossary"]["negligible"] == pytest.approx(6e-6 * 60e6 / 1.10006e12 / 6e-5)


def test_a_domain_that_no_sequence_fits_in_is_said_to_be_left_out(tmp_path: Path) -> None:
    text = "domains: {web: {tokens: 1T}, note: {tokens: 400}}\ntarget: {tokens: 20M, max_epochs: 1}\nmetrics: [x]\n"
    (tmp_path / "study.yaml").write_text(text)
    shown = CliRunner().invoke(check, [str(tmp_path)]).output
    assert "domain 'note' is left out of all mixtures but the natural one: its largest weight 2e-05" in shown
    (tmp_path / "study.yaml").write_text(text.replace("400", "40000"))
    assert "left out" not in CliRunner().invoke(check, [str(tmp_path)]).output


@pytest.mark.parametrize("value", ["-0.1", "1", "2"])
def test_a_threshold_that_is_no_weight_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "study.yaml").write_text(f"domains: {{a: {{}}}}\nmetrics: [x]\nnegligible: {value}\n")
    with pytest.raises(FaultsError, match="negligible"):
        Study.open(tmp_path)
