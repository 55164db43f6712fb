"""The battery of surrogates, over runs of two scales that follow the same law."""

from __future__ import annotations

from typing import ClassVar

import torch
from botorch.models.model import Model
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.surrogate_cases import CASES, METRICS, NAMES, ORDER, D, M
from bomix.testing.surrogates import SurrogateBattery

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**8)


class TestAcrossScales(SurrogateBattery):
    """A run with more of the first domain than of the second is a small one, wherever the domains stand."""

    spec = MultiScale(GP(draws=0, restarts=1))
    exact: ClassVar[MultiScale] = MultiScale(GP(draws=0, restarts=1))
    moves: ClassVar[float] = 5e-3

    def fit(self, case: str, *, seed: int = 0, exact: bool = False) -> Model:
        """The same, with scales."""
        X, Y = CASES[case]()
        renamed = {NAMES[old]: NAMES[new] for new, old in enumerate(ORDER)} if case == "renamed" else {}
        metrics = tuple(renamed.get(name, name) for name in METRICS)
        data = SupervisedDataset(
            torch.as_tensor(X).reshape(-1, D),
            torch.as_tensor(Y).reshape(-1, M),
            feature_names=list(NAMES),
            outcome_names=list(metrics),
        )
        first, second = (ORDER.index(0), ORDER.index(1)) if renamed else (0, 1)
        scales = tuple(SMALL if row[first] > row[second] else LARGE for row in data.X.tolist())
        context = FitContext(MixtureSpace(NAMES), metrics, tuple(range(len(X))), scales=scales, target=LARGE)
        model: Model = self.spec.fit(data, context=context, seed=seed)
        return model
