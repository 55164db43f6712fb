from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from bomix.data_experts import log_sums, mixture
from bomix.data_experts.compression import check_mixtures, compress
from bomix.data_experts.multiple_choice import options

T, K = 240, 4
STARTS = np.array([0, 30, 90, 91, 180, 240])


def log_probabilities(T: int = T, k: int = K, *, seed: int = 0, spread: float = 1.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = -rng.gamma(2.0, 1.5, size=(T, 1))
    return np.minimum(common + spread * rng.normal(size=(T, k)), -1e-4)


def mixtures(n: int = 6, k: int = K, *, seed: int = 1) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).dirichlet(np.ones(k), n))


def scored() -> np.ndarray:
    mask = np.random.default_rng(5).random(T) < 0.6
    mask[:10] = False
    return mask


FORMS = {
    "token": lambda log_p: mixture.per_token(log_p),
    "scored": lambda log_p: mixture.per_token(log_p, scored()),
    "dataset": lambda log_p: mixture.per_dataset(log_p),
    "gated": lambda log_p: mixture.gated(log_p, STARTS, tau=0.3),
    "gated and scored": lambda log_p: mixture.gated(log_p, STARTS, tau=0.3, scored=scored()),
    "sequences": lambda log_p: mixture.gated(log_p, STARTS, tau=1.0),
    "sequences and scored": lambda log_p: mixture.gated(log_p, STARTS, tau=1.0, scored=scored()),
}


