"""A proxy that reweights, from study file to the mixture that is found, on a few kilobytes of text."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bomix.config.budget import BudgetSpec
from bomix.config.sections import DomainSpec, TargetSpec
from bomix.contracts.evaluator import ReweightingEvaluator
from bomix.errors import FaultsError
from bomix.evaluators.proxy import Proxy
from bomix.execution.local.spec import LocalExecution
from bomix.strategies.baselines.reweighted import DoReMi
from bomix.study import running
from bomix.study.study import Study
from bomix.training.data.sources import Files
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair
from bomix.training.model.decoder import Model
from bomix.training.optim import Optimization
from bomix.training.reweighting.steps import Guide
from bomix.training.tasks.sources import Questions
from bomix.trial import MODEL, Reweighting, Trial

WORDS = {
    "code": "def return import class self lambda",
    "noise": "zq xj vw kq jz qx",
    "prose": "the of and moon river quietly",
}
EVEN = dict.fromkeys(WORDS, 1 / 3)
TARGET = {"prose": 1.0}
RULES = {
    "doremi": {},
    "doge": {},
    "odm": {"form": "average"},
    "fastmix": {"every": 5, "rate": 0.05},
}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    root = tmp_path_factory.mktemp("text")
    rng = np.random.default_rng(0)
    for name, words in WORDS.items():
        (root / name).mkdir()
        for k in range(40):
            (root / name / f"{k:02d}.txt").write_text(f"{k} " + " ".join(rng.choice(words.split(), 60)))
    spec = Proxy(
        sources={name: Files(paths=(f"{name}/*.txt",)) for name in WORDS},
        tokenizer=BytePair(vocabulary=300),
        corpus=CorpusSpec(cache="cache", validation_share=0.3),
        model=Model(hidden=32, layers=1, heads=2),
        sequence_length=16,
        tokens=5_000,
        optimization=Optimization(rate=1e-2),
        device="cpu",
        dtype="fp32",
    ).relative_to(root)
    spec.prepare(tuple(WORDS))
    return spec


@pytest.fixture(scope="module")
def kept(proxy, tmp_path_factory):
    """The model of a reference run, which is kept though no other is."""
    folder = tmp_path_factory.mktemp("reference")
    result = proxy.evaluate(Trial(0, EVEN, 0, "reference"), folder)
    assert result.mixture is None
    assert not proxy.evaluate(Trial(0, EVEN, 0, "uniform"), folder / "other").artifacts
    return str(folder / result.artifacts[MODEL])


def how(kind, kept, **changes):
    rule = {"kind": kind, **RULES[kind], **changes}
    reference = {"reference": 0, "model": kept} if kind == "doremi" else {}
    return Reweighting(rule, target=TARGET if kind == "fastmix" or changes.get("target") else {}, **reference)


def test_it_is_a_reweighting_evaluator(proxy):
    assert isinstance(proxy, ReweightingEvaluator)


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in RULES), ("doge", {"target": True})])
def test_every_rule_finds_a_mixture_and_says_what_it_took(proxy, kept, kind, changes, tmp_path):
    trial = Trial(1, EVEN, 0, "reweighting", reweighting=how(kind, kept, **changes))
    assert proxy.reweighting_faults(trial.reweighting) == []
    result = proxy.evaluate(trial, tmp_path)
    assert sum(result.mixture.values()) == pytest.approx(1.0)
    assert result.mixture != pytest.approx(EVEN, abs=1e-3)
    # A sequence of each domain in every batch, and as many tokens as a run of one mixture, in whole steps.
    assert (result.info["batch_sequences"], result.info["steps"]) == (3, 104)
    assert result.info["tokens"] == 104 * 48 <= 5_000
    assert set(result.realized) == set(result.epochs) == set(WORDS)
    assert sum(result.realized.values()) == pytest.approx(1.0)
    if kind != "odm":
        assert result.realized == pytest.approx(EVEN)
    assert result.cost > 0
    plain = 6.0 * proxy.model.non_embedding_parameters() * result.info["tokens"]
    assert result.info["flops"] == pytest.approx(plain * result.info["flops_of_plain_run"])
    assert 1.0 <= result.info["flops_of_plain_run"] < 2.0
    course = result.info["course"]
    assert course["steps"][-1] == 104
    assert set(course["weights"]) == set(WORDS)
    if kind == "fastmix":
        assert [column[-1] for column in course["weights"].values()] == pytest.approx(
            [*result.mixture.values()], abs=1e-5
        )
    if TARGET == trial.reweighting.target == TARGET:
        assert max(result.mixture, key=result.mixture.get) == "prose"


def test_a_run_starts_with_the_weights_of_its_trial_and_a_domain_of_zero_takes_no_part(proxy, tmp_path):
    start = {"code": 0.25, "noise": 0.0, "prose": 0.75}
    trial = Trial(1, start, 0, "reweighting", reweighting=how("odm", None))
    result = proxy.evaluate(trial, tmp_path)
    assert result.info["batch_sequences"] == 2
    assert result.mixture["noise"] == result.realized["noise"] == result.epochs["noise"] == 0.0


def test_batches_are_as_large_as_is_asked_for(proxy):
    for given, expected in ((None, 3), (1, 1), (7, 7)):
        trial = Trial(1, EVEN, 0, "reweighting", reweighting=replace(how("odm", None), batch_sequences=given))
        run = proxy.run_of(trial)
        assert run.spec.batch_sequences == expected
        assert run.steps == proxy.steps // expected
        assert isinstance(run.guide, Guide)
    wide = replace(proxy, batch_sequences=8)
    assert wide.run_of(replace(trial, reweighting=how("odm", None))).spec.batch_sequences == 8
    assert proxy.run_of(replace(trial, reweighting=None)).guide is None


def test_runs_that_reweight_are_trained_by_themselves(proxy):
    plain = [Trial(at, EVEN, at, "uniform") for at in range(3)]
    guided = [Trial(at, EVEN, 0, "reweighting", reweighting=how("odm", None)) for at in (3, 4)]
    trials = [plain[0], guided[0], plain[1], guided[1], plain[2]]
    ids = [[trial.id for trial in group] for group in proxy.groups(trials, slots=1)]
    assert ids == [[0, 1, 2], [3], [4]]


@pytest.mark.parametrize(
    ("wrong", "where", "what"),
    [
        (Reweighting({"kind": "odmm"}), "rule.kind", "odm"),
        (Reweighting({"kind": "odm", "decay": 2.0}), "rule.decay", "below 1"),
        (Reweighting({"kind": "doremi"}), "reference", "none is named"),
        (Reweighting({"kind": "fastmix"}), "target", "none is named"),
        (Reweighting({"kind": "fastmix"}, target={"quiz": 1.0}), "target", "no text whose loss is 'quiz'"),
        (Reweighting({"kind": "odm"}, batch_sequences=500), "batch_sequences", "less than one step of 500 sequences"),
    ],
)
def test_what_it_cannot_do_is_a_fault(proxy, wrong, where, what):
    quiz = replace(proxy, validation={"quiz": Questions(paths=("quiz.jsonl",))})
    (fault,) = quiz.reweighting_faults(wrong)
    assert fault.where == where
    assert what in fault.what


def test_a_rule_that_is_none_is_not_trained(proxy, tmp_path):
    trial = Trial(1, EVEN, 0, "reweighting", reweighting=Reweighting({"kind": "odm", "decay": 2.0}))
    with pytest.raises(FaultsError, match=r"rule.decay"):
        proxy.evaluate(trial, tmp_path)


def made(proxy, folder: Path) -> Study:
    return Study(
        {name: DomainSpec(source=source) for name, source in proxy.sources.items()},
        path=folder,
        evaluator=replace(proxy, sources={}, tokens=24_000, batch_sequences=4),
        target=TargetSpec(tokens=9_000),
        strategy=DoReMi(),
        budget=BudgetSpec(trials=3),
        execution=LocalExecution(attempts=1),
    )


@pytest.mark.slow
def test_killed_while_it_reweights_it_ends_as_if_undisturbed(proxy, tmp_path):
    undisturbed = made(proxy, tmp_path / "undisturbed")
    running.run(undisturbed.records)
    running.run(made(proxy, tmp_path / "killed").records, trials=1)
    program = f"from bomix import Study; Study.open({str(tmp_path / 'killed')!r}).run(trials=3)"
    driver = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    attempts = tmp_path / "killed" / "trials" / "0001"
    while not any(attempts.glob("**/log*")) and driver.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    again = Study.open(tmp_path / "killed")
    assert again.history.records[1].status == "pending"
    running.run(again.records, trials=3)
    expected, found = undisturbed.history, again.history
    assert [record.trial for record in found.records] == [record.trial for record in expected.records]
    assert [record.trial.origin for record in found.records] == ["reference", "reweighting", "doremi"]
    assert found.records[1].result.mixture == expected.records[1].result.mixture
    assert [record.result.losses for record in found.records] == [record.result.losses for record in expected.records]
    assert found.records[1].result.losses != found.records[2].result.losses
    assert "model" in found.records[0].result.artifacts


def test_a_study_file_whose_objective_is_the_domains_own_losses_has_a_target(tmp_path):
    """The text of a domain stands in the study, and the evaluator has it only once it is made ready."""
    rng = np.random.default_rng(0)
    for name, words in {"code": "def return class", "prose": "moon river quietly"}.items():
        (tmp_path / name).mkdir()
        for k in range(40):
            (tmp_path / name / f"{k}.txt").write_text(f"{k} " + " ".join(rng.choice(words.split(), 60)))
    (tmp_path / "study.yaml").write_text(
        "domains:\n"
        "  code: {source: {kind: files, paths: ['code/*.txt']}}\n"
        "  prose: {source: {kind: files, paths: ['prose/*.txt']}}\n"
        "evaluator:\n"
        "  {kind: proxy, tokenizer: {kind: bpe, vocabulary: 300}, corpus: {cache: cache, validation_share: 0.3},\n"
        "   model: {hidden: 32, layers: 1, heads: 2}, sequence_length: 16, tokens: 3200, device: cpu}\n"
        "strategy: {kind: fastmix}\n"
    )
    study = Study.open(tmp_path)
    trial = study.ask()
    assert trial.origin == "reweighting"
    assert trial.reweighting.target == {"code": 0.5, "prose": 0.5}
