"""A step is losses, gradients and the optimizer's; on a GPU a recorded one is the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.training.data_order import plan
from bomix.training.device import Hardware
from bomix.training.model.decoder import Model
from bomix.training.model.stack import Stack
from bomix.training.optim import Settings, StackOptimizer
from bomix.training.ranks import ALONE, Ranks
from bomix.training.step import WARM_UP, Step

STEPS = WARM_UP + 4


def losses_of_steps(hardware, k=2):
    model = Model(hidden=32, layers=1, heads=2)
    stack = Stack(model, vocabulary=30, sequence_length=8, seeds=range(k), device=hardware.device)
    optimizer = StackOptimizer([Settings(rate=1e-2)] * k, stack, steps=STEPS)
    take = Step(stack, optimizer, hardware)
    tokens = torch.randint(0, 30, (STEPS, k, 2, 9), generator=torch.Generator().manual_seed(0)).to(hardware.device)
    found = []
    for step in range(STEPS):
        optimizer.set_rates(step)
        found.append(take(tokens[step]).clone())
    return torch.stack(found).cpu(), stack


def test_each_step_moves_the_parameters_and_gives_the_losses_before_it():
    losses, stack = losses_of_steps(Hardware("cpu", "fp32", False))
    assert losses.shape == (STEPS, 2)
    fresh = Stack(stack.model, vocabulary=30, sequence_length=8, seeds=range(2))
    tokens = torch.randint(0, 30, (STEPS, 2, 2, 9), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fresh.step_losses(tokens[0]).mean(dim=1), losses[0])
    assert not torch.equal(fresh.parameters[0], stack.parameters[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
def test_parts_of_a_batch_add_up_to_it(architecture, dtype):
    """Within rounding: 32 bits where sums are, and in the products the type of their factors."""
    model = Model(architecture=architecture, hidden=32, layers=2, heads=2)
    tokens = torch.randint(0, 30, (2, 6, 9), generator=torch.Generator().manual_seed(0))
    found = {}
    for part in (None, 6, 3, 1):
        stack = Stack(model, vocabulary=30, sequence_length=8, seeds=range(2), dtype=dtype)
        optimizer = StackOptimizer([Settings(rate=1e-2, clip=0.0)] * 2, stack, steps=1)
        losses = Step(stack, optimizer, Hardware("cpu", "fp32", False), part=part)(tokens)
        found[part] = (losses, torch.cat(stack.gradients))
    assert all(torch.equal(one, other) for one, other in zip(found[None], found[6], strict=True))
    scale = found[None][1].abs().max()
    tolerance = 1e-6 if dtype == torch.float32 else 1e-2
    for part in (3, 1):
        torch.testing.assert_close(found[part][0], found[None][0], rtol=tolerance, atol=0.0)
        assert (found[part][1] - found[None][1]).abs().max() < tolerance * scale


def test_ranks_read_each_row_of_a_batch_once():
    whole = plan({"a": 0.5, "b": 0.5}, {"a": 40, "b": 40}, steps=3, batch=6, seed=0)
    parts = [Ranks(at, 3).own(whole) for at in range(3)]
    assert all(part.domain.shape == part.sequence.shape == (3, 2) for part in parts)
    np.testing.assert_array_equal(np.hstack([part.sequence for part in parts]), whole.sequence)
    assert ALONE.own(whole) is whole
    assert [Ranks(at, 3).leads for at in range(3)] == [True, False, False]


@pytest.mark.gpu
def test_a_recorded_step_is_the_step():
    on_gpu, _ = losses_of_steps(Hardware("cuda:0", "fp32", False))
    on_cpu, _ = losses_of_steps(Hardware("cpu", "fp32", False))
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-3, atol=1e-3)
