"""A study on the user's own files, through the command line: what it trains, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bomix.study.study import Study
from tests.cli.called import ended

pytestmark = pytest.mark.usefixtures("short_chains")

STUDY = """
domains:
  counting: {source: {kind: files, paths: "counting/*.jsonl"}}
  rhymes: {source: {kind: files, paths: ["rhymes/**/*.jsonl"], field: body}, upper: 0.6}
evaluator:
  kind: proxy
  tokenizer: {kind: bpe, vocabulary: 300}
  validation: {held: {kind: files, paths: held.jsonl}}
  model: {hidden: 16, layers: 1, heads: 2}
  sequence_length: 32
  batch_sequences: 2
  tokens: 2k
  validation_sequences: 4
strategy: {kind: sobol}
budget: {trials: 3}
execution: {workers: 2}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    words = ["one", "two", "three", "moon", "spoon", "tune", "june"]
    for name, field in (("counting/a.jsonl", "text"), ("rhymes/deep/b.jsonl", "body"), ("held.jsonl", "text")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({field: " ".join(rng.choice(words, 40))}) for _ in range(60)]
        path.write_text("\n".join(lines) + "\n")
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


def test_proxies_are_trained_on_the_users_own_files(study: Path) -> None:
    trained = ended("optimize", study)
    assert trained.returncode == 0, trained.stderr
    with xr.open_dataset(study / "results.nc", engine="h5netcdf") as dataset:
        assert sorted(dataset["metric"].values) == ["counting", "held", "rhymes"]
        assert dataset["domain"].values.tolist() == ["counting", "rhymes"]
        assert float(dataset["weights"].sel(domain="rhymes").max()) <= 0.6
        np.testing.assert_allclose(dataset["weights_realized"].sum("domain"), 1.0)
        np.testing.assert_allclose(dataset["weights_realized"], dataset["weights"], atol=1 / 31)
        assert float(dataset["loss"].min()) > 0.0
        # An untrained model guesses among 300 tokens; ln 300 = 5.7.
        assert float(dataset["loss"].max()) < 5.7
        assert bool((dataset["eval_sem"] > 0).all())
        assert dataset["tokens"].values.tolist() == [31 * 64] * 3

    # What the losses stand on is frozen: other text is refused, and nothing is lost.
    with (study / "counting/a.jsonl").open("a") as file:
        file.write(json.dumps({"text": "four five six seven eight nine ten " * 8}) + "\n")
    refused = ended("optimize", study, "--trials", "4")
    assert refused.returncode == 2
    assert "counting" in refused.stderr
    assert "new folder" in refused.stderr
    assert len(Study.open(study).history.completed) == 3


def test_everything_that_is_wrong_with_the_text_is_reported_at_once(study: Path) -> None:
    (study / "counting/a.jsonl").write_text('{"text": "fine"}\n{"text": \n')
    text = (study / "study.yaml").read_text().replace("field: body", "field: boddy")
    text = text.replace("held.jsonl", "gone.jsonl").replace("upper: 0.6", "upper: 0.6, lower: 0.7")
    (study / "study.yaml").write_text(text)
    refused = ended("check", study)
    assert refused.returncode == 2
    for expected in ("a.jsonl:2", "boddy", "gone.jsonl", "domains.rhymes"):
        assert expected in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (study / "trials").exists()
