"""The mixing laws of :mod:`bomix.laws.formulas` as synthetic losses, with parameters drawn at random.

Parameters are drawn so that every law is convex: its optimum is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.evaluators.synthetic.functions import Family, Integers
from bomix.space.polytope import Array

if TYPE_CHECKING:
    from torch import Tensor

Draw = Callable[[np.random.Generator, int, Integers], Mapping[str, Array]]


@dataclass(frozen=True, eq=False)
class LawLosses:
    """A formula with its parameters; slopes by automatic differentiation.

    Attributes:
        formula: Name of a function in :mod:`bomix.laws.formulas`.
        parameters: Name of each parameter of the law to its values, ``m`` or ``m x d``.
        own: ``m`` columns where the formula takes own weights, else None.
    """

    formula: str
    parameters: Mapping[str, Array]
    own: Integers | None

    convex = True

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``, nats per token, by the law's own formula."""
        import torch

        with torch.no_grad():
            return np.asarray(self._losses(torch.as_tensor(np.ascontiguousarray(weights))).numpy())

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses, found by automatic differentiation."""
        import torch

        with torch.enable_grad():
            X = torch.as_tensor(np.array(weights)).requires_grad_()
            (slopes,) = torch.autograd.grad(self._losses(X).mean(dim=-1).sum(), X)
        return np.asarray(slopes.numpy())

    def _losses(self, X: Tensor) -> Tensor:
        import torch

        from bomix.laws import formulas

        rows = X.reshape(-1, X.shape[-1])
        inputs = rows if self.own is None else rows[:, self.own.tolist()]
        named = {name: torch.as_tensor(value) for name, value in self.parameters.items()}
        found: Tensor = formulas.BY_NAME[self.formula](inputs, **named)
        return found.reshape(*X.shape[:-1], found.shape[-1])


def _crossed(
    rng: np.random.Generator, d: int, own: Integers, draw: Callable[[tuple[int, ...]], Array], of_own: Array
) -> Array:
    """``m x d``: a fifth of the entries as drawn, the others zero, the own as given."""
    m = len(own)
    found = np.where(rng.random((m, d)) < 0.2, draw((m, d)), 0.0)
    found[np.arange(m), own] = of_own
    return np.asarray(found)


def _exponential(rng: np.random.Generator, d: int, own: Integers) -> dict[str, Array]:
    m, s = len(own), max(1.0, np.sqrt(d / 7.0))
    t = _crossed(rng, d, own, lambda shape: rng.standard_normal(shape) * s, -rng.uniform(2.0, 12.0, m) * s)
    return {"c": rng.uniform(1.5, 3.0, m), "k": rng.uniform(0.5, 2.5, m), "t": t}


def _own_exponential(rng: np.random.Generator, d: int, own: Integers) -> dict[str, Array]:
    m, s = len(own), max(1.0, np.sqrt(d / 7.0))
    return {"c": rng.uniform(1.5, 3.0, m), "k": rng.uniform(0.5, 2.5, m), "t": -rng.uniform(2.0, 12.0, m) * s}


def _bimix(rng: np.random.Generator, d: int, own: Integers) -> dict[str, Array]:
    m = len(own)
    return {"A": rng.uniform(2.0, 4.0, m), "alpha": rng.uniform(0.02, 0.15, m)}


def _log_linear(rng: np.random.Generator, d: int, own: Integers) -> dict[str, Array]:
    found = _exponential(rng, d, own)
    return {"c": np.log(found["c"]), "t": np.log(found["k"])[:, None] + found["t"]}


def _effective_power(rng: np.random.Generator, d: int, own: Integers) -> dict[str, Array]:
    m = len(own)
    t = _crossed(rng, d, own, lambda shape: rng.uniform(0.0, 0.4, shape), rng.uniform(0.7, 1.0, m))
    k, e, b = rng.uniform(0.3, 1.0, m), rng.uniform(0.01, 0.1, m), rng.uniform(0.2, 0.8, m)
    return {"c": rng.uniform(1.0, 2.5, m), "k": k, "e": e, "t": t, "b": b}


def _additive(rng: np.random.Generator, d: int, own: Integers) -> dict[str, Array]:
    m = len(own)
    W = _crossed(rng, d, own, lambda shape: -rng.uniform(0.0, 0.5, shape), -rng.uniform(0.5, 2.5, m))
    return {"b": rng.uniform(3.5, 5.0, m), "W": W, "a": rng.uniform(0.2, 0.8, (m, d))}


def _autoscale(rng: np.random.Generator, d: int, own: Integers) -> dict[str, Array]:
    m = len(own)
    gamma = _crossed(rng, d, own, lambda shape: rng.uniform(0.0, 0.05, shape), rng.uniform(0.1, 0.4, m))
    n0 = np.exp(rng.uniform(np.log(0.01), np.log(0.1), (m, d)))
    # A domain that does not matter to a metric, gamma = 0, adds one.
    return {"L": rng.uniform(2.0, 3.5, m) - d, "n": rng.uniform(0.5, 2.0, m), "n0": n0, "gamma": gamma}


def _family(formula: str, draw: Draw, *, of_own: bool = False) -> Family:
    def drawn(rng: np.random.Generator, d: int, own: Integers) -> LawLosses:
        return LawLosses(formula, draw(rng, d, own), own if of_own else None)

    return drawn


LAW_FAMILIES: Mapping[str, Family] = {
    "exponential": _family("exponential", _exponential),
    "own_exponential": _family("own_exponential", _own_exponential, of_own=True),
    "bimix": _family("bimix", _bimix, of_own=True),
    "log_linear": _family("log_linear", _log_linear),
    "effective_power": _family("effective_power", _effective_power),
    "additive": _family("additive", _additive),
    "autoscale": _family("autoscale", _autoscale),
}
"""Name of a law to family."""
