#!/usr/bin/env bash
# On a CPU, the sum of a column depends on how many other columns are summed beside it.
#
# The good guess: with one thread and torch.use_deterministic_algorithms(True), x.sum(dim=0) gives each column a sum
# that depends on that column. But how the terms are grouped depends on the number of columns: one model's column gives
# other last digits in a stack of 1, of 4 and of 8.
#
# Version: torch 2.13.0 (CPU build), numpy 2.4.6, Python 3.11, x86-64.
# Behaviour: the first column of 23 x k float32 numbers sums to different bits for different k. Sums over the last
# dimension do not depend on the number of rows; adding the rows one after the other does not either.
# Source: aten/src/ATen/native/cpu/SumKernel.cpp: columns are taken by vectors of four times the width of a register,
# then of one, then one by one, each with another cascade of partial sums.
# Who meets it: whoever trains several models side by side, or batches evaluations, and promises that a result does not
# depend on its company: a gradient's norm that is summed over parameters this way clips each model a little differently
# for every width of the stack.
#
# Seen: sum over dim=0 differs, over the last dimension the same, row by row the same beside 0, 3, 7, 15 other columns
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

cat >"$folder/columns.py" <<'PYTHON'
import sys

import torch

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
ROWS, WIDTHS, COLUMNS = 23, (1, 4, 8, 16), 200
generator = torch.Generator().manual_seed(0)
terms = torch.rand(COLUMNS, ROWS, generator=generator)


def beside(term, width):
    return torch.cat([term[:, None], torch.rand(ROWS, width - 1, generator=generator)], dim=1)


def row_by_row(x):
    total = torch.zeros(x.shape[1])
    for row in x:
        total += row
    return total


def depends(add):
    found = {width: [float(add(beside(term, width))[0]) for term in terms] for width in WIDTHS}
    return len({tuple(sums) for sums in found.values()}) > 1


ways = {
    "dim=0": lambda x: x.sum(dim=0),
    "the last dimension": lambda x: x.mT.contiguous().sum(dim=1),
    "row by row": row_by_row,
}
found = {name: depends(add) for name, add in ways.items()}
for name, differs in found.items():
    print(f"sum over {name}: {'differs' if differs else 'the same'} beside 0, 3, 7, 15 other columns")
sys.exit(list(found.values()) != [True, False, False])
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/columns.py"
