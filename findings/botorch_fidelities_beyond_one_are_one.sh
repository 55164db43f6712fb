#!/usr/bin/env bash
# BoTorch's multi-fidelity GP takes every fidelity from 1 up for the target: log parameters are all one scale.
#
# The good guess: SingleTaskMultiFidelityGP learns how runs of two scales differ, in whatever unit the fidelity column
# is (log10 of the parameters, billions of tokens), or says that it wants the unit interval, as it does of the other
# columns.
#
# Version: botorch 0.18.1, gpytorch 1.15.2, torch 2.13.0 (CPU), Python 3.11.
# Behaviour: the kernel clamps fidelities to [0, 1] without a warning. Runs of 1M and 6B parameters, given as 6 and 9.8,
# are both the target: the posteriors at the two are equal to the last bit, and the small runs' bias stays in what is
# said of the large one. The same table with the fidelities 0 and 1 is predicted some sixty times better.
# Source: LinearTruncatedFidelityKernel.forward, botorch/models/kernels/linear_truncated_fidelity.py (`.clamp(0, 1)`
# under "avoid numerical issues"); the check that inputs lie in the unit cube does not run for this model.
# Who meets it: whoever compares bomix's scales with it, or moves a table of runs over. Map fidelities onto [0, 1]
# first, the target at 1; cost models read the same column, so that their weights change with it.
#
# Seen: log10 parameters: warnings 0, posterior the same at both scales True, error 0.257; unit interval: same False,
# error 0.0043
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    torch==2.13.0 botorch==0.18.1 gpytorch==1.15.2 numpy==2.4.6

cat >"$folder/fidelity.py" <<'PYTHON'
import sys
import warnings

import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskMultiFidelityGP
from gpytorch.mlls import ExactMarginalLogLikelihood

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
torch.manual_seed(0)


def loss(x, target):
    """One function at the large scale, and the same with a slope on top at the small one."""
    return torch.sin(3 * x[:, :1]) + torch.where(target, 0.0, 0.5) * x[:, 1:]


X, new = torch.rand(40, 2), torch.rand(200, 2)
large = torch.arange(40).unsqueeze(1) >= 30


def tried(low, high):
    scale = torch.where(large, high, low)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = SingleTaskMultiFidelityGP(torch.cat([X, scale], 1), loss(X, large), data_fidelities=[2])
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    with torch.no_grad():
        at_low, at_high = (
            model.posterior(torch.cat([new, torch.full((200, 1), at)], 1)).mean for at in (low, high)
        )
    error = (at_high - loss(new, torch.tensor(True))).square().mean().sqrt().item()
    return len(told), torch.equal(at_low, at_high), error


told, same, error = tried(6.0, 9.8)
_, unit_same, unit_error = tried(0.0, 1.0)
print(f"log10 parameters: warnings {told}, posterior the same at both scales {same}, error {error:.3f};")
print(f"unit interval: same {unit_same}, error {unit_error:.4f}")
sys.exit(not (told == 0 and same and not unit_same and error > 10 * unit_error))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/fidelity.py"
