"""Where each parameter of ``transformers``' decoders stands in the blocks that a stack computes with.

A block joins what one product serves, as the matrices of queries, keys and values; its rows are those of its pieces,
one after the other. Matrices come before norms and biases, since only they are decayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bomix.training.model.decoder import Model, Shape

_EARLIER = {"lm_head.weight": "embed_out.weight"}
"""Names of GPT-NeoX before ``transformers`` 5."""


@dataclass(frozen=True)
class Block:
    """Parameters that are used as one.

    Attributes:
        name: What the forward pass calls it.
        shape: ``rows x columns``, or ``rows``, of one model.
        pieces: Names of ``transformers``' parameters to their rows, in order.
        heads: Where it is above 0, the piece holds queries, keys and values of one head after the other, and the block
            the queries of all heads, then their keys, then their values.
    """

    name: str
    shape: tuple[int, ...]
    pieces: tuple[tuple[str, int], ...]
    heads: int = 0


def blocks(model: Model, vocabulary: int) -> list[Block]:
    """All parameters of a decoder, matrices first."""
    shape = model.shape()
    of_layer = _llama_layer if model.architecture == "llama" else _neox_layer
    root, table, last = (
        ("model", "embed_tokens", "norm")
        if model.architecture == "llama"
        else ("gpt_neox", "embed_in", "final_layer_norm")
    )
    found = [_single("embedding", (vocabulary, shape.hidden), f"{root}.{table}.weight")]
    for layer in range(shape.layers):
        found += of_layer(shape, layer, f"{root}.layers.{layer}")
    found.append(_single("norm", (shape.hidden,), f"{root}.{last}.weight"))
    if model.architecture == "gpt_neox":
        found.append(_single("norm_bias", (shape.hidden,), f"{root}.{last}.bias"))
    if not model.tie_embeddings:
        found.append(_single("head", (vocabulary, shape.hidden), "lm_head.weight"))
    return sorted(found, key=lambda block: len(block.shape) == 1)


def name_in(state: Mapping[str, object], name: str) -> str:
    """The name of a piece in a model of the ``transformers`` that is installed.

    Args:
        state: The parameters of the model by name.
        name: What a block calls the piece, as the present ``transformers`` does.
    """
    return name if name in state else _EARLIER[name]


def _single(name: str, shape: tuple[int, ...], piece: str, heads: int = 0) -> Block:
    return Block(name, shape, ((piece, shape[0]),), heads)


def _llama_layer(shape: Shape, layer: int, root: str) -> list[Block]:
    h, i = shape.hidden, shape.intermediate

    def joined(name: str, columns: int, rows: int, *pieces: str) -> Block:
        named = tuple((f"{root}.{piece}.weight", rows) for piece in pieces)
        return Block(f"{layer}.{name}", (rows * len(pieces), columns), named)

    return [
        joined("qkv", h, h, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        joined("mixed", h, h, "self_attn.o_proj"),
        joined("up", h, i, "mlp.gate_proj", "mlp.up_proj"),
        joined("down", i, h, "mlp.down_proj"),
        _single(f"{layer}.norm_1", (h,), f"{root}.input_layernorm.weight"),
        _single(f"{layer}.norm_2", (h,), f"{root}.post_attention_layernorm.weight"),
    ]


def _neox_layer(shape: Shape, layer: int, root: str) -> list[Block]:
    h, i = shape.hidden, shape.intermediate
    found = []
    for name, piece, rows, columns, heads in (
        ("qkv", "attention.query_key_value", 3 * h, h, shape.heads),
        ("mixed", "attention.dense", h, h, 0),
        ("up", "mlp.dense_h_to_4h", i, h, 0),
        ("down", "mlp.dense_4h_to_h", h, i, 0),
    ):
        found.append(_single(f"{layer}.{name}", (rows, columns), f"{root}.{piece}.weight", heads))
        found.append(_single(f"{layer}.{name}_bias", (rows,), f"{root}.{piece}.bias", heads))
    for name, piece in (("norm_1", "input_layernorm"), ("norm_2", "post_attention_layernorm")):
        found.append(_single(f"{layer}.{name}", (h,), f"{root}.{piece}.weight"))
        found.append(_single(f"{layer}.{name}_bias", (h,), f"{root}.{piece}.bias"))
    return found
