"""Gaussian processes that were chosen by measurement; :mod:`bomix.strategies.auto` says where each serves.

The figures and those of what was rejected stand in docs/decisions, with the commands that print them.
"""

from __future__ import annotations

from dataclasses import replace

from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.presets import (
    GROUPED_KERNELS,
    LEARNT_KERNELS,
    LINE,
    MIXED_KERNELS,
    POOLED_KERNELS,
    STEEP_KERNELS,
    SUMMED_KERNELS,
)

STEEP = GP(kernels=STEEP_KERNELS)
"""For the first asks of few domains: little weight of a domain, which no trial of a small design has, is expected to be
bad. Recommendations keep ``gp``, which was as good or better on the same trials.

``python benchmarks/first_asks.py`` compares the two.
"""

QUICK = GP(draws=0, restarts=1, growth=0.1)
"""For a crowd of metrics: the best hyperparameters of each, from one start, found anew as the record grows by a tenth.

The mean over many metrics forgives what one gets wrong: at 50 domains (one seed) the regret was 0.0186, with draws
0.0196; and ``growth`` took an ask there from 2.6 to 0.85 CPU-seconds, with no loss that five seeds could show. ``bomix
benchmark run benchmarks/bomix.yaml`` runs the cases; ``python benchmarks/speed.py`` times asks.
"""

PREDICTING = GP(kernels=(*MIXED_KERNELS, LINE), shares="stacked", scores=True)
"""For predictions of a crowd of metrics, whatever asks take: hyperparameters are drawn, each metric has its own, and a
line in the logarithms of the weights has the share that left-out runs of all metrics give it.

Lengthscales that metrics share follow the noise where scores are mostly that (17 scores of 25 runs in 19 domains: ranks
of single scores 4 instead of 10), and predict losses of 20 domains no better. ``python benchmarks/noisy.py`` prints the
comparison; see docs/decisions/0035-noisy-scores.md.
"""

POOLED = replace(QUICK, kernels=POOLED_KERNELS, pooling=1.0)
"""For several metrics: each metric's hyperparameters lie about those that all share, within a factor of ``e``.

At 20 domains (seeds 0-3) a trust region with an upper confidence bound ended at 0.0028 with both families and at 0.0056
with one. ``bomix benchmark run benchmarks/bomix.yaml`` runs the case.
"""

LEARNT = replace(QUICK, kernels=LEARNT_KERNELS)
"""For many domains: which of them each metric falls with is learnt, metric by metric.

One set of hyperparameters for all metrics was better than one for each where names alone say it (100 domains, 60
trials: 0.072 against 0.107), and worse than this one, even for functions on which names do not mislead.

docs/decisions/0037-which-domain-a-metric-falls-with.md has the figures, and ``bomix benchmark 50-tasks --methods
benchmarks/names.yaml`` runs the case.
"""

GROUPED, SUMMED = replace(QUICK, kernels=GROUPED_KERNELS), replace(QUICK, kernels=SUMMED_KERNELS)
"""The same for few metrics, and for one or two: each falls with more domains.

``bomix benchmark 50-groups 50-mean`` runs the cases.
"""
