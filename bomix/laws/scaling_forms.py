"""Laws of the mixture and the scale with unconstrained parameters, for fits as those of :mod:`bomix.laws.forms`.

A row is ``d`` weights and two numbers, the logarithms of parameters and tokens beyond a reference; the formulas are
those of :mod:`bomix.laws.scaling` in these units, so that heights are those at the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from bomix.laws.law import Law, Parameter, Params, own_weights
from bomix.laws.scaling import additive_over_scale, autoscale_over_scale, bimix_over_scale, joint_over_scale

if TYPE_CHECKING:
    from torch import Tensor

SIZES = 2
"""Columns beside the weights: logarithms of parameters and of tokens."""


class ScalingLaw(Law):
    """A law of ``d`` weights and the scale, which is fitted as a law of ``d + 2`` columns.

    What differs from domain to domain has ``d`` entries all the same. The level is the law's value at the uniform
    mixture and the reference scale.
    """

    def __reduce__(self) -> tuple[Callable[[str], ScalingLaw], tuple[str]]:
        return scaling_law_named, (self.name,)

    def natural(self, params: Params, own: Tensor, d: int) -> dict[str, Tensor]:
        """The parameters as they stand in the formula; ``d`` counts all columns, as in all other methods."""
        values = self.transformed(params)
        if self.level is not None:
            some = values[self.level]
            uniform = some.new_full((1, d), 1.0 / (d - SIZES))
            uniform[:, -SIZES:] = 0.0
            rest = self.formula(uniform, own_weights(uniform, own), {**values, self.level: torch.zeros_like(some)})
            values[self.level] = some - rest.squeeze(-2)
        return values

    def size(self, d: int) -> int:
        """Number of parameters of one metric."""
        return super().size(d - SIZES)

    def prior(self, d: int, own: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread of the priors."""
        return super().prior(d - SIZES, own)

    def unflat(self, flat: Tensor, d: int) -> dict[str, Tensor]:
        """Parameters by name."""
        return super().unflat(flat, d - SIZES)

    def init(
        self, d: int, m: int, *, seed: int, starts: int = 1, own: Tensor | None = None, slopes: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Where fits start; slopes in parameters and tokens say nothing of domains."""
        slopes = None if slopes is None else slopes[..., :-SIZES]
        of_domains = Law(self.name, self.parameters, self.formula)
        return of_domains.init(d - SIZES, m, seed=seed, starts=starts, own=own, slopes=slopes)


def scaling_law_named(name: str) -> ScalingLaw:
    """The law of a name of :data:`SCALING_LAWS`, as pickles find it again."""
    return SCALING_LAWS[name]


def _parts(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights ``(...) x n x d``, and ``n`` parameters and tokens relative to the reference."""
    sizes = rows[..., -SIZES:].exp()
    return rows[..., :-SIZES], sizes[..., 0], sizes[..., 1]


def _additive(rows: Tensor, own: Tensor, p: Mapping[str, Any]) -> Tensor:
    weights, params, tokens = _parts(rows)
    return additive_over_scale(weights, params, tokens, **p)


def _joint(rows: Tensor, own: Tensor, p: Mapping[str, Any]) -> Tensor:
    weights, params, tokens = _parts(rows)
    return joint_over_scale(weights, params, tokens, **p)


def _bimix(rows: Tensor, own: Tensor, p: Mapping[str, Any]) -> Tensor:
    _, params, tokens = _parts(rows)
    return bimix_over_scale(own, params, tokens, **p)


def _autoscale(rows: Tensor, own: Tensor, p: Mapping[str, Any]) -> Tensor:
    weights, params, tokens = _parts(rows)
    return autoscale_over_scale(weights, params, tokens, **p)


_EXPONENT = Parameter("exp", math.log(0.25), 0.5)
"""Exponent of parameters or tokens: published fits lie between 0.08, without a limit, and 0.4."""
_HEIGHT = Parameter("exp", math.log(0.5), 1.0)
"""What scale still takes away at the reference, in standard deviations of all runs: most of these are of scale."""

SCALING_LAWS: Mapping[str, ScalingLaw] = {
    law.name: law
    for law in (
        ScalingLaw(
            "additive",
            {
                "E": Parameter("identity", 0.0, 1.0),
                "C": Parameter("exp", 1.0, 1.5, per_domain=True, own_shift=2.0, slope=-1.0),
                "gamma": Parameter("exp", -1.0, 0.5, per_domain=True),
                "A": _HEIGHT,
                "alpha": _EXPONENT,
                "B": _HEIGHT,
                "beta": _EXPONENT,
            },
            _additive,
            level="E",
            mirrored=True,
        ),
        ScalingLaw(
            "joint",
            {
                "E": Parameter("identity", 0.0, 1.0),
                "C": Parameter("exp", 1.0, 1.5, per_domain=True, own_shift=2.0, slope=-1.0),
                "gamma": Parameter("exp", -1.0, 0.5, per_domain=True),
                "A": _HEIGHT,
                "C_params": Parameter("identity", 0.0, 0.5, per_domain=True),
                "alpha": _EXPONENT,
                "B": _HEIGHT,
                "C_tokens": Parameter("identity", 0.0, 0.5, per_domain=True),
                "beta": _EXPONENT,
            },
            _joint,
            level="E",
            mirrored=True,
        ),
        ScalingLaw(
            "bimix",
            {
                "A": Parameter("exp", 0.0, 0.5),
                "alpha": Parameter("identity", 0.05, 0.1),
                "B": Parameter("exp", math.log(0.2), 1.0),
                "beta": _EXPONENT,
                "B_params": Parameter("exp", math.log(0.2), 1.0),
                "beta_params": _EXPONENT,
                "C": Parameter("exp", math.log(0.5), 0.5),
            },
            _bimix,
        ),
        ScalingLaw(
            "autoscale",
            {
                "L": Parameter("identity", 0.0, 1.0),
                "k": Parameter("exp", -0.5, 1.0, per_domain=True, own_shift=1.0, slope=1.0),
                "n0": Parameter("exp", -3.0, 1.5, per_domain=True),
                "gamma": Parameter("exp", -2.0, 0.7, per_domain=True),
                "A": _HEIGHT,
                "alpha": _EXPONENT,
            },
            _autoscale,
            level="L",
            mirrored=True,
        ),
    )
}
"""Name to law.

Priors are wide, and as those of :data:`bomix.laws.forms.LAWS` say that a metric depends most on its own domain.
"""
