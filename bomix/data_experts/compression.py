"""Fewer tokens for nearly the same mixture of experts, as a function of all mixtures.

Tokens of similar log-ratios form cells, by splits at the middle of the widest axis of whichever cell still matters.
Inside a cell a few tokens with new shares stand for the rest: as many as there are experts and one more are enough to
keep the cell's share and the mean of ``ln p_i`` for every expert [Litterer2012]_, so that every vertex keeps its loss
and mixtures are off by what differs within a cell, in either direction. Cells with few tokens keep them all.

What is known of the error over the whole simplex:

- *proven*, for losses without a gate. In a cell let ``x_ti`` be log-ratios less their mean, and ``q`` any point of the
  simplex. ``E(q) = mean_t ln sum_i q_i exp(x_ti)`` is concave where ``q`` moves, zero at the vertices, hence not
  negative, and by Jensen at most ``max_i ln mean_t exp(x_ti - y_t)`` for any ``y_t`` of mean zero. Tokens kept obey
  the same two bounds with their own shares, so the two sides differ by the larger of them at most;
- *measured*: the largest difference over mixtures of all kinds: vertices, edges, the centre, what lies next to
  vertices, even and sparse ones. They are drawn anew after the choice, which others made by twice *their* largest
  difference; only the vertices, the centre and one kind of neighbour are in both. If ``N`` of the even and sparse
  ones, here 320, stay below a level, then with 99 % confidence at most ``4.6 / N`` of their population exceed it.
  Of every edge one point is tried, and of more than 320 edges, those of 26 experts, no more than 320 drawn ones.

The proven bound is of the second order and far too large where experts are many: the measured one decides.

References:
    [Litterer2012] High order recombination and an application to cubature on Wiener space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bomix.numerics.chunks import rows_within

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.data_experts.mixture import LogMixture

_SMALLEST = 1000
"""Tokens below which all are kept: their loss costs little as it is."""
_WORTH = 0.6
"""Share of the tokens above which all of them are kept."""
_FIRST_LEVEL = 1e-3
"""Spread within a cell at the first try, times the share of its tokens: coarse, since finer cells are cheap to reach
from there and tokens that stay are not."""
_TRIES = 6
"""Finer and finer choices that are tried before all tokens are kept; each measures the error on all mixtures."""
_CONCENTRATIONS = (1.0, 0.3, 0.1, 0.03)
"""Concentrations of the Dirichlet distributions that mixtures to check are drawn from: from even mixtures to nearly one
domain alone."""
_CHECKS = 320
"""Mixtures drawn to measure the error, and pairs of domains at most: each costs a pass over all tokens."""
_SAFETY = 2.0
"""Factor by which the error measured while choosing is raised: the choice was made on these mixtures, and others have
larger errors."""
_FRESH = 1_000_003
"""Added to the seed for the mixtures that have the last word: none of them was seen by the choice."""
_WIDEST = 30.0
"""Logarithms are cut off here, either side, before tokens are compared: a token that is ``e^30`` times likelier under
one expert than another is no more similar to others for being less extreme, and would alone decide how cells are
cut."""


@dataclass(frozen=True)
class Compression:
    """Which tokens stay.

    Attributes:
        index: ``K`` positions of tokens, ascending.
        shares: ``K`` shares of these tokens in the loss, which sum to those of all tokens.
        measured: The largest error over mixtures drawn after the choice, nats.
        proven: Bound of the error over all mixtures, nats; infinite where none is known.
    """

    index: Tensor
    shares: Tensor
    measured: float
    proven: float


def compress(form: LogMixture, tolerance: float, *, seed: int = 0) -> Compression:
    """Choose tokens, and shares for them, whose loss is nearly that of all tokens.

    Args:
        form: The loss with all tokens, of equal shares.
        tolerance: What the measured error may be, nats.
        seed: Seed of the mixtures that are tried, and of which tokens of a cell stay.

    Returns:
        All tokens, without error, where few would have gone, or where the mixtures drawn last refute the choice.
    """
    T, k = form.log_rows.shape
    everything = Compression(torch.arange(T), form.shares, 0.0, 0.0)
    if T < _SMALLEST or k < 2:
        return everything
    checks, last = (check_mixtures(k, seed=each) for each in (seed, seed + _FRESH))
    expected, vertices = _less_constant(form, checks), form.tokens(torch.eye(k, dtype=torch.float64)).mT.contiguous()
    features = torch.cat([torch.ones(T, 1, dtype=torch.float64), vertices], dim=-1)
    coordinates = _coordinates(form)
    level = _FIRST_LEVEL * (1.0 + tolerance / 1e-3)
    for _ in range(_TRIES):
        cells = _cells(coordinates, k + 1, level)
        if sum(min(len(cell), k + 1) for cell in cells) > _WORTH * T:
            break
        index, shares, cell = _recombined(features, form.shares, cells, seed)
        smaller = form.subset(index, shares)
        error = _SAFETY * float((_less_constant(smaller, checks) - expected).abs().max())
        proven = _proven_bound(form, cells, index, shares, cell) if form.log_below is None else float("inf")
        if min(error, proven) <= tolerance:
            order = index.argsort()
            measured = float((_less_constant(smaller, last) - _less_constant(form, last)).abs().max())
            if min(measured, proven) > tolerance:
                break
            return Compression(index[order], shares[order], measured, proven)
        level *= min(0.7, max(0.05, (0.9 * tolerance / error) ** 1.5))
    return everything


def check_mixtures(k: int, *, seed: int) -> Tensor:
    """``L x k`` mixtures of all kinds: vertices, edges, the centre, next to a vertex, and drawn ones down to sparse."""
    rng = np.random.default_rng(seed)
    eye = np.eye(k)
    one, other = np.tril_indices(k, -1)
    if len(one) > _CHECKS:
        drawn_pairs = rng.choice(len(one), _CHECKS, replace=False)
        one, other = one[drawn_pairs], other[drawn_pairs]
    part = rng.uniform(size=(len(one), 1))
    pairs = part * eye[one] + (1.0 - part) * eye[other]
    near = np.concatenate([0.97 * eye + 0.03 * rng.permutation(eye), 0.997 * eye + 0.003 / k])
    drawn = [rng.dirichlet(np.full(k, each), _CHECKS // len(_CONCENTRATIONS)) for each in _CONCENTRATIONS]
    found = np.concatenate([eye, pairs, np.full((1, k), 1.0 / k), near, *drawn])
    return torch.as_tensor(found / found.sum(axis=1, keepdims=True))


def _less_constant(form: LogMixture, mixtures: Tensor) -> Tensor:
    """Losses of ``L x k`` mixtures less the loss's constant, ``L``: what a choice of tokens changes, nats."""
    with torch.no_grad():
        found: Tensor = form(mixtures) - form.constant
    return found


