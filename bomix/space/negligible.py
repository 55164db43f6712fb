"""Which weights are too small to matter: relative to what a domain can have, and to what a run can draw."""

from __future__ import annotations

import numpy as np

from bomix.space.polytope import Array

NEGLIGIBLE = 1e-4
"""Weight below which a domain is left out, unless something smaller matters to it: a hundred thousand tokens of a
billion, which move no loss that a training can measure."""
SHARE_OF_SMALL = 0.1
"""Share of a cap, or of a natural share, below which a weight is negligible to a domain that has little."""
SEQUENCE = 1024
"""Tokens of a short training sequence: what a run draws of a domain, it draws in whole ones."""


def negligible_weights(
    upper: Array,
    at_least: Array,
    *,
    natural: Array | None = None,
    run_tokens: float | None = None,
    most: float = NEGLIGIBLE,
) -> Array:
    """The weight of each domain below which it is left out.

    A tenth of its cap or of its natural share, whichever is less, where that is below ``most``; never less than one
    sequence of the run, and no more than half of its "at least".

    Args:
        upper: ``d`` largest weights.
        at_least: ``d`` smallest weights other than zero; 0 where any weight is allowed.
        natural: ``d`` natural shares; None where they are unknown.
        run_tokens: Tokens of the run that is decided about; None where they are unknown.
        most: Largest of the weights that are returned.

    Returns:
        ``d`` weights.
    """
    small = upper if natural is None else np.minimum(upper, np.where(natural > 0.0, natural, upper))
    found = np.where(small > 0.0, np.minimum(most, SHARE_OF_SMALL * small), most)
    if run_tokens is not None:
        found = np.maximum(found, min(most, SEQUENCE / run_tokens))
    return np.where(at_least > 0.0, np.minimum(found, 0.5 * at_least), found)


def left_out(domains: tuple[str, ...], upper: Array, negligible: Array) -> dict[str, float]:
    """The domains that no mixture can hold, since all of their weights are negligible, with their largest weights.

    Args:
        domains: ``d`` names.
        upper: ``d`` largest weights.
        negligible: ``d`` weights below which a domain is left out.
    """
    named = zip(domains, upper.tolist(), negligible.tolist(), strict=True)
    return {name: high for name, high, least in named if 0.0 < high < least}
