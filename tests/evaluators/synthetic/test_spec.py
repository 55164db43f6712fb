from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bomix.config.build import build, plain
from bomix.errors import ConfigError, FaultsError
from bomix.evaluators.synthetic.emulator_families import EMULATORS
from bomix.evaluators.synthetic.families import FAMILIES
from bomix.evaluators.synthetic.functions import ExponentialPower
from bomix.evaluators.synthetic.laws import LAW_FAMILIES
from bomix.evaluators.synthetic.observed import group_means, numbered
from bomix.evaluators.synthetic.optimum import gap, minimum
from bomix.evaluators.synthetic.scores import scores
from bomix.evaluators.synthetic.spec import SKEWED, Synthetic
from bomix.evaluators.synthetic.tasks import Tasks, tasks
from bomix.laws import formulas
from bomix.trial import Trial

CONVEX = [family for family in FAMILIES if family not in ("basins", "scores")]
SPECS = [
    *(Synthetic(family=family, useless=0 if family == "dolma" else 3, seed=1) for family in FAMILIES),
    *(Synthetic(family=family) for family in EMULATORS),
    Synthetic(domains=20, useless=8, seed=5),
    Synthetic(domains=5, tilt=0.6, seed=2),
]


def name_of(spec: Synthetic) -> str:
    return f"{spec.family}-{len(spec.domain_names)}-{spec.tilt:g}"


def inside(d: int, n: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(d, 2.0), n)


def trial(spec: Synthetic, weights: np.ndarray, *, number: int = 0, seed: int = 0) -> Trial:
    return Trial(number, dict(zip(spec.domain_names, weights.tolist(), strict=True)), seed, "test")


def test_the_formula_of_the_goals_on_a_point_computed_by_hand() -> None:
    law = ExponentialPower(
        np.array([2.0]), np.array([1.0]), np.array([[-2.0, 1.0]]), np.array([0.01]), np.array([1.0]), np.array([0])
    )
    assert law(np.array([0.5, 0.5])) == pytest.approx(2.0 + math.exp(-0.5) + 0.01 / 0.51)


def test_parameters_of_the_goals_lie_where_they_should() -> None:
    rng, d = np.random.default_rng(0), 28
    own = np.arange(20)
    law = FAMILIES["exponential_power"](rng, d, own)
    assert isinstance(law, ExponentialPower)
    of_own = law.t[own, own]
    others = np.delete(law.t, np.ravel_multi_index((own, own), law.t.shape))
    assert np.all((law.c >= 1.5) & (law.c <= 3.0) & (law.k >= 0.5) & (law.k <= 2.5))
    assert np.all((of_own <= -4.0) & (of_own >= -24.0))  # s = sqrt(28 / 7) = 2
    assert np.mean(others != 0.0) == pytest.approx(0.2, abs=0.06)
    assert others[others != 0.0].std() == pytest.approx(2.0, rel=0.2)
    assert np.all((law.a >= 0.004) & (law.a <= 0.03) & (law.b >= 0.6) & (law.b <= 1.0))


