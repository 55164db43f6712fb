"""A hyperparameter of a fitted model as it is told to people."""

from __future__ import annotations

from typing import NamedTuple


class Hyperparameter(NamedTuple):
    """One number that a model learnt about one metric.

    Attributes:
        metric: The metric's name.
        name: The hyperparameter's, ``lengthscale[web]`` say; with the family before it where a model has several.
        value: On its natural scale, the median of its draws; of metrics and columns that are standardised.
        prior_median: What it would be without runs.
    """

    metric: str
    name: str
    value: float
    prior_median: float
