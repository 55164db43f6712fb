#!/usr/bin/env bash
# BoTorch's random points of a constrained space are steps of one slow walk: of many domains, a design of near-repeats.
#
# The good guess: get_polytope_samples gives n independent points, uniform over the mixtures that are allowed, since it
# has a burn-in of 10,000 steps and keeps every 32nd; its speed, not its spread, depends on the number of domains.
#
# Version: botorch 0.18.1, torch 2.13.0 (CPU), Python 3.11.
# Behaviour: a step changes a point along one random direction, so that 32 of them move it the less the more domains
# there are. Neighbours in a design of 64 mixtures do not correlate at 5 domains, by 0.8 at 20 and 0.97 at 50, where
# the 64 lie half as far from each other as independent ones; the mean over 16 of them, which should be near the centre,
# is off by two and a half and nearly four times as much. No warning; the points keep all constraints.
# Source: get_polytope_samples and HitAndRunPolytopeSampler, botorch/utils/sampling.py (n_thinning=32 in any dimension);
# the same points are raw samples of optimize_acqf under constraints (gen_batch_initial_conditions of
# botorch/optim/initializers.py).
# Who meets it: whoever draws a first design over many domains by it, or by a library that calls it, as the random
# recommender of BayBE 0.15.0 does (0.86 at 20 domains), and trains on it.
# sample_simplex is independent where only the sum is given; else n_thinning in the hundreds or thousands. bomix draws
# within caps and constraints by its own sampler.
#
# Seen: 5 domains: correlation 0.00, the mean of 16 off 1.0 times, distances 1.11 times; 20: 0.81, 2.5, 0.93; 50: 0.97,
# 3.7, 0.55
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    torch==2.13.0 botorch==0.18.1 gpytorch==1.15.2 numpy==2.4.6

cat >"$folder/design.py" <<'PYTHON'
import sys

import torch
from botorch.utils.sampling import get_polytope_samples, sample_simplex

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
SEEDS, FEW, MANY = 8, 16, 64


def walked(domains, count, seed):
    bounds = torch.stack([torch.zeros(domains), torch.ones(domains)])
    total = [(torch.arange(domains), torch.ones(domains), 1.0)]
    return get_polytope_samples(count, bounds, equality_constraints=total, seed=seed)


def neighbours(design):
    """Correlation of each point with the next."""
    centred = design - 1 / design.shape[1]
    return ((centred[1:] * centred[:-1]).sum() / (centred[1:].norm() * centred[:-1].norm())).item()


def off(designs):
    """Root mean square distance of the designs' means from the centre."""
    distances = torch.stack([(design.mean(0) - 1 / design.shape[1]).norm() for design in designs])
    return distances.square().mean().sqrt().item()


found = {}
for domains in (5, 20, 50):
    designs = [walked(domains, MANY, seed) for seed in range(SEEDS)]
    correlation = sum(map(neighbours, designs)) / SEEDS
    independent = [sample_simplex(domains, FEW, seed=seed) for seed in range(100)]
    times = off([design[:FEW] for design in designs]) / off(independent)
    near = torch.pdist(designs[0]).mean() / torch.pdist(sample_simplex(domains, MANY, seed=0)).mean()
    found[domains] = correlation
    means = f"the mean of {FEW} off {times:.1f} times"
    print(f"{domains} domains: correlation {correlation:.2f}, {means}, distances {near:.2f} times")
sys.exit(not (found[5] < 0.3 and found[20] > 0.7 and found[50] > 0.9))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/design.py"
