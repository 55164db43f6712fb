"""Kernels that were chosen by measurement, for surrogates that ask for none of their own."""

from __future__ import annotations

from bomix.contracts.kernel import Kernel
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.specs import EffectiveWeight, Isotropic, Linear, OwnDomain, SparseLinear, Stationary

_E = 2.718281828459045
"""Median variance of a kernel that stands alone: lengthscales reach beyond the runs, which then see a part of something
wider that has more than their variance of one."""
_JOINT, _EFFECTIVE = Scaled(Stationary()), Scaled(EffectiveWeight())
_WIDE_JOINT = Scaled(Stationary(encoding="log"), variance=_E)

MIXED_KERNELS: tuple[Kernel, ...] = (_WIDE_JOINT, Sum((_WIDE_JOINT, Scaled(EffectiveWeight(), variance=_E))))
"""Half of the belief each: a function of all weights, and the same plus one of the metric's effective weight.

With the effective weight in half of the belief held-out density is 0.24 at 64 of RegMix's training runs, without it
0.11; alone it is too sure of itself (coverage of 95 % intervals 90 %). ``python benchmarks/gp_choices.py`` prints the
comparison; docs/decisions/0007-gaussian-process.md says what was rejected.
"""

LINE = Scaled(Linear(encoding="log"), spread=1.5)
"""A line in the logarithms of the weights, for scores that are mostly noise: little is then all that can be known. Its
variance may be a twentieth of a metric's, two standard deviations from its median. ``python benchmarks/noisy.py`` has
the shapes where it serves, docs/decisions/0035-noisy-scores.md the figures."""

POOLED_KERNELS: tuple[Kernel, ...] = (
    Sum((Scaled(OwnDomain()), Scaled(SparseLinear(), variance=0.3), _JOINT)),
    Sum((_JOINT, _EFFECTIVE)),
)
"""For several metrics that share hyperparameters: own-domain curve, few slopes and the rest, or effective weights.

What a search wants is slopes: each loss falls with its own domain, and a few others help or hurt it. On the emulator a
trust region ended at a regret of 0.016 with both families and at 0.027 with the first alone; see
docs/decisions/0014-shared-hyperparameters.md, and ``bomix benchmark run benchmarks/bomix.yaml`` for the cases.
"""

ONE_SET_KERNELS: tuple[Kernel, ...] = (
    Sum((Scaled(OwnDomain()), Scaled(SparseLinear(), variance=0.3), Scaled(Isotropic(), variance=0.1))),
)
"""The first of :data:`POOLED_KERNELS` where domains are many: nothing but the slopes can be each metric's own.

An isotropic rest, since lengthscales of a hundred domains are more than runs can tell; effective weights were far
behind there (regret 0.16 instead of 0.072 after the design of 60 trials of 100 domains). ``bomix benchmark run
benchmarks/bomix.yaml`` runs the cases.
"""