@pytest.mark.parametrize(("domains", "useless"), [(7, 3), (20, 8), (50, 20)])
def test_useless_domains_get_nothing_at_the_optimum_unless_they_help_others(domains: int, useless: int) -> None:
    spec = Synthetic(domains=domains, useless=round(SKEWED * domains), seed=7)
    assert spec.useless == useless
    assert len(spec.metrics) == domains - useless
    assert set(spec.metrics) < set(spec.domain_names)
    weights, value = spec.optimum()
    assert np.count_nonzero(weights == 0.0) >= useless // 2
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert spec.value(weights) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_slopes_agree_with_finite_differences(spec: Synthetic) -> None:
    d = len(spec.domain_names)
    for point in inside(d, 2):
        moves = 1e-6 * np.eye(d)
        numeric = (spec.value(point + moves) - spec.value(point - moves)) / 2e-6
        assert spec.gradient(point) == pytest.approx(numeric, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("domains", [2, 7, 20])
@pytest.mark.parametrize("family", CONVEX)
def test_the_gap_proves_the_optimum_to_1e_8(family: str, domains: int) -> None:
    fixed = family == "dolma"
    spec = Synthetic(family=family, domains=None if fixed else domains, useless=0 if fixed else domains // 3, seed=3)
    weights, _ = spec.optimum()
    assert spec.convex
    assert weights.min() >= 0.0
    assert gap(lambda points: (spec.value(points), spec.gradient(points)), weights) <= 1e-8


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_no_mixture_and_no_step_is_better_than_the_optimum(spec: Synthetic) -> None:
    d = len(spec.domain_names)
    weights, value = spec.optimum()
    rng = np.random.default_rng(1)
    far = np.concatenate([rng.dirichlet(np.full(d, strength), 2000) for strength in (0.1, 0.5, 2.0)])
    near = weights + rng.uniform(0.0, 0.1, (500, 1)) * (far[:500] - weights)
    assert spec.value(np.concatenate([far, near, np.eye(d)])).min() >= value - 1e-10


def test_several_optima_and_another_solver_finds_none_better() -> None:
    from scipy.optimize import minimize

    spec = Synthetic(family="basins", domains=5, seed=4)
    ends = []
    for start in np.random.default_rng(2).dirichlet(np.full(5, 0.5), 25):
        found = minimize(
            lambda x: (float(spec.value(x)), spec.gradient(x)),
            start,
            jac=True,
            bounds=[(0.0, 1.0)] * 5,
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1.0},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 300},
        )
        ends.append(found.fun)
    assert len(np.unique(np.round(ends, 4))) >= 3
    assert min(ends) == pytest.approx(spec.optimum()[1], abs=1e-7)
    assert not spec.convex


def test_the_solver_finds_the_projection_onto_the_simplex() -> None:
    from bomix.space.polytope import project

    target = np.array([0.9, 0.5, -0.3, 0.1])
    weights, _ = minimum(
        lambda points: (((points - target) ** 2).sum(axis=1), 2.0 * (points - target)), np.full(4, 0.25)
    )
    assert weights == pytest.approx(project(target, np.zeros(4), np.ones(4)), abs=1e-6)


def test_laws_are_those_of_the_core() -> None:
    import torch

    spec, point = Synthetic(family="effective_power", seed=1), inside(7, 3)
    law = LAW_FAMILIES["effective_power"](np.random.default_rng(0), 7, np.arange(7))
    named = {name: torch.as_tensor(value) for name, value in law.parameters.items()}  # type: ignore[attr-defined]
    assert law(point) == pytest.approx(formulas.effective_power(torch.as_tensor(point), **named).numpy())
    assert spec.losses(point).shape == (3, 7)


def test_losses_of_token_experts_are_cross_entropies() -> None:
    spec = Synthetic(family="token_experts", domains=3, useless=1, seed=2)
    sources, validation = spec.sources
    weights = np.array([0.2, 0.5, 0.3])
    expected = [-sum(q * math.log(weights @ sources[:, v]) for v, q in enumerate(row)) for row in validation]
    assert spec.losses(weights) == pytest.approx(expected)
    assert sources.sum(axis=1) == pytest.approx(1.0)
    assert validation.sum(axis=1) == pytest.approx(1.0)
    with pytest.raises(ConfigError, match="token_experts"):
        _ = Synthetic().sources


def test_the_cheaper_scale_has_another_optimum_on_the_same_domains() -> None:
    target = Synthetic(domains=10, useless=4, seed=3)
    cheap = replace(target, tilt=0.5)
    (best, value), (shifted, cheap_value) = target.optimum(), cheap.optimum()
    assert cheap.value(shifted) == pytest.approx(cheap_value, abs=1e-12)
    assert np.array_equal(best > 0.0, shifted > 0.0)
    assert target.regret(shifted) > 1e-3
    assert cheap_value > value
    points = inside(10, 200)
    ranks = [np.argsort(np.argsort(spec.value(points))) for spec in (target, cheap)]
    assert 0.3 < np.corrcoef(*ranks)[0, 1] < 0.999


