from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from bomix.contracts.context import FitContext
from bomix.data_experts import mixture, token_table
from bomix.data_experts.token_table import expert_tables, smallest_float
from bomix.errors import FitError
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.io.store.cache import is_whole
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import SCORED_TOKENS

STARTS = np.arange(0, 3001, 100)


def write(
    folder: Path, seed: int, *, tokens: str = "t", tokenizer: str = "bpe", metrics=("a", "b"), change=None
) -> None:
    rng = np.random.default_rng(seed)
    sets = {}
    for metric in metrics:
        values = -rng.gamma(2.0, 1.5, size=3000).astype(np.float32)
        if change is not None:
            change(values)
        sets[metric] = ScoredTokens(values, STARTS, tokens)
    scored_tokens.write(folder, sets, tokenizer=tokenizer)


@pytest.fixture
def context(tmp_path, monkeypatch) -> FitContext:
    monkeypatch.setenv("BOMIX_CACHE", str(tmp_path / "cache"))
    artifacts = {}
    for number in range(3):
        write(tmp_path / str(number), number)
        artifacts[number] = {SCORED_TOKENS: str(tmp_path / str(number))}
    return FitContext(MixtureSpace(("x", "y", "z")), ("a", "b"), artifacts=artifacts, experts={"x": 0, "y": 1, "z": 2})


def replace(context: FitContext, number: int, **options) -> None:
    folder = Path(context.artifacts[number][SCORED_TOKENS])
    shutil.rmtree(folder)
    write(folder, number, **options)


def test_the_table_holds_what_the_experts_hold_in_the_order_of_the_domains(context) -> None:
    for table in expert_tables(context):
        for column in range(3):
            artifact = scored_tokens.read(Path(context.artifacts[column][SCORED_TOKENS]))
            np.testing.assert_allclose(
                table.log_probabilities[:, column], artifact.sets[table.metric].log_probabilities, rtol=1e-3
            )
        np.testing.assert_array_equal(table.starts, STARTS)
        assert isinstance(table.log_probabilities, np.memmap)


def test_the_float_keeps_losses_to_a_ten_thousandth(context) -> None:
    w = torch.as_tensor(np.random.default_rng(3).dirichlet(np.ones(3), 20))
    for table in expert_tables(context):
        sets = [scored_tokens.read(Path(context.artifacts[i][SCORED_TOKENS])).sets[table.metric] for i in range(3)]
        exact = np.stack([each.log_probabilities for each in sets], axis=1)
        assert table.log_probabilities.dtype == np.float16
        error = mixture.per_token(np.asarray(table.log_probabilities))(w) - mixture.per_token(exact)(w)
        assert error.abs().max() <= 1e-4


def test_where_half_precision_is_too_coarse_single_is_used() -> None:
    few = np.full((3, 2), -8.003, dtype=np.float32)
    assert smallest_float(few, ScoredTokens(few[:, 0], np.array([0, 3]), "t")) == np.float32
    deep = np.full((3000, 2), -1.0, dtype=np.float32)
    deep[0, 0] = -1e5
    assert smallest_float(deep, ScoredTokens(deep[:, 0], STARTS, "t")) == np.float32


def test_options_count_one_by_one_where_their_loss_would_average_it_out() -> None:
    rng = np.random.default_rng(0)
    log_p = -rng.gamma(2.0, 1.5, size=(3000, 2)).astype(np.float32)
    plain = ScoredTokens(log_p[:, 0], STARTS, "t")
    choice = dataclasses.replace(plain, examples=np.arange(30) // 3, gold=np.arange(30) % 3 == 0)
    assert smallest_float(log_p, plain) == np.float16
    assert smallest_float(log_p, choice) == np.float32


def test_it_is_made_once(context, monkeypatch) -> None:
    first = expert_tables(context)
    monkeypatch.setattr(token_table, "_write", lambda *_: pytest.fail("made again"))
    monkeypatch.setattr(scored_tokens, "_read_set", lambda *_: pytest.fail("opened again"))
    monkeypatch.setattr(scored_tokens.json, "loads", lambda *_: pytest.fail("parsed again"))
    monkeypatch.setattr(token_table, "is_whole", lambda folder: folder in {table.folder for table in first})
    assert expert_tables(context) == first


def test_a_damaged_file_is_named_before_a_table_is_made_of_it(context) -> None:
    file = next(Path(context.artifacts[1][SCORED_TOKENS]).glob("*.log_probabilities.npy"))
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(FitError, match=rf"trial 1, the expert of domain 'y'.*{file.name}.*is damaged.*train"):
        expert_tables(context)


def test_other_experts_find_another_table(context) -> None:
    first = expert_tables(context)
    replace(context, 1, tokens="t", change=lambda values: values.__imul__(0.5))
    assert all(one.key != other.key for one, other in zip(first, expert_tables(context), strict=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tokens": "other"}, ("metric 'a'", "'x' (trial 0)", "'y' (trial 1", "different tokens", "train")),
        ({"tokenizer": "other"}, ("'x' (trial 0)", "'y' (trial 1)", "different tokenizers", "train")),
        ({"metrics": ("a",)}, ("'y' (trial 1)", "metric 'b'", "train")),
        ({"change": lambda values: values.__setitem__(7, np.nan)}, ("trial 1", "'y'", "set 'a'", "train")),
        (
            {"change": lambda values: values.__setitem__(7, -np.inf)},
            ("trial 1", "'y'", "set 'a'", "no numbers", "train"),
        ),
    ],
    ids=["tokens", "tokenizer", "metric", "nan", "inf"],
)
def test_what_does_not_belong_together_is_refused_by_name(context, options, words) -> None:
    replace(context, 1, **options)
    with pytest.raises(FitError) as caught:
        expert_tables(context)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_expert_or_artifact_is_named(context) -> None:
    space, metrics, artifacts = context.space, context.metrics, dict(context.artifacts)
    with pytest.raises(FitError, match=r"no expert of domains 'y', 'z'"):
        expert_tables(FitContext(space, metrics, artifacts=artifacts, experts={"x": 0}))
    artifacts[2] = {}
    with pytest.raises(FitError, match=r"trial 2, the expert of domain 'z', has no artifact"):
        expert_tables(FitContext(space, metrics, artifacts=artifacts, experts=context.experts))


_CHILD = """
import sys, time
from pathlib import Path
import numpy as np
from bomix.data_experts import token_table
from bomix.trial import SCORED_TOKENS
from bomix.space.mixture_space import MixtureSpace
from bomix.contracts.context import FitContext
root = Path(sys.argv[1])
whole = token_table._write
def slow(building, sets, metric):
    record = whole(building, sets, metric)
    (root / "written").touch()
    if sys.argv[2] == "hang":
        time.sleep(60)
    return record
token_table._write = slow
artifacts = {i: {SCORED_TOKENS: str(root / str(i))} for i in range(3)}
context = FitContext(MixtureSpace(("x", "y", "z")), ("a",), artifacts=artifacts, experts={"x": 0, "y": 1, "z": 2})
token_table.expert_tables(context)
"""


def test_a_killed_builder_leaves_nothing_that_counts(context, tmp_path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path), "hang"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "written").exists():
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    built = [path for path in (tmp_path / "cache" / "experts").iterdir() if path.is_dir()]
    assert built
    assert not any(is_whole(path) for path in built)
    table = expert_tables(context)[0]
    assert is_whole(table.folder)
    assert not list(table.folder.parent.glob(f".{table.key}.*"))
