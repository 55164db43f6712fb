"""The proxy's shape: a decoder built from a ``transformers`` configuration, from scratch, sized by a ladder of names.

The counts below need no torch, so that token budgets and ``bomix check`` are cheap; a test holds them to the built
models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from bomix.errors import Fault, did_you_mean, raise_faults

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder.

    Attributes:
        hidden: Width of the residual stream.
        layers: Number of blocks.
        heads: Attention heads; ``hidden / heads`` is even.
        intermediate: Width inside the feed-forward part.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int


LADDER: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "0.3M": (96, 3, 3),
        "1M": (160, 3, 5),
        "3M": (256, 4, 4),
        "10M": (384, 6, 6),
        "30M": (512, 10, 8),
        "85M": (768, 12, 12),
        "300M": (1024, 24, 16),
        "1B": (2048, 20, 32),
    }
)
"""Name, which is the count of non-embedding parameters, to ``hidden, layers, heads``."""


@dataclass(frozen=True)
class Model:
    """A decoder, sized by name or by its own numbers.

    Attributes:
        architecture: ``llama`` (gated feed-forward, RMS norm, no biases) or ``gpt_neox`` (parallel blocks, layer
            norm, biases).
        size: A name of the ladder: 0.3M, 1M, 3M, 10M, 30M, 85M, 300M, 1B.
        hidden: Width; overrides the ladder, as do the next three.
        layers: Blocks.
        heads: Attention heads.
        intermediate: Width of the feed-forward part. By default 8/3 of ``hidden`` rounded to a multiple of 32
            (``llama``) or 4 times ``hidden`` (``gpt_neox``): ``12 * layers * hidden^2`` parameters either way.
        tie_embeddings: One matrix for reading and writing tokens. Two learn faster: 0.13 nats at 256k tokens and
            0.3M parameters, at the same cost.
    """

    architecture: Literal["llama", "gpt_neox"] = "llama"
    size: str = "0.3M"
    hidden: int | None = None
    layers: int | None = None
    heads: int | None = None
    intermediate: int | None = None
    tie_embeddings: bool = False

    def faults(self) -> list[Fault]:
        """Unknown sizes, and numbers that make no decoder."""
        if self.size not in LADDER:
            hint = did_you_mean(self.size, LADDER, cutoff=0.3)
            return [Fault("size", f"unknown size '{self.size}'{hint} (known: {', '.join(LADDER)})")]
        named = {"hidden": self.hidden, "layers": self.layers, "heads": self.heads, "intermediate": self.intermediate}
        found = [
            Fault(name, f"expected a positive number, found {value}")
            for name, value in named.items()
            if value is not None and value <= 0
        ]
        if not found:
            shape = self.shape()
            if shape.hidden % (2 * shape.heads):
                found.append(Fault("heads", _indivisible(shape)))
        return found

    def shape(self) -> Shape:
        """The sizes, defaults filled in.

        Raises:
            FaultsError: The size is not on the ladder.
        """
        if self.size not in LADDER:
            raise_faults(self.faults())
        hidden, layers, heads = LADDER[self.size]
        hidden = self.hidden or hidden
        natural = 4 * hidden if self.architecture == "gpt_neox" else max(32, 32 * round(8 * hidden / 3 / 32))
        return Shape(hidden, self.layers or layers, self.heads or heads, self.intermediate or natural)

    def non_embedding_parameters(self) -> int:
        """Parameters without the embedding and the output matrix."""
        shape = self.shape()
        h, i = shape.hidden, shape.intermediate
        if self.architecture == "llama":
            attention, feed_forward, norms, last = 4 * h * h, 3 * h * i, 2 * h, h
        else:
            attention, feed_forward, norms, last = 4 * h * h + 4 * h, 2 * h * i + i + h, 4 * h, 2 * h
        return shape.layers * (attention + feed_forward + norms) + last

    def sizes(self) -> dict[int, Model]:
        """Decoders of this architecture that can be built, by their non-embedding parameters: itself and the ladder."""
        ladder = (replace(self, size=name, hidden=None, layers=None, heads=None, intermediate=None) for name in LADDER)
        return {model.non_embedding_parameters(): model for model in (*ladder, self)}

    def parameters(self, vocabulary: int) -> int:
        """All parameters, for a vocabulary of this many tokens."""
        matrices = 1 if self.tie_embeddings else 2
        return self.non_embedding_parameters() + matrices * vocabulary * self.shape().hidden

    def flops_per_token(self, vocabulary: int, sequence_length: int) -> int:
        """Floating-point operations of a training step for each token, forward and backward.

        Six for each parameter that multiplies, the matrix that writes tokens included and the one that reads them not,
        and six for each feature of each position that attention looks back at, of which there are half the length.
        """
        shape = self.shape()
        attention = 6 * shape.layers * shape.hidden * sequence_length
        return 6 * (self.non_embedding_parameters() + vocabulary * shape.hidden) + attention

    def build(self, *, vocabulary: int, sequence_length: int, seed: int) -> PreTrainedModel:
        """Build it with fresh parameters, on the CPU, in 32 bits.

        The seed alone decides the parameters, on every device; torch's own generator is left as it was.

        Args:
            vocabulary: Number of token ids.
            sequence_length: Longest input.
            seed: Seed of the initial parameters.

        Raises:
            FaultsError: The numbers make no decoder.
        """
        import torch
        from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

        raise_faults(self.faults())
        shape = self.shape()
        options: dict[str, Any] = {
            "vocab_size": vocabulary,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.intermediate,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "max_position_embeddings": sequence_length,
            "tie_word_embeddings": self.tie_embeddings,
            "use_cache": False,
            "bos_token_id": None,
            "eos_token_id": None,
            # The library's 0.02 suits widths of a thousand and more; this is the same at 1000 and grows below.
            "initializer_range": (2.0 / (5.0 * shape.hidden)) ** 0.5,
        }
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            model = (
                LlamaForCausalLM(LlamaConfig(**options))
                if self.architecture == "llama"
                else GPTNeoXForCausalLM(GPTNeoXConfig(**options))
            )
        for name, parameter in model.named_parameters():
            if name.endswith(_BLOCK_OUTPUTS):
                torch.nn.init.zeros_(parameter)
        return model


# Blocks that start by adding nothing let a short run learn much faster: 0.35 nats at 256k tokens and 0.3M parameters.
_BLOCK_OUTPUTS = ("o_proj.weight", "down_proj.weight", "attention.dense.weight", "dense_4h_to_h.weight")


def _indivisible(shape: Shape) -> str:
    fitting = [heads for heads in range(1, shape.hidden // 2 + 1) if shape.hidden % (2 * heads) == 0]
    nearest = min(fitting, key=lambda heads: abs(heads - shape.heads)) if fitting else None
    cure = f"; the nearest that fits is {nearest}" if nearest else "; make the width even"
    return f"{shape.heads} heads do not divide a width of {shape.hidden} into even parts{cure}"
