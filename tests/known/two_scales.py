"""A surrogate across two scales that is known beforehand: what it is told of runs changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.models.scales import MultiScaleModel
from tests.known.scales import LARGE, SMALL


class Bowl(JointModel):
    """Each metric least at its own place, with a covariance of its own."""

    def __init__(self, places, spread):
        super().__init__()
        self.places, self.spread = torch.as_tensor(places, dtype=torch.float64), spread

    @property
    def num_outputs(self):
        return len(self.places)

    def moments(self, X, noise=False):
        mean = (X.unsqueeze(-2) - self.places).square().sum(-1)
        return mean, self.spread**2 * self.kernel(X, X)

    def kernel(self, X, Z):
        """``batch x (m q) x (m p)``, metrics apart."""
        near = torch.exp(-torch.cdist(X, Z).square() / 0.1)
        return torch.kron(torch.eye(self.num_outputs, dtype=X.dtype), near)


class Linked(MultiScaleModel):
    """The target is ``slope`` times the small scale, and something of its own of size ``apart``."""

    def __init__(self, places, at_small, spread, apart, stretched=1.0):
        super().__init__()
        self.stretched = stretched
        self.small, self.own = Bowl(at_small, spread), Bowl(places, apart)
        self.slope, self.target, self.scales = 0.5, LARGE, (SMALL, LARGE)

    @property
    def num_outputs(self):
        return self.own.num_outputs

    def moments(self, X, noise=False):
        mean, covariance = self.own.moments(X)
        return mean, self.slope**2 * self.small.moments(X)[1] + covariance

    def at(self, scale):
        return self if scale == self.target else self.small

    def across(self, X, Z, scale):
        return self.stretched * self.slope * self.small.spread**2 * self.small.kernel(X, Z)


@dataclass(frozen=True)
class Known:
    """Returns a model that is known beforehand."""

    places: tuple = ((0.6, 0.2, 0.2),)
    at_small: tuple = ((0.2, 0.6, 0.2),)
    spread: float = 0.01
    apart: float = 0.01
    stretched: float = 1.0

    differentiable: ClassVar[bool] = True
    across_scales: ClassVar[bool] = True

    def fit(self, data, *, context, seed):
        return Linked(self.places, self.at_small, self.spread, self.apart, self.stretched)
