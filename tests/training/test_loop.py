"""Runs are deterministic, learn, read what the plan says, and stop with a cure where the loss leaves the numbers."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from bomix import progress
from bomix.errors import EvaluationError
from bomix.training import monitor
from bomix.training.data.tokens import Corpus, TokenSet
from bomix.training.device import Hardware, choose
from bomix.training.loop import train, train_together
from bomix.training.model.decoder import Model
from bomix.training.optim import Optimization
from bomix.training.run import Run, can_share, curve_steps, seeds
from bomix.training.spec import TrainingSpec
from tests.training.reading import evaluate

VOCABULARY = 64
LENGTH = 16
WEIGHTS = {"even": 0.75, "odd": 0.25}


def token_set(values, count, seed):
    tokens = np.random.default_rng(seed).choice(values, count).astype(np.uint8)
    return TokenSet(tokens, documents=1, bytes=3 * count)


@pytest.fixture(scope="module")
def corpus():
    even, odd = np.arange(0, VOCABULARY, 2), np.arange(1, VOCABULARY, 2)
    return Corpus(
        train={"even": token_set(even, 2000, 0), "odd": token_set(odd, 2000, 1)},
        validation={"even": token_set(even, 600, 2), "odd": token_set(odd, 600, 3)},
        vocabulary=VOCABULARY,
        tokenizer_hash="",
        hashes={},
    )


def make_run(**changes):
    spec = TrainingSpec(
        model=Model(hidden=32, layers=1, heads=2),
        optimization=Optimization(rate=1e-2),
        sequence_length=LENGTH,
        batch_sequences=2,
        validation_sequences=256,
        curve_sequences=32,
        device="cpu",
        dtype="fp32",
    )
    of_run = {field.name for field in fields(Run)}
    run = Run(weights=WEIGHTS, steps=40, init_seed=1, data_seed=2, spec=spec)
    own = {name: value for name, value in changes.items() if name in of_run}
    others = {name: value for name, value in changes.items() if name not in of_run}
    return replace(run, spec=replace(spec, **others), **own)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_same_run_gives_the_same_bits(corpus, dtype):
    import torch

    one = train(corpus, make_run(dtype=dtype))
    torch.manual_seed(123)
    state = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    other = train(corpus, make_run(dtype=dtype))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(one.training_losses, other.training_losses)
    assert one.evaluations == other.evaluations
    for name in WEIGHTS:
        np.testing.assert_array_equal(one.curve.losses[name], other.curve.losses[name])


def test_each_seed_changes_its_own_part(corpus):
    base = train(corpus, make_run(steps=2))
    data = train(corpus, make_run(steps=2, data_seed=3))
    init = train(corpus, make_run(steps=2, init_seed=3))
    assert not np.array_equal(base.plan.sequence, data.plan.sequence)
    np.testing.assert_array_equal(base.plan.sequence, init.plan.sequence)
    assert base.training_losses[0] != data.training_losses[0]
    assert base.training_losses[0] != init.training_losses[0]


def test_it_learns_the_domain_that_it_is_given_and_no_other(corpus):
    found = train(corpus, make_run(steps=150, weights={"even": 1.0, "odd": 0.0})).evaluations
    # Which half of the tokens a domain uses, ln 32 left, is all that can be learnt.
    assert found["even"].loss == pytest.approx(np.log(VOCABULARY / 2), abs=0.15)
    assert found["odd"].loss > np.log(VOCABULARY)


def test_the_final_losses_are_those_of_the_returned_model(corpus):
    found = train(corpus, make_run())
    for name, tokens in corpus.validation.items():
        again = evaluate(
            lambda x: found.model(input_ids=x).logits,
            tokens,
            length=LENGTH,
            sequences=256,
            hardware=Hardware("cpu", "fp32", False),
        )
        assert again.loss == pytest.approx(found.evaluations[name].loss, rel=1e-6)
        assert found.curve.losses[name][-1] == found.evaluations[name].loss


def test_the_first_step_is_adamw_by_hand(corpus):
    import torch

    run = make_run(steps=1, batch_sequences=1, optimization=Optimization(rate=1e-2, warmup=0.0, clip=0.5))
    found = train(corpus, run)
    model = run.spec.model.build(vocabulary=VOCABULARY, sequence_length=LENGTH, seed=run.init_seed)
    row = corpus.train["even"].windows(found.plan.sequence[0], LENGTH)
    loss = model(input_ids=torch.from_numpy(row), labels=torch.from_numpy(row)).loss
    assert found.training_losses[0] == pytest.approx(loss.item(), rel=1e-5)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    for before, after in zip(model.parameters(), found.model.parameters(), strict=True):
        decay = 1 - 1e-2 * 0.1 * (before.dim() >= 2)
        # Bias-corrected moments of a first step are the gradient and its square.
        expected = before.detach() * decay - 1e-2 * before.grad / (before.grad.abs() + 1e-8)
        moved = before.grad.abs() > 1e-5
        torch.testing.assert_close(after.detach()[moved], expected[moved], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
@pytest.mark.parametrize("preset", ["lindenau2024", "belenki2025", "liu2025"])
def test_every_preset_trains_every_architecture(corpus, architecture, preset):
    model = Model(architecture=architecture, hidden=32, layers=1, heads=2)
    found = train(corpus, make_run(steps=60, model=model, optimization=Optimization(preset=preset, rate=1e-2)))
    assert found.training_losses[-10:].mean() < found.training_losses[:10].mean() - 0.2


def test_a_loss_that_leaves_the_numbers_stops_with_step_and_cure(corpus):
    with pytest.raises(EvaluationError, match=r"training loss is .* at step \d+ of 40; lower .*rate"):
        train(corpus, make_run(optimization=Optimization(rate=1e30, clip=0.0, warmup=0.0)))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_stack_trains_each_run_as_it_is_trained_alone(corpus, dtype):
    """To the last bit: no sum depends on how many models there are."""
    runs = [
        make_run(dtype=dtype, weights={"even": w, "odd": 1 - w}, init_seed=at, data_seed=9 * at)
        for at, w in enumerate((0, 0.4, 1))
    ]
    together = train_together(corpus, runs)
    for run, found in zip(runs, together, strict=True):
        alone = train(corpus, run)
        np.testing.assert_array_equal(found.training_losses, alone.training_losses)
        assert found.evaluations == alone.evaluations
        for one, other in zip(found.model.parameters(), alone.model.parameters(), strict=True):
            np.testing.assert_array_equal(one.detach(), other.detach())
        np.testing.assert_array_equal(found.plan.sequence, alone.plan.sequence)
        assert (found.width, alone.width) == (3, 1)


def test_a_run_that_diverges_stops_alone(corpus):
    wild = make_run(optimization=Optimization(rate=1e30, clip=0.0, warmup=0.0))
    calm = make_run(optimization=Optimization(rate=1e-2, clip=0.0, warmup=0.0))
    assert can_share(wild, calm)
    first, failed, last = train_together(corpus, [calm, wild, replace(calm, init_seed=7)])
    assert isinstance(failed, EvaluationError)
    assert "training loss is" in str(failed)
    alone = train(corpus, calm)
    np.testing.assert_allclose(first.training_losses, alone.training_losses, rtol=1e-5)
    assert np.isfinite(last.training_losses).all()


@pytest.mark.parametrize(
    "changes",
    [{"steps": 41}, {"sequence_length": 8}, {"model": Model(hidden=48, layers=1, heads=2)}, {"dtype": "bf16"}],
)
def test_what_shares_a_stack_is_of_one_shape(corpus, changes):
    assert not can_share(make_run(), make_run(**changes))
    with pytest.raises(EvaluationError, match="cannot be trained in one stack"):
        train_together(corpus, [make_run(), make_run(**changes)])


def test_an_experts_checkpoint_is_scored_beside_a_run_that_keeps_no_scores(corpus):
    halfway, none = train_together(corpus, [make_run(score_step=20), make_run()])
    alone = train(corpus, make_run(score_step=20))
    assert none.scored is None
    for name, scored in alone.scored.items():
        np.testing.assert_allclose(halfway.scored[name].log_probabilities, scored.log_probabilities, atol=1e-5)


def test_progress_is_reported_about_every_second_and_at_the_end(corpus, monkeypatch):
    monkeypatch.setattr(monitor, "REPORT_SECONDS", 0.0)
    heard = []
    with progress.reporting_to(heard.append):
        found = train(corpus, make_run(steps=5, curve_points=5))
    assert [report.step for report in heard] == [1, 2, 3, 4, 5]
    assert all(report.steps == 5 and report.tokens_per_second > 0 for report in heard)
    assert heard[-1].losses == {name: e.loss for name, e in found.evaluations.items()}
    monkeypatch.setattr(monitor, "REPORT_SECONDS", 1e9)
    heard.clear()
    with progress.reporting_to(heard.append):
        train(corpus, make_run(steps=5))
    assert [report.step for report in heard] == [5]


@pytest.mark.parametrize(
    ("steps", "points", "expected"),
    [(100, 4, [25, 50, 75, 100]), (100, 1, [100]), (3, 10, [1, 2, 3]), (7, 2, [4, 7])],
)
def test_curve_points_are_even_and_hold_the_end(steps, points, expected):
    assert curve_steps(steps, points) == expected


def test_seeds_are_separate_streams_that_can_be_fixed():
    init, data = seeds(0)
    assert init != data
    assert seeds(0) == (init, data)
    assert not {*seeds(1)} & {init, data}
    assert seeds(1, init_seed=9)[0] == seeds(2, init_seed=9)[0] == 9
    assert seeds(1, data_seed=9) == (seeds(1)[0], 9)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(EvaluationError, match="cuda:99"):
        choose("cuda:99")


@pytest.mark.gpu
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_cuda_gives_the_losses_of_the_cpu(corpus, dtype, compile):
    on_cpu = train(corpus, make_run())
    on_gpu = train(corpus, make_run(device="cuda", dtype=dtype, compile=compile))
    assert on_gpu.hardware == Hardware("cuda:0", dtype, compile)
    tolerance = 1e-2 if dtype == "fp32" else 5e-2
    np.testing.assert_allclose(on_gpu.training_losses, on_cpu.training_losses, rtol=tolerance)


@pytest.mark.gpu
def test_auto_takes_the_gpu():
    chosen = choose()
    assert chosen.is_cuda
    assert chosen.compile
