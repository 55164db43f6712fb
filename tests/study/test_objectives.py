"""Every kind of objective carries a study from its first ask to its summary."""

from __future__ import annotations

import numpy as np
import pytest

from bomix import Study
from bomix.cli.summary import show_summary
from bomix.config.sections import MetricSpec
from bomix.errors import FitError
from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Excess, Guardrail, SmoothMax, Worst
from bomix.objectives.weighted import Groups, WeightedMean
from bomix.recommendation.confirmation import compare
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study.confirmation import confirming_trials
from bomix.surrogates.gp.spec import GP

DOMAINS = ("books", "code", "web")
QUICK = Bayesian(surrogate=GP(draws=0, restarts=1), n_init=5, raw=64, starts=3)

OBJECTIVES = {
    "worst": Worst(("books", "code")),
    "smooth_max": SmoothMax(("books", "code")),
    "excess": Excess(),
    "excess of a mapping": Excess(reference={"books": 2.5, "code": 2.6, "score": 0.3}),
    "guardrail": Guardrail(reference="uniform", base=WeightedMean({"books": 1.0}), margin=0.01),
    "groups": Groups({"text": ("books", "code"), "tasks": ("score",)}),
    "pareto": Pareto({"text": ("books",), "rest": ("code", "score")}),
}


def measure(weights):
    """Two losses that fall with their own domain, and an accuracy that rises with the web."""
    noise = 0.002 * np.sin(1e4 * weights["books"] + 1e3 * weights["code"])
    return {
        "books": 2.0 + np.exp(-4.0 * weights["books"]) + noise,
        "code": 2.2 + np.exp(-3.0 * weights["code"]) - noise,
        "score": 0.2 + 0.3 * np.sqrt(weights["web"]) + noise,
    }


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=list(OBJECTIVES))
def test_asks_predicts_recommends_confirms_and_sums_up(objective, capsys):
    metrics = {"books": MetricSpec(), "code": MetricSpec(), "score": MetricSpec("1", "max")}
    study = Study(DOMAINS, metrics, objective=objective, strategy=QUICK)
    for _ in range(7):
        trial = study.ask()
        study.tell(trial, measure(trial.weights))
    origins = [record.trial.origin for record in study.history.records]
    compares = isinstance(objective, Excess | Guardrail) and objective.needs_reference() == "uniform"
    assert origins[-2:] == ["uniform" if compares else "log_ei", "log_ei"]
    problem = study.problem
    values = [problem.value(record.result.losses) for record in study.history.records]
    assert np.isfinite(values).all()
    if isinstance(objective, Excess) and objective.needs_reference() == "uniform":
        assert values[0] == pytest.approx(0.0)

    best = study.recommend()
    assert np.isfinite([best.loss, *best.interval, best.margins["uniform"].mean]).all()
    predicted = study.predict([best.weights])
    # Of a noisy run: where the objective bends upwards, noise raises its mean.
    assert predicted["objective_mean"].item() >= best.loss - 0.002
    scores = study.validate()
    assert np.isfinite(scores["objective_observed"]).all()
    assert np.isfinite(scores["objective_spearman"].item())

    if not isinstance(objective, Guardrail | Pareto):
        return
    for record in confirming_trials(study.records, 2):
        study.tell(record.trial, measure(record.trial.weights))
    # Confirmations move no reference.
    assert study.problem.value(measure(best.weights)) == problem.value(measure(best.weights))
    (comparison,) = compare(study.problem, study.history, best.weights)
    assert np.isfinite(comparison.mean)
    show_summary(study, best)
    assert "objective" in capsys.readouterr().out


def test_a_reference_that_is_missing_is_measured_first_and_the_design_goes_on_meanwhile():
    strategy = Bayesian(surrogate=GP(draws=0), n_init=0, design=Sobol(anchors=False))
    study = Study(DOMAINS, DOMAINS, objective=Excess(), strategy=strategy)
    rng = np.random.default_rng(0)
    for weights in rng.dirichlet(np.ones(3), size=4):
        mixture = dict(zip(DOMAINS, weights.tolist(), strict=True))
        study.add(mixture, dict.fromkeys(DOMAINS, float(2.0 + weights @ weights)))
    assert [study.ask().origin, study.ask().origin] == ["uniform", "sobol"]
    with pytest.raises(FitError, match="uniform mixture"):
        study.recommend()
    study.add(dict.fromkeys(DOMAINS, 1 / 3), dict.fromkeys(DOMAINS, 2.4))
    assert study.ask().origin == "log_ei"
    assert np.isfinite(study.recommend().loss)
