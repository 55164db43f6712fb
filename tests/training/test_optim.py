"""Schedules in closed form; the presets; what the optimizers do to matrices and vectors."""

from __future__ import annotations

import math

import pytest

from bomix.training.optim import PRESETS, Optimization, Settings, build_optimizer, rate_at

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


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_only_matrices_decay(optimizer):
    import torch

    module = torch.nn.Linear(3, 3)
    torch.nn.init.ones_(module.weight)
    torch.nn.init.ones_(module.bias)
    settings = Settings(optimizer=optimizer, rate=0.1, weight_decay=0.5)
    built = build_optimizer(settings, module)
    for p in module.parameters():
        p.grad = torch.zeros_like(p)
    built.step()
    torch.testing.assert_close(module.weight, torch.full((3, 3), 1 - 0.1 * 0.5))
    torch.testing.assert_close(module.bias, torch.ones(3))
