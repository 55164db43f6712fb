"""A model that two processes train together has the losses that one gives it; one that ends takes the other along."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import psutil
import pytest

from bomix import progress
from bomix.errors import EvaluationError
from bomix.training import checkpoint
from bomix.training.checkpoint import FILE
from bomix.training.keeping import Keeper
from bomix.training.optim import Optimization
from bomix.trial import EXPERT, SCORED_TOKENS, Trial
from tests.evaluators import test_proxy

folder, proxy, prepared = test_proxy.folder, test_proxy.proxy, test_proxy.prepared
TRIAL = Trial(0, {"code": 0.7, "prose": 0.3}, 5, EXPERT)


def processes():
    """The processes that this one's launchers started."""
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            if "bomix.training.rank_process" in each.cmdline() and "torch.distributed.run" not in each.cmdline():
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(proxy, prepared, tmp_path):
    alone = proxy.evaluate(TRIAL, tmp_path / "alone")
    reports = []
    with progress.reporting_to(reports.append):
        shared = replace(proxy, devices=2, micro_sequences=1).evaluate(TRIAL, tmp_path / "shared")
    assert "resumed_after_steps" not in shared.info
    for name, loss in alone.losses.items():
        assert shared.losses[name] == pytest.approx(loss, rel=1e-5)
        np.testing.assert_allclose(shared.curve.losses[name], alone.curve.losses[name], rtol=1e-5)
    assert shared.info["training_loss"] == pytest.approx(alone.info["training_loss"], rel=1e-5)
    assert shared.realized == alone.realized
    assert shared.info["devices"] == 2
    assert shared.info["tokens_per_second"] > 0
    assert SCORED_TOKENS in shared.artifacts
    assert (tmp_path / "shared" / "model" / "config.json").exists()
    assert reports
    assert not list(tmp_path.rglob(FILE))


@pytest.mark.slow
def test_two_processes_go_on_where_one_was_ended(proxy, prepared, tmp_path, monkeypatch):
    undisturbed = proxy.evaluate(TRIAL, tmp_path / "undisturbed" / "1")
    wrote = checkpoint.write

    def write_and_end(place, saved):
        wrote(place, saved)
        if saved.step == 60:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "is_due", lambda self: True)
        patch.setattr(checkpoint, "write", write_and_end)
        with pytest.raises(KeyboardInterrupt):
            proxy.evaluate(TRIAL, tmp_path / "ended" / "1")
    found = replace(proxy, devices=2).evaluate(TRIAL, tmp_path / "ended" / "2")
    assert found.info["resumed_after_steps"] == 60
    for name, loss in undisturbed.losses.items():
        assert found.losses[name] == pytest.approx(loss, rel=1e-5)
    assert not list(tmp_path.rglob(FILE))


@pytest.mark.slow
def test_a_process_that_ends_takes_the_others_and_the_trial_along(proxy, prepared, tmp_path):
    long = replace(proxy, devices=2, tokens=10_000_000)
    reports = []

    def evaluate():
        with progress.reporting_to(reports.append):
            long.evaluate(TRIAL, tmp_path / "1")

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(evaluate)
        patience = time.monotonic() + 100
        while not reports and time.monotonic() < patience:
            time.sleep(0.05)
        started = processes()
        assert len(started) == 2
        started[-1].kill()
        with pytest.raises(EvaluationError, match=r"one of the 2 processes .* ended"):
            ended.result(100)
    assert not processes()


@pytest.mark.slow
def test_a_loss_that_leaves_the_numbers_is_told_as_ever(proxy, prepared, tmp_path):
    wild = replace(proxy, devices=2, optimization=Optimization(rate=1e30, clip=0.0, warmup=0.0))
    with pytest.raises(EvaluationError, match=r"training loss is .*; lower .*rate"):
        wild.evaluate(TRIAL, tmp_path / "1")
    assert not processes()
    assert not list(tmp_path.rglob(FILE))
