"""What a mixture of data experts says of every metric, from the artifacts that a context names."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from bomix.data_experts import mixture
from bomix.data_experts.compression import compress as compressed
from bomix.data_experts.mixture import LogMixture, strengthened
from bomix.data_experts.multiple_choice import Options, options
from bomix.data_experts.token_table import ExpertTable, expert_tables
from bomix.io.store.cache import build_once, is_whole, read_record

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.context import FitContext

logger = logging.getLogger(__name__)

Variant = Literal["token", "dataset", "gated"]
Form = LogMixture | Options
_SCHEMA = 2
"""Version of what is kept on disk: raised when the numbers or their form change, so that older ones are computed
anew."""
_KEPT_BYTES = 2**29
"""Losses that a process keeps in memory, 512 MB, those used last: every ask of a study needs all of its own, and what
was dropped is read from the disk again."""


class Gate(NamedTuple):
    """How the tokens before a token weigh the experts, ``w_i P_i(prefix)^tau``.

    Attributes:
        tau: Exponent of the prefix's probability, 0 to 1; 0 is no gate.
        window: How many tokens of the prefix count; None for all.
    """

    tau: float = 0.0
    window: int | None = None


@dataclass(frozen=True)
class ExpertLosses:
    """Predictions of every metric by the experts of the domains; a differentiable function of mixtures.

    Attributes:
        metrics: ``m`` names.
        forms: ``m`` functions of the weights: losses, or multiple choice, whose accuracy is predicted as the mean
            probability of the right option.
        log_strengths: ``d`` logarithms of the strengths ``s`` in ``w'_i ~ s_i w_i``; None for equal ones.
    """

    metrics: tuple[str, ...]
    forms: tuple[Form, ...]
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

    def with_strengths(self, log_strengths: Tensor) -> ExpertLosses:
        """The same predictions with other logarithms of strengths, ``d`` or what broadcasts with the weights."""
        return ExpertLosses(self.metrics, self.forms, log_strengths)


def expert_losses(
    context: FitContext,
    *,
    variant: Variant = "token",
    tau: float = 0.0,
    window: int | None = None,
    log_strengths: Tensor | None = None,
    compress: float | None = 1e-3,
    tables: Sequence[ExpertTable] | None = None,
) -> ExpertLosses:
    """The mixture of experts of every metric of ``context.metrics``.

    Args:
        context: Names experts and their artifacts.
        variant: ``token`` averages probabilities token by token, ``dataset`` those of whole sets, ``gated`` weighs
            experts by ``w_i P_i(prefix)^tau``. Multiple choice is always averaged token by token.
        tau: Exponent of the gate, 0 to 1: 0 is ``token``, 1 without a window the mixture of sequence models. Other
            variants have none.
        window: How many tokens of the prefix count in the gate; None for all.
        log_strengths: ``d`` logarithms of the strengths ``s`` in ``w'_i ~ s_i w_i``; None for equal ones.
        compress: Error in nats that a smaller set of tokens may make; None for every token.
        tables: A table for each of ``context.metrics``, where they are at hand; None to find them.

    Raises:
        FitError: An expert, an artifact or a metric's tokens are missing, or do not belong together.
    """
    tau = tau if variant == "gated" else 0.0
    kind: Variant = "token" if variant == "gated" and tau == 0.0 else variant
    gate = Gate(tau, window if kind == "gated" else None)
    tables = expert_tables(context) if tables is None else tables
    return ExpertLosses(tuple(context.metrics), tuple(_form(t, kind, gate, compress) for t in tables), log_strengths)


def thin_losses(tables: Sequence[ExpertTable], *, tau: float, window: int | None = None, most: int) -> ExpertLosses:
    """Gated losses from at most ``most`` drawn tokens each; differences of mixtures are nearly right, levels are not.

    Args:
        tables: A table for each metric.
        tau: Exponent of the gate, 0 to 1.
        window: How many tokens of the prefix count in the gate; None for all.
        most: Most tokens of a loss. Multiple choice keeps all of its own.
    """
    gate = Gate(tau, window if tau > 0.0 else None)
    return ExpertLosses(tuple(table.metric for table in tables), tuple(_thinned(table, gate, most) for table in tables))


class _FormCache:
    """A cache of losses by key: a loop asks for the same ones at every turn. What was not used for longest goes first.

    Args:
        most: Bytes of all that is kept; a loss of more than an eighth of them is not kept.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._forms: OrderedDict[Any, Form] = OrderedDict()

    def get(self, key: Any, make: Callable[[], Form]) -> Form:
        """The loss under a key; made, and kept unless it is too large, where there is none."""
        with self._lock:
            if key in self._forms:
                self._forms.move_to_end(key)
                return self._forms[key]
        form = make()
        if _bytes(form) > self._most // 8:
            return form
        with self._lock:
            self._forms[key] = form
            while sum(map(_bytes, self._forms.values())) > self._most:
                self._forms.popitem(last=False)
        return form


