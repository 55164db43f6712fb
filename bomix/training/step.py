"""One step of all models of a stack; on a GPU recorded once and replayed, so that nothing waits for Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from bomix.training.device import Hardware
    from bomix.training.model.stack import Stack
    from bomix.training.optim import StackOptimizer

WARM_UP = 3
"""Steps that are taken one operation at a time before one is recorded: libraries choose their kernels in them."""


class Step:
    """Losses, gradients, clipping and the optimizer's step.

    Args:
        stack: The models.
        optimizer: Theirs; its rates are set before each step.
        hardware: Where they are.
        record: Whether to record the step, where that is possible; where several processes step together it is not.
        part: Sequences of a batch that are read at a time, whose gradients add up; None reads all at once.
        ranks: The processes that step together, each on as many sequences.
    """

    def __init__(
        self,
        stack: Stack,
        optimizer: StackOptimizer,
        hardware: Hardware,
        *,
        record: bool = True,
        part: int | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._stack, self._optimizer, self._part, self._ranks = stack, optimizer, part, ranks
        self._is_recorded = record and hardware.is_cuda and optimizer.can_be_recorded and ranks.count == 1
        self._taken = 0
        self._recorded: tuple[torch.cuda.CUDAGraph, Tensor, Tensor] | None = None

    def __call__(self, tokens: Tensor) -> Tensor:
        """Step on ``k x batch x (n + 1)`` tokens; the ``k`` mean losses, which the next step may overwrite."""
        self._taken += 1
        if not self._is_recorded:
            return self._now(tokens)
        if self._taken <= WARM_UP:
            return self._aside(tokens)
        if self._recorded is None:
            self._recorded = self._record(tokens)
        graph, own_tokens, losses = self._recorded
        own_tokens.copy_(tokens)
        graph.replay()
        return losses

    def _now(self, tokens: Tensor) -> Tensor:
        is_whole = self._ranks.count == 1 and (self._part is None or self._part >= tokens.shape[1])
        losses = self._stack.step_losses(tokens).mean(dim=1) if is_whole else self._in_parts(tokens)
        self._optimizer.step()
        return losses

    def _in_parts(self, tokens: Tensor) -> Tensor:
        """Losses and gradients of a batch that is read in parts, by one process or by several."""
        import torch

        k, batch, n = tokens.shape[0], tokens.shape[1], tokens.shape[2] - 1
        part, count = self._part or batch, batch * n * self._ranks.count
        losses = torch.zeros(k, device=tokens.device)
        for start in range(0, batch, part):
            rows = tokens[:, start : start + part]
            shares = torch.full((k, rows.shape[1] * n), 1.0 / count, device=tokens.device)
            losses += self._stack.step_losses(rows, shares, add=start > 0).sum(dim=1)
        losses /= count
        self._ranks.add([*self._stack.gradients, losses])
        return losses

    def _aside(self, tokens: Tensor) -> Tensor:
        """On a stream of its own, as what is recorded later must be warmed up."""
        import torch

        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            losses = self._now(tokens)
        torch.cuda.current_stream().wait_stream(stream)
        return losses

    def _record(self, tokens: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        """Record a step without taking it: the step, the tokens that it reads, and the losses that it leaves."""
        import torch

        graph, own_tokens = torch.cuda.CUDAGraph(), tokens.clone()
        with torch.cuda.graph(graph):
            losses = self._now(own_tokens)
        return graph, own_tokens, losses
