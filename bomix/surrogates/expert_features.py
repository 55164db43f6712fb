"""What a mixture of data experts says of every metric, from the artifacts that a context names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from bomix.io.cache import build_once, is_whole, read_record
from bomix.laws import experts
from bomix.laws.compression import compress as compressed
from bomix.laws.expert_table import ExpertTable, expert_tables
from bomix.laws.experts import LogMixture, Options, strengthened

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.context import FitContext

Variant = Literal["token", "dataset", "gated"]
_SCHEMA = 1


class Gate(NamedTuple):
    """How far the words before decide: the exponent of what experts made of them, and how many of them count."""

    tau: float = 0.0
    window: int | None = None


@dataclass(frozen=True)
class ExpertLosses:
    """Predictions of every metric by the experts of the domains; a differentiable function of mixtures.

    Attributes:
        metrics: ``m`` names.
        forms: ``m`` functions of the weights: losses, or multiple choice, whose accuracy is predicted as the mean
            probability of the right option.
        bounds: ``m``: by how much the compressed form may be off, in the metric's unit; 0 where it is exact. See
            :mod:`bomix.laws.compression` for what is behind it.
        log_strengths: ``d``; None for equal ones.
    """

    metrics: tuple[str, ...]
    forms: tuple[LogMixture | Options, ...]
    bounds: tuple[float, ...]
    log_strengths: Tensor | None = None

    @property
    def convex(self) -> tuple[bool, ...]:
        """``m``: whether a metric's prediction is convex in the weights."""
        equal = self.log_strengths is None
        return tuple(equal and isinstance(form, LogMixture) and form.convex for form in self.forms)

    def __call__(self, weights: Tensor) -> Tensor:
        """``(...) x d`` weights to ``(...) x m`` predictions in the metrics' own units."""
        if self.log_strengths is not None:
            weights = strengthened(weights, self.log_strengths)
        values = [form.soft(weights) if isinstance(form, Options) else form(weights) for form in self.forms]
        return torch.stack(values, dim=-1)

    def accuracy(self, weights: Tensor) -> Tensor:
        """As a call, but the accuracy of multiple choice is a share of right answers; without gradients there."""
        if self.log_strengths is not None:
            weights = strengthened(weights, self.log_strengths)
        values = [form.accuracy(weights) if isinstance(form, Options) else form(weights) for form in self.forms]
        return torch.stack(values, dim=-1)

    def with_strengths(self, log_strengths: Tensor) -> ExpertLosses:
        """The same with other strengths, ``d`` or what broadcasts with the weights."""
        return ExpertLosses(self.metrics, self.forms, self.bounds, log_strengths)


def expert_losses(
    context: FitContext,
    *,
    variant: Variant = "token",
    tau: float = 0.0,
    window: int | None = None,
    log_strengths: Tensor | None = None,
    compress: float | None = 1e-3,
) -> ExpertLosses:
    """The mixture of experts of every metric of ``context.metrics``.

    Args:
        context: Names experts and their artifacts.
        variant: ``token`` averages probabilities token by token, ``dataset`` those of whole sets, ``gated`` weighs
            experts by ``w_i P_i(prefix)^tau``. Multiple choice is always averaged token by token.
        tau: Of ``gated``, 0 to 1: 0 is ``token``, 1 the mixture of sequence models.
        window: Of ``gated``, how many tokens of the prefix count; None for all.
        log_strengths: ``d``, ``ln s`` of ``w'_i ~ s_i w_i``; None for equal ones.
        compress: Error in nats that a smaller set of tokens may make; None for every token.

    Raises:
        FitError: An expert, an artifact or a metric's tokens are missing, or do not belong together.
    """
    tau = tau if variant == "gated" else 0.0
    kind: Variant = "token" if variant == "gated" and tau == 0.0 else variant
    # What has every token is large and is not kept.
    form = _made if compress is None else _smaller
    gate = Gate(tau, window if kind == "gated" else None)
    found = [form(table.folder, table.metric, table.key, kind, gate, compress) for table in expert_tables(context)]
    forms, bounds = zip(*found, strict=True)
    return ExpertLosses(tuple(context.metrics), forms, bounds, log_strengths)


def thin_losses(context: FitContext, *, tau: float, window: int | None = None, most: int) -> ExpertLosses:
    """Gated losses of ``most`` tokens each; differences between mixtures are nearly right, levels are not.

    Args:
        context: See :func:`expert_losses`.
        tau: As there.
        window: As there.
        most: Tokens of a set.
    """
    gate = Gate(tau, window)
    forms = tuple(_thin(table.folder, table.metric, table.key, gate, most) for table in expert_tables(context))
    return ExpertLosses(tuple(context.metrics), forms, (float("inf"),) * len(forms))


@lru_cache(maxsize=1024)
def _thin(folder: Path, metric: str, key: str, gate: Gate, most: int) -> LogMixture | Options:
    form, _ = _made(folder, metric, key, "gated", gate, None)
    return form.thinned(most) if isinstance(form, LogMixture) else form


@lru_cache(maxsize=128)
def _smaller(
    folder: Path, metric: str, key: str, variant: Variant, gate: Gate, compress: float | None
) -> tuple[LogMixture | Options, float]:
    """As :func:`_made`; kept, for a loop asks for the same ones at every turn."""
    return _made(folder, metric, key, variant, gate, compress)


def _made(
    folder: Path, metric: str, key: str, variant: Variant, gate: Gate, compress: float | None
) -> tuple[LogMixture | Options, float]:
    """A metric's function and its error."""
    table = ExpertTable(folder, metric, key)
    log_p, starts = np.asarray(table.log_probabilities), np.asarray(table.starts)
    if table.examples is not None and table.gold is not None:
        parts = log_p, starts, table.examples, table.gold, table.scored
        return experts.options(*parts, per_token=table.per_token), 0.0
    if variant == "dataset":
        return experts.per_dataset(log_p, table.scored), 0.0
    form = experts.gated(log_p, starts, tau=gate.tau, window=gate.window, scored=table.scored)
    if compress is None:
        return form, 0.0
    identity = json.dumps([_SCHEMA, key, variant, *gate, compress])
    where = folder.parent.parent / "experts_compressed" / hashlib.sha256(identity.encode()).hexdigest()[:32]
    if not is_whole(where):
        build_once(where, lambda building: _write(building, form, compress))
    record = read_record(where)
    if record["all"]:
        return form, 0.0
    index, shares = (torch.as_tensor(np.load(where / f"{name}.npy")) for name in ("index", "shares"))
    return form.subset(index, shares), float(record["error"])


def _write(building: Path, form: LogMixture, tolerance: float) -> Mapping[str, Any]:
    """Fill the folder of a compressed form."""
    found = compressed(form, tolerance)
    whole = len(found.index) == len(form.shares)
    if not whole:
        np.save(building / "index.npy", found.index.numpy())
        np.save(building / "shares.npy", found.shares.numpy())
    return {"all": whole, "error": min(found.measured, found.proven), "tokens": len(found.index)}
