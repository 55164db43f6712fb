#!/usr/bin/env bash
# On a CPU, torch's results depend on where in memory equal numbers lie.
#
# The good guess: with one thread and torch.use_deterministic_algorithms(True), equal values of equal shape and dtype
# give equal bits, whatever ran before in the process. It holds for tensors that torch allocated (64-byte aligned), not
# for memory that came from elsewhere: torch.from_numpy and torch.as_tensor share NumPy's buffers, which are aligned to
# 16 bytes only, so that their place modulo 64 changes with what the process has allocated before.
#
# Version: torch 2.13.0 (CPU build with MKL), numpy 2.4.6, Python 3.11, x86-64.
# Behaviour: a matrix-vector product in float64 differs in the last digits when its inputs start some elements behind a
# 64-byte boundary instead of on it; this product of two matrices does not.
# Source: torch hands aligned and unaligned pointers alike to the BLAS (addmv in aten/src/ATen/native/Blas.cpp), whose
# kernels add in another order where the first elements lie before a boundary.
# Who meets it: whoever promises that the same records give the same next mixture, bit for bit, in a process that did
# other things before. Copy what comes from NumPy (`torch.tensor(array)`) before it is computed with.
#
# Seen: depends on the place: matrix-vector product True, product of matrices False
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

cat >"$folder/align.py" <<'PYTHON'
import sys

import torch

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
torch.manual_seed(0)


def placed(values, offset):
    """The same values `offset` elements behind a 64-byte boundary."""
    memory = torch.empty(values.numel() + 8, dtype=values.dtype)
    assert memory.data_ptr() % 64 == 0
    view = memory[offset : offset + values.numel()].view(values.shape)
    view.copy_(values)
    return view


def depends(function, *inputs):
    first, *others = (function(*(placed(each, offset) for each in inputs)) for offset in range(8))
    return not all(torch.equal(first, other) for other in others)


matrix, vector = torch.randn(64, 17, dtype=torch.float64), torch.randn(17, dtype=torch.float64)
square = torch.randn(13, 13, dtype=torch.float64)
of_vector = depends(lambda a, b: a @ b, matrix, vector)
of_matrices = depends(lambda a, b: a @ b, square, square.mT)
print(f"depends on the place: matrix-vector product {of_vector}, product of matrices {of_matrices}")
sys.exit(not of_vector)
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/align.py"
