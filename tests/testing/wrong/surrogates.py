"""Surrogates that mislead an acquisition function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.regression.specs import EmpiricalMean
from bomix.testing import SurrogateBattery


class Altered(JointModel):
    """A constant prediction, spoilt."""

    def __init__(self, inner, how, data, shift):
        super().__init__()
        self.inner, self.how, self.data, self.shift = inner, how, data, shift

    @property
    def num_outputs(self):
        return self.inner.num_outputs

    @property
    def batch_shape(self):
        return torch.Size()

    def moments(self, X, noise=False):
        mean, covariance = self.inner.moments(X, noise)
        mean = mean + self.shift
        match self.how:
            case "single":
                mean, covariance = mean.float(), covariance.float()
            case "asymmetric":
                covariance = covariance + 0.1 * covariance.triu(1) + 0.1
                covariance[..., 0, 1] += 1.0
            case "sure":
                mean, covariance = mean + 0.5, covariance * 1e-4
            case "quiet":
                covariance = covariance * (0.5 if noise else 1.0)
            case "first":
                mean = mean + X[..., :1]
            case "lost":
                mean, covariance = 0.0 * mean, covariance * 1e-2
            case "empty":
                mean = mean * (1.0 if len(self.data.X) > 3 else torch.nan)
            case "kinked":
                distance = (X.unsqueeze(-2) - self.data.X.double()).square().sum(-1).sqrt()
                mean = mean + distance.sum(-1, keepdim=True)
        return mean, covariance

    def subset_output(self, idcs):
        return super().subset_output(sorted(idcs) if self.how == "sorted" else idcs)

    def leave_one_out(self):
        if self.how != "unseen":
            return None
        n, m = self.data.Y.shape
        return HeldOut(self.data.Y.double(), torch.eye(m).double().expand(n, m, m))


@dataclass(frozen=True)
class Wrong:
    how: str = ""

    differentiable: ClassVar[Any] = False
    fantasizes: ClassVar[Any] = False

    def fit(self, data, *, context, seed):
        shift = 0.0
        if self.how == "random":
            shift = torch.rand(1).item()
        if self.how == "last" and len(data.Y):
            shift = (data.Y[-1] - data.Y[0]).nan_to_num()
        names = {"feature_names": data.feature_names, "outcome_names": data.outcome_names}
        inner = EmpiricalMean().fit(SupervisedDataset(data.X, data.Y, **names), context=context, seed=seed)
        return Altered(inner, self.how, data, shift)


@dataclass(frozen=True)
class Boasting(Wrong):
    differentiable: ClassVar[Any] = True
    fantasizes: ClassVar[Any] = True


@dataclass(frozen=True)
class Vague(Wrong):
    differentiable: ClassVar[Any] = "mostly"


class TestSinglePrecision(SurrogateBattery):
    spec = Wrong("single")
    caught_by = ("test_the_posterior_has_the_shape_of_the_points",)


class TestAsymmetric(SurrogateBattery):
    spec = Wrong("asymmetric")
    caught_by = ("test_the_joint_covariance_is_one",)


class TestTooSure(SurrogateBattery):
    spec = Wrong("sure")
    caught_by = ("test_it_says_how_little_it_knows",)


class TestSortedOutputs(SurrogateBattery):
    spec = Wrong("sorted")
    caught_by = ("test_outputs_can_be_chosen_and_are_put_in_order",)


class TestNoiseThatTakesAway(SurrogateBattery):
    spec = Wrong("quiet")
    caught_by = ("test_the_noise_of_a_run_adds_to_the_variance",)


class TestRandom(SurrogateBattery):
    spec = Wrong("random")
    caught_by = ("test_the_same_seed_gives_the_same_bits_and_no_global_generator_moves",)


class TestTheLastTrialCounts(SurrogateBattery):
    spec = Wrong("last")
    caught_by = ("test_the_order_of_the_trials_does_not_matter",)


class TestTheFirstDomainIsAnother(SurrogateBattery):
    spec = Wrong("first")
    caught_by = ("test_renaming_the_domains_permutes_the_columns",)


class TestNothingOfFew(SurrogateBattery):
    spec = Wrong("empty")
    caught_by = ("test_defined_whatever_the_trials",)


class TestGapsSpoilTheRest(SurrogateBattery):
    spec = Wrong("lost")
    caught_by = ("test_a_metric_of_its_own_does_not_need_the_others",)


class TestBoasting(SurrogateBattery):
    spec = Boasting()
    caught_by = (
        "test_gradients_are_those_of_finite_differences_on_faces_and_vertices",
        "test_fantasies_where_they_are_declared",
    )


class TestKinksAtTheTrials(SurrogateBattery):
    spec = Boasting("kinked")
    caught_by = ("test_gradients_are_finite_at_the_trials_themselves",)


class TestGapsInWhatItSaysOfItsTrials(SurrogateBattery):
    spec = Wrong("unseen")
    caught_by = ("test_what_it_says_of_its_own_trials_is_finite",)


@dataclass(frozen=True)
class Misspelt:
    """It says nothing of fantasies, and misspells the other word: no other test breaks on it."""

    differentiabel: ClassVar[Any] = True

    def fit(self, data, *, context, seed):
        return EmpiricalMean().fit(data, context=context, seed=seed)


class TestMisspelt(SurrogateBattery):
    spec = Misspelt()
    caught_by = ("test_its_traits_are_spelt_and_typed_as_its_contract_says",)


class TestVague(SurrogateBattery):
    spec = Vague()
    caught_by = (
        "test_it_declares_what_it_can_do",
        "test_its_traits_are_spelt_and_typed_as_its_contract_says",
    )
