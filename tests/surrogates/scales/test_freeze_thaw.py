"""Many scales and checkpoints of trainings, learnt together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.errors import FitError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.cross_validation.held_out import new_runs
from bomix.surrogates.cross_validation.scores import spearman
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.freeze_thaw_spec import FreezeThaw
from bomix.surrogates.scales.spec import MultiScale
from bomix.surrogates.scales.thawed import Thawed
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import METRICS, D, M, data_of, small

QUICK = FreezeThaw(GP(draws=0, restarts=1))
N = 10**7
CHECKPOINTS = tuple(Scale(N, 10**7 * 4**step) for step in range(4))
X = mixtures(40, D, seed=11)[2:]


def curve(X: np.ndarray, scale: Scale) -> np.ndarray:
    """Losses that fall with a power of tokens, those of mixtures low in the third domain faster."""
    left = (scale.tokens / 10**7) ** -0.3
    return small(X) * (0.6 + 0.4 * left) + (1.0 - 0.4 * X[:, 2:3]) * left


def trainings(ends: int, *, noise: float = 0.0, seed: int = 0):
    """Checkpoints of 24 trainings, of which the first ``ends`` came to their end; noise is that of a training."""
    rng = np.random.default_rng(seed)
    Z = mixtures(26, D, seed=12)[2:]
    shared = noise * rng.normal(size=(24, M))
    parts, runs = [], []
    for number, scale in enumerate(CHECKPOINTS):
        keep = np.arange(24) < (ends if number == 3 else 24)
        own = 0.1 * noise * rng.normal(size=(24, M))
        parts.append((Z[keep], (curve(Z, scale) + shared + own)[keep], scale))
        runs += np.arange(24)[keep].tolist()
    data, context = data_of(parts, CHECKPOINTS[-1])
    return data, context, tuple(runs), shared


def test_curves_are_continued_to_the_end_that_no_training_has_come_to():
    data, context, runs, _ = trainings(0)
    model = QUICK.fit(data, context=replace(context, runs=runs), seed=0)
    truth = torch.as_tensor(curve(X, CHECKPOINTS[-1]))
    mean, covariance = model.moments(torch.as_tensor(X).unsqueeze(-2))
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    for metric in range(M):
        assert spearman(mean[:, 0, metric], truth[:, metric]) > 0.97
    assert ((mean.squeeze(-2) - truth).abs() <= 2.0 * sd).double().mean() > 0.9
    before = curve(X, CHECKPOINTS[2]).mean()
    assert abs(mean.mean() - truth.mean()) < 0.5 * abs(before - truth.mean()), "the level goes on falling"


def test_what_trainings_share_is_found_to_be_shared_and_no_function_of_the_mixture():
    data, context, runs, _ = trainings(24, noise=0.15)
    found = {}
    for name, given in (("told", runs), ("not told", ())):
        model = QUICK.fit(data, context=replace(context, runs=given), seed=0)
        model = getattr(model, "linked", model)
        mean, covariance = model.moments(torch.as_tensor(X).unsqueeze(-2))
        truth = torch.as_tensor(curve(X, CHECKPOINTS[-1]))
        z = (mean.squeeze(-2) - truth) / covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        told = {each.name: each.value for each in model.named_hyperparameters(METRICS)}
        found[name] = z.square().mean().item(), told["checkpoints"]
    # Four checkpoints of one training are no four runs: who counts them as such is too sure.
    assert found["told"][0] < found["not told"][0]
    assert found["told"][1] > 0.6


def test_scales_are_no_chain_so_that_any_order_of_runs_says_the_same():
    data, context, runs, _ = trainings(6)
    at = torch.as_tensor(X[:5]).unsqueeze(-2)
    model = QUICK.fit(data, context=replace(context, runs=runs), seed=0)
    order = np.random.default_rng(1).permutation(len(data.X))
    parts = [(data.X[[i]].numpy(), data.Y[[i]].numpy(), context.scales[i]) for i in order]
    again, names = data_of(parts, CHECKPOINTS[-1])
    other = QUICK.fit(again, context=replace(names, runs=tuple(runs[i] for i in order)), seed=0)
    torch.testing.assert_close(model.mean(at), other.mean(at), rtol=1e-4, atol=1e-4)


def test_the_belief_at_other_scales_and_between_them_is_one_gaussian():
    data, context, runs, _ = trainings(3)
    model = QUICK.fit(data, context=replace(context, runs=runs), seed=0)
    assert isinstance(model._linked, Thawed)
    Z = torch.as_tensor(X[:4])
    between = Scale(N, 10**8)
    levels = [model.at(scale).mean(Z).mean().item() for scale in (CHECKPOINTS[1], between, CHECKPOINTS[2])]
    assert levels[0] > levels[1] > levels[2]
    assert model.across(Z, Z, between).shape == (M * 4, M * 4)


def test_left_out_runs_are_left_out_with_their_other_checkpoints():
    data, context, runs, _ = trainings(5)
    model = QUICK.fit(data, context=replace(context, runs=runs), seed=0)
    held = model.leave_one_out()
    assert held.mean.shape == (len(data.X), M)
    assert held.mean.isfinite().all()
    assert torch.linalg.eigvalsh(held.covariance).min() > 0.0


def test_two_recipes_are_refused():
    Z = mixtures(4, D)
    data, context = data_of(
        [(Z, small(Z), Scale(N, 10**8)), (Z, small(Z), Scale(N, 10**8, "low-rate"))], Scale(N, 10**8)
    )
    with pytest.raises(FitError, match=r"freeze_thaw .*recipes .*multi_scale"):
        QUICK.fit(data, context=context, seed=0)


@pytest.mark.slow
def test_knowing_what_checkpoints_share_predicts_the_end_of_new_trainings_better():
    """Synthetic functions at three checkpoints; 48 trainings, 12 of them to their end; seeds 0-3.

    Run it with ``-s`` for the figures: rank of the mean of the losses, negative log density of it, coverage.
    """
    every = {"multi_scale": [], "freeze_thaw": [], "freeze_thaw, trainings told": []}
    for seed in range(4):
        data, context, runs, judged, truth, noisy = synthetic_checkpoints(seed)
        for name, scores in every.items():
            kind = MultiScale if name == "multi_scale" else FreezeThaw
            names = replace(context, runs=runs) if "told" in name else context
            model = kind(GP(draws=0, restarts=1)).fit(data, context=names, seed=0)
            scores.append(scores_of_the_mean(model, judged, truth, noisy))
    means = {name: np.mean(scores, axis=0) for name, scores in every.items()}
    for name, (rank, density, covered) in means.items():
        print(f"{name}: {100.0 * rank:.1f}; {density:.2f}, {100.0 * covered:.0f} %")
    told = means["freeze_thaw, trainings told"]
    assert told[0] > max(means["multi_scale"][0], means["freeze_thaw"][0])
    assert told[1] < min(means["multi_scale"][1], means["freeze_thaw"][1])


def synthetic_checkpoints(seed: int):
    """Runs of a function whose three scales are checkpoints, which share noise of a quarter of a spread."""
    target = Synthetic(family="exponential_power", seed=seed, agreement=0.95)
    d, metrics = len(target.domain_names), target.metrics
    rng = np.random.default_rng([seed, 62])
    Z, judged = rng.dirichlet(np.ones(d), 48), rng.dirichlet(np.ones(d), 300)
    truth = target.losses(judged)
    sd = truth.std(axis=0)
    shared = 0.25 * sd * rng.normal(size=(48, len(metrics)))
    X, Y, scales, runs = [], [], [], []
    for below, n in ((2, 48), (1, 48), (0, 12)):
        own = 0.05 * sd * rng.normal(size=shared.shape)
        X.append(Z[:n])
        Y.append((replace(target, below=below).losses(Z) + shared + own)[:n])
        scales += [Scale(N, 10**8 * 4 ** (2 - below))] * n
        runs += range(n)
    noisy = truth + 0.25 * sd * rng.normal(size=truth.shape)
    data = SupervisedDataset(
        torch.as_tensor(np.concatenate(X)),
        torch.as_tensor(np.concatenate(Y)),
        feature_names=list(target.domain_names),
        outcome_names=list(metrics),
    )
    space = MixtureSpace(target.domain_names)
    context = FitContext(space, metrics, tuple(range(len(scales))), scales=tuple(scales), target=scales[-1])
    return data, context, tuple(runs), judged, truth, noisy


def scores_of_the_mean(model, judged, truth, noisy) -> tuple[float, float, float]:
    """Rank correlation with the truth; negative log density, in spreads, and coverage of runs."""
    found = new_runs(model, torch.as_tensor(judged))
    mean = found.mean.mean(dim=-1).numpy()
    sd = found.covariance.mean(dim=(-2, -1)).sqrt().numpy()
    z = (noisy.mean(axis=1) - mean) / sd
    density = 0.5 * z**2 + np.log(sd / truth.mean(axis=1).std()) + 0.5 * np.log(2.0 * np.pi)
    rank = spearman(torch.as_tensor(mean), torch.as_tensor(truth.mean(axis=1)))
    return float(rank), float(density.mean()), float((abs(z) <= 1.96).mean())
