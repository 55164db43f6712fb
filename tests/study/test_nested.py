"""Studies with closed nodes: as a study of the nodes, whatever the strategy; the record has all domains."""

from __future__ import annotations

import math

import pytest

import bomix
from bomix.errors import StudyError
from bomix.study import nested
from bomix.study.confirmation import confirming_trials
from bomix.study.reporting import findings
from bomix.trial import Result

pytestmark = pytest.mark.usefixtures("short_chains")

TOKENS = {"code/a": 2e9, "code/b": 6e9, "web/h": 10e9, "web/l": 30e9, "wiki": 2e9}
SUMS = {"code": 8e9, "web": 40e9, "wiki": 2e9}
TREE = {"code": {"inside": "natural"}, "web": {"inside": "natural"}}
TARGET = bomix.TargetSpec(tokens=20e9)


def domains(tokens):
    return {name: bomix.DomainSpec(tokens=count) for name, count in tokens.items()}


def losses(weights):
    """Two losses of the sums, and a little of what is inside."""
    sums = {node: sum(w for name, w in weights.items() if name.partition("/")[0] == node) for node in SUMS}
    own = weights.get("web/h", 0.25 * sums["web"])
    return {
        "code": 3.0 - math.sqrt(sums["code"] + 0.01) - 0.2 * math.sqrt(own + 0.01),
        "web": 3.0 - 0.7 * math.sqrt(sums["web"] + 0.01) - 0.2 * math.sqrt(sums["wiki"] + 0.01),
    }


def study(tree=TREE, tokens=TOKENS, **options):
    return bomix.Study(domains(tokens), ["code", "web"], target=TARGET, tree=tree, seed=1, **options)


def grown(made, trials):
    for _ in range(trials):
        trial = made.ask()
        made.tell(trial, losses(trial.weights))
    return made


@pytest.fixture(scope="module")
def both():
    """A study of closed nodes and one of the nodes as plain domains, seven trials each."""
    return grown(study(), 7), grown(study({}, SUMS), 7)


def test_it_asks_and_recommends_what_a_study_of_the_nodes_does(both):
    closed, flat = both
    made = closed.problem.nested
    for one, other in zip(closed.history.records, flat.history.records, strict=True):
        assert one.trial.origin == other.trial.origin
        assert made.sums(one.trial.weights) == pytest.approx(dict(other.trial.weights), abs=1e-6)
        assert made.departure(one.trial.weights) < 1e-12
        closed.problem.space.check(one.trial.weights, tolerance=1e-9)
    best, plain = closed.recommend(), flat.recommend()
    assert made.sums(best.weights) == pytest.approx(dict(plain.weights), abs=1e-4)
    assert best.loss == pytest.approx(plain.loss, abs=1e-4)
    assert best.weights["web/l"] == pytest.approx(3.0 * best.weights["web/h"], rel=1e-9)
    assert best.epochs["web/l"] == pytest.approx(best.epochs["web/h"], rel=1e-9)
    assert best.ranges.keys() == TOKENS.keys()
    there = closed.predict([best.weights])["objective_mean"].item()
    assert there == pytest.approx(flat.predict([plain.weights])["objective_mean"].item(), abs=1e-4)


def test_every_strategy_keeps_the_shares():
    for strategy in ("turbo", "uniform", "natural", "law", "dirichlet"):
        made = study(strategy=strategy)
        for weights in [dict(r.trial.weights) for r in grown(made, 2).history.records]:
            assert made.problem.nested.departure(weights) < 1e-12, strategy


def test_anchors_confirmations_and_replicates_are_of_what_is_searched(both):
    closed, _ = both
    anchors = closed.problem.anchors()
    assert closed.problem.nested.sums(anchors["natural"]) == pytest.approx({"code": 0.16, "web": 0.8, "wiki": 0.04})
    assert closed.problem.nested.sums(anchors["uniform"]) == pytest.approx(dict.fromkeys(SUMS, 1 / 3))
    fresh = grown(study(), 3)
    confirming = [record.trial.weights for record in confirming_trials(fresh.records, 1)]
    assert confirming
    assert all(fresh.problem.nested.departure(weights) < 1e-12 for weights in confirming)
    again = study(replicates={"natural": 2})
    origins = [grown(again, 1).history.records[-1].trial.origin for _ in range(4)]
    assert origins.count("natural") == 2


def test_caps_hold_for_every_domain_of_a_node():
    tokens = {**TOKENS, "code/a": 1e8}
    made = study({"code": {"inside": "uniform"}}, tokens)
    # Four passes over 1e8 of 20e9 tokens are 0.02 for each half of the code.
    assert made.problem.searched.space.upper[0] == pytest.approx(0.04)
    assert made.problem.searched.passes["code"] == pytest.approx(20e9 / 6.1e9)
    assert made.problem.searched.uncapped.upper[0] == 1.0


