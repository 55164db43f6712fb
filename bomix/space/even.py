"""Points that cover a space of mixtures evenly: a scrambled Sobol sequence, or what comes nearest to one.

Without constraints the sequence is mapped onto the space. With constraints that a fair share of it keeps, it is the
points that keep them, which are as even. Where hardly any does they are independent uniform mixtures by hit and run,
in blocks, each of which follows from the seed and its own number alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bomix.space import hit_and_run
from bomix.space.uniform import UniformMap, uniform_map

if TYPE_CHECKING:
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

_TRIED = 1024
"""Points by which it is decided how many keep the constraints."""
_FAIR = 1.0 / 32.0
"""Share of points that keep the constraints from which a sequence is sifted: some thousands are drawn for a design."""


def points(
    lower: tuple[float, ...], upper: tuple[float, ...], rows: Rows | None, n: int, *, seed: int, skip: int
) -> Array:
    """Points ``skip .. skip + n - 1`` of the sequence of a seed, ``n x d``."""
    mapping = uniform_map(lower, upper)
    if rows is None:
        return _sobol(mapping, n, seed, skip)
    if (share := _share(lower, upper, rows)) < _FAIR:
        return _blocks(lower, upper, rows, n, seed, skip)
    count = int(1.25 * (skip + n) / share) + 64
    while True:
        found = _sobol(mapping, count, seed, 0)
        found = found[rows.hold(found, tolerance=0.0)]
        if len(found) >= skip + n:
            return np.asarray(found[skip : skip + n])
        count *= 2


def sample(
    lower: tuple[float, ...], upper: tuple[float, ...], rows: Rows | None, n: int, rng: np.random.Generator
) -> Array:
    """``n x d`` independent mixtures, uniform on the space."""
    if rows is None:
        mapping = uniform_map(lower, upper)
        return mapping(rng.random((n, mapping.inputs)))
    chains, rounds = hit_and_run.CHAINS, hit_and_run.ROUNDS
    blocks = [
        hit_and_run.run(lower, upper, rows, chains=chains, rounds=rounds, rng=rng) for _ in range(-(-n // chains))
    ]
    return np.concatenate([np.empty((0, len(lower))), *blocks])[:n]


def _sobol(mapping: UniformMap, n: int, seed: int, skip: int) -> Array:
    import scipy
    from packaging.version import Version
    from scipy.stats import qmc

    if not (mapping.inputs and n):
        return mapping(np.empty((n, mapping.inputs)))
    generator = "rng" if Version(scipy.__version__) >= Version("1.15") else "seed"  # the same under another name
    sequence = qmc.Sobol(mapping.inputs, scramble=True, **{generator: np.random.default_rng(seed)})
    # A draw that starts behind the first point is exempt from SciPy's warning on counts that are no powers of two.
    first = sequence.random(1)
    if skip == 0:
        return mapping(np.concatenate([first, sequence.random(n - 1)]))
    return mapping(sequence.fast_forward(skip - 1).random(n))


@lru_cache(maxsize=64)
def _share(lower: tuple[float, ...], upper: tuple[float, ...], rows: Rows) -> float:
    """Share of the uniform mixtures within bounds that keep the constraints."""
    return float(rows.hold(_sobol(uniform_map(lower, upper), _TRIED, 0, 0), tolerance=0.0).mean())


def _blocks(lower: tuple[float, ...], upper: tuple[float, ...], rows: Rows, n: int, seed: int, skip: int) -> Array:
    size = hit_and_run.CHAINS
    found, at = [np.empty((0, len(lower)))], skip
    while at < skip + n:
        block, first = divmod(at, size)
        count = min(size - first, skip + n - at)
        found.append(hit_and_run.mixtures(lower, upper, rows, (seed, block))[first : first + count])
        at += count
    return np.concatenate(found)