@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_noise_has_the_variance_it_says(common: float) -> None:
    spec = Synthetic(domains=4, noise=0.01, common=common, seed=1)
    weights = np.full(4, 0.25)
    draws = np.array([spec.observe(weights, entropy=[9, i]) for i in range(4000)]) - spec.losses(weights)
    assert draws.mean(axis=1).std() == pytest.approx(0.01, rel=0.05)
    assert draws.mean() == pytest.approx(0.0, abs=5e-4)
    covariance = np.cov(draws.T)
    assert covariance[np.triu_indices(4, 1)] == pytest.approx(common * 1e-4, abs=1.5e-5)
    assert np.diag(covariance) == pytest.approx(common * 1e-4 + (1.0 - common) * 4e-4, rel=0.1)


@pytest.mark.parametrize(("share", "common"), [(0.3, 0.5), (0.85, 0.2)])
def test_noise_is_the_share_of_the_variance_that_it_says(share: float, common: float) -> None:
    spec = Synthetic(family="scores", domains=19, useless=2, seed=4, noise_share=share, common=common)
    mixtures = np.random.default_rng(5).dirichlet(np.ones(19), 3000)
    true = spec.losses(mixtures)
    seen = np.array([spec.observe(mixture, entropy=[9, row]) for row, mixture in enumerate(mixtures)])
    noise = seen - true
    assert noise.var(axis=0).sum() / seen.var(axis=0).sum() == pytest.approx(share, abs=0.02)
    assert noise.var(axis=0) == pytest.approx(noise.var(axis=0).mean(), rel=0.15)
    of_mean = noise.mean(axis=1).var()
    together = np.cov(noise.T)[np.triu_indices(17, 1)].mean()
    assert together / of_mean == pytest.approx(common, abs=0.05)
    assert Synthetic(seed=1, noise_share=0.0).observe(np.full(7, 1 / 7), entropy=[3]) == pytest.approx(
        Synthetic(seed=1).losses(np.full(7, 1 / 7))
    )


def test_a_score_depends_on_domains_that_all_share_and_on_few_of_its_own() -> None:
    found = scores(np.random.default_rng(0), 20, np.arange(17))
    depends = found.a != 0.0
    assert depends.all(axis=0).sum() == 5  # a quarter of the domains
    assert 1 <= (depends.sum(axis=1) - 5).max() <= 3
    assert found(np.full(20, 0.05)) == pytest.approx(found.top - found.span / (1.0 + np.exp(-found.b)))


def test_scores_are_shares_that_no_domain_gives_its_name() -> None:
    spec = Synthetic(family="scores", domains=19, useless=2, seed=2, noise_share=0.85)
    assert not set(spec.metrics) & set(spec.domain_names)
    assert len(spec.metrics) == 17
    mixtures = np.concatenate([np.eye(19), inside(19, 500)])
    assert 0.0 <= spec.losses(mixtures).min() <= spec.losses(mixtures).max() <= 1.0
    explained = []
    for seed in range(8):
        other = replace(spec, seed=seed)
        true = other.losses(np.random.default_rng(1).dirichlet(np.ones(19), 2000)).var(axis=0)
        explained += (true / (true + true.mean() * 0.85 / 0.15)).tolist()
    assert np.mean(explained) == pytest.approx(0.15, abs=0.02)
    assert np.quantile(explained, 0.1) < 0.03
    assert np.quantile(explained, 0.9) > 0.25


def test_noise_grows_to_the_vertices() -> None:
    spec = Synthetic(domains=5, vertex_noise=4.0)
    for weights, factor in ((np.full(5, 0.2), 1.0), (np.eye(5)[0], 4.0)):
        common, own = spec.noise_sds(weights)
        assert math.hypot(common, own / math.sqrt(5)) == pytest.approx(factor * 0.01)


