"""What all experts make of every token, side by side: made once from the experts' artifacts, then memory-mapped.

A set's table is ``T x k`` logarithms of probabilities in float16 where that changes no loss that was tried by more
than :data:`LOSS_TOLERANCE`, per token and of whole sequences, and in float32 elsewhere. Its folder is named after a
hash of what it was made from, so that other experts, other tokens or another order of the domains find another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.errors import DataError, FitError, did_you_mean
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import Index, ScoredTokens
from bomix.io.store.cache import build_once, cache_folder, is_whole
from bomix.trial import SCORED_TOKENS

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.context import FitContext

LOSS_TOLERANCE = 1e-4
"""By how much a float may change a loss, nats per token."""
_SCHEMA = 2
"""Version of what is kept on disk: raised when the numbers or their form change, so that older ones are computed
anew."""
_DRAWN = 8
"""Mixtures drawn, besides each domain alone and the even one, on which half precision must give the losses of single:
rounding of so many tokens averages out in all of them, so that a few show it."""
_SHARED = ("starts", "scored", "examples", "gold")


@dataclass(frozen=True)
class ExpertTable:
    """One validation set as all experts see it.

    Attributes:
        folder: Folder of its files.
        metric: Name of the validation set.
        key: A hash of experts, tokens and the order of the domains.
    """

    folder: Path
    metric: str
    key: str

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """``T x k``, ``ln p_i(t)`` with a column for each domain; memory-mapped."""
        return self._load("log_probabilities")

    @cached_property
    def starts(self) -> np.ndarray:
        """``S + 1``: sequence ``s`` is ``starts[s]:starts[s + 1]``."""
        return self._load("starts")

    @cached_property
    def scored(self) -> np.ndarray | None:
        """``T`` booleans, the tokens that the loss is the mean over; None for all."""
        return self._load_if_there("scored")

    @cached_property
    def examples(self) -> np.ndarray | None:
        """``S`` numbers of the example that a sequence is an option of; None for a set that is no multiple choice."""
        return self._load_if_there("examples")

    @cached_property
    def gold(self) -> np.ndarray | None:
        """``S`` booleans, which option is right; None for a set that is no multiple choice."""
        return self._load_if_there("gold")

    @cached_property
    def per_token(self) -> bool:
        """Whether options are compared by their mean over scored tokens rather than by their sum."""
        return self._load_if_there("per_token") is not None

    def _load(self, name: str) -> np.ndarray:
        found: np.ndarray = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return found

    def _load_if_there(self, name: str) -> np.ndarray | None:
        return self._load(name) if (self.folder / f"{name}.npy").is_file() else None


def expert_tables(context: FitContext) -> tuple[ExpertTable, ...]:
    """The tables of ``context.metrics``, made where they are not there.

    Args:
        context: Names the experts of ``context.domains`` and the folders of their artifacts.

    Raises:
        FitError: A domain has no expert, an expert no readable artifact, an artifact lacks a metric; or experts differ
            in tokenizer or tokens.
    """
    experts = _experts(context)
    _same_tokenizer(experts)
    _all_have(experts, context.metrics)
    return tuple(_table(experts, metric) for metric in context.metrics)


@dataclass(frozen=True)
class Expert:
    """An expert's trial and what its artifact holds."""

    trial: int
    artifact: Index


def _experts(context: FitContext) -> dict[str, Expert]:
    """The experts by domain, in the order of the columns."""
    if missing := [domain for domain in context.domains if domain not in context.experts]:
        raise FitError(
            f"no expert of {_named('domain', missing)}: a mixture of experts needs one of each; train them with "
            "`bomix experts`"
        )
    found = {}
    for domain in context.domains:
        trial = context.experts[domain]
        where = context.artifacts.get(trial, {}).get(SCORED_TOKENS)
        if where is None:
            raise FitError(
                f"trial {trial}, the expert of domain '{domain}', has no artifact '{SCORED_TOKENS}'; train it again "
                "with an evaluator that writes one, as `proxy` does"
            )
        try:
            found[domain] = Expert(trial, scored_tokens.read_index(Path(where)))
        except DataError as error:
            raise FitError(f"trial {trial}, the expert of domain '{domain}': {error}") from error
    return found


def _same_tokenizer(experts: Mapping[str, Expert]) -> None:
    (first, reference), *others = experts.items()
    for domain, expert in others:
        if expert.artifact.tokenizer != reference.artifact.tokenizer:
            raise FitError(
                f"the experts of domains '{first}' (trial {reference.trial}) and '{domain}' (trial {expert.trial}) "
                f"have different tokenizers, so that their tokens cannot be compared ({expert.artifact.folder}); "
                "train all experts with one tokenizer"
            )


def _all_have(experts: Mapping[str, Expert], metrics: Sequence[str]) -> None:
    for domain, expert in experts.items():
        known = sorted(expert.artifact.entries)
        if missing := [metric for metric in metrics if metric not in expert.artifact.entries]:
            hint = did_you_mean(missing[0], known)
            raise FitError(
                f"the expert of domain '{domain}' (trial {expert.trial}) holds no tokens of {_named('metric', missing)}"
                f"{hint} ({expert.artifact.folder} has: {', '.join(known) or 'none'}); train it again with the "
                "validation sets of the study, or take the metric out of what experts predict"
            )


