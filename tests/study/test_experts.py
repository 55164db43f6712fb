"""Experts come before all other trials, cost budget where the study says so, and are found wherever the study lies."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bomix.acquisition.improvement import LogEI
from bomix.cli.main import cli
from bomix.config.budget import BudgetSpec
from bomix.config.expert_checks import need_experts
from bomix.config.sections import DomainSpec, ExpertsSpec
from bomix.contracts.preparation import Preparation
from bomix.errors import DataError, Fault, FaultsError, StudyError
from bomix.evaluators.proxy import Proxy
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.execution.local.spec import LocalExecution
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.posterior.belief import believe
from bomix.problem import Metric
from bomix.scale import Scale
from bomix.strategies.bayesian.search import acquisition_function
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.mde import MDE as MDEStrategy
from bomix.strategies.sequence import Sequence, Step
from bomix.study.running import train_experts
from bomix.study.study import Study
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means.averaged_parameters import MDEAverage
from bomix.surrogates.means.experts import MDE
from bomix.training.data.sources import Files
from bomix.trial import EXPERT, SCORED_TOKENS, Failure, Result, Trial

pytestmark = pytest.mark.usefixtures("short_chains")

TOKENS = Synthetic(family="token_experts", domains=3, noise=0.0)


@dataclasses.dataclass(frozen=True)
class Needing(Sobol):
    """A design that would not start without experts."""

    needs_experts = True


@dataclasses.dataclass(frozen=True)
class AtScale:
    """An evaluator whose runs have 10 parameters and 200 tokens, and which nobody runs: results are told."""

    metrics: tuple[str, ...]

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        return Preparation(tuple(map(Metric, self.metrics)), scale=Scale(10, 200))

    def scale_faults(self, scale: Scale) -> list[Fault]:
        return []

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        raise AssertionError("results are told")


def make(**fields: object) -> Study:
    defaults: dict[str, object] = {
        "domains": list(TOKENS.domain_names),
        "metrics": list(TOKENS.metrics),
        "evaluator": TOKENS,
        "strategy": Needing(),
        "budget": BudgetSpec(trials=5),
    }
    return Study(**{**defaults, **fields})  # type: ignore[arg-type]


def origins(study: Study) -> list[str]:
    return [record.trial.origin for record in study.history.records]


def test_a_need_is_found_however_deep_it_lies():
    assert not need_experts(Sequence((Step(Sobol(), 3), Step(Sobol()))))
    assert need_experts(Sequence((Step(Sobol(), 3), Step(Needing()))))
    assert need_experts({"a": (None, [Needing()])})
    assert not need_experts(Needing)


def test_experts_come_first_and_count():
    study = make()
    study.run()
    assert origins(study) == [EXPERT] * 3 + ["uniform", "sobol"]
    assert study.history.experts == {"d0": 0, "d1": 1, "d2": 2}
    assert study.problem.experts
    assert study.problem.budget == 2
    # The design is where it would be without them: they do not move its sequence.
    alone = make(strategy=Sobol(), budget=BudgetSpec(trials=2))
    alone.run()
    assert [r.trial.weights for r in study.history.asked] == [r.trial.weights for r in alone.history.asked]


def test_experts_need_not_count():
    study = make(experts=ExpertsSpec(counted=False), budget=BudgetSpec(trials=2))
    study.run()
    assert origins(study) == [EXPERT] * 3 + ["uniform", "sobol"]


def test_a_strategy_that_needs_none_gets_none():
    study = make(strategy=Sobol(), budget=BudgetSpec(trials=2))
    study.run()
    assert origins(study) == ["uniform", "sobol"]


def test_bounds_do_not_hold_for_experts():
    study = make(domains={name: DomainSpec(upper=0.5) for name in TOKENS.domain_names})
    study.run()
    assert [max(record.trial.weights.values()) for record in study.history.records[:3]] == [1.0] * 3
    assert all(max(record.trial.weights.values()) <= 0.5 + 1e-9 for record in study.history.asked)


def test_experts_run_side_by_side_and_the_strategy_waits_for_them():
    study = make(execution=LocalExecution(workers=4))
    study.run()
    assert origins(study)[:3] == [EXPERT] * 3
    by_hand = make()
    for _ in range(3):
        by_hand.ask()
    with pytest.raises(StudyError, match="experts of d0, d1, d2 are pending"):
        by_hand.ask()


def test_the_artifact_tells_what_the_expert_makes_of_every_token():
    study = make()
    train_experts(study.records)
    context = fit_context(study.problem, study.history)
    assert context.expert_rows == (True, True, True)
    for domain, trial in context.experts.items():
        artifact = scored_tokens.read(Path(context.artifacts[trial][SCORED_TOKENS]))
        measured = study.history.records[trial].result.losses
        assert {name: tokens.loss for name, tokens in artifact.sets.items()} == pytest.approx(measured, abs=3e-3)
        assert domain in artifact.sets


def test_experts_of_another_scale_inform_nothing_but_their_tokens(tmp_path: Path):
    study = make(evaluator=AtScale(TOKENS.metrics), metrics=(), experts=ExpertsSpec(tokens=50))
    folder = scored(tmp_path / "somewhere")
    trial = study.ask()
    assert (trial.origin, trial.scale) == (EXPERT, Scale(10, 50))
    study.tell(trial, Result(dict.fromkeys(TOKENS.metrics, 1.0), artifacts={SCORED_TOKENS: folder}))
    history = study.history
    assert history.experts == {"d0": 0}
    assert len(to_dataset(study.problem, history).X) == 0
    context = fit_context(study.problem, history)
    assert context.trials == context.scales == ()
    assert context.artifacts[0] == {SCORED_TOKENS: folder}
    same = make(evaluator=AtScale(TOKENS.metrics), metrics=(), experts=ExpertsSpec(tokens=200))
    same.tell(same.ask(), Result(dict.fromkeys(TOKENS.metrics, 1.0), artifacts={SCORED_TOKENS: folder}))
    assert fit_context(same.problem, same.history).scales == (Scale(10, 200),)


def test_experts_of_a_former_size_are_no_experts_of_the_size_that_is_asked_for_now(tmp_path: Path):
    def opened(**size: int) -> Study:
        given: dict[str, object] = {"evaluator": AtScale(TOKENS.metrics), "metrics": (), "path": tmp_path / "study"}
        return make(**given, experts=ExpertsSpec(**size))

    study = opened(tokens=50)
    folder = scored(tmp_path / "somewhere")
    study.tell(study.ask(), Result(dict.fromkeys(TOKENS.metrics, 1.0), artifacts={SCORED_TOKENS: folder}))
    said = r"experts of trials 0 are of 10 params x 50 tokens, and the study file asks for 10 params x 100 tokens"
    longer = opened(tokens=100)
    for refused in (longer.ask, longer.run, lambda: train_experts(longer.records)):
        with pytest.raises(StudyError, match=said):
            refused()
    assert len(longer.history) == 1  # nothing was asked for
    with pytest.raises(StudyError, match="asks for 10 params x 200 tokens"):
        opened().ask()
    again = opened(tokens=50)
    assert again.ask().scale == Scale(10, 50)
    with pytest.raises(StudyError, match="experts of trials 0, 1 are of"):  # pending ones are as those that came back
        longer.ask()
    # Where nothing needs experts, those that are there say nothing and keep nobody from asking.
    unneeded = make(
        evaluator=AtScale(TOKENS.metrics), metrics=(), path=tmp_path / "study", strategy=Sobol(), experts=ExpertsSpec()
    )
    assert unneeded.ask().origin == "uniform"


def test_experts_may_be_of_another_size():
    study = make(evaluator=AtScale(TOKENS.metrics), metrics=(), experts=ExpertsSpec(params=3))
    assert study.ask().scale == Scale(3, 200)
    with pytest.raises(FaultsError, match=r"experts\.params: the evaluator does not say how many parameters"):
        make(experts=ExpertsSpec(params=3)).ask()
    with pytest.raises(FaultsError, match=r"experts\.params: expected a positive number, found 0"):
        make(experts=ExpertsSpec(params=0))


def scored(
    folder: Path, *, tokenizer: str = "t", tokens: str = "same", metrics: tuple[str, ...] = TOKENS.metrics
) -> str:
    sets = {name: ScoredTokens(np.full(20, -2.0), np.array([0, 10, 20]), tokens) for name in metrics}
    scored_tokens.write(folder, sets, tokenizer=tokenizer)
    return str(folder)


def told(folder: str) -> Result:
    return Result(dict.fromkeys(TOKENS.metrics, 2.0), artifacts={SCORED_TOKENS: folder})


def test_an_expert_that_cannot_serve_is_refused_and_may_be_told_again(tmp_path: Path):
    study = make(evaluator=None)
    trial = study.ask()
    with pytest.raises(FaultsError, match=r"artifacts\.scored_tokens: missing"):
        study.tell(trial, Result(dict.fromkeys(TOKENS.metrics, 1.0)))
    with pytest.raises(FaultsError, match=r"holds no index\.json"):
        study.tell(trial, told(str(tmp_path)))
    with pytest.raises(FaultsError, match="holds no tokens of d1, d2"):
        study.tell(trial, told(scored(tmp_path / "few", metrics=("d0",))))
    study.tell(trial, told(scored(tmp_path / "first")))
    second = study.ask()
    with pytest.raises(FaultsError, match="of another tokenizer than the expert of 'd0'"):
        study.tell(second, told(scored(tmp_path / "other", tokenizer="other")))
    with pytest.raises(FaultsError, match="scores other tokens of d0, d1, d2 than the expert of 'd0'"):
        study.tell(second, told(scored(tmp_path / "else", tokens="else")))
    study.tell(second, told(scored(tmp_path / "second")))
    assert study.history.experts == {"d0": 0, "d1": 1}


def test_masks_are_booleans(tmp_path: Path):
    mask = np.array([0, 1] * 5, dtype=np.int64)
    found = ScoredTokens(np.full(10, -1.0), np.array([0, 10]), "t", scored=mask)
    scored_tokens.write(tmp_path / "a", {"d0": found}, tokenizer="t")
    with pytest.raises(DataError, match="'scored' holds int64, not booleans"):
        scored_tokens.read(tmp_path / "a")


def test_experts_that_failed_are_tried_again_when_asked():
    study = make(evaluator=None)
    for number in range(5):
        trial = study.ask()
        assert (trial.id, trial.weights["d0"]) == (number, 1.0)
        study.tell(trial, Failure("out of memory"))


def test_held_out_experts_prove_nothing():
    study = make(budget=BudgetSpec(trials=9), strategy=Bayesian(surrogate=GP(draws=0, mean=MDE()), n_init=6))
    study.run()
    found = study.validate()
    assert found["observed"].isnull().all("metric").values.tolist() == [True] * 3 + [False] * 6
    assert not study.validate(surrogate=GP(draws=0)).observed.isnull().any()


def test_wrong_fields_are_found_without_a_study_file():
    with pytest.raises(FaultsError, match=r"strategy\.surrogate\.mean\.slope: slope is -1"):
        make(strategy=Bayesian(surrogate=GP(mean=MDE(slope=-1.0))))
    with pytest.raises(FaultsError, match=r"strategy\.surrogate\.mean: MDE is a class; give one of its objects"):
        make(strategy=Bayesian(surrogate=GP(mean=MDE)))  # type: ignore[arg-type]


def test_models_are_kept_where_they_are_averaged():
    proxy = Proxy(tokens=4096)
    domains = {name: DomainSpec(source=Files(("*.txt",))) for name in ("a", "b")}
    strategy = MDEStrategy(mean=MDEAverage())
    with pytest.raises(FaultsError, match=r"evaluator\.save_model: the strategy averages"):
        Study(domains, evaluator=proxy, strategy=strategy)


def test_training_experts_changes_no_later_ask(tmp_path: Path):
    study = make(strategy=Bayesian(surrogate=GP(draws=0, restarts=1)), path=tmp_path, budget=BudgetSpec(trials=12))
    train_experts(study.records)
    reopened = Study.open(tmp_path)
    assert study.problem == reopened.problem
    asked = study.spec.strategy.ask(study.problem, study.history, 1, seed=0)
    assert asked == reopened.spec.strategy.ask(reopened.problem, reopened.history, 1, seed=0)
    # Nobody needs them here, so they take nothing of the budget either.
    assert study.problem.budget == 12
    assert study.spec.counted(study.history) == ()


def test_an_expert_outside_of_the_bounds_is_nothing_to_improve_on(tmp_path: Path):
    bounds = {name: DomainSpec(upper=0.5) for name in TOKENS.domain_names}
    study = make(
        domains=bounds, metrics=["d0"], evaluator=None, strategy=Bayesian(), experts=ExpertsSpec(train="always")
    )
    for _ in range(3):
        trial = study.ask()
        folder = scored(tmp_path / str(trial.id), metrics=("d0",))
        study.tell(trial, Result({"d0": 5.0 - trial.weights["d0"]}, artifacts={SCORED_TOKENS: folder}))
    for weights in ((0.5, 0.3, 0.2), (0.2, 0.5, 0.3), (0.4, 0.2, 0.4)):
        study.add(dict(zip(TOKENS.domain_names, weights, strict=True)), {"d0": 5.0 - weights[0]})
    belief = believe(study.problem, study.history, GP(draws=0, restarts=1), seed=0)
    function = acquisition_function(belief, LogEI(), 0)
    best = min(float(belief.mean(row.unsqueeze(0))) for row in belief.data.X if row.max() <= 0.5)
    assert -float(function.best_f) == pytest.approx(best)


def test_what_cannot_work_is_said_before_anything_is_trained():
    with pytest.raises(FaultsError, match="fewer than the experts of 3 domains, which count"):
        make(budget=BudgetSpec(trials=2))
    with pytest.raises(FaultsError, match="Synthetic keeps no probabilities of tokens"):
        make(evaluator=Synthetic(domains=3))
    with pytest.raises(FaultsError, match="which 'never' forbids"):
        make(experts=ExpertsSpec(train="never"))


def test_artifacts_are_found_where_the_study_was_moved_to(tmp_path: Path):
    study = make(path=tmp_path / "here")
    train_experts(study.records)
    shutil.move(tmp_path / "here", tmp_path / "there")
    history = Study.open(tmp_path / "there").history
    folder = Path(history.records[1].result.artifacts[SCORED_TOKENS])
    assert folder.is_relative_to(tmp_path / "there")
    assert scored_tokens.read(folder).sets.keys() == set(TOKENS.metrics)
    stored = json.loads((tmp_path / "there/trials/0001/outcome.json").read_text())
    assert str(tmp_path) not in json.dumps(stored)


STUDY = """
domains: {d0: {}, d1: {}, d2: {}}
evaluator: {kind: synthetic, family: token_experts, domains: 3}
strategy: {kind: sobol}
budget: {trials: 5}
"""


def test_the_command_trains_what_is_missing(tmp_path: Path):
    (tmp_path / "study.yaml").write_text(STUDY)
    first = CliRunner().invoke(cli, ["experts", str(tmp_path)])
    assert first.exit_code == 0, first.output
    assert first.stdout == "d0: trial 0\nd1: trial 1\nd2: trial 2\n"
    again = CliRunner().invoke(cli, ["experts", str(tmp_path)])
    assert again.stdout == first.stdout
    assert len(Study.open(tmp_path).history) == 3
    # Nothing in this study needs them: they are as runs that were imported.
    assert CliRunner().invoke(cli, ["optimize", "-q", "--trials", "2", str(tmp_path)]).exit_code == 0
    assert origins(Study.open(tmp_path)) == [EXPERT] * 3 + ["uniform", "sobol"]


def test_experts_may_be_all_that_is_trained():
    study = make(budget=BudgetSpec(trials=3))
    study.run()
    assert origins(study) == [EXPERT] * 3


def test_experts_of_another_scale_need_a_scale():
    with pytest.raises(FaultsError, match="does not say on how many tokens it trains"):
        make(experts=ExpertsSpec(tokens=1000)).ask()


def test_a_damaged_artifact_is_named(tmp_path: Path):
    study = make()
    train_experts(study.records)
    folder = Path(study.history.records[0].result.artifacts[SCORED_TOKENS])
    copied = tmp_path / "copy"
    shutil.copytree(folder, copied)
    assert scored_tokens.read(copied).key == scored_tokens.read(folder).key
    (copied / "0000.log_probabilities.npy").unlink()
    with pytest.raises(DataError, match="set 'd0' cannot be read"):
        scored_tokens.read(copied)
    (copied / "index.json").unlink()
    with pytest.raises(DataError, match=r"holds no index\.json; train the expert again"):
        scored_tokens.read(copied)
