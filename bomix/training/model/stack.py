"""Decoders of one shape, side by side: every product of matrices serves all of them.

The parameters of all models lie in one buffer, those of a block next to each other with the model as leading axis, so
that the optimizer steps once for all. The forward pass is that of ``transformers``' own decoders, which stay the form
in which models come and leave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from bomix.training.model.layout import Block, blocks, name_in
from bomix.training.model.operations import (
    attend,
    embed,
    exact_losses,
    gate,
    layer_norm,
    loss_of_tokens,
    project_down,
    project_up,
    rms_norm,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bomix.training.model.decoder import Model

RMS_EPSILON = 1e-6
"""As in ``transformers``' configuration of llama."""
LAYER_EPSILON = 1e-5
"""As in ``transformers``' configuration of gpt_neox."""
FLAT_MULTIPLE = 64
"""Numbers of which the flat tensors hold a multiple: four of the widest registers."""
CLIP_EPSILON = 1e-6
"""Keeps a norm of zero from dividing, as in torch's own clipping."""
ROTATED_SHARE = {"llama": 1.0, "gpt_neox": 0.25}
"""Share of a head's features that carry positions, as in ``transformers``' configurations."""


class Stack:
    """``k`` decoders with parameters, gradients and a forward pass.

    Args:
        model: Their shape.
        vocabulary: Number of token ids.
        sequence_length: Longest input.
        seeds: ``k`` seeds of the initial parameters; each model starts as :meth:`Model.build` would build it.
        device: A torch device.
        dtype: The type of the products' factors; parameters and gradients have 32 bits.

    Attributes:
        model: Their shape.
        k: Their number.
        device: Where they are.
        dtype: The type of the products' factors.
        parameters: Matrices, then norms and biases: two flat tensors of 32 bits, each with some zeros at its end.
        gradients: The same for the gradients, once :meth:`step_losses` has filled them.
    """

    def __init__(
        self,
        model: Model,
        *,
        vocabulary: int,
        sequence_length: int,
        seeds: Sequence[int],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model, self._vocabulary, self._length = model, vocabulary, sequence_length
        self.k, self.device, self.dtype = len(seeds), device, dtype
        self._blocks = blocks(model, vocabulary)
        self._compiled: Callable[..., Tensor] | None = None
        sizes = self._sizes = [self.k * math.prod(block.shape) for block in self._blocks]
        matrices = sum(size for size, block in zip(sizes, self._blocks, strict=True) if len(block.shape) == 2)
        # Of what does not fill a vector register the last digits would depend on how many models there are.
        padded = [-(-count // FLAT_MULTIPLE) * FLAT_MULTIPLE for count in (matrices, sum(sizes) - matrices)]
        self._flat, gradient = (torch.zeros(sum(padded), device=device) for _ in range(2))
        self._flat_factors = self._flat if dtype == torch.float32 else torch.empty_like(self._flat, dtype=dtype)
        self._parameters, self._gradients, self._factors = (
            self._views(torch.split(x, padded)) for x in (self._flat, gradient, self._flat_factors)
        )
        self.parameters, self.gradients = (tuple(torch.split(x, padded)) for x in (self._flat, gradient))
        for at, seed in enumerate(seeds):
            self.load(at, model.build(vocabulary=vocabulary, sequence_length=sequence_length, seed=seed))

    def _views(self, flat: Sequence[Tensor]) -> dict[str, Tensor]:
        """Matrices, norms and biases by name, of two flat tensors."""
        count = sum(len(block.shape) == 2 for block in self._blocks)
        sizes = (self._sizes[:count], self._sizes[count:])
        parts = [part for x, own in zip(flat, sizes, strict=True) for part in torch.split(x[: sum(own)], own)]
        return {block.name: part.view(self.k, *block.shape) for block, part in zip(self._blocks, parts, strict=True)}

    def pieces(self, at: int) -> dict[str, Tensor]:
        """``transformers``' names to the parameters of one model: views, save where a block is ordered otherwise."""
        return self._pieces(self._parameters, at)

    def piece_gradients(self, at: int) -> dict[str, Tensor]:
        """The same of its gradients."""
        return self._pieces(self._gradients, at)

    def like(self, flat: Sequence[Tensor], at: int) -> dict[str, Tensor]:
        """What belongs to one model in two flat tensors that are laid out as :attr:`parameters`, named as these."""
        return self._pieces(self._views(flat), at)

    def _pieces(self, views: Mapping[str, Tensor], at: int) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for block in self._blocks:
            rows = torch.split(views[block.name][at], [rows for _, rows in block.pieces])
            found.update(zip((name for name, _ in block.pieces), rows, strict=True))
        return found

    def load(self, at: int, source: PreTrainedModel) -> None:
        """Take over the parameters of a model in ``transformers``' form, of this shape."""
        state = source.state_dict()
        pieces = self.pieces(at)
        for block in self._blocks:
            for name, _ in block.pieces:
                pieces[name].copy_(_by_kind(state[name_in(state, name)], block))
        self.refresh()

    def export(self, at: int) -> PreTrainedModel:
        """One model in ``transformers``' form, on the CPU in 32 bits."""
        model = self.model.build(vocabulary=self._vocabulary, sequence_length=self._length, seed=0)
        state, pieces = model.state_dict(), self.pieces(at)
        for block in self._blocks:
            for name, _ in block.pieces:
                state[name_in(state, name)].copy_(_by_head(pieces[name], block))
        return model

    def clip(self, limit: float) -> None:
        """Scale the gradient of each model whose norm is above a limit down to it."""
        parts = list(self._gradients.values())
        squares = torch.zeros(self.k, device=parts[0].device)
        for part in parts:  # one after the other: a sum of torch's groups its terms by how many models there are
            squares += torch.linalg.vector_norm(part.view(self.k, -1), dim=1).square_()
        shares = (limit / (squares.sqrt_() + CLIP_EPSILON)).clamp_(max=1.0)
        if shares.is_cuda or not bool((shares >= 1.0).all()):  # asking a GPU would wait for it
            torch._foreach_mul_(parts, [shares.view(-1, *(1,) * (part.dim() - 1)) for part in parts])

    def compile(self) -> None:
        """Compile the forward pass of training; validation, which comes in other sizes, stays as it is."""
        self._compiled = torch.compile(self._states, dynamic=False)

    def refresh(self) -> None:
        """Take over changed parameters into the factors of products."""
        if self._flat_factors is not self._flat:
            self._flat_factors.copy_(self._flat)

    def step_losses(
        self, tokens: Tensor, shares: Tensor | Callable[[Tensor], Tensor] | None = None, *, add: bool = False
    ) -> Tensor:
        """Losses of all tokens; :attr:`gradients` become those of their weighted total, for each model its own.

        Args:
            tokens: ``k x b x (n + 1)`` ids.
            shares: ``k x b n``: what each token's loss counts for; by default all the same, in a mean. Where they
                follow from the losses, a function of these, which are then found first.
            add: Whether the gradients are added to those that are there.

        Returns:
            ``k x b n`` losses, nats per token.
        """
        k, b, n = tokens.shape[0], tokens.shape[1], tokens.shape[2] - 1
        leaves = {name: x.detach().requires_grad_() for name, x in self._used().items()}
        states = (self._compiled or self._states)(leaves, tokens[..., :-1].reshape(k, b * n), b)
        head = leaves["embedding" if self.model.tie_embeddings else "head"]
        fixed, weight, targets = states.detach(), self._head(head.detach()), tokens[..., 1:].reshape(k, b * n)
        if shares is None:
            shares = torch.full((k, b * n), 1.0 / (b * n), device=tokens.device)
        elif callable(shares):
            with torch.no_grad():
                shares = shares(exact_losses(fixed, weight, targets))
        losses, by_states, by_head = loss_of_tokens(fixed, weight, targets, shares)
        inner = {name: leaf for name, leaf in leaves.items() if name != "head"}
        found = dict(zip(inner, torch.autograd.grad(states, list(inner.values()), by_states), strict=True))
        if self.model.tie_embeddings:
            found["embedding"] = found["embedding"] + by_head
        else:
            found["head"] = by_head
        own, new = [self._gradients[name].view_as(x) for name, x in found.items()], list(found.values())
        if add:
            torch._foreach_add_(own, [x.float() for x in new])
        else:
            torch._foreach_copy_(own, new)
        return losses

    @torch.no_grad()
    def head_gradient(self, tokens: Tensor, shares: Tensor | None = None) -> Tensor:
        """The gradient by the matrix that writes tokens alone, which costs little more than the losses.

        Args:
            tokens: ``k x b x (n + 1)`` ids.
            shares: ``k x b n``: what each token's loss counts for; by default all the same, in a mean.

        Returns:
            ``k x vocabulary x h``, in the type of the products; :attr:`gradients` stay as they are.
        """
        k, b, n = tokens.shape[0], tokens.shape[1], tokens.shape[2] - 1
        used = self._used()
        states = self._states(used, tokens[..., :-1].reshape(k, b * n), b)
        head = self._head(used["embedding" if self.model.tie_embeddings else "head"])
        if shares is None:
            shares = torch.full((k, b * n), 1.0 / (b * n), device=tokens.device)
        return loss_of_tokens(states, head, tokens[..., 1:].reshape(k, b * n), shares)[2]

    def losses(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """What every model makes of the same tokens, without a derivative.

        Args:
            inputs: ``b x n`` ids.
            targets: ``b x n`` ids.

        Returns:
            ``k x b x n`` losses, nats per token, with the softmax in 32 bits.
        """
        used = self._used()
        ids = inputs.reshape(1, -1).expand(self.k, -1)
        states = self._states(used, ids, len(inputs))
        head = self._head(used["embedding" if self.model.tie_embeddings else "head"])
        return exact_losses(states, head, targets.reshape(1, -1).expand(self.k, -1)).view(self.k, *targets.shape)

    def _used(self) -> dict[str, Tensor]:
        """What the forward pass computes with: factors of products, and in 32 bits tables, norms and biases."""
        return {
            block.name: self._factors[block.name]
            if len(block.shape) == 2 and block.name != "embedding"
            else self._parameters[block.name]
            for block in self._blocks
        }

    def _head(self, weight: Tensor) -> Tensor:
        return weight.to(self.dtype)

    def _states(self, p: Mapping[str, Tensor], ids: Tensor, sequences: int) -> Tensor:
        """``k x p x h`` states that the head reads, from ``k x p`` ids."""
        x = embed(p["embedding"], ids)
        layer = self._llama_layer if self.model.architecture == "llama" else self._neox_layer
        for at in range(self.model.shape().layers):
            x = layer(p, f"{at}.", x, sequences)
        return self._norm(p, "norm", x)

    def _norm(self, p: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
        weight = p[name].unsqueeze(1)
        if self.model.architecture == "llama":
            return rms_norm(x, weight, RMS_EPSILON, self.dtype)
        return layer_norm(x, weight, p[f"{name}_bias"].unsqueeze(1), LAYER_EPSILON, self.dtype)

    def _attention(self, x: Tensor, sequences: int) -> Tensor:
        shape = self.model.shape()
        rotated = int(shape.hidden // shape.heads * ROTATED_SHARE[self.model.architecture])
        return attend(x, heads=shape.heads, sequences=sequences, rotated=rotated)

    def _llama_layer(self, p: Mapping[str, Tensor], at: str, x: Tensor, sequences: int) -> Tensor:
        mixed = self._attention(project_up(self._norm(p, f"{at}norm_1", x), p[f"{at}qkv"]), sequences)
        x = x + project_down(mixed, p[f"{at}mixed"])
        opened = gate(project_up(self._norm(p, f"{at}norm_2", x), p[f"{at}up"]))
        return x + project_down(opened, p[f"{at}down"])

    def _neox_layer(self, p: Mapping[str, Tensor], at: str, x: Tensor, sequences: int) -> Tensor:
        """Attention and feed-forward part read the same stream, side by side."""

        def bias(name: str, axis: int) -> Tensor:
            return p[f"{at}{name}_bias"].to(self.dtype).unsqueeze(axis)

        qkv = project_up(self._norm(p, f"{at}norm_1", x), p[f"{at}qkv"], bias("qkv", 2))
        mixed = project_down(self._attention(qkv, sequences), p[f"{at}mixed"], bias("mixed", 1))
        up = functional.gelu(project_up(self._norm(p, f"{at}norm_2", x), p[f"{at}up"], bias("up", 2)))
        return x + mixed + project_down(up, p[f"{at}down"], bias("down", 1))


def _by_kind(rows: Tensor, block: Block) -> Tensor:
    """From queries, keys, values of each head in turn to all queries, all keys, all values."""
    if not block.heads:
        return rows
    return rows.view(block.heads, 3, -1, *rows.shape[1:]).transpose(0, 1).reshape(rows.shape)


def _by_head(rows: Tensor, block: Block) -> Tensor:
    if not block.heads:
        return rows
    return rows.view(3, block.heads, -1, *rows.shape[1:]).transpose(0, 1).reshape(rows.shape)
