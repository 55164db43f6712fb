"""The counts in closed form are those of the built models; the seed alone decides the parameters."""

from __future__ import annotations

import pytest

from bomix.errors import FaultsError
from bomix.training.model.decoder import LADDER, Model


def non_embedding(model) -> int:
    embeddings = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    return sum(p.numel() for p in model.parameters() if id(p) not in embeddings)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
@pytest.mark.parametrize("size", ["0.3M", "1M", "3M"])
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_counts_are_those_of_the_built_model(architecture, size, tie_embeddings):
    spec = Model(architecture=architecture, size=size, tie_embeddings=tie_embeddings)
    model = spec.build(vocabulary=300, sequence_length=16, seed=0)
    assert non_embedding(model) == spec.non_embedding_parameters()
    assert sum(p.numel() for p in model.parameters()) == spec.parameters(300)


@pytest.mark.parametrize("size", LADDER)
def test_a_name_of_the_ladder_is_its_count(size):
    named = float(size[:-1]) * {"M": 1e6, "B": 1e9}[size[-1]]
    assert Model(size=size).non_embedding_parameters() == pytest.approx(named, rel=0.25)


@pytest.mark.parametrize(("hidden", "layers"), [(96, 3), (384, 6), (768, 12)])
def test_llama_has_twelve_matrices_of_hidden_squared_a_layer(hidden, layers):
    norms = (2 * layers + 1) * hidden
    counted = Model(hidden=hidden, layers=layers, heads=hidden // 32).non_embedding_parameters()
    assert counted == 12 * layers * hidden**2 + norms


def test_explicit_fields_override_the_ladder():
    shape = Model(size="1M", layers=5, intermediate=64).shape()
    assert (shape.hidden, shape.layers, shape.heads, shape.intermediate) == (160, 5, 5, 64)


def test_the_seed_alone_decides_the_parameters():
    import torch

    spec = Model(hidden=32, layers=1, heads=2)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first = spec.build(vocabulary=50, sequence_length=8, seed=3).state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(6)
    again = spec.build(vocabulary=50, sequence_length=8, seed=3).state_dict()
    other = spec.build(vocabulary=50, sequence_length=8, seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
def test_blocks_start_by_adding_nothing(architecture):
    import torch

    spec = Model(architecture=architecture, hidden=32, layers=2, heads=2)
    model = spec.build(vocabulary=50, sequence_length=8, seed=0)
    tokens = torch.randint(50, (1, 8), generator=torch.Generator().manual_seed(0))
    embedded = model.get_input_embeddings()(tokens)
    final = model.model.norm(embedded) if architecture == "llama" else model.gpt_neox.final_layer_norm(embedded)
    torch.testing.assert_close(model(input_ids=tokens).logits, model.get_output_embeddings()(final))


def test_an_unknown_size_shows_the_ladder_and_the_closest():
    (fault,) = Model(size="30").faults()
    assert fault.where == "size"
    assert "did you mean '30M'?" in fault.what
    assert "0.3M, 1M, 3M" in fault.what
    with pytest.raises(FaultsError):
        Model(size="30").non_embedding_parameters()


@pytest.mark.parametrize(
    ("spec", "where"),
    [(Model(hidden=0), "hidden"), (Model(layers=-1), "layers"), (Model(heads=7), "heads"), (Model(hidden=97), "heads")],
)
def test_numbers_that_make_no_decoder_are_faults(spec, where):
    assert [fault.where for fault in spec.faults()] == [where]
    with pytest.raises(FaultsError):
        spec.build(vocabulary=50, sequence_length=8, seed=0)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
@pytest.mark.parametrize("length", [1, 40, 600])
def test_attention_is_torch_s_own(architecture, length):
    import torch

    spec = Model(architecture=architecture, hidden=32, layers=2, heads=2)
    model = spec.build(vocabulary=50, sequence_length=length, seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():  # else the blocks add nothing yet
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    tokens = torch.randint(50, (2, length), generator=generator)

    if "set_attn_implementation" not in dir(model):
        pytest.skip("a model of transformers before 4.53 keeps the attention that it was built with")

    def run(implementation: str):
        model.set_attn_implementation(implementation)
        model.zero_grad()
        logits = model(input_ids=tokens).logits
        logits.square().mean().backward()
        return logits.detach(), [p.grad.clone() for p in model.parameters()]

    ours, our_gradients = run(model.config._attn_implementation)
    theirs, their_gradients = run("sdpa")
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-3, atol=1e-6)
