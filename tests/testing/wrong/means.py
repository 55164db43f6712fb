"""Means that mislead a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch

from bomix.contracts.mean import Feature
from bomix.errors import Fault
from bomix.testing import MeanBattery


def curve(X, *, shift=0.0, column=None):
    value = torch.exp(-X.square().sum(dim=-1, keepdim=True)) + shift
    if column is not None:
        value = value + X[..., column : column + 1]
    return value.expand(*X.shape[:-1], 2)


def rounded(X):
    return curve(X.detach())


def flat(X):
    return curve(X)[..., 0]


@dataclass(frozen=True)
class Wrong:
    slope: float = 0.1
    how: str = ""
    needs_experts: ClassVar[bool] = False

    def faults(self):
        return [Fault("slope", "is below zero")] if self.slope < 0.0 and self.how != "unchecked" else []

    def feature(self, data, *, context, seed):
        match self.how:
            case "flat":
                return Feature(flat)
            case "first":
                return Feature(partial(curve, column=0))
            case "few":
                return Feature(partial(curve, shift=data.Y.mean().item() if len(data.Y) < 2 else 0.0))
            case "random":
                return Feature(partial(curve, shift=torch.rand(1).item()))
            case "rounded":
                return Feature(rounded)
            case "careless":
                data.Y.add_(1.0)
            case "lambda":
                return Feature(lambda X: curve(X))
        return Feature(curve)


@dataclass(frozen=True)
class OfExperts(Wrong):
    needs_experts: ClassVar[bool] = True


class TestUncheckedSlope(MeanBattery):
    spec = Wrong(how="unchecked")
    caught_by = ("test_a_negative_slope_is_a_fault",)


class TestFlat(MeanBattery):
    spec = Wrong(how="flat")
    caught_by = ("test_shapes_are_those_of_the_weights",)


class TestTheFirstDomainIsAnother(MeanBattery):
    spec = Wrong(how="first")
    caught_by = ("test_the_order_of_the_domains_does_not_matter",)


class TestNoRunIsNoMean(MeanBattery):
    spec = Wrong(how="few")
    caught_by = ("test_few_runs_are_enough",)


class TestRandom(MeanBattery):
    spec = Wrong(how="random")
    caught_by = ("test_the_same_twice_and_after_pickling",)


class TestStaysHere(MeanBattery):
    spec = Wrong(how="lambda")
    caught_by = ("test_the_same_twice_and_after_pickling",)


class TestWithoutGradient(MeanBattery):
    spec = Wrong(how="rounded")
    caught_by = ("test_it_has_gradients_where_it_says_so_and_only_there",)


class TestCareless(MeanBattery):
    spec = Wrong(how="careless")
    caught_by = ("test_what_it_is_given_stays_as_it_is",)


class TestIgnoresTheExperts(MeanBattery):
    spec = OfExperts()
    caught_by = ("test_a_vertex_has_the_loss_of_its_expert",)
