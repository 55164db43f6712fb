#!/usr/bin/env bash
# SciPy's milp says of a small problem that it is infeasible, with status 2, though it has a solution: its presolve errs.
#
# The good guess: status 2 of scipy.optimize.milp is a proof, and presolve changes the time that it takes, not the answer.
#
# Version: scipy 1.16.0 (also 1.12.0, 1.14.1, 1.15.3 and 1.17.0), Python 3.11; 1.17.1 solves it.
# Behaviour: three items, each used (z = 1) or not, with amounts w <= z that sum to one, the first two to a half at least.
# z = (0, 1, 1), w = (0, 0.5, 0.5) is allowed, and is what milp finds with {"presolve": False}. With its default it answers
# "The problem is infeasible. (HiGHS Status 8)" and x is None. Nothing warns.
# Source: milp hands the problem to the HiGHS that the wheel holds, scipy/optimize/_milp.py; the reduction is HiGHS's.
# Who meets it: whoever chooses which domains of a mixture are used at all, under sums over groups. bomix asks again
# without presolve before it believes that there is no choice (bomix/space/choices.py).
#
# Seen: with presolve: status 2, None; without: status 0, [0, 1, 1, 0, 0.5, 0.5]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check scipy==1.16.0 numpy==2.2.6

cat >"$folder/choose.py" <<'PYTHON'
import sys

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

LIMITS = [
    LinearConstraint(np.hstack([-np.eye(3), np.eye(3)]), -np.inf, 0.0),  # w <= z
    LinearConstraint([[0, 0, 0, 1, 1, 1]], 1.0, 1.0),
    LinearConstraint([[0, 0, 0, 1, 1, 0]], 0.5, np.inf),
]
PRICE = [1.0003, 1.00003, -1.000167, 0.0, 0.0, 0.0]

found = [
    milp(PRICE, integrality=[1, 1, 1, 0, 0, 0], bounds=Bounds(0, 1), constraints=LIMITS, options={"presolve": presolve})
    for presolve in (True, False)
]
for word, each in zip(("with presolve", "without"), found):
    print(f"{word}: status {each.status}, {None if each.x is None else (each.x + 0.0).round(9).tolist()}")
sys.exit(not (found[0].status == 2 and found[1].status == 0 and found[1].x[:3].round().tolist() == [0, 1, 1]))
PYTHON
"$folder/venv/bin/python" "$folder/choose.py"
