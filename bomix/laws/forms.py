"""The mixing laws of :mod:`~bomix.laws.formulas` and :mod:`~bomix.laws.epochs` with priors on their parameters.

:data:`LAWS` is the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bomix.laws import formulas
from bomix.laws.epochs import EPOCHS, LOG_EPOCHS
from bomix.laws.law import Law, Parameter


def law_named(name: str) -> Law:
    """The law of a name of :data:`LAWS`, as pickles find it again."""
    return LAWS[name]


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
            lambda w, own, p: formulas.exponential(w, p["c"], p["k"], p["t"]),
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
            lambda w, own, p: formulas.own_exponential(own, p["c"], p["k"], p["t"]),
            level="c",
            mirrored=True,
        ),
        Law(
            "bimix",
            {"A": Parameter("exp", 0.0, 0.5), "alpha": Parameter("identity", 0.05, 0.1)},
            lambda w, own, p: formulas.bimix(own, p["A"], p["alpha"]),
        ),
        Law(
            "log_linear",
            {
                "c": Parameter("identity", math.log(0.5), 0.5),
                "t": Parameter("identity", math.log(0.5), 0.5, per_domain=True, own_shift=-4.0, slope=1.0),
            },
            lambda w, own, p: formulas.log_linear(w, p["c"], p["t"]),
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
            lambda w, own, p: formulas.effective_power(w, p["c"], p["k"], p["e"], p["t"], p["b"]),
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
            lambda w, own, p: formulas.additive(w, p["b"], p["W"], p["a"]),
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
            lambda w, own, p: formulas.autoscale(w, p["L"], p["n"], p["n0"], p["gamma"]),
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
