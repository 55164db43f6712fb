"""The battery of surrogates, over runs of two scales that follow the same law."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.scale import Scale
from bomix.surrogates.combined.auto import Auto
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.anchored_spec import Anchored
from bomix.surrogates.scales.freeze_thaw_spec import FreezeThaw
from bomix.surrogates.scales.law_spec import ScalingLaw
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.surrogate_cases import ORDER
from bomix.testing.surrogates import SurrogateBattery

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**8)


QUICK = GP(draws=0, restarts=1)


class TestAcrossScales(SurrogateBattery):
    """A run with more of the first domain than of the second is a small one, wherever the domains stand."""

    spec = MultiScale(QUICK)
    moves: ClassVar[float] = 5e-3

    def context(self, data: SupervisedDataset, metrics: tuple[str, ...], *, renamed: bool) -> FitContext:
        """The same, with scales."""
        first, second = (ORDER.index(0), ORDER.index(1)) if renamed else (0, 1)
        scales = tuple(SMALL if row[first] > row[second] else LARGE for row in data.X.tolist())
        return replace(super().context(data, metrics, renamed=renamed), scales=scales, target=LARGE)


class TestFreezeThaw(TestAcrossScales):
    """A decay over scales."""

    spec = FreezeThaw(QUICK)


class TestAnchored(TestAcrossScales):
    """Shifts."""

    spec = Anchored(QUICK)


class TestScalingLaw(TestAcrossScales):
    """A law of mixture and scale."""

    spec = ScalingLaw(starts=2)


class TestBimix(TestAcrossScales):
    """One of a metric's own domain."""

    spec = ScalingLaw("bimix", starts=2)


class TestCorrected(TestAcrossScales):
    """A law, and processes of what it leaves."""

    spec = MultiScale(QUICK, mean=ScalingLaw("autoscale", starts=2))
    moves = 2e-2


class TestAuto(TestAcrossScales):
    """Several, weighed by runs of the target."""

    spec = Auto((MultiScale(QUICK, integrated=False), Anchored(QUICK), QUICK), folds=2)
    moves = 0.5