_cache = _FormCache(_KEPT_BYTES)


def _bytes(form: Form) -> int:
    """Memory of a loss, bytes: twice its logarithms, since it keeps the rows themselves as well."""
    below = form.log_below if isinstance(form, LogMixture) else None
    return 2 * (form.log_rows.nbytes + (0 if below is None else below.nbytes))


def _form(table: ExpertTable, variant: Variant, gate: Gate, compress: float | None) -> Form:
    """The prediction of one metric: of all its tokens, or of few where an error of ``compress`` nats is allowed."""
    if table.examples is not None:
        return _multiple_choice(table)
    if compress is None or variant == "dataset":
        return _cache.get((table.folder, variant, gate), lambda: _of_all_tokens(table, variant, gate))
    return _cache.get((table.folder, variant, gate, compress), lambda: _of_few_tokens(table, variant, gate, compress))


def _thinned(table: ExpertTable, gate: Gate, most: int) -> Form:
    """The gated loss of one metric from at most ``most`` drawn tokens; multiple choice as it is."""
    if table.examples is not None:
        return _multiple_choice(table)
    # Token by token for every exponent: sequences are few and would all stay, an advantage over tokens of which few do.
    return _cache.get(
        (table.folder, gate, most), lambda: _of_all_tokens(table, "gated", gate, joined=False).thinned(most)
    )


def _multiple_choice(table: ExpertTable) -> Form:
    """The accuracy of a multiple-choice metric, which no gate and no compression changes."""

    def make() -> Options:
        assert table.examples is not None
        assert table.gold is not None
        parts = np.asarray(table.log_probabilities), np.asarray(table.starts), table.examples, table.gold, table.scored
        return options(*parts, per_token=table.per_token)

    return _cache.get((table.folder, "options"), make)


def _of_all_tokens(table: ExpertTable, variant: Variant, gate: Gate, *, joined: bool = True) -> LogMixture:
    """The loss of one metric with every token."""
    log_p, scored = np.asarray(table.log_probabilities), table.scored
    if variant == "dataset":
        return mixture.per_dataset(log_p, scored)
    starts = np.asarray(table.starts)
    return mixture.gated(log_p, starts, tau=gate.tau, window=gate.window, scored=scored, joined=joined)


def _of_few_tokens(table: ExpertTable, variant: Variant, gate: Gate, compress: float) -> Form:
    """The loss of one metric with few tokens, chosen once and read from the disk afterwards.

    With every token where no fewer keep the loss to ``compress`` nats.
    """
    identity = json.dumps([_SCHEMA, table.key, variant, *gate, compress])
    name = hashlib.sha256(identity.encode()).hexdigest()[:32]
    where = table.folder.parent.parent / "experts_compressed" / name
    if not is_whole(where):
        form = _of_all_tokens(table, variant, gate)
        build_once(where, lambda building: _write(building, form, table.metric, compress))
    record = read_record(where)
    if record["all"]:
        return _cache.get((table.folder, variant, gate), lambda: _of_all_tokens(table, variant, gate))
    rows, shares = (torch.as_tensor(np.load(where / f"{name}.npy")) for name in ("log_rows", "shares"))
    below = torch.as_tensor(np.load(where / "log_below.npy")) if record["gated"] else None
    return LogMixture(rows, shares, float(record["constant"]), below)


def _write(building: Path, form: LogMixture, metric: str, tolerance: float) -> Mapping[str, Any]:
    """Fill the folder of a compressed loss; what is returned becomes its record."""
    found = compressed(form, tolerance)
    if len(found.index) == len(form.shares):
        text = "metric '%s': all its %d tokens stay, as no fewer are known to keep its loss to %g nats"
        logger.info(text, metric, len(found.index), tolerance)
        return {"all": True}
    few = form.subset(found.index, found.shares)
    np.save(building / "log_rows.npy", few.log_rows.numpy())
    np.save(building / "shares.npy", few.shares.numpy())
    if few.log_below is not None:
        np.save(building / "log_below.npy", few.log_below.numpy())
    return {
        "all": False,
        "gated": few.log_below is not None,
        "constant": few.constant,
        "error": min(found.measured, found.proven),
        "tokens": len(found.index),
    }
