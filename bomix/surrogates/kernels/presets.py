"""Kernels that were chosen by measurement, for surrogates that ask for none of their own."""

from __future__ import annotations

from bomix.contracts.kernel import Kernel
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.curve_specs import CommonCurve, SparseCurves
from bomix.surrogates.kernels.logarithmic_specs import Logarithmic
from bomix.surrogates.kernels.nugget_specs import Nugget
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

_UNSHARED = Scaled(Nugget(), variance=0.05)
"""What distinct mixtures do not share has more variance a priori than noise has: with a median of 0.018, that of the
noise, the objective was covered by 0.01 less and the regret was 0.0301 instead of 0.0266."""
MISFIT_KERNELS: tuple[Kernel, ...] = tuple(Sum((each, _UNSHARED)) for each in MIXED_KERNELS)
"""The same for what a law leaves over: half of what looks like noise may be the mixtures' own.

``python benchmarks/repetition.py`` says what intervals cover; docs/decisions/0072-intervals-about-a-law.md says what
was rejected.
"""

STEEP_KERNELS: tuple[Kernel, ...] = (
    Sum((Scaled(Stationary(), variance=0.3), Logarithmic())),
    Sum((_JOINT, Logarithmic(), _EFFECTIVE)),
)
"""For few domains, where a search soon looks at vertices: losses rise steeply towards zero weight.

What the lines leave over is a third of a metric's variance in one family, all of it in the other. A slope has a
variance of 0.6 a priori, or a standard deviation of 0.8 for each factor of 2.7 in a weight: over a design of five to
eight trials the laws of mixtures have slopes of 0.7 to 1.8, RegMix's runs of 0.6 to 1.2. ``python
benchmarks/first_asks.py`` prints the comparison; docs/decisions/0041-steep-towards-zero-weight.md says what was
rejected.
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

_REST = Scaled(Isotropic(), variance=0.01)
"""What all weights do together beside curves of each: little, or it explains what they should."""

LEARNT_KERNELS: tuple[Kernel, ...] = (Sum((Scaled(OwnDomain()), SparseCurves(), _REST)),)
"""Where domains are many: curves of few of them, learnt for each metric; names say no more than where to begin.

docs/decisions/0037-which-domain-a-metric-falls-with.md says what was rejected.
"""

GROUPED_KERNELS: tuple[Kernel, ...] = (
    Sum(
        (
            Scaled(CommonCurve(), variance=0.1),
            Scaled(OwnDomain()),
            SparseCurves(relevance=0.02, spread=1.0),
            _REST,
        )
    ),
)
"""The same for few metrics, each of which then falls with many domains: more of them matter, and they are more alike.

At 50 domains and five groups of metrics (one seed) the regret was 0.028, with curves as alike as one metric wants them
0.19.
"""

SUMMED_KERNELS: tuple[Kernel, ...] = (
    Sum((Scaled(CommonCurve(), variance=0.3), SparseCurves(relevance=0.1, spread=0.3), _REST)),
)
"""For one metric or two, which fall with most domains: a curve that all domains share, and what each adds to it.

At 50 domains and the mean of 30 losses alone the minimiser of the posterior mean, from the same 72 trials each (six
sets of them), had a mean regret of 0.060 and of 0.107 with sparse curves.
"""
