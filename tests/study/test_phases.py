"""Studies of two phases, from the file to the export: what they ask, learn, recommend, show and hand over."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bomix
from bomix.cli import phases as tables
from bomix.dataset import columns_of
from bomix.errors import FaultsError
from bomix.evaluators.command import Command
from bomix.io.exports import phased as exports
from bomix.io.exports.mixture import TargetRun
from bomix.io.exports.sources import DomainData
from bomix.io.exports.torchdata import Torchdata
from bomix.io.imports import phased as imports
from bomix.io.store.phased import by_column, of_run
from bomix.posterior.predict import Estimate
from bomix.recommendation.phases import Order
from bomix.recommendation.recommend import Recommendation
from bomix.report import phases as report
from bomix.study.phases import phased
from bomix.study.study import Study
from bomix.trial import Trial
from tests.cli.called import called

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "phases"
QUICK = {"kind": "bayesian", "surrogate": {"kind": "gp", "draws": 0, "restarts": 1}, "n_init": 4}
PAIR_OF_THREE = {
    "pretrain": {"code": 0.5, "maths": 0.0, "web": 0.5},
    "anneal": {"code": 0.4, "maths": 0.2, "web": 0.4},
}
PAIR = {"pretrain": {"code": 0.2, "web": 0.8}, "anneal": {"code": 0.9, "web": 0.1}}


def loss(phases, weights, *, matters):
    """A bowl of the mixture of the whole run, and, where order matters, the more code the better at the end."""
    whole, last = phases.aggregate(weights), phases.split(weights)["anneal"]
    return 2.0 + (whole["code"] - 0.4) ** 2 - (0.2 * (last["code"] - whole["code"]) if matters else 0.0)


def searched(*, matters, trials=9):
    study = bomix.Study(["code", "web"], ["loss"], phases={"anneal": 0.2}, strategy=QUICK, seed=1)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, loss(study.problem.phases, trial.weights, matters=matters))
    return study


@pytest.fixture(scope="module")
def studies():
    return {matters: searched(matters=matters) for matters in (False, True)}


def test_a_pair_is_recommended_only_where_its_gain_is_credible(studies):
    for matters, study in studies.items():
        best, phases = study.recommend(), study.problem.phases
        order = best.order
        assert isinstance(order, Order)
        assert order.credible is matters
        assert phases.is_tied(best.weights) is not matters
        assert order.tied["code"] == pytest.approx(0.4, abs=0.1)
        passes = replace(best, epochs={"code": 1.5, "web": 2.0}).to_pandas()["epochs"]
        assert passes.sum() == pytest.approx(3.5)  # a row per phase and domain has those of the phase
        true = loss(phases, phases.tied(order.tied), matters=matters)
        true -= loss(phases, phases.joint(order.pair), matters=matters)
        low, high = order.gain.interval
        assert low <= true <= high
        (said,) = report.order_sentences(order)
        assert ("it is recommended" in said) is matters
        study.problem.space.check(best.weights, tolerance=1e-9)


def test_every_other_ask_is_of_one_mixture_for_both(studies):
    study = studies[True]
    records = [each for each in study.history.records if each.trial.origin == "log_ei"]
    tied = [study.problem.phases.is_tied(each.trial.weights) for each in records]
    assert all(tied[at] for at, each in enumerate(records) if each.trial.id % 2 == 0)
    assert not all(tied)


def test_a_gain_that_may_be_nothing_is_no_claim():
    phases = bomix.Study(["a", "b"], ["loss"], phases={"x": 0.5}).problem.phases
    order = Order(phases, {}, {"pretrain": {"a": 1.0}, "x": {"b": 1.0}}, Estimate(0.01, 0.02))
    assert not order.credible
    assert "may be nothing" in report.order_sentences(order)[0]
    assert report.order_sentences(None) == []


def test_runs_of_one_mixture_are_tied_and_pairs_are_given_by_phase(studies):
    study = bomix.Study(["code", "web"], ["loss"], phases={"anneal": 0.2})
    phases = study.problem.phases
    one = study.add({"code": 0.3, "web": 0.7}, {"loss": 2.0}).trial.weights
    two = study.add(PAIR, {"loss": 2.1}).trial.weights
    again = study.add(phases.joint(PAIR), {"loss": 2.2}).trial.weights
    assert phases.is_tied(one)
    assert two == pytest.approx(again)
    assert phases.aggregate(two)["code"] == pytest.approx(0.34)
    assert study.predict([{"code": 0.3, "web": 0.7}, PAIR]).sizes["candidate"] == 2
    with pytest.raises(FaultsError, match=r"phase 'anneal' has 0\.5 of the tokens"):
        study.add({"anneal:code": 0.5, "anneal:web": 0.0, "pretrain:code": 0.5, "pretrain:web": 0.0}, {"loss": 2.0})
    with pytest.raises(FaultsError, match="pretrain:web"):
        study.add({"code": 1.0}, {"loss": 2.0})


def test_the_dataset_has_whole_runs_and_the_mixture_of_each_phase():
    study = bomix.Study(["code", "web"], ["loss"], phases={"anneal": 0.2})
    trial = study.ask()
    told = {"losses": {"loss": 2.0}, "realized": PAIR, "epochs": {"pretrain": {"code": 1.0}, "anneal": {"code": 0.5}}}
    study.tell(trial, told)
    data = study.dataset
    assert data.weights.sel(trial=0, domain="code").item() == pytest.approx(0.5)
    assert data.weights_realized.sel(trial=0, domain="code").item() == pytest.approx(0.34)
    realized = data.phase_weights_realized.sel(trial=0, phase="anneal")
    assert realized.sel(domain="code").item() == pytest.approx(0.9)
    assert data.epochs.sel(trial=0, domain="code").item() == pytest.approx(1.5)
    assert data.phase_share.values.tolist() == pytest.approx([0.8, 0.2])
    joint = study.problem.space.to_array(study.problem.phases.joint(PAIR))
    np.testing.assert_allclose(columns_of(data, realized=True)[0], joint)
    assert study.history.completed[0].result.realized == pytest.approx(study.problem.phases.joint(PAIR))


def test_forms_that_are_none_are_left_to_the_checks():
    phases = bomix.Study(["code", "web"], ["loss"], phases={"anneal": 0.2}).problem.phases
    assert by_column({"losses": {"loss": 1.0}, "realized": 3}, phases)["realized"] == 3
    assert of_run("mixture", phases) == "mixture"
    assert of_run({"pretrain": 1.0, "anneal": 2.0}, phases) == of_run({"pretrain": 1.0, "anneal": 2.0}, phases)


def test_a_command_gets_both_mixtures(tmp_path):
    phases = bomix.Study(["code", "web"], ["loss"], phases={"anneal": 0.2}).problem.phases
    script = (
        "import json, sys; first, last = (json.load(open(path)) for path in sys.argv[3:]);"
        "assert (first['phase'], last['phase'], last['share']) == ('pretrain', 'anneal', 0.2);"
        "json.dump({'losses': {'loss': last['weights']['code']}, 'realized': "
        "{each['phase']: each['weights'] for each in (first, last)}}, open(sys.argv[2], 'w'))"
    )
    argv = (sys.executable, "-c", script, "{mixture}", "{result}", "{mixture_first}", "{mixture_last}")
    trial = Trial(3, phases.joint(PAIR), 0, "sobol")
    result = Command(argv, ("loss",), phases=phases).evaluate(trial, tmp_path)
    assert result.losses["loss"] == pytest.approx(0.9)
    assert result.realized == pytest.approx(trial.weights)
    told = json.loads((tmp_path / "mixture.json").read_text())
    assert told["weights"] == pytest.approx({"code": 0.34, "web": 0.66})
    assert list(told["phases"]) == ["pretrain", "anneal"]
    assert told["phases"]["pretrain"] == {"share": 0.8, "weights": pytest.approx(PAIR["pretrain"])}
    with pytest.raises(FaultsError, match=r"\{mixture_first\} is known in a study of two phases alone"):
        Command(argv, ("loss",)).prepare(("code", "web"))


def test_the_problem_of_phases_is_made_from_that_of_one_mixture():
    tokens = {"domains": {"code": {"tokens": 1e9, "upper": 0.9}, "web": {"tokens": 9e9}}, "metrics": ["loss"]}
    study = bomix.Study(**tokens, target={"tokens": 10e9, "max_epochs": 2}, phases={"anneal": 0.1})
    problem, whole = study.problem, study.problem.whole
    assert phased(whole, study.spec).space == problem.space
    assert whole.natural == pytest.approx({"code": 0.1, "web": 0.9})
    assert problem.anchors()["natural"] == pytest.approx(problem.phases.tied(whole.anchors()["natural"]))
    assert problem.space.upper_array[0] == pytest.approx(0.09)  # nine tenths of the last phase
    assert problem.epochs(problem.phases.joint(PAIR))["code"] == pytest.approx(0.27 * 10)
    assert problem.domain_count == 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The example after six trials."""
    found = tmp_path_factory.mktemp("phases") / "study"
    shutil.copytree(EXAMPLE, found)
    text = (found / "study.yaml").read_text().replace("argv: [python,", f"argv: [{sys.executable},")
    text = text.replace("strategy: {kind: auto}", f"strategy: {json.dumps(QUICK)}")
    (found / "study.yaml").write_text(text.replace("trials: 12", "trials: 6"))
    code, said = called("optimize", found, "--quiet")
    assert code == 0, said
    return found


