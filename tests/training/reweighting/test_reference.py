"""The reference model: what a run kept is what another compares with, and what cannot serve is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from bomix.errors import EvaluationError
from bomix.training.model.decoder import Model
from bomix.training.reweighting.reference import load

SHAPE = {"vocabulary": 30, "sequence_length": 8, "device": "cpu", "dtype": torch.float32}


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
@pytest.mark.parametrize("tied", [False, True])
def test_its_losses_are_those_of_the_saved_model(tmp_path, architecture, tied):
    model = Model(architecture, hidden=32, layers=1, heads=2, tie_embeddings=tied)
    kept = model.build(vocabulary=30, sequence_length=8, seed=4)
    with torch.no_grad():
        for parameter in kept.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    kept.save_pretrained(tmp_path)
    tokens = torch.randint(0, 30, (3, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = load(str(tmp_path), model, **SHAPE).losses(tokens[:, :-1], tokens[:, 1:])
        expected = functional.cross_entropy(kept(input_ids=tokens[:, :-1]).logits.mT, tokens[:, 1:], reduction="none")
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-5)


def test_what_cannot_serve_is_named_with_its_cure(tmp_path):
    model = Model(hidden=32, layers=1, heads=2)
    with pytest.raises(EvaluationError, match="none is named"):
        load(None, model, **SHAPE)
    with pytest.raises(EvaluationError, match=r"there is no folder .*gone; withdraw the reference run"):
        load(str(tmp_path / "gone"), model, **SHAPE)
    with pytest.raises(EvaluationError, match="cannot be read"):
        load(str(tmp_path), model, **SHAPE)
    model.build(vocabulary=30, sequence_length=8, seed=4).save_pretrained(tmp_path)
    for other in (replace(model, hidden=48), replace(model, layers=2), replace(model, architecture="gpt_neox")):
        with pytest.raises(EvaluationError, match="has another shape"):
            load(str(tmp_path), other, **SHAPE)
