"""OLMo-core builds the exported mixture from files, with the recommended shares of tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.formats.trained import SEQUENCE, WEIGHTS, close, export, mixture

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("ignore")]


def built(tmp_path: Path, written: str) -> dict[str, float]:
    """Share of each source in what OLMo-core builds."""
    source = pytest.importorskip("olmo_core.data.source_mixture", exc_type=ImportError)
    data = yaml.safe_load(written)
    config = source.SourceMixtureDatasetConfig(
        source_list=source.SourceMixtureList(
            [source.SourceMixtureConfig(**each) for each in data["source_list"]["sources"]]
        ),
        **{key: value for key, value in data.items() if key != "source_list"},
        render_tables=False,
    )
    dataset = config.build(npdtype=np.uint16, sequence_length=SEQUENCE)
    sequences = {each.name: sum(path.tokens // SEQUENCE for path in each.path_tokens) for each in dataset.sources}
    total = sum(sequences.values())
    assert total * SEQUENCE == data["requested_tokens"]
    return {name: count / total for name, count in sequences.items()}


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    found = {}
    for name in WEIGHTS:
        np.zeros(8000, dtype=np.uint16).tofile(tmp_path / f"{name}.npy")  # OLMo-core's files have no header
        found[name] = str(tmp_path / f"{name}.npy")
    return found


@pytest.mark.parametrize("tokens", [16_000, 15_000])
def test_sources_are_drawn_in_the_recommended_shares_some_more_than_once(
    tmp_path: Path, paths: dict[str, str], tokens: int
) -> None:
    written = export("olmo_core", mixture(paths, tokens=tokens))
    assert yaml.safe_load(written.text)["source_list"]["sources"][0]["max_repetition_ratio"] > 1.1
    found = built(tmp_path, written.text)
    assert close(found)
    total = sum(written.drawn.values())
    assert found == pytest.approx({name: count / total for name, count in written.drawn.items()}, abs=1e-12)


def test_a_weight_below_a_sequence_gets_one(tmp_path: Path, paths: dict[str, str]) -> None:
    found = built(
        tmp_path, export("olmo_core", mixture(paths, weights={"code": 0.7, "web": 0.2999, "books": 1e-4})).text
    )
    assert found["books"] == pytest.approx(1 / 1000)