def test_the_example_is_checked_searched_and_shown(folder):
    code, said = called("check", folder)
    assert code == 0
    assert "40,000,000,000" in said  # tokens of the first phase
    assert "passes over maths" in said
    code, said = called("recommend", folder)
    assert code == 0
    assert "order of the phases: the best pair" in said
    assert "weights of the whole run (pretrain > anneal where they differ)" in said
    for record in Study.open(folder).history.completed:
        problem = Study.open(folder).problem
        problem.space.check(record.trial.weights, tolerance=1e-9)
        assert record.result.realized == pytest.approx(record.trial.weights)


def test_each_phase_is_exported_into_a_file_of_its_own(folder, tmp_path):
    study = Study.open(folder)
    pair = next(each.trial for each in study.history.completed if not study.problem.phases.is_tied(each.trial.weights))
    code, said = called("export", folder, "--format", "json", "--trial", str(pair.id), "--out", tmp_path)
    assert code == 0, said
    for phase, wanted in study.problem.phases.split(pair.weights).items():
        written = json.loads((tmp_path / f"mixture.{phase}.json").read_text())
        assert written == pytest.approx({name: share for name, share in wanted.items() if share > 1e-12}, abs=1e-6)
    assert "40B tokens" in said
    code, said = called("export", folder, "--format", "json", "--trial", str(pair.id))
    assert (code, "--phase pretrain or --phase anneal" in said) == (2, True)
    code, said = called("export", folder, "--format", "json", "--trial", str(pair.id), "--phase", exports.WHOLE)
    assert code == 0
    code, said = called("export", folder, "--format", "json", "--trial", str(pair.id), "--phase", "aneal")
    assert (code, "did you mean 'anneal'" in said) == (2, True)
    code, _ = called("export", folder, "--format", "json", "--trial", "0", "--out", tmp_path / "one.json")
    assert (code, (tmp_path / "one.json").exists()) == (0, True)  # the uniform mixture is tied


