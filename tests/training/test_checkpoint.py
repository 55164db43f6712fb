"""A run that goes on from a checkpoint becomes what it would have become; damaged and foreign files are left alone."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from bomix.errors import DataError, EvaluationError
from bomix.training import checkpoint
from bomix.training.checkpoint import FILE, Place
from bomix.training.keeping import Keeper
from bomix.training.loop import train_together
from bomix.training.optim import Optimization
from tests.training.test_loop import corpus as small_corpus
from tests.training.test_loop import make_run

corpus = small_corpus
STEPS = 20


class Killed(BaseException):
    """What ends a run in the midst of it."""


def interrupted(corpus, runs, folders, monkeypatch, *, after):
    """Train until the checkpoints of ``after`` steps are written, and no further."""
    wrote = checkpoint.write

    def write_and_end(place, saved):
        wrote(place, saved)
        if saved.step == after and place.folder == folders[-1]:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "is_due", lambda self: True)
        patch.setattr(checkpoint, "write", write_and_end)
        with pytest.raises(Killed):
            train_together(corpus, runs, places=located(corpus, runs, folders))


def located(corpus, runs, folders):
    return [
        checkpoint.locate(folder, checkpoint.identity_of(run, corpus, run.spec.dtype))
        for run, folder in zip(runs, folders, strict=True)
    ]


def attempts(tmp_path, number, count=2):
    return [tmp_path / str(trial) / str(number) for trial in range(count)]


def assert_same(found, wanted):
    np.testing.assert_array_equal(found.training_losses, wanted.training_losses)
    assert found.evaluations == wanted.evaluations
    np.testing.assert_array_equal(found.curve.steps, wanted.curve.steps)
    for name, losses in wanted.curve.losses.items():
        np.testing.assert_array_equal(found.curve.losses[name], losses)
    for one, other in zip(found.model.parameters(), wanted.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert (found.scored is None) == (wanted.scored is None)
    for name, tokens in (wanted.scored or {}).items():
        np.testing.assert_array_equal(found.scored[name].log_probabilities, tokens.log_probabilities)
        np.testing.assert_array_equal(found.scored[name].ids, tokens.ids)
        assert found.scored[name].tokens == tokens.tokens


RATES = {"joint adamw": (None, (1e-2, 1e-2)), "adamw": (None, (1e-2, 1e-3)), "adafactor": ("adafactor", (1e-2, 1e-2))}


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", RATES)
def test_a_stack_that_was_ended_goes_on_to_the_same_bits(corpus, tmp_path, monkeypatch, optimizer, dtype):
    name, rates = RATES[optimizer]
    runs = [
        make_run(
            steps=STEPS,
            dtype=dtype,
            weights={"even": 1.0 - at, "odd": float(at)},
            init_seed=at,
            optimization=Optimization(optimizer=name, rate=rate),
            score_step=7,
        )
        for at, rate in enumerate(rates)
    ]
    undisturbed = train_together(corpus, runs)
    interrupted(corpus, runs, attempts(tmp_path, 1), monkeypatch, after=6)  # before the tokens are scored
    interrupted(corpus, runs, attempts(tmp_path, 2), monkeypatch, after=13)
    places = located(corpus, runs, attempts(tmp_path, 3))
    assert [place.step for place in places] == [13, 13]
    for found, wanted in zip(train_together(corpus, runs, places=places), undisturbed, strict=True):
        assert_same(found, wanted)
        assert found.resumed == 13
        assert wanted.resumed == 0


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
def test_a_member_of_a_stack_goes_on_alone(corpus, tmp_path, monkeypatch, architecture):
    shape = replace(make_run().spec.model, architecture=architecture)
    runs = [make_run(steps=STEPS, model=shape, init_seed=at, score_step=STEPS) for at in range(2)]
    undisturbed = train_together(corpus, runs)
    interrupted(corpus, runs, attempts(tmp_path, 1), monkeypatch, after=9)
    place = located(corpus, runs, attempts(tmp_path, 2))[1]
    (found,) = train_together(corpus, runs[1:], places=[place])
    assert_same(found, undisturbed[1])


@pytest.mark.gpu
def test_on_a_gpu_it_goes_on_to_about_the_same_losses(corpus, tmp_path, monkeypatch):
    """Its rates lie on the device, and its steps are recorded anew."""
    runs = [make_run(steps=STEPS, device="cuda", init_seed=at) for at in range(2)]
    undisturbed = train_together(corpus, runs)
    interrupted(corpus, runs, attempts(tmp_path, 1), monkeypatch, after=9)
    places = located(corpus, runs, attempts(tmp_path, 2))
    for found, wanted in zip(train_together(corpus, runs, places=places), undisturbed, strict=True):
        np.testing.assert_allclose(found.training_losses, wanted.training_losses, rtol=1e-3)
        assert found.resumed == 9


def test_seconds_add_up_over_the_attempts(corpus, tmp_path, monkeypatch):
    runs = [make_run(steps=STEPS)]
    interrupted(corpus, runs, attempts(tmp_path, 1, 1), monkeypatch, after=12)
    (place,) = located(corpus, runs, attempts(tmp_path, 2, 1))
    before = checkpoint.read(place.found, place.identity)
    assert before.seconds > 0.0
    (found,) = train_together(corpus, runs, places=[place])
    assert found.seconds > before.seconds
    assert found.tokens_per_second > 0.0


def test_runs_at_several_steps_are_no_stack(corpus, tmp_path):
    places = [Place(tmp_path / "a", ""), Place(tmp_path / "b", "", tmp_path / FILE, 3)]
    with pytest.raises(EvaluationError, match="from different steps"):
        train_together(corpus, [make_run(), make_run()], places=places)


@pytest.fixture
def written(corpus, tmp_path, monkeypatch):
    """A run, and its checkpoints after 4 and 9 steps, of two attempts."""
    run = make_run(steps=STEPS)
    for number, after in ((1, 4), (2, 9)):
        (tmp_path / str(number)).mkdir()
        interrupted(corpus, [run], [tmp_path / str(number)], monkeypatch, after=after)
    return run


def test_one_goes_on_from_the_latest_and_the_earlier_ones_go(corpus, tmp_path, written):
    (place,) = located(corpus, [written], [tmp_path / "3"])
    assert (place.found, place.step) == (tmp_path / "2" / FILE, 9)
    # The second attempt went on from the first, whose file it has replaced.
    assert not (tmp_path / "1" / FILE).exists()
    checkpoint.remove(place)
    assert not list(tmp_path.rglob(FILE))


def flipped(content):
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


@pytest.mark.parametrize(
    "damage", [flipped, lambda x: x[: len(x) // 2], lambda x: x[:3], lambda x: b"", lambda x: b"{}" * 99]
)
def test_a_damaged_file_is_left_alone_with_a_line_in_the_log(corpus, tmp_path, written, caplog, damage):
    path = tmp_path / "2" / FILE
    path.write_bytes(damage(path.read_bytes()))
    (place,) = located(corpus, [written], [tmp_path / "3"])
    assert (place.found, place.step) == (None, 0)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text
    assert "damaged" in caplog.text
    checkpoint.remove(place)
    assert path.exists() == (damage is not flipped)  # whose header still says whose it is


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": {"even": 0.7500001, "odd": 0.2499999}},
        {"init_seed": 7},
        {"data_seed": 7},
        {"steps": STEPS + 1},
        {"score_step": 3},
        {"batch_sequences": 1},
        {"curve_points": 3},
        {"optimization": Optimization(rate=1e-3)},
        {"dtype": "bf16"},
    ],
)
def test_a_file_of_another_run_is_left_alone_with_a_line_in_the_log(corpus, tmp_path, written, caplog, changes):
    run = make_run(**{"steps": STEPS, **changes})
    (place,) = located(corpus, [run], [tmp_path / "3"])
    assert place.found is None
    assert "another run" in caplog.text
    checkpoint.remove(place)
    assert (tmp_path / "2" / FILE).exists()


def test_another_corpus_is_another_run(corpus):
    run = make_run()
    identity = checkpoint.identity_of(run, corpus, "fp32")
    assert checkpoint.identity_of(run, replace(corpus, hashes={"train/even": "0"}), "fp32") != identity
    assert checkpoint.identity_of(run, replace(corpus, tokenizer_hash="0"), "fp32") != identity


def test_what_moves_the_last_digits_alone_makes_no_other_run(corpus, tmp_path, written):
    run = make_run(steps=STEPS, threads=2, checkpoint_s=1.0, micro_sequences=1, compile=True)
    (place,) = located(corpus, [run], [tmp_path / "3"])
    assert place.step == 9


def test_a_file_that_changed_meanwhile_is_an_error(corpus, tmp_path, written):
    (place,) = located(corpus, [written], [tmp_path / "3"])
    with pytest.raises(DataError, match="of step 9, and not of step 8"):
        checkpoint.found_at(replace(place, step=8))
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(DataError, match="damaged"):
        checkpoint.read(tmp_path / FILE, "")