@pytest.fixture(params=FORMS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_vertex_has_its_experts_loss(kind) -> None:
    log_p = log_probabilities()
    kept = scored() if "scored" in kind else np.ones(T, dtype=bool)
    torch.testing.assert_close(
        FORMS[kind](log_p)(torch.eye(K, dtype=torch.float64)), torch.as_tensor(-log_p[kept].mean(axis=0))
    )


def test_the_gate_is_as_defined_token_by_token() -> None:
    log_p, w, tau = log_probabilities(), mixtures(3), 0.3
    kept = scored()
    for weights, found in zip(w.numpy(), mixture.gated(log_p, STARTS, tau=tau, scored=kept)(w), strict=True):
        terms = []
        for start, end in pairwise(STARTS):
            for t in range(start, end):
                gate = weights * np.exp(tau * log_p[start:t].sum(axis=0))
                terms.append(np.log(gate / gate.sum() @ np.exp(log_p[t])))
        assert float(found) == pytest.approx(-np.array(terms)[kept].mean(), rel=1e-10)


def test_without_a_gate_tau_is_zero_and_tau_near_zero_is_near_it() -> None:
    log_p, w = log_probabilities(), mixtures()
    token = mixture.per_token(log_p)(w)
    torch.testing.assert_close(mixture.gated(log_p, STARTS, tau=0.0)(w), token)
    torch.testing.assert_close(mixture.gated(log_p, STARTS, tau=1e-9)(w), token, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mask", [None, scored()], ids=["all", "scored"])
def test_tau_of_one_is_the_limit_and_the_mixture_of_sequence_models(mask) -> None:
    log_p, w = log_probabilities(), mixtures()
    exact = mixture.gated(log_p, STARTS, tau=1.0, scored=mask)(w)
    near = mixture.gated(log_p, STARTS, tau=1.0 - 1e-12, scored=mask)(w)
    torch.testing.assert_close(exact, near, rtol=1e-6, atol=1e-6)
    apart = mixture.gated(log_p, STARTS, tau=1.0, scored=mask, joined=False)
    assert len(apart.shares) == (T if mask is None else mask.sum())
    torch.testing.assert_close(apart(w), exact)
    if mask is None:
        sums = torch.as_tensor(np.add.reduceat(log_p, STARTS[:-1], axis=0))
        expected = -(w.log().unsqueeze(1) + sums).logsumexp(dim=-1).sum(dim=-1) / T
        torch.testing.assert_close(exact, expected)


def test_what_is_declared_convex_is_below_every_chord(kind) -> None:
    form = FORMS[kind](log_probabilities())
    assert form.convex == (kind in {"token", "scored", "dataset", "sequences"})
    if form.convex:
        a, b = mixtures(64, seed=2), mixtures(64, seed=3)
        middle = form(0.3 * a + 0.7 * b)
        assert (middle <= 0.3 * form(a) + 0.7 * form(b) + 1e-12).all()


def test_gradients_are_those_of_the_function(kind) -> None:
    form = FORMS[kind](log_probabilities())
    w = mixtures(4).reshape(2, 2, K).requires_grad_()
    assert form(w).shape == (2, 2)
    assert torch.autograd.gradcheck(form, (w,))


def test_gradients_of_strengths_are_those_of_the_function() -> None:
    form = mixture.per_token(log_probabilities())
    w, s = mixtures(3).requires_grad_(), torch.randn(K, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda w, s: form(mixture.strengthened(w, s)), (w, s))


def test_tiny_probabilities_and_zero_weights_leave_values_and_gradients_finite() -> None:
    log_p = log_probabilities()
    log_p[::3, 0], log_p[1::3, 1] = -60.0, -1200.0
    form = mixture.per_token(log_p)
    w = torch.eye(K, dtype=torch.float64).requires_grad_()
    value = form(w)
    value.sum().backward()
    torch.testing.assert_close(value.detach(), torch.as_tensor(-log_p.mean(axis=0)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        -form.tokens(torch.eye(K, dtype=torch.float64)).mean(dim=-1) + form.constant, value.detach()
    )
    assert w.grad is not None
    assert w.grad.isfinite().all()


def test_rows_that_no_float_holds_are_those_of_a_sum_of_exponentials() -> None:
    """Values and derivatives, for mixtures that leave out the only expert that knows a token, or nearly."""
    log_p = log_probabilities()
    log_p[::4] = 30.0 * log_p[::4]
    log_p[1::4, 2:] -= 900.0
    w = torch.cat([mixtures(), torch.eye(K, dtype=torch.float64), torch.tensor([[1e-40, 0.0, 0.4, 0.6]])])
    form, logs, leaf = mixture.per_token(log_p), torch.as_tensor(log_p), w.clone().requires_grad_()
    mixed = (w.log().unsqueeze(1) + logs).logsumexp(dim=-1)
    slope = -(logs - mixed.unsqueeze(-1)).exp().mean(dim=1)
    found = form(leaf)
    torch.testing.assert_close(found, -mixed.mean(dim=-1), rtol=1e-12, atol=1e-12)
    found.sum().backward()
    assert leaf.grad is not None
    gentle = slope.abs() < 1e20
    assert gentle.sum() > 6 * K
    torch.testing.assert_close(leaf.grad[gentle], slope[gentle])
    assert (leaf.grad[~gentle] < -1e20).all()
    assert leaf.grad.isfinite().all()


def test_blocks_change_nothing_and_keep_nothing(monkeypatch) -> None:
    log_p, w = log_probabilities(2000), mixtures(300).requires_grad_()
    whole = mixture.per_token(log_p)(w)
    monkeypatch.setattr(log_sums, "BLOCK_BYTES", 2**12)
    value = mixture.per_token(log_p)(w)
    torch.testing.assert_close(value, whole)
    nodes, kept = [value.grad_fn], []
    while nodes:
        node = nodes.pop()
        kept += getattr(node, "saved_tensors", ())
        nodes += [following for following, _ in node.next_functions if following is not None]
    assert kept
    assert all(each.numel() <= w.numel() for each in kept)


def test_permuting_the_experts_permutes_the_weights(kind) -> None:
    log_p, w = log_probabilities(), mixtures()
    order = np.array([2, 0, 3, 1])
    torch.testing.assert_close(FORMS[kind](log_p[:, order])(w[:, order]), FORMS[kind](log_p)(w))


def test_equal_strengths_change_nothing_and_a_large_one_leaves_its_expert() -> None:
    w = mixtures()
    torch.testing.assert_close(mixture.strengthened(w, torch.full((K,), 3.0)), w)
    alone = mixture.strengthened(w, torch.tensor([0.0, 400.0, 0.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(alone, torch.eye(K, dtype=torch.float64)[1].expand_as(w))


def choices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    examples = np.repeat(np.arange(20), 3)
    gold = np.tile([True, False, False], 20)
    lengths = np.random.default_rng(2).integers(1, 8, 60)
    return np.concatenate([[0], lengths.cumsum()]), examples, gold


@pytest.mark.parametrize("per_token", [False, True])
def test_accuracy_of_multiple_choice_is_that_of_a_loop(per_token) -> None:
    starts, examples, gold = choices()
    log_p, w = log_probabilities(int(starts[-1])), mixtures(5)
    kept = np.random.default_rng(4).random(len(log_p)) < 0.8
    logs = np.log(np.exp(log_p) @ w.numpy().T) * kept[:, None]
    sizes = [max(kept[a:b].sum(), 1) if per_token else 1 for a, b in pairwise(starts)]
    sums = [logs[a:b].sum(axis=0) / size for (a, b), size in zip(pairwise(starts), sizes, strict=True)]
    scores = np.stack(sums).reshape(20, 3, 5)
    odds = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = options(log_p, starts, examples, gold, kept, per_token=per_token)
    np.testing.assert_allclose(found.accuracy(w), (scores.argmax(axis=1) == 0).mean(axis=0))
    np.testing.assert_allclose(found.soft(w), odds[:, 0].mean(axis=0))
    weights = w.clone().requires_grad_()
    assert torch.autograd.gradcheck(found.soft, (weights,))


def test_a_tie_of_several_options_is_shared() -> None:
    log_p = np.log(np.array([[0.5, 0.2], [0.5, 0.2], [0.1, 0.1], [0.3, 0.2], [0.3, 0.2], [0.3, 0.2]]))
    gold = np.array([True, False, False, False, False, True])
    found = options(log_p, np.arange(7), np.arange(6) // 3, gold)
    torch.testing.assert_close(found.accuracy(mixtures(5, 2)), torch.full((5,), (1 / 2 + 1 / 3) / 2).double())


def test_thinned_gates_rank_as_the_whole_ones_where_the_distance_would_be_the_length_of_the_sequences() -> None:
    rng, length, most = np.random.default_rng(8), 16, 1024
    kind = rng.integers(3, size=most).repeat(length)
    log_p = -rng.gamma(2.0, 1.0, size=(length * most, 1)) - 0.6 * (np.arange(3) != kind[:, None])
    log_p -= 0.5 * np.abs(rng.normal(size=(*log_p.shape[:1], 3)))
    starts, w = np.arange(0, length * most + 1, length), mixtures(12, 3)
    plain = mixture.per_token(log_p)
    for window in (None, 4):
        size = []
        for tau in (0.05, 0.2, 0.5, 0.9):
            whole = mixture.gated(log_p, starts, tau=tau, window=window)
            effect, thin = whole(w) - plain(w), whole.thinned(most)(w) - plain.thinned(most)(w)
            effect, thin = effect - effect.mean(), thin - thin.mean()
            assert len(whole.thinned(most).shares) == most
            assert torch.corrcoef(torch.stack([effect, thin]))[0, 1] > 0.8
            size.append((float(effect.std()), float(thin.std())))
        assert np.argsort([one for one, _ in size]).tolist() == np.argsort([other for _, other in size]).tolist()
        np.testing.assert_allclose(*np.transpose(size), rtol=0.25)


@pytest.mark.parametrize("variant", ["token", "gated"])
@pytest.mark.parametrize(("k", "tail"), [(2, None), (3, None), (5, 5.0), (7, 5.0)])
def test_the_compressed_form_keeps_its_tolerance(k, tail, variant) -> None:
    rng, T = np.random.default_rng(0), 12_000
    log_p = log_probabilities(T, k, spread=0.7)
    if tail is not None:
        log_p = -rng.gamma(1.0, 2.5, size=(T, 1)) - 0.3 * np.abs(rng.standard_t(tail, size=(T, k)))
    starts = np.arange(0, T + 1, 60)
    form = mixture.per_token(log_p) if variant == "token" else mixture.gated(log_p, starts, tau=0.02)
    tolerance = 2e-3 if tail is None else 5e-3
    found = compress(form, tolerance)
    smaller = form.subset(found.index, found.shares)
    assert len(found.index) < 0.6 * T
    assert min(found.measured, found.proven) <= tolerance
    w = torch.cat([check_mixtures(k, seed=9), mixtures(200, k)])
    error = (smaller(w) - form(w)).abs()
    assert found.measured > 0.0
    assert error.max() <= min(1.5 * found.measured, found.proven, tolerance)
    assert error[:k].max() < 1e-9, "a vertex keeps its loss"
    assert bool((found.shares > 0).all())
    assert float(found.shares.sum()) == pytest.approx(float(form.shares.sum()))


def test_of_very_many_edges_some_are_tried_and_others_by_another_seed() -> None:
    edges = []
    for seed in (0, 1):
        w = check_mixtures(30, seed=seed)
        torch.testing.assert_close(w.sum(dim=-1), torch.ones(len(w), dtype=torch.float64))
        edges.append({tuple(np.flatnonzero(row).tolist()) for row in w[30:350].numpy()})
        assert len(edges[-1]) == 320
    assert edges[0] != edges[1]


def test_the_proven_bound_holds_where_it_decides() -> None:
    log_p = log_probabilities(20_000, 2, spread=0.5)
    form = mixture.per_token(log_p)
    found = compress(form, 0.02)
    smaller = form.subset(found.index, found.shares)
    w = torch.linspace(0.0, 1.0, 2001, dtype=torch.float64)
    w = torch.stack([w, 1.0 - w], dim=-1)
    assert (smaller(w) - form(w)).abs().max() <= found.proven
    assert np.isfinite(found.proven)


def test_few_tokens_all_stay() -> None:
    form = mixture.per_token(log_probabilities())
    found = compress(form, 1e-3)
    assert len(found.index) == T
    assert found.measured == 0.0


def test_a_window_forgets_what_lies_further_back() -> None:
    log_p, starts, w = log_probabilities(60, 3), np.array([0, 25, 60]), mixtures(4, 3)
    whole = mixture.gated(log_p, starts, tau=0.3)(w)
    np.testing.assert_allclose(mixture.gated(log_p, starts, tau=0.3, window=60)(w), whole)
    gates = np.zeros_like(log_p)
    for begin, end in pairwise(starts):
        for t in range(begin, end):
            gates[t] = 0.3 * log_p[max(begin, t - 4) : t].sum(axis=0)
    above, below = np.exp(gates + log_p) @ w.numpy().T, np.exp(gates) @ w.numpy().T
    expected = -np.log(above / below).mean(axis=0)
    np.testing.assert_allclose(mixture.gated(log_p, starts, tau=0.3, window=4)(w), expected)
    assert not np.allclose(expected, whole)
    at_one = mixture.gated(log_p, starts, tau=1.0, window=4)
    above, below = np.exp(gates / 0.3 + log_p) @ w.numpy().T, np.exp(gates / 0.3) @ w.numpy().T
    np.testing.assert_allclose(at_one(w), -np.log(above / below).mean(axis=0))
    assert not at_one.convex
    assert not np.allclose(at_one(w), mixture.gated(log_p, starts, tau=1.0)(w))