def test_runs_with_other_shares_are_kept_and_count_again_once_the_node_is_open(caplog):
    kept = {"code/a": 0.1, "code/b": 0.3, "web/h": 0.1, "web/l": 0.3, "wiki": 0.2}
    other = {"code/a": 0.1, "code/b": 0.3, "web/h": 0.3, "web/l": 0.1, "wiki": 0.2}
    made = study()
    made.add(kept, losses(kept))
    made.add(other, losses(other))
    _problem, history = made.records.searched()
    assert [record.trial.id for record in history.observations] == [0]
    assert (history.n_asked, history.next_id) == (0, 2)
    assert [record.trial.id for record in nested.others(made.problem, made.history)] == [1]
    assert "1 runs (trials 1) are not learnt from" in nested.sentences(made.problem, made.history)[1]
    assert made.predict([kept]).sizes["candidate"] == 1
    assert "are not learnt from while nodes are closed ('code', 'web')" in caplog.text
    opened = study({"code": {"inside": "natural"}})
    opened.records.add_all([(kept, losses(kept)), (other, losses(other))])
    assert len(opened.records.searched()[1].observations) == 2


def test_a_few_tokens_elsewhere_are_drawing_and_count_as_the_nodes_mixture():
    made = study()
    trial = made.ask()
    drawn = {**trial.weights, "web/h": trial.weights["web/h"] + 0.02, "web/l": trial.weights["web/l"] - 0.02}
    made.tell(trial, Result(losses(drawn), realized=drawn))
    (record,) = made.records.searched()[1].observations
    assert record.result.realized == pytest.approx(dict.fromkeys(SUMS, 1 / 3))


def test_where_no_run_keeps_the_shares_the_error_says_so():
    made = study()
    made.add({"code/a": 0.4, "code/b": 0.0, "web/h": 0.4, "web/l": 0.0, "wiki": 0.2}, {"code": 3.0, "web": 3.0})
    with pytest.raises(StudyError, match=r"of none can be learnt: .*'code', 'web'.*inside: free"):
        made.recommend()


def test_opening_a_node_keeps_its_runs_and_searches_inside_it(tmp_path, caplog):
    file = tmp_path / "study.yaml"
    text = "domains:\n" + "".join(f"  {name}: {{tokens: {count:.0f}}}\n" for name, count in TOKENS.items())
    text += "metrics: [code, web]\ntarget: {tokens: 20B}\nbudget: {trials: 8}\n"
    file.write_text(text + "tree: {code: {inside: natural}, web: {inside: natural}}\n")
    grown(bomix.Study.open(tmp_path), 5)
    file.write_text(text + "tree: {code: {inside: natural}, web: {inside: free}}\n")
    opened = bomix.Study.open(tmp_path)
    problem, history = opened.records.searched()
    assert "'web' is free inside, and was natural" in caplog.text
    assert problem.space.domains == ("code", "web/h", "web/l", "wiki")
    assert len(history.observations) == 5
    caplog.clear()
    trial = bomix.Study.open(tmp_path).ask()
    assert "tree has changed" not in caplog.text  # told once
    assert abs(trial.weights["web/l"] - 3.0 * trial.weights["web/h"]) > 1e-3
    assert trial.weights["code/b"] == pytest.approx(3.0 * trial.weights["code/a"], abs=1e-12)


def test_experts_are_those_of_nodes():
    made = study(strategy="mde")
    first = made.ask()
    assert first.origin == "expert"
    assert dict(first.weights) == {"code/a": 0.25, "code/b": 0.75, "web/h": 0.0, "web/l": 0.0, "wiki": 0.0}
    assert made.ask().weights["web/l"] == 0.75


def test_a_metric_whose_own_domain_is_inside_has_the_node_for_its_own():
    made = bomix.Study(
        domains(TOKENS), ["web/h", "python"], own={"python": "code/a"}, tree={"code": {"inside": "uniform"}}
    )
    assert made.problem.searched.own == {"python": "code"}
    whole = bomix.Study(domains(TOKENS), ["web/h", "python"], own={"python": "code"}, tree=TREE)
    assert whole.problem.searched.own == {"python": "code", "web/h": "web"}


def test_findings_are_those_of_nodes_and_a_recommendation_turns_both_ways(both):
    closed, _ = both
    best = closed.recommend()
    found = findings(closed.records, best=best, page=False)
    assert found.domains == ("code", "web", "wiki")
    assert found.inside["web"] == pytest.approx({"web/h": 0.25, "web/l": 0.75})
    assert found.best.weights == pytest.approx(closed.problem.nested.sums(best.weights))
    back = nested.recommended(closed.problem, found.best)
    assert back.weights == pytest.approx(dict(best.weights), abs=1e-12)
    assert back.ranges["web/l"] == pytest.approx(best.ranges["web/l"], abs=1e-12)
