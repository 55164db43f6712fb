"""How far a reader walks from ``GP.fit`` to a posterior, counted on a run.

``python tests/surrogates/gp/journey.py`` prints the walk. It follows the runs: a call counts where a public function of
bomix is called for the first time and one of its arguments is, or holds, numbers of the runs. Consecutive calls into
one module are one stay. So repeated loops count once, and neither helpers of a module nor what only concerns names.
"""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

import bomix
from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.spec import GP

RUNS = 13
"""A number of runs that no other dimension of the example has: so what holds their numbers is known by its shape."""
ROOT = str(Path(bomix.__file__).parent)


class Stay(NamedTuple):
    """Consecutive calls into one module.

    Attributes:
        room: The module, ``surrogates/gp/spec``.
        functions: What is called there for the first time.
    """

    room: str
    functions: list[str]


def journey(spec: GP) -> list[Stay]:
    """The stays of a fit to 13 runs and a posterior at two mixtures."""
    space = MixtureSpace(tuple(f"d{number}" for number in range(4)))
    X = torch.as_tensor(space.sobol(RUNS, seed=1), dtype=torch.float64)
    Y = torch.stack([(X[:, j] - 0.3 * j).square() + 0.1 * X[:, 3] for j in range(3)], dim=-1)
    data = SupervisedDataset(X, Y, feature_names=list(space.domains), outcome_names=["a", "b", "c"])
    context = FitContext(space, ("d0", "d1", "c"))

    def fit() -> None:
        spec.fit(data, context=context, seed=0).posterior(X[:2].unsqueeze(-2))

    fit()  # imports are no part of it
    stays: list[Stay] = []
    seen: set[CodeType] = set()

    def called(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code in seen or not code.co_filename.startswith(ROOT) or not _is_public(code):
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4)]
        if any(_holds_runs(frame.f_locals.get(name)) for name in names if name not in ("self", "cls")):
            seen.add(code)
            room = code.co_filename[len(ROOT) + 1 : -len(".py")]
            if not stays or stays[-1].room != room:
                stays.append(Stay(room, []))
            stays[-1].functions.append(code.co_qualname)

    sys.setprofile(called)
    try:
        fit()
    finally:
        sys.setprofile(None)
    return stays


def _is_public(code: CodeType) -> bool:
    """Whether a function is met by its name from outside: neither nested nor with an underscore, dunders aside."""
    return "<" not in code.co_qualname and (not code.co_name.startswith("_") or code.co_name.startswith("__"))


def _holds_runs(value: object, depth: int = 0) -> bool:
    if isinstance(value, torch.Tensor | np.ndarray):
        return RUNS in value.shape
    if isinstance(value, SupervisedDataset):
        return True
    if depth < 2 and isinstance(value, tuple | list):
        return any(_holds_runs(each, depth + 1) for each in value)
    if depth < 2 and is_dataclass(value):
        return any(_holds_runs(getattr(value, field.name, None), depth + 1) for field in fields(value))
    return False


if __name__ == "__main__":
    walked = journey(GP())
    for stay in walked:
        print(f"{stay.room}: {', '.join(stay.functions)}")
    print(f"{len(walked)} stays in {len({stay.room for stay in walked})} rooms")