def test_the_second_run_of_a_trainer_reads_in_another_order_and_says_what_it_reads_again():
    """Of 1000 tokens of code the first run reads 160 of its 800: of what another order draws, 16 % was read then."""
    study = bomix.Study(["code", "web"], ["loss"], phases={"anneal": 0.2})
    data = dict.fromkeys(["code", "web"], DomainData(tokens=1000.0, tokens_per_document=10.0))
    run = TargetRun(tokens=1000.0, sequence_length=1, seed=7, data=data)
    weights = study.problem.phases.joint(PAIR)
    written = exports.write_phases(study.problem, weights, Torchdata(), run)
    assert [("SEED = 7" in first.export.text, own.seed) for first, own in written.values()] == [(True, 7), (False, 8)]
    assert not any("anew" in note for note in written["pretrain"][0].export.notes)
    told = written["anneal"][0].export.notes[-1]
    assert "begins every domain anew" in told
    assert "web 64 %, code 16 %;" in told
    (alone,) = exports.write_phases(study.problem, weights, Torchdata(), run, phase="anneal").values()
    assert alone == written["anneal"]


def test_a_trial_is_handed_over_with_both_mixtures_and_told_by_phase(folder, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(folder, copy)
    code, said = called("ask", copy, "--out", tmp_path / "asked", "--format", "tokens", "--tokens", "1000")
    assert code == 0, said
    asked = json.loads((tmp_path / "asked" / "6.json").read_text())
    tokens = json.loads((tmp_path / "asked" / "6.tokens.json").read_text())
    assert sum(asked["weights"].values()) == pytest.approx(1.0)
    assert asked["phases"]["anneal"]["tokens"] == tokens["anneal"]
    assert sum(tokens["pretrain"].values()) == pytest.approx(800, abs=1)
    assert sum(asked["tokens"].values()) == 1000
    drawn = {phase: own["weights"] for phase, own in asked["phases"].items()}
    result = {"losses": {"code": 2.0, "maths": 2.1, "web": 2.2}, "realized": drawn}
    (tmp_path / "asked" / "6.result.json").write_text(json.dumps(result))
    assert called("tell", copy, tmp_path / "asked")[0] == 0
    assert "1 told before" in called("tell", copy, tmp_path / "asked")[1]
    record = Study.open(copy).records.find(6)
    assert record.result.realized == pytest.approx(record.trial.weights)


def test_tables_of_one_mixture_and_of_two_are_imported(folder, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(folder, copy)
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("code,maths,web,losses.code,losses.maths,losses.web\n0.5,0.05,0.45,2.1,2.2,2.3\n")
    names = [f"{phase}:{name}" for phase in ("pretrain", "anneal") for name in ("code", "maths", "web")]
    two.write_text(f"{','.join(names)},losses.code,losses.maths,losses.web\n0.4,0,0.4,0.1,0.05,0.05,2.1,2.2,2.4\n")
    for table in (one, two, one):
        code, said = called("import", copy, "--weights", table)
        assert code == 0, said
    assert "1 already there" in said
    study = Study.open(copy)
    added = [each.trial.weights for each in study.history.records if each.trial.origin == "imported"]
    assert [study.problem.phases.is_tied(weights) for weights in added] == [True, False]
    assert imports.read_as(study.problem, ["weights.anneal:code"]) is study.problem


def test_the_page_speaks_of_whole_runs_and_says_what_order_is_worth(folder):
    code, said = called("report", folder)
    assert code == 0, said
    page = (folder / "report.html").read_text()
    assert "<h3>The phases</h3>" in page
    assert "pretrain (80 %)" in page
    study = Study.open(folder)
    assert ("each phase on a mixture of its own" in page) == study.recommend().order.credible
    problem = study.problem
    pair = problem.phases.joint(PAIR_OF_THREE)
    best = Recommendation(pair, Estimate(2.0, 0.1), {}, ranges=dict.fromkeys(pair, (0.1, 0.2)))
    seen = report.of_whole_run(best, problem.phases)
    assert seen.weights == pytest.approx({"code": 0.48, "maths": 0.04, "web": 0.48})
    assert seen.ranges == {}  # the ends of both phases at once need not be nearly as good
    assert tables.phase_weights(problem, problem.phases, {"best": pair}).row_count == 3
