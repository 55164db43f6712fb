"""Acquisitions that lead a search astray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from botorch.acquisition.acquisition import AcquisitionFunction

from bomix.acquisition.improvement import Greedy, LogEI
from bomix.testing import AcquisitionBattery


class Altered(AcquisitionFunction):
    def __init__(self, inner, how, shift):
        super().__init__(inner.model)
        self.inner, self.how, self.shift = inner, how, shift

    def forward(self, X):
        values = self.inner(X) + self.shift
        match self.how:
            case "ranked":
                return values - values.mean()
            case "kinked":
                return values + 1e-3 * (X[..., 0, 0] - X[..., 0, 0].detach()).abs().sqrt()
            case "upside_down":
                return values.detach() - (values - values.detach())
        return values


@dataclass(frozen=True)
class Wrong(Greedy):
    how: str = ""
    origin: ClassVar[str] = "wrong"

    def build(self, model, aggregate, *, X_observed, X_pending, seed):
        options = {"X_observed": X_observed, "X_pending": X_pending, "seed": seed}
        if self.how == "all":
            return LogEI().build(model, aggregate, **options)
        inner = super().build(model, aggregate, **options)
        return Altered(inner, self.how, torch.rand(1).item() if self.how == "random" else 0.0)


@dataclass(frozen=True)
class Nameless(Wrong):
    origin: ClassVar[str] = ""


@dataclass(frozen=True)
class Misspelt(Wrong):
    also_front: ClassVar[bool] = True


WHOLE = ("test_each_mixture_by_itself_with_gradients_and_the_same_again",)


class TestRelativeToTheOthers(AcquisitionBattery):
    spec = Wrong("ranked")
    caught_by = WHOLE


class TestRandom(AcquisitionBattery):
    spec = Wrong("random")
    caught_by = WHOLE


class TestGradientWithoutAnEnd(AcquisitionBattery):
    spec = Wrong("kinked")
    caught_by = WHOLE


class TestGradientUpsideDown(AcquisitionBattery):
    spec = Wrong("upside_down")
    caught_by = WHOLE


class TestServesWhatItDoesNotDeclare(AcquisitionBattery):
    spec = Wrong("all")
    caught_by = WHOLE


class TestMisspelt(AcquisitionBattery):
    spec = Misspelt()
    caught_by = ("test_its_traits_are_spelt_and_typed_as_its_contract_says",)


class TestNameless(AcquisitionBattery):
    spec = Nameless()
    caught_by = ("test_it_says_what_it_is_called_and_what_it_needs",)