def _coordinates(form: LogMixture) -> np.ndarray:
    """``T x a`` coordinates in which tokens are compared: logarithms less their mean over the experts.

    A factor that all experts share changes no comparison of mixtures.
    """
    parts = [form.log_rows] if form.log_below is None else [form.log_rows - form.log_below, form.log_below]
    blocks = []
    for logs in parts:
        seen = logs.clamp(-_WIDEST, _WIDEST)
        blocks.append(seen - seen.mean(dim=-1, keepdim=True))
    return torch.cat(blocks, dim=-1).numpy()


def _cells(X: np.ndarray, enough: int, level: float) -> list[np.ndarray]:
    """Indices of the tokens of every cell: split while ``share * variance`` of the widest axis is above the level."""
    todo, done = [np.arange(len(X))], []
    while todo:
        cell = todo.pop()
        if len(cell) <= 2 * enough:
            done.append(cell)
            continue
        inside = X[cell]
        variance = inside.var(axis=0)
        axis = int(variance.argmax())
        values = inside[:, axis]
        lower = values <= 0.5 * (values.min() + values.max())
        if len(cell) * variance[axis] <= level * len(X) or lower.all():
            done.append(cell)
        else:
            todo += [cell[lower], cell[~lower]]
    return done


def _recombined(features: Tensor, shares: Tensor, cells: list[np.ndarray], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens that stay, their shares, and the cells that they are of; the means of the features are kept."""
    rng, enough = np.random.default_rng(seed), features.shape[-1]
    classes: dict[int, list[int]] = {}
    for number, cell in enumerate(cells):
        classes.setdefault(max(0, int(np.ceil(np.log2(len(cell) / enough)))), []).append(number)
    found = []
    for size, numbers in classes.items():
        longest = max(len(cells[number]) for number in numbers)
        step = rows_within(longest * enough)
        for start in range(0, len(numbers), step):
            some = numbers[start : start + step]
            index, present = np.zeros((len(some), longest), dtype=np.int64), np.zeros((len(some), longest))
            for row, number in enumerate(some):
                length = len(cells[number])
                # In an order of their own, so that no group of neighbours is left out together.
                index[row, :length], present[row, :length] = rng.permutation(cells[number]), 1.0
            at = torch.as_tensor(index)
            weight = shares[at] * torch.as_tensor(present)
            if size > 0:
                at, weight = _reduced(features, at, weight)
            cell_of_token = torch.as_tensor(some).unsqueeze(-1).expand_as(at)
            kept = weight > 0
            found.append((at[kept], weight[kept], cell_of_token[kept]))
    index_, shares_, cell_ = (torch.cat(each) for each in zip(*found, strict=True))
    return index_, shares_, cell_


def _reduced(features: Tensor, index: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Keep as many tokens of each of ``C`` cells as there are features, and the features' weighted sums.

    Tokens are dealt to twice as many groups as are kept; half of the groups are dropped, the weights of the others
    change, and the same is done with what is left.

    Args:
        features: ``T x f`` features of all tokens.
        index: ``C x n`` positions of the tokens of each cell.
        weight: ``C x n`` shares of these tokens, zero in places that hold no token.

    Returns:
        ``C x f`` positions of tokens and ``C x f`` shares, as in ``index`` and ``weight``.
    """
    enough = features.shape[-1]
    while (n := index.shape[1]) > enough:
        groups = min(2 * enough, n)
        rows = -(-n // groups)
        missing = groups * rows - n
        index = torch.cat([index, index[:, :1].expand(-1, missing)], dim=1).reshape(len(index), rows, groups)
        weight = torch.cat([weight, weight.new_zeros(len(weight), missing)], dim=1).reshape(index.shape)
        total = weight.sum(dim=1)
        moments = (features[index] * weight.unsqueeze(-1)).sum(dim=1) / total.clamp_min(1e-300).unsqueeze(-1)
        factor = _fewest_nonzero(moments, total) / total.clamp_min(1e-300)
        kept = factor.topk(enough, dim=1).indices
        across = kept.unsqueeze(1).expand(-1, rows, -1)
        weight = (weight.gather(2, across) * factor.gather(1, kept).unsqueeze(1)).flatten(1)
        index = index.gather(2, across).flatten(1)
        if rows == 1:
            break
    return index, weight


def _fewest_nonzero(points: Tensor, weight: Tensor) -> Tensor:
    """Weights with the same sums of ``C x n x f`` points, all but ``f`` of ``C x n`` zero; none negative.

    Along a direction in which the sums do not change, weights move until one is zero; it stays zero in the rest.
    """
    C, n, f = points.shape
    free = torch.linalg.qr(points, mode="complete")[0][:, :, f:].clone()
    weight, cells = weight.clone(), torch.arange(C)
    for step in range(n - f):
        direction = free[:, :, step]
        largest = direction.abs().amax(dim=1, keepdim=True).clamp_min(1e-300)
        direction = direction / largest
        direction = torch.where(direction.amax(dim=1, keepdim=True) > 1e-9, direction, -direction)
        ratio = torch.where(direction > 1e-9, weight / direction.clamp_min(1e-9), torch.inf)
        least, at = ratio.min(dim=1)
        weight = (weight - least.unsqueeze(-1) * direction).clamp_min(0.0)
        weight[cells, at] = 0.0
        if step + 1 < n - f:
            pivot = free[cells, at, step + 1 :] / direction[cells, at].unsqueeze(-1)
            free[:, :, step + 1 :] -= direction.unsqueeze(-1) * pivot.unsqueeze(1)
            free[cells, at, step + 1 :] = 0.0
    return weight


def _proven_bound(form: LogMixture, cells: list[np.ndarray], index: Tensor, shares: Tensor, cell: Tensor) -> float:
    """Bound of the error over all mixtures, nats: over the cells, the sum of the larger of two bounds times the share.

    One is of all tokens of the cell, one of those that stay. A cell that keeps all its tokens adds nothing.
    """
    tokens = torch.cat([torch.as_tensor(each) for each in cells])
    lengths = torch.as_tensor([len(each) for each in cells])
    cell_of_token = torch.repeat_interleave(torch.arange(len(cells)), lengths)
    bounds = [
        _jensen_bounds(form.log_rows[at], part, number, len(cells))
        for at, part, number in ((tokens, form.shares[tokens], cell_of_token), (index, shares, cell))
    ]
    total = torch.zeros(len(cells), dtype=torch.float64).index_add(0, cell_of_token, form.shares[tokens])
    total[torch.bincount(cell, minlength=len(cells)) == lengths] = 0.0
    return float((total * torch.maximum(*bounds)).sum())


def _jensen_bounds(logs: Tensor, shares: Tensor, cell: Tensor, count: int) -> Tensor:
    """``max_i ln mean_t exp(x_ti - y_t)`` of each of ``count`` cells, nats; ``y_t`` is the middle of a token's entries.

    Args:
        logs: ``T x k`` log-ratios of tokens.
        shares: ``T`` shares of the tokens in the loss.
        cell: ``T`` numbers of the cells that the tokens are in.
        count: Number of cells.
    """

    def mean(values: Tensor) -> Tensor:
        total = values.new_zeros(count).index_add(0, cell, shares).unsqueeze(-1)
        return values.new_zeros(count, values.shape[-1]).index_add(0, cell, values * shares.unsqueeze(-1)) / total

    x = logs - mean(logs)[cell]
    y = 0.5 * (x.amax(dim=-1, keepdim=True) + x.amin(dim=-1, keepdim=True))
    x = x - (y - mean(y)[cell])
    return mean(x.exp()).clamp_min(1.0).log().amax(dim=-1)
