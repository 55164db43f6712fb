"""Each operation is its formula, and its derivative is that of the formula."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bomix.training.model import operations
from bomix.training.model.operations import (
    LONGEST_DENSE,
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

K, B, N, HEADS, SIZE = 2, 3, 5, 2, 4
P, H = B * N, HEADS * SIZE


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def check(function, *shapes):
    inputs = [drawn(*shape, seed=at).requires_grad_() for at, shape in enumerate(shapes)]
    assert torch.autograd.gradcheck(function, inputs)
    return function(*inputs), inputs


def test_embedding():
    ids = torch.randint(0, 7, (K, P), generator=torch.Generator().manual_seed(0))
    found, (table,) = check(lambda table: embed(table, ids), (K, 7, H))
    for at in range(K):
        torch.testing.assert_close(found[at], functional.embedding(ids[at], table[at]))


def test_rms_norm():
    found, (x, weight) = check(lambda x, w: rms_norm(x, w, 1e-6, torch.float64), (K, P, H), (K, 1, H))
    for at in range(K):
        torch.testing.assert_close(found[at], functional.rms_norm(x[at], (H,), weight[at, 0], 1e-6))


def test_layer_norm():
    shapes = (K, P, H), (K, 1, H), (K, 1, H)
    found, (x, weight, bias) = check(lambda x, w, b: layer_norm(x, w, b, 1e-5, torch.float64), *shapes)
    for at in range(K):
        expected = functional.layer_norm(x[at], (H,), weight[at, 0], bias[at, 0], 1e-5)
        torch.testing.assert_close(found[at], expected)


def test_projections():
    up, (x, weight, bias) = check(project_up, (K, P, H), (K, 6, H), (K, 6, 1))
    torch.testing.assert_close(up, torch.einsum("kph,koh->kop", x, weight) + bias)
    down, (y, weight, bias) = check(project_down, (K, 6, P), (K, H, 6), (K, 1, H))
    torch.testing.assert_close(down, torch.einsum("kip,khi->kph", y, weight) + bias)


def test_gate():
    found, (x,) = check(gate, (K, 12, P))
    torch.testing.assert_close(found, functional.silu(x[:, :6]) * x[:, 6:])


def by_hand(x, heads, sequences, rotated):
    """Complex numbers turn by their angle; one head of one sequence at a time."""
    k, features, p = x.shape
    h, n = features // 3, p // sequences
    size, m = h // heads, rotated // 2
    angles = torch.outer(torch.arange(n, dtype=x.dtype), 10_000.0 ** (-torch.arange(m, dtype=x.dtype) / m))
    turn = torch.polar(torch.ones_like(angles), angles)
    out = torch.empty(k, h, p, dtype=x.dtype)
    for model in range(k):
        for head in range(heads):
            for at in range(sequences):
                q, key, v = (
                    x[model, part * h + head * size : part * h + (head + 1) * size, at * n : (at + 1) * n].mT
                    for part in range(3)
                )
                turned = []
                for y in (q, key):
                    pairs = torch.complex(y[:, :m].contiguous(), y[:, m : 2 * m].contiguous()) * turn
                    turned.append(torch.cat((pairs.real, pairs.imag, y[:, rotated:]), dim=1))
                scores = turned[0] @ turned[1].mT / size**0.5
                weights = torch.softmax(scores.masked_fill(torch.ones(n, n).triu(1) > 0, -torch.inf), dim=1)
                out[model, head * size : (head + 1) * size, at * n : (at + 1) * n] = (weights @ v).mT
    return out


@pytest.mark.parametrize("rotated", [SIZE, 2])
@pytest.mark.parametrize("longest", [LONGEST_DENSE, 0])
def test_attention_dense_and_by_torchs_kernel(monkeypatch, rotated, longest):
    monkeypatch.setattr(operations, "LONGEST_DENSE", longest)
    # Tables are made in 32 bits.
    options = {"heads": HEADS, "sequences": B, "rotated": rotated}
    x = drawn(K, 3 * H, P).requires_grad_()
    torch.testing.assert_close(attend(x, **options), by_hand(x, HEADS, B, rotated), rtol=1e-5, atol=1e-6)
    assert torch.autograd.gradcheck(lambda x: attend(x, **options), [x])


def test_the_future_does_not_matter():
    x = drawn(K, 3 * H, P)
    changed = x.clone()
    changed.view(K, 3 * H, B, N)[..., 3:] += 1.0
    one, other = (attend(y, heads=HEADS, sequences=B, rotated=SIZE).view(K, H, B, N) for y in (x, changed))
    torch.testing.assert_close(one[..., :3], other[..., :3])
    assert not torch.allclose(one[..., 3:], other[..., 3:])


def test_a_token_that_is_all_but_impossible_has_a_large_loss_and_no_infinite_one():
    x, weight = torch.tensor([[[100.0]]]), torch.tensor([[[1.0], [-1.0]]])
    losses, _, _ = loss_of_tokens(x, weight, torch.tensor([[1]]), torch.ones(1, 1))
    assert losses.item() == pytest.approx(87.3, abs=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("at_once", [operations.LOGITS_AT_ONCE, 300, 50, 5])
def test_a_loss_and_its_derivative_do_not_depend_on_company(monkeypatch, at_once, dtype):
    monkeypatch.setattr(operations, "LOGITS_AT_ONCE", at_once)
    x, weight = drawn(5, P, H).to(dtype), drawn(5, 11, H, seed=1).to(dtype)
    targets = torch.randint(0, 11, (5, P), generator=torch.Generator().manual_seed(0))
    shares = torch.full((5, P), 1 / P)
    together = loss_of_tokens(x, weight, targets, shares)
    for at in range(5):
        one = slice(at, at + 1)
        for alone, beside in zip(loss_of_tokens(x[one], weight[one], targets[one], shares[one]), together, strict=True):
            torch.testing.assert_close(alone, beside[one], rtol=0, atol=0)
        exact = exact_losses(x, weight, targets)[one]
        torch.testing.assert_close(exact_losses(x[one], weight[one], targets[one]), exact, rtol=0, atol=0)


@pytest.mark.parametrize("at_once", [operations.LOGITS_AT_ONCE, 50])
def test_the_loss_and_its_derivative_whatever_the_block(monkeypatch, at_once):
    monkeypatch.setattr(operations, "LOGITS_AT_ONCE", at_once)
    x, weight = drawn(K, P, H).float().requires_grad_(), drawn(K, 11, H, seed=1).float().requires_grad_()
    targets = torch.randint(0, 11, (K, P), generator=torch.Generator().manual_seed(0))
    shares = drawn(K, P, seed=2).abs().float()
    losses, by_x, by_weight = loss_of_tokens(x, weight, targets, shares)
    expected = functional.cross_entropy((x @ weight.mT).mT, targets, reduction="none")
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(exact_losses(x.detach(), weight.detach(), targets), expected.detach())
    (expected * shares).sum().backward()
    torch.testing.assert_close(by_x, x.grad)
    torch.testing.assert_close(by_weight, weight.grad)
