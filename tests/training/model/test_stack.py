"""A stack computes what transformers' own decoders compute, each model by itself."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bomix.training.model.decoder import Model
from bomix.training.model.operations import LONGEST_DENSE
from bomix.training.model.stack import Stack

VOCABULARY, SEEDS = 40, (3, 1, 2)


def moved(model, length, **options):
    """A stack away from its initial parameters, at which blocks add nothing."""
    stack = Stack(model, vocabulary=VOCABULARY, sequence_length=length, seeds=SEEDS, **options)
    generator = torch.Generator().manual_seed(0)
    for part in stack.parameters:
        part.add_(0.05 * torch.randn(part.shape, generator=generator))
    stack.refresh()
    return stack


def tokens_of(length, sequences=2):
    shape = (len(SEEDS), sequences, length + 1)
    return torch.randint(0, VOCABULARY, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("length", [1, 12, LONGEST_DENSE + 1])
def test_losses_and_gradients_are_those_of_transformers(architecture, tied, length):
    stack = moved(Model(architecture, hidden=32, layers=2, heads=2, tie_embeddings=tied), length)
    tokens = tokens_of(length)
    losses = stack.step_losses(tokens)
    gradient_of = Stack(stack.model, vocabulary=VOCABULARY, sequence_length=length, seeds=SEEDS)
    for part, gradient in zip(gradient_of.parameters, stack.gradients, strict=True):
        part.copy_(gradient)  # exported as parameters are, rows go where transformers has them
    for at in range(len(SEEDS)):
        inputs, targets = tokens[at, :, :-1], tokens[at, :, 1:]
        theirs = stack.export(at)
        expected = functional.cross_entropy(theirs(input_ids=inputs).logits.mT, targets, reduction="none")
        torch.testing.assert_close(losses[at], expected.detach().flatten(), rtol=1e-5, atol=1e-5)
        with torch.inference_mode():
            torch.testing.assert_close(stack.losses(inputs, targets)[at], expected, rtol=1e-5, atol=1e-5)
        expected.mean().backward()
        for parameter, found in zip(theirs.parameters(), gradient_of.export(at).parameters(), strict=True):
            scale = float(parameter.grad.abs().max())
            torch.testing.assert_close(found, parameter.grad, rtol=1e-4, atol=2e-6 * scale + 1e-7, check_stride=False)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
def test_every_model_starts_as_its_seed_says_and_leaves_as_it_is(architecture):
    model = Model(architecture, hidden=32, layers=1, heads=2)
    stack = Stack(model, vocabulary=VOCABULARY, sequence_length=8, seeds=SEEDS)
    for at, seed in enumerate(SEEDS):
        built = model.build(vocabulary=VOCABULARY, sequence_length=8, seed=seed).state_dict()
        exported = stack.export(at).state_dict()
        assert exported.keys() == built.keys()
        for name, value in built.items():
            torch.testing.assert_close(exported[name], value, rtol=0, atol=0)


def test_a_model_does_not_depend_on_its_company():
    model = Model(hidden=32, layers=2, heads=2)
    tokens = tokens_of(16)
    together = moved(model, 16).step_losses(tokens)
    stack = moved(model, 16)
    others = tokens.clone()
    others[1:] = 0
    torch.testing.assert_close(stack.step_losses(others)[0], together[0], rtol=0, atol=0)


def test_shares_weigh_the_gradient():
    stack = moved(Model(hidden=32, layers=1, heads=2), 6)
    tokens = tokens_of(6)
    stack.step_losses(tokens)
    whole = [part.clone() for part in stack.gradients]
    halves = []
    for half in (slice(0, 6), slice(6, 12)):
        shares = torch.zeros(len(SEEDS), 12)
        shares[:, half] = 1.0 / 12
        stack.step_losses(tokens, shares)
        halves.append([part.clone() for part in stack.gradients])
    for total, first, second in zip(whole, *halves, strict=True):
        torch.testing.assert_close(first + second, total, rtol=1e-4, atol=1e-7)


def test_shares_may_follow_from_the_losses():
    stack = moved(Model(hidden=32, layers=1, heads=2), 6)
    tokens = tokens_of(6)
    heard = []

    def shares_of(losses):
        heard.append(losses)
        return losses / losses.sum(dim=1, keepdim=True)

    losses = stack.step_losses(tokens, shares_of)
    torch.testing.assert_close(heard[0], losses, rtol=1e-5, atol=1e-6)
    assert not heard[0].requires_grad
    found = [part.clone() for part in stack.gradients]
    stack.step_losses(tokens, losses / losses.sum(dim=1, keepdim=True))
    for own, other in zip(found, stack.gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("tied", [False, True])
def test_the_gradient_by_the_output_matrix_alone_is_that_of_the_whole(tied):
    stack = moved(Model(hidden=32, layers=2, heads=2, tie_embeddings=tied), 6)
    tokens = tokens_of(6)
    shares = torch.rand(len(SEEDS), 12, generator=torch.Generator().manual_seed(2))
    before = [part.clone() for part in stack.gradients]
    found = stack.head_gradient(tokens, shares)
    for own, part in zip(before, stack.gradients, strict=True):
        torch.testing.assert_close(part, own, rtol=0, atol=0)
    if not tied:
        stack.step_losses(tokens, shares)
        expected = torch.stack([stack.piece_gradients(at)["lm_head.weight"] for at in range(len(SEEDS))])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)
        stack.step_losses(tokens)
        plain = torch.stack([stack.piece_gradients(at)["lm_head.weight"] for at in range(len(SEEDS))])
        torch.testing.assert_close(stack.head_gradient(tokens), plain, rtol=1e-4, atol=1e-7)
    else:
        for at in range(len(SEEDS)):
            model = stack.export(at)
            states = model.model(input_ids=tokens[at, :, :-1]).last_hidden_state.detach()
            logits = functional.linear(states, model.lm_head.weight)
            losses = functional.cross_entropy(logits.mT, tokens[at, :, 1:], reduction="none").flatten()
            (expected,) = torch.autograd.grad((losses * shares[at]).sum(), model.lm_head.weight)
            torch.testing.assert_close(found[at], expected, rtol=1e-4, atol=1e-6)


def test_a_model_is_taken_over_as_it_is():
    stack = moved(Model("gpt_neox", hidden=32, layers=1, heads=2), 8)
    other = Stack(stack.model, vocabulary=VOCABULARY, sequence_length=8, seeds=[0, 0])
    other.load(1, stack.export(2))
    for name, value in stack.export(2).state_dict().items():
        torch.testing.assert_close(other.export(1).state_dict()[name], value, rtol=0, atol=0)


def test_sixteen_bits_are_near_thirty_two():
    model = Model(hidden=64, layers=2, heads=2)
    tokens = tokens_of(32)
    exact, rounded = (moved(model, 32, dtype=dtype).step_losses(tokens) for dtype in (torch.float32, torch.bfloat16))
    # Eight bits of precision; the mean of 64 tokens loses most of it again.
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.08)
    torch.testing.assert_close(rounded.mean(dim=1), exact.mean(dim=1), rtol=0, atol=5e-3)
