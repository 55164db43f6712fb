"""The key ``tree``: every fault with its line and its cure."""

from __future__ import annotations

import pytest

import bomix
from bomix.config.spec import StudySpec
from bomix.config.tree_spec import NodeSpec, searched, tree_specs
from bomix.errors import FaultsError
from bomix.strategies.baselines.reweighted import DoReMi
from bomix.study.nested import nested_of
from bomix.study.study import Study

FILE = """\
domains:
  web/high: {tokens: 10B}
  web/low: {tokens: 30B}
  code/a: {}
  code/b: {}
  wiki: {}
metrics: [loss]
"""


def faults_of(folder, tree, domains=""):
    (folder / "study.yaml").write_text(FILE.replace("  wiki: {}\n", f"  wiki: {{}}\n{domains}") + f"tree:\n{tree}")
    with pytest.raises(FaultsError) as refused:
        _ = Study.open(folder).problem
    return str(refused.value)


@pytest.mark.parametrize(
    ("tree", "domains", "said"),
    [
        ("  wev: {inside: natural}\n", "", "tree.wev (line 9): unknown node 'wev'; did you mean 'web'?"),
        ("  web/high: {inside: natural}\n", "", "tree.web/high (line 9): 'web/high' is a domain, which has nothing"),
        ("  web: {inside: naturl}\n", "", "tree.web.inside (line 9)"),
        ("  web: {inside: free}\n", "  web//x: {}\n", "domains.web//x (line 7): 'web//x' has an empty part"),
        ("  web: {inside: free}\n", "  code: {}\n", "domains.code (line 7): it is a domain, and the node above"),
        ("  code: {inside: natural}\n", "", "tree.code.inside (line 9): natural shares are in proportion to tokens"),
    ],
)
def test_faults_name_the_line_and_the_cure(tmp_path, tree, domains, said):
    assert said in faults_of(tmp_path, tree, domains)


def test_a_node_below_a_closed_one_cannot_be_free(tmp_path):
    deeper = "  web/low/x: {tokens: 1B}\n  web/low/y: {tokens: 1B}\n".replace("web/low", "web/rest")
    said = faults_of(tmp_path, "  web: {inside: uniform}\n  web/rest: {inside: free}\n", deeper)
    assert "tree.web/rest.inside (line 12): the shares inside 'web', which is above it, are fixed" in said


def test_bounds_that_contradict_fixed_shares_are_faults_of_the_tree(tmp_path):
    (tmp_path / "study.yaml").write_text(
        FILE.replace("web/high: {tokens: 10B}", "web/high: {tokens: 10B, lower: 0.2}").replace(
            "30B}", "30B, upper: 0.3}"
        )
        + "tree: {web: {inside: natural}}\n"
    )
    with pytest.raises(FaultsError, match=r"tree.web.inside \(line 8\): .* takes 'web' to 0.8, .* keeps it to 0.4"):
        _ = Study.open(tmp_path).problem


def test_pools_and_runs_that_reweight_are_refused():
    domains = {"web/a": bomix.DomainSpec(), "web/b": bomix.DomainSpec()}
    with pytest.raises(FaultsError, match=r"tree: a pool names mixtures of all domains"):
        bomix.Study(domains, ["loss"], tree={"web": {"inside": "uniform"}}, strategy={"kind": "auto", "pool": "p.csv"})
    spec = StudySpec(domains, metrics=("loss",), strategy=DoReMi(), tree={"web": NodeSpec("uniform")})
    found, (fault,) = nested_of(spec, bomix.MixtureSpace(list(domains)), {}, None, None)
    assert found is None
    assert fault.what.startswith("runs that reweight the domains move the shares inside")


def test_a_program_hands_over_specs_or_keys():
    assert tree_specs({"web": {"inside": "natural"}, "code": NodeSpec()}) == {
        "web": NodeSpec("natural"),
        "code": NodeSpec("free"),
    }
    with pytest.raises(FaultsError, match=r"tree.web.insid: unknown key"):
        tree_specs({"web": {"insid": "natural"}})
    with pytest.raises(FaultsError, match="expected a mapping from nodes"):
        tree_specs([1])


def test_experts_of_the_budget_are_those_of_what_is_searched():
    names = ("web/a", "web/b", "wiki")
    assert searched(names, {"web": NodeSpec("uniform")}) == 2
    spec = StudySpec({name: bomix.DomainSpec() for name in names}, metrics=("loss",))
    assert spec.searched == 3


def test_a_constraint_takes_a_node_for_what_is_below_it():
    study = bomix.Study(["web/a", "web/b/c", "wiki"], ["loss"], constraints=[{"domains": ["web"], "at_most": 0.4}])
    assert dict(study.problem.space.constraints[0].coefficients) == {"web/a": 1.0, "web/b/c": 1.0}
