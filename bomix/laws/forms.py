"""The mixing laws of :mod:`~bomix.laws.formulas` and :mod:`~bomix.laws.epochs` with priors on their parameters.

:data:`LAWS` is the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.laws import formulas
from bomix.laws.epochs import EPOCHS, LOG_EPOCHS
from bomix.laws.law import Law, Parameter, Params

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class OfWeights:
    """A formula of the weights of all domains, as a law takes it: a function with a name, so that pickles hold it."""

    function: Callable[..., Tensor]

    def __call__(self, weights: Tensor, own: Tensor, parameters: Params) -> Tensor:
        """The formula's values, ``(...) x n x m``."""
        return self.function(weights, **parameters)


@dataclass(frozen=True)
class OfOwn:
    """A formula of the weight of each metric's own domain."""

    function: Callable[..., Tensor]

    def __call__(self, weights: Tensor, own: Tensor, parameters: Params) -> Tensor:
        """The formula's values, ``(...) x n x m``."""
        return self.function(own, **parameters)


LAWS: Mapping[str, Law] = {
    law.name: law
    for law in (
        Law(
            "exponential",
            {
                "c": Parameter("identity", 0.0, 1.0),
                "k": Parameter("exp", 0.0, 1.0),
                "t": Parameter("identity", 0.0, 1.5, per_domain=True, own_shift=-8.0, slope=1.0),
            },
            OfWeights(formulas.exponential),
            level="c",
            mirrored=True,
        ),
        Law(
            "own_exponential",
            {
                "c": Parameter("identity", 0.0, 1.0),
                "k": Parameter("exp", 0.5, 1.0),
                "t": Parameter("identity", -8.0, 5.0),
            },
            OfOwn(formulas.own_exponential),
            level="c",
            mirrored=True,
        ),
        Law(
            "bimix",
            {"A": Parameter("exp", 0.0, 0.5), "alpha": Parameter("identity", 0.05, 0.1)},
            OfOwn(formulas.bimix),
        ),
        Law(
            "log_linear",
            {
                "c": Parameter("identity", math.log(0.5), 0.5),
                "t": Parameter("identity", math.log(0.5), 0.5, per_domain=True, own_shift=-4.0, slope=1.0),
            },
            OfWeights(formulas.log_linear),
        ),
        Law(
            "effective_power",
            {
                "c": Parameter("identity", 0.0, 1.0),
                "k": Parameter("exp", 3.0, 1.0),
                "e": Parameter("exp", -2.5, 1.0),
                "t": Parameter("exp", -2.0, 2.0, per_domain=True, own_shift=4.0, slope=-1.0),
                "b": Parameter("exp", -3.5, 0.5),
            },
            OfWeights(formulas.effective_power),
            level="c",
            mirrored=True,
        ),
        Law(
            "additive",
            {
                "b": Parameter("identity", 0.0, 1.0),
                "W": Parameter("identity", 0.0, 0.4, per_domain=True, own_shift=-6.0, slope=1.0),
                "a": Parameter("sigmoid", -1.0, 1.0, per_domain=True),
            },
            OfWeights(formulas.additive),
            level="b",
        ),
        Law(
            "autoscale",
            {
                "L": Parameter("identity", 0.0, 1.0),
                "n": Parameter("exp", 0.0, 1.0),
                "n0": Parameter("exp", -3.0, 1.5, per_domain=True),
                "gamma": Parameter("exp", -4.0, 1.0, per_domain=True, own_shift=1.5, slope=-1.0),
            },
            OfWeights(formulas.autoscale),
            level="L",
            mirrored=True,
        ),
        EPOCHS,
        LOG_EPOCHS,
    )
}
"""Name to law.

Centres and spreads are wide, and say what is known beforehand: a metric depends most on its own domain. They were set
by what 25 and 64 random runs of RegMix's training table tell about its other training runs.
"""
