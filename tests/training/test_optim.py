"""Schedules in closed form; the presets; what the optimizers do to matrices and vectors."""

from __future__ import annotations

import math

import pytest
import torch

from bomix.training.model.decoder import Model
from bomix.training.model.stack import Stack
from bomix.training.optim import PRESETS, Optimization, Settings, StackOptimizer, rate_at

STEPS = 200


def test_the_rate_rises_linearly_to_the_peak():
    settings = Settings(rate=2.0, warmup=0.1)
    assert [rate_at(settings, step, STEPS) for step in range(19)] == pytest.approx([0.1 * k for k in range(1, 20)])
    assert rate_at(settings, 20, STEPS) == 2.0


@pytest.mark.parametrize(
    ("schedule", "share"),
    [
        ("linear", lambda t: 0.1 + 0.9 * (1 - t)),
        ("cosine", lambda t: 0.1 + 0.9 * math.cos(math.pi * t / 2) ** 2),
        ("exponential", lambda t: math.exp(t * math.log(0.1))),
        ("constant", lambda t: 1.0),
    ],
)
def test_each_schedule_is_its_closed_form(schedule, share):
    settings = Settings(rate=3.0, schedule=schedule, floor=0.1, warmup=0.2)
    for step in range(40, STEPS):
        assert rate_at(settings, step, STEPS) == pytest.approx(3.0 * share((step - 40) / 160), rel=1e-12)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "exponential"])
def test_the_schedule_reaches_its_floor_just_after_the_last_step(schedule):
    settings = Settings(rate=1.0, schedule=schedule, floor=0.25, warmup=0.06)
    assert rate_at(settings, STEPS, STEPS) == pytest.approx(0.25)
    assert rate_at(settings, STEPS - 1, STEPS) > 0.25


def test_linear_to_zero_spends_no_step_at_zero():
    assert min(rate_at(Settings(warmup=0.5), step, 3) for step in range(3)) > 0


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 0.99])
def test_short_runs_stay_between_zero_and_the_peak(steps, warmup):
    rates = [rate_at(Settings(rate=1.0, warmup=warmup), step, steps) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)


def test_a_preset_gives_defaults_and_explicit_fields_override_it():
    settings = Optimization(preset="belenki2025", rate=5e-4).settings()
    assert (settings.optimizer, settings.rate, settings.schedule) == ("adafactor", 5e-4, "exponential")
    assert (settings.weight_decay, settings.clip, settings.warmup) == (1e-2, 1.0, 0.06)


def test_the_presets_are_what_the_papers_state():
    mde, regmix, openlm = PRESETS["belenki2025"], PRESETS["liu2025"], PRESETS["lindenau2024"]
    assert mde.rate == 1e-3
    assert mde.rate * mde.floor == pytest.approx(1e-4)
    assert (regmix.rate, regmix.schedule) == (4e-4, "cosine")
    assert openlm.rate * openlm.floor == pytest.approx(3e-5)
    assert all(not Optimization(preset=name).faults() for name in PRESETS)


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (Optimization(rate=0.0), "rate"),
        (Optimization(floor=1.5), "floor"),
        (Optimization(schedule="exponential"), "floor"),
        (Optimization(warmup=1.0), "warmup"),
        (Optimization(clip=-1.0), "clip"),
        (Optimization(weight_decay=-0.1), "weight_decay"),
        (Optimization(beta2=1.0), "beta2"),
    ],
)
def test_numbers_out_of_range_are_faults(spec, where):
    assert [fault.where for fault in spec.faults()] == [where]


def stack_of(k, architecture="llama", **options):
    model = Model(architecture=architecture, hidden=16, layers=1, heads=2, intermediate=32)
    return Stack(model, vocabulary=20, sequence_length=8, seeds=range(k), **options)


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_norms_and_biases_are_not_decayed(optimizer):
    stack = stack_of(2, "gpt_neox")
    before = [part.clone() for part in stack.parameters]
    built = StackOptimizer([Settings(optimizer=optimizer, rate=0.1, weight_decay=0.5, warmup=0.0)] * 2, stack, steps=1)
    built.set_rates(0)
    built.step()  # on gradients of zero
    torch.testing.assert_close(stack.parameters[0], before[0] * (1 - 0.1 * 0.5))
    torch.testing.assert_close(stack.parameters[1], before[1])


def filled(stack, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    for part in stack.gradients:
        part.copy_(scale * torch.randn(part.shape, generator=generator))


@pytest.mark.parametrize("scale", [1e-4, 1.0])
def test_every_model_is_clipped_by_its_own_norm_as_torch_does(scale):
    stack = stack_of(3)
    filled(stack, scale)
    for at, factor in enumerate((1.0, 1e-3, 5.0)):
        for gradient in stack.piece_gradients(at).values():
            gradient.mul_(factor)
    expected = []
    for at in range(3):
        pieces = [torch.nn.Parameter(x.clone()) for x in stack.pieces(at).values()]
        for piece, gradient in zip(pieces, stack.piece_gradients(at).values(), strict=True):
            piece.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(pieces, 0.5)
        expected.append([piece.grad for piece in pieces])
    stack.clip(0.5)
    for at in range(3):
        for found, wanted in zip(stack.piece_gradients(at).values(), expected[at], strict=True):
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_a_stack_steps_as_each_model_by_itself_at_its_own_rate(optimizer):
    settings = [Settings(optimizer=optimizer, rate=rate, warmup=0.0, beta1=0.9) for rate in (1e-2, 1e-3)]
    stack = stack_of(2)
    built = StackOptimizer(settings, stack, steps=3)
    alone = []
    for at, own in enumerate(settings):
        one = stack_of(2)
        alone.append((one, StackOptimizer([own, own], one, steps=3), at))
    for step in range(3):
        for one, steps, _ in [(stack, built, None), *alone]:
            filled(one, scale=1.0 + step)
            steps.set_rates(step)
            steps.step()
    for one, _, at in alone:
        for found, wanted in zip(stack.pieces(at).values(), one.pieces(at).values(), strict=True):
            torch.testing.assert_close(found, wanted)


def test_what_products_are_made_of_follows_the_step():
    stack = stack_of(1, dtype=torch.bfloat16)
    tokens = torch.arange(9).view(1, 1, 9)
    before = stack.losses(tokens[0, :, :-1], tokens[0, :, 1:])
    built = StackOptimizer([Settings(rate=0.1, warmup=0.0)], stack, steps=1)
    stack.step_losses(tokens)
    built.set_rates(0)
    built.step()
    assert stack.losses(tokens[0, :, :-1], tokens[0, :, 1:]).mean() < before.mean()


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
def test_no_width_leaves_a_parameter_behind_the_last_register(architecture):
    """Of 3 models to the last bit what the first is alone, also where nothing is a multiple of anything."""
    model = Model(architecture, hidden=36, layers=1, heads=2, intermediate=44, tie_embeddings=True)
    tokens = torch.randint(0, 37, (4, 3, 2, 9), generator=torch.Generator().manual_seed(0))
    found = []
    for k in (1, 3):
        stack = Stack(model, vocabulary=37, sequence_length=8, seeds=range(k))
        steps = StackOptimizer([Settings(rate=1e-2, warmup=0.0)] * k, stack, steps=4)
        for step in range(4):
            steps.set_rates(step)
            stack.step_losses(tokens[step, :k])
            steps.step()
        found.append(stack.pieces(0))
    for name, alone in found[0].items():
        torch.testing.assert_close(found[1][name], alone, rtol=0, atol=0, msg=name)
