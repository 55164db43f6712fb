"""Predictions whose every number is known, for tests of what is done with predictions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch

from bomix.contracts.mean import Feature
from bomix.testing.known import MILD, exponential_tensor


def curve(X):
    """Three functions of four weights, ``(...) x 3``."""
    return exponential_tensor(X, MILD)


@dataclass(frozen=True)
class Known:
    """``a + b curve(w)``; with ``learnt``, what it says of its own trials unseen is off by ``unseen``."""

    slope: float = 0.1
    a: float = 0.0
    b: float = 1.0
    learnt: bool = False
    unseen: float = 0.0
    differentiable: bool = True

    def predict(self, X):
        return self.a + self.b * curve(X)

    def feature(self, data, *, context, seed):
        held_out = self.predict(data.X) + self.unseen * wave(len(data.X)) if self.learnt else None
        return Feature(self.predict, held_out)


@dataclass(frozen=True)
class ByExperts(Known):
    """The same from experts, which must be there."""

    needs_experts: ClassVar[bool] = True

    def feature(self, data, *, context, seed):
        assert all(context.artifacts[trial]["scored_tokens"] for trial in context.experts.values())
        return super().feature(data, context=context, seed=seed)


def wave(n):
    """``n x 1`` numbers of mean zero that no smooth function of the weights follows."""
    return torch.as_tensor([(-1.0) ** i for i in range(n)], dtype=torch.float64).unsqueeze(-1)


def with_experts(data, context, *, off=0.0, count=None):
    """The same runs and, before the last of them, the experts, whose metrics are the curve's plus ``off``.

    Returns:
        ``data``, ``context`` and ``n`` booleans, which rows are experts.
    """
    from botorch.utils.datasets import SupervisedDataset

    names = context.domains[:count]
    vertices = torch.eye(len(context.domains), dtype=torch.float64)[: len(names)]
    last = len(data.X) - 1
    X = torch.cat([data.X[:last], vertices, data.X[last:]]) if len(data.X) else vertices
    Y = torch.cat([data.Y[:last], curve(vertices) + off, data.Y[last:]]) if len(data.X) else curve(vertices) + off
    trials = tuple(range(100, 100 + len(X)))
    expert = torch.zeros(len(X), dtype=torch.bool)
    start = max(last, 0)
    expert[start : start + len(names)] = True
    numbers = dict(zip(names, trials[start:], strict=False))
    artifacts = {trial: {"scored_tokens": f"/{trial}"} for trial in trials}
    whole = SupervisedDataset(X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)
    return whole, dataclasses.replace(context, trials=trials, artifacts=artifacts, experts=numbers), expert