def test_noise_belongs_to_the_trial_and_the_mixture(tmp_path: Path) -> None:
    spec = Synthetic(domains=3, seed=2)
    first, second = np.array([0.2, 0.3, 0.5]), np.array([0.2, 0.35, 0.45])
    assert spec.evaluate(trial(spec, first), tmp_path) == spec.evaluate(trial(spec, first, number=7), tmp_path)
    moved = first + np.array([1e-14, -1e-14, 0.0])
    assert spec.evaluate(trial(spec, moved), tmp_path).losses == pytest.approx(
        spec.evaluate(trial(spec, first), tmp_path).losses, abs=1e-10
    )
    noises = [
        [*spec.evaluate(trial(spec, weights, seed=seed), tmp_path).losses.values()] - spec.losses(weights)
        for weights, seed in ((first, 0), (first, 1), (second, 0))
    ]
    assert np.abs(noises[0] - noises[1]).min() > 1e-6
    assert np.abs(noises[0] - noises[2]).min() > 1e-6


def test_a_seed_is_a_function_and_other_options_do_not_change_it() -> None:
    points = inside(7)
    spec = Synthetic(seed=3)
    assert np.array_equal(spec.losses(points), pickle.loads(pickle.dumps(spec)).losses(points))
    assert np.array_equal(spec.losses(points), replace(spec, noise=0.5, common=0.1).losses(points))
    assert not np.allclose(spec.losses(points), replace(spec, seed=4).losses(points))


def test_named_domains_are_sorted_and_metrics_are_named_after_them(tmp_path: Path) -> None:
    spec = Synthetic(domains=("web", "books", "code"), useless=1)
    assert spec.domain_names == ("books", "code", "web")
    assert spec.problem(budget=9).space.domains == spec.domain_names
    assert spec.problem(budget=9).metric_names == spec.metrics
    result = spec.evaluate(trial(spec, np.full(3, 1 / 3)), tmp_path)
    assert tuple(result.losses) == spec.metrics


def test_a_study_runs_on_it_and_learns_its_metrics_from_it(tmp_path: Path) -> None:
    spec = Synthetic(domains=("web", "books", "code"), useless=1)
    assert tuple(metric.name for metric in spec.prepare(("code", "web", "books")).metrics) == spec.metrics
    with pytest.raises(FaultsError, match="books, code, web"):
        spec.prepare(("code", "web"))


@pytest.mark.parametrize("family", EMULATORS)
def test_the_best_known_mixture_of_an_emulator_is_found_by_no_other_solver_to_be_less(family: str) -> None:
    from scipy.optimize import minimize

    spec = Synthetic(family=family)
    ends = [
        minimize(
            lambda x: (float(spec.value(x)), spec.gradient(x)),
            start,
            jac=True,
            bounds=[(0.0, 1.0)] * 17,
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1.0},
            method="SLSQP",
            options={"ftol": 1e-11, "maxiter": 300},
        ).fun
        for start in np.random.default_rng(8).dirichlet(np.full(17, 0.5), 24)
    ]
    assert min(ends) >= spec.optimum()[1] - 1e-6
    assert min(ends) == pytest.approx(spec.optimum()[1], abs=1e-4)


def test_every_fault_is_told_at_once() -> None:
    spec = Synthetic(domains=3, useless=3, seed=-1, noise=-1.0, common=2.0, vertex_noise=-1.0, noise_share=1.0)
    wrong = {"useless", "seed", "noise", "noise_share", "common", "vertex_noise"}
    assert {fault.where for fault in spec.faults()} == wrong
    assert "did you mean 'steep'" in str(Synthetic(family="steeep").faults()[0])
    assert Synthetic(family="regmix_trees", domains=3).faults()[0].where == "domains"
    with pytest.raises(FaultsError, match="steeep"):
        Synthetic(family="steeep").losses(np.ones(7) / 7)


def test_a_study_file_holds_it() -> None:
    spec, faults = build(Synthetic, {"domains": ["a", "b"], "seed": 3, "family": "steep"})
    assert not faults
    assert spec == Synthetic(family="steep", domains=("a", "b"), seed=3)
    assert build(Synthetic, plain(spec)) == (spec, [])


