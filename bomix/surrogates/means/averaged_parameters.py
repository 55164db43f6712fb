"""Experts whose parameters are averaged: what a mixture's model is guessed to be, run on the validation sets.

Far worse than mixing what experts say unless they began as one model [Belenki2025]_, and one inference a mixture where
mixing needs none. It is there to be compared with.

References:
    [Belenki2025] Optimizing pre-training data mixtures with mixtures of data expert models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bomix.errors import Fault, FitError
from bomix.io.artifacts import scored_tokens
from bomix.surrogates.means.law import slope_faults
from bomix.trial import SCORED_TOKENS

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.mean import Feature

MODEL = "model"
_BATCH_TOKENS = 4096
"""Tokens that a model reads at a time: the logits over a vocabulary of 32 thousand take 0.5 GB in single precision."""


@dataclass(frozen=True)
class MDEAverage:
    """The loss of the model whose parameters are the experts', averaged with the weights of the mixture.

    Needs what a proxy leaves with ``save_model: experts``, of the same initial parameters or not.

    Attributes:
        slope: Standard deviation of the prior of the coefficient, whose mean is one.
    """

    slope: float = 0.1

    needs_experts: ClassVar[bool] = True
    needs_models: ClassVar[bool] = True
    differentiable: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return slope_faults(self.slope)

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """Losses of the averaged models: a model is run once for every mixture that is asked about, without gradients.

        Arguments are those of :meth:`bomix.contracts.mean.Mean.feature`.

        Raises:
            FitError: An expert kept no model or no tokens.
        """
        from bomix.contracts.mean import Feature

        folders = tuple(_artifact(context, domain, MODEL) for domain in context.domains)
        tokens = _artifact(context, context.domains[0], SCORED_TOKENS)
        return Feature(_averaged(folders, tokens, tuple(context.metrics)))


def _artifact(context: FitContext, domain: str, name: str) -> Path:
    """Folder of an artifact of a domain's expert."""
    trial = context.experts.get(domain)
    if trial is None:
        raise FitError(f"domain '{domain}' has no expert; run `bomix experts`")
    path = context.artifacts.get(trial, {}).get(name)
    if path is None:
        raise FitError(
            f"the expert of domain '{domain}', trial {trial}, kept no artifact '{name}'; set evaluator.save_model to "
            "experts and train it again"
        )
    return Path(path)


@lru_cache(maxsize=2)
def _averaged(folders: tuple[Path, ...], tokens: Path, metrics: tuple[str, ...]) -> _Averaged:
    """The averaged models of these files, loaded once: asks, folds and features run the same mixtures."""
    return _Averaged(folders, tokens, metrics)


class _Averaged:
    """Losses of averaged models, each mixture run once. Survives pickling as the names of what it was read from.

    Args:
        folders: The experts' models, in the order of the weights.
        tokens: Artifact with the tokens that the models are run on.
        metrics: ``m`` names.
    """

    def __init__(self, folders: tuple[Path, ...], tokens: Path, metrics: tuple[str, ...]) -> None:
        from transformers import AutoModelForCausalLM

        self._origin, self._lock = (folders, tokens, metrics), Lock()
        sets = scored_tokens.read(tokens).sets
        for name in metrics:
            found = sets.get(name)
            if found is None or found.ids is None or found.examples is not None:
                raise FitError(
                    f"the experts kept no tokens of metric '{name}' that another model could be run on; train them "
                    "again, or take a mixture of what they say"
                )
        models = [AutoModelForCausalLM.from_pretrained(folder) for folder in folders]
        # Copies: the first model's own parameters are overwritten by every mixture.
        self._states = [{name: value.clone() for name, value in model.state_dict().items()} for model in models]
        self._model: Any = models[0].eval()
        self._sets = [sets[name] for name in metrics]
        self._known: dict[bytes, list[float]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _averaged, self._origin

    def __call__(self, X: Tensor) -> Tensor:
        """Map ``(...) x d`` weights to ``(...) x m`` losses, nats per token; without gradients."""
        import torch

        rows = X.detach().double().reshape(-1, X.shape[-1])
        with self._lock:  # all mixtures share one model
            losses = torch.tensor([self._losses(row) for row in rows], dtype=torch.float64)
        return losses.reshape(*X.shape[:-1], len(self._sets))

    def _losses(self, weights: Tensor) -> list[float]:
        """``m`` losses of the model of one mixture, ``d`` weights; remembered."""
        import torch

        key = weights.numpy().tobytes()
        if key not in self._known:
            shares = weights.tolist()
            with torch.inference_mode():
                state = {
                    name: sum(share * each[name] for share, each in zip(shares, self._states, strict=True))
                    for name in self._states[0]
                }
                self._model.load_state_dict(state)
                self._known[key] = [_loss(self._model, found) for found in self._sets]
        return self._known[key]


def _loss(model: Any, tokens: scored_tokens.ScoredTokens) -> float:
    """Mean of ``-ln p`` over the scored tokens."""
    import torch
    from torch.nn import functional

    assert tokens.ids is not None
    total, count = 0.0, 0
    for start, end, first in _batches(tokens):
        ids = np.array(tokens.ids[start:end], dtype=np.int64).reshape(len(first), -1)
        inputs = np.column_stack([first, ids[:, :-1]])
        logits = model(input_ids=torch.from_numpy(inputs)).logits.float()
        losses = functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(ids).flatten(), reduction="none")
        judged = np.ones(end - start, dtype=bool) if tokens.scored is None else np.asarray(tokens.scored[start:end])
        total += float(losses.numpy()[judged].sum())
        count += int(judged.sum())
    return total / max(count, 1)


def _batches(tokens: scored_tokens.ScoredTokens) -> list[tuple[int, int, np.ndarray]]:
    """Runs of sequences of equal length: first token, token after the last, and the ids before them."""
    starts = np.asarray(tokens.starts)
    lengths = np.diff(starts)
    found, begin = [], 0
    while begin < len(lengths):
        most = max(1, _BATCH_TOKENS // int(lengths[begin]))
        end = begin + 1
        while end < len(lengths) and end - begin < most and lengths[end] == lengths[begin]:
            end += 1
        assert tokens.first is not None
        found.append((int(starts[begin]), int(starts[end]), np.asarray(tokens.first[begin:end], dtype=np.int64)))
        begin = end
    return found