def _named(what: str, names: Sequence[str]) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return f"{what} {listed}" if len(names) == 1 else f"{what}s {listed}"


def _table(experts: Mapping[str, Expert], metric: str) -> ExpertTable:
    identity = [_SCHEMA, metric, [[name, expert.artifact.key] for name, expert in experts.items()]]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    folder = cache_folder() / "experts" / key
    if not is_whole(folder):
        sets = _read(experts, metric)
        _check_same_tokens(experts, sets, metric)
        build_once(folder, lambda building: _write(building, list(sets.values()), metric))
    return ExpertTable(folder, metric, key)


def _read(experts: Mapping[str, Expert], metric: str) -> dict[str, ScoredTokens]:
    """What every expert made of a set, its files compared with their checksums."""
    found = {}
    for domain, expert in experts.items():
        try:
            found[domain] = expert.artifact.read(metric, verify=True)
        except DataError as error:
            raise FitError(f"trial {expert.trial}, the expert of domain '{domain}': {error}") from error
    return found


def _check_same_tokens(experts: Mapping[str, Expert], sets: Mapping[str, ScoredTokens], metric: str) -> None:
    (first, reference), *others = sets.items()
    for domain, other in others:
        same = other.tokens == reference.tokens and len(other.log_probabilities) == len(reference.log_probabilities)
        if not same or any(not _equal(one, two) for one, two in zip(_shared(reference), _shared(other), strict=True)):
            raise FitError(
                f"metric '{metric}': the experts of domains '{first}' (trial {experts[first].trial}) and '{domain}' "
                f"(trial {experts[domain].trial}, {experts[domain].artifact.folder}) scored different tokens; train "
                "them again on the validation sets of the study"
            )
    for domain, each in sets.items():
        problem = _problem(each)
        if problem:
            raise FitError(
                f"metric '{metric}': {problem} in what the expert of domain '{domain}' (trial "
                f"{experts[domain].trial}, {experts[domain].artifact.folder}) made of it; train that expert again"
            )


def _shared(found: ScoredTokens) -> tuple[np.ndarray | None, ...]:
    """The arrays that all experts of a set share, in the order of :data:`_SHARED`."""
    return found.starts, found.scored, found.examples, found.gold


def _problem(found: ScoredTokens) -> str:
    if found.scored is not None and not found.scored.any():
        return "no token is scored"
    if (found.examples is None) != (found.gold is None):
        return "'examples' and 'gold' stand together, and one is missing"
    if found.examples is not None and found.gold is not None:
        right = np.bincount(np.unique(found.examples, return_inverse=True)[1].reshape(-1), weights=found.gold)
        if (right != 1).any():
            return f"{int((right != 1).sum())} examples have not one right option"
    return ""


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def _write(building: Path, sets: Sequence[ScoredTokens], metric: str) -> dict[str, Any]:
    """Fill the folder of a table."""
    reference = sets[0]
    exact = np.stack([np.asarray(each.log_probabilities, dtype=np.float32) for each in sets], axis=1)
    exact = np.minimum(exact, 0.0)
    dtype = smallest_float(exact, reference)
    np.save(building / "log_probabilities.npy", exact.astype(dtype))
    for name, values in zip(_SHARED, _shared(reference), strict=True):
        if values is not None:
            np.save(building / f"{name}.npy", np.asarray(values))
    if reference.per_token:
        np.save(building / "per_token.npy", np.ones(1, dtype=bool))
    return {"metric": metric, "dtype": dtype.name, "tokens": len(exact), "experts": len(sets)}


def smallest_float(log_p: np.ndarray, reference: ScoredTokens) -> np.dtype[Any]:
    """The smallest float that keeps to :data:`LOSS_TOLERANCE`, tried at vertices, the centre and drawn mixtures.

    What is kept are losses and, in multiple choice, the log-probability of every option: a sum of so few tokens that
    half precision is seldom enough.

    Args:
        log_p: ``T x k`` log-probabilities in float32.
        reference: Sequences, scored tokens and options of the set.
    """
    import torch

    from bomix.data_experts import mixture
    from bomix.data_experts.multiple_choice import options

    k, starts, scored = log_p.shape[1], np.asarray(reference.starts), reference.scored
    drawn = np.random.default_rng(0).dirichlet(np.full(k, 0.5), _DRAWN)
    weights = torch.as_tensor(np.concatenate([np.eye(k), np.full((1, k), 1.0 / k), drawn]))
    with np.errstate(over="ignore"):
        small = log_p.astype(np.float16)
    if not np.isfinite(small).all():
        return np.dtype(np.float32)

    def far(one: Tensor, other: Tensor) -> bool:
        return float((one - other).abs().max()) > LOSS_TOLERANCE

    for tau in (0.0, 1.0):
        if far(*(mixture.gated(each, starts, tau=tau, scored=scored)(weights) for each in (log_p, small))):
            return np.dtype(np.float32)
    if reference.examples is not None and reference.gold is not None:
        choice, mean = (starts, reference.examples, reference.gold, scored), reference.per_token
        if far(*(options(each, *choice, per_token=mean).scores(weights) for each in (log_p, small))):
            return np.dtype(np.float32)
    return np.dtype(np.float16)