@pytest.mark.parametrize(
    ("family", "least"),
    [("regmix", 0.97), ("regmix_interactions", 0.96), ("regmix_exponentials", 0.97), ("regmix_trees", 0.975)],
)
def test_an_emulator_predicts_runs_that_it_was_not_fitted_to(family: str, least: float) -> None:
    data = os.environ.get("BOMIX_DATA")
    if not data or not (Path(data) / "regmix").is_dir():
        pytest.skip("set BOMIX_DATA to the folder that holds regmix, github.com/sail-sg/regmix's folder data")
    import csv

    def table(name: str, prefix: str) -> tuple[list[str], np.ndarray]:
        with (Path(data) / "regmix" / name).open(encoding="utf-8") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: int(row["index"]))
        names = sorted(key for key in rows[0] if key.startswith(prefix))
        return names, np.array([[float(row[key]) for key in names] for row in rows])

    spec = Synthetic(family=family)
    names, weights = table("test_mixture_1m.csv", "train_the_pile_")
    metrics, losses = table("test_pile_loss_1m.csv", "metric/the_pile_")
    assert [name.removeprefix("train_the_pile_") for name in names] == [*spec.domain_names]
    assert [name.removeprefix("metric/the_pile_").removesuffix("_val_loss") for name in metrics] == [*spec.metrics]
    predicted = spec.value(weights / weights.sum(axis=1, keepdims=True))
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, losses.mean(axis=1))]
    assert np.corrcoef(*ranks)[0, 1] > least


def test_other_names_and_means_of_groups_are_views_of_the_same_function():
    named = Synthetic(domains=10, useless=4, seed=3)
    unnamed, groups, mean = (replace(named, **view) for view in ({"named": False}, {"groups": 3}, {"groups": 1}))
    points = inside(10)
    assert unnamed.metrics == numbered("m", 6) == ("m0", "m1", "m2", "m3", "m4", "m5")
    assert group_means(np.arange(6.0), 3).tolist() == [1.5, 2.5, 3.5]
    assert not {*unnamed.metrics} & {*unnamed.domain_names}
    assert np.array_equal(unnamed.losses(points), named.losses(points))
    assert groups.metrics == ("g0", "g1", "g2")
    assert np.allclose(groups.losses(points)[:, 1], named.losses(points)[:, [1, 4]].mean(axis=1))
    observed = named.observe(points[0], entropy=[7])
    assert np.allclose(mean.observe(points[0], entropy=[7]), observed.mean())
    for view in (unnamed, groups, mean):
        assert view.optimum()[1] == named.optimum()[1]
        assert np.allclose(view.regret(points), named.regret(points))
    assert [fault.where for fault in replace(named, groups=4).faults()] == ["groups"]
    assert [fault.where for fault in Synthetic(family="token_experts", groups=7).faults()] == ["groups"]


def test_half_of_the_tasks_fall_with_more_than_one_domain():
    function = Synthetic(family="tasks", domains=12, useless=2, seed=4)
    uniform = np.full(12, 1.0 / 12)
    assert isinstance(tasks(np.random.default_rng(0), 12, np.arange(12)), Tasks)
    slopes = np.array([(function.losses(uniform + step) - function.losses(uniform)) for step in 1e-6 * np.eye(12)])
    steep = (slopes < 0.2 * slopes.min(axis=0)).sum(axis=0)
    assert (steep > 1).sum() >= 3
    assert (steep == 1).sum() >= 3


@pytest.mark.parametrize("family", ["exponential_power", "additive"])
def test_a_trial_imports_nothing_that_could_be_imported_before_its_process_was_forked(family: str) -> None:
    code = (
        "import importlib, sys\n"
        "from pathlib import Path\n"
        "from bomix.contracts.evaluator import EvaluatorTraits\n"
        "from bomix.contracts.traits import traits\n"
        "from bomix.evaluators.synthetic.spec import Synthetic\n"
        "from bomix.trial import Trial\n"
        f"spec = Synthetic(family={family!r}, domains=3)\n"
        "for module in traits(spec, EvaluatorTraits).preload:\n"
        "    importlib.import_module(module)\n"
        "before = {*sys.modules}\n"
        "spec.evaluate(Trial(0, dict.fromkeys(spec.domain_names, 1 / 3), 0, 'test'), Path())\n"
        "print(sorted({*sys.modules} - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
