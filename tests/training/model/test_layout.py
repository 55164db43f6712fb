"""The blocks hold every parameter of transformers' decoders once, matrices first."""

from __future__ import annotations

import math

import pytest

from bomix.training.model.decoder import Model
from bomix.training.model.layout import blocks, name_in


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
@pytest.mark.parametrize("tied", [False, True])
def test_every_parameter_has_its_rows(architecture, tied):
    model = Model(architecture, hidden=32, layers=2, heads=2, tie_embeddings=tied)
    theirs = {
        name: tuple(parameter.shape)
        for name, parameter in model.build(vocabulary=40, sequence_length=8, seed=0).named_parameters()
    }
    laid_out = blocks(model, 40)
    ours = {name_in(theirs, name): (rows, *block.shape[1:]) for block in laid_out for name, rows in block.pieces}
    assert ours == theirs
    assert all(block.shape[0] == sum(rows for _, rows in block.pieces) for block in laid_out)
    assert sum(math.prod(block.shape) for block in laid_out) == model.parameters(40)
    dimensions = [len(block.shape) for block in laid_out]
    assert dimensions == sorted(dimensions, reverse=True)
