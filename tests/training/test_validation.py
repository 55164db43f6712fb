"""The loss is that of transformers; the windows are fixed and cover the set."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bomix.training.data.tokens import TokenSet
from bomix.training.device import Hardware
from bomix.training.model.decoder import Model
from bomix.training.validation import windows
from tests.training.reading import evaluate

CPU = Hardware("cpu", "fp32", False)


@pytest.fixture(scope="module")
def tokens():
    return TokenSet(np.random.default_rng(0).integers(0, 50, 1000).astype(np.uint8), documents=3, bytes=2500)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
@pytest.mark.parametrize("batch", [1, 5, 100])
def test_the_loss_is_the_one_of_transformers(tokens, architecture, batch):
    import torch

    spec = Model(architecture=architecture, hidden=32, layers=2, heads=2)
    model = spec.build(vocabulary=50, sequence_length=16, seed=0)
    found = evaluate(lambda x: model(input_ids=x).logits, tokens, length=16, sequences=10**6, hardware=CPU, batch=batch)
    rows = torch.from_numpy(tokens.windows(np.arange(tokens.sequences(16)), 16))
    with torch.no_grad():
        # Its own loss shifts the labels by one, and so predicts all tokens of a row but the first.
        theirs = [float(model(input_ids=row[None], labels=row[None]).loss) for row in rows]
    assert found.sequences == len(rows) == 62
    assert found.loss == pytest.approx(np.mean(theirs), rel=1e-5)
    assert found.sem == pytest.approx(np.std(theirs, ddof=1) / math.sqrt(len(theirs)), rel=1e-3)


def test_bits_per_byte_is_the_loss_in_bits_over_the_bytes_of_a_token(tokens):
    import torch

    found = evaluate(lambda x: torch.zeros(*x.shape, 50), tokens, length=10, sequences=20, hardware=CPU)
    assert found.loss == pytest.approx(math.log(50), rel=1e-6)
    assert found.bits_per_byte == pytest.approx(math.log2(50) / 2.5, rel=1e-6)
    assert found.sem == pytest.approx(0.0, abs=1e-6)


def test_one_sequence_has_no_standard_error(tokens):
    import torch

    found = evaluate(lambda x: torch.zeros(*x.shape, 50), tokens, length=10, sequences=1, hardware=CPU)
    assert math.isnan(found.sem)


@pytest.mark.parametrize(("available", "wanted"), [(100, 7), (7, 100), (5, 5), (1, 1), (10**9, 64)])
def test_windows_are_distinct_and_cover_the_set(available, wanted):
    index = windows(available, wanted)
    assert len(index) == min(available, wanted)
    assert len(set(index.tolist())) == len(index)
    assert index[0] == 0
    assert index[-1] < available
    assert available - index[-1] <= math.ceil(available / len(index))
