"""Megatron's own parser and blending take what is exported."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from bomix.contracts.text import Meter
from bomix.training.data.token_files import Tokens
from tests.formats.trained import SEQUENCE, WEIGHTS, export, mixture

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("ignore")]

PATHS = {name: f"/data/{name}" for name in WEIGHTS}
SMALL = {"code": 0.9, "web": 0.0999, "books": 0.0001}


def blended(weights: list[float], size: int) -> list[int]:
    """How many samples Megatron's blending draws of each dataset."""
    helpers = pytest.importorskip("megatron.core.datasets.helpers_cpp", exc_type=ImportError)
    index, sample = np.zeros(size, dtype=np.int16), np.zeros(size, dtype=np.int64)
    helpers.build_blending_indices(index, sample, np.array(weights), len(weights), size, False)
    return np.bincount(index, minlength=len(weights)).tolist()


@pytest.mark.parametrize("weights", [WEIGHTS, SMALL, dict.fromkeys(WEIGHTS, 1 / 3)])
def test_the_parser_reads_weights_and_prefixes_and_the_blend_draws_what_is_said(weights: dict[str, float]) -> None:
    utils = pytest.importorskip("megatron.core.datasets.utils", exc_type=ImportError)
    given = mixture(PATHS, tokens=1000 * SEQUENCE, weights=weights)
    written = export("megatron", given)
    prefixes, shares = utils.get_blend_from_list(shlex.split(written.text)[1:])
    assert prefixes == list(PATHS.values())
    assert shares == pytest.approx(list(weights.values()), rel=1e-9)
    drawn = [written.drawn[name] for name in weights]
    assert np.abs(np.array(blended(utils.normalize(shares), int(sum(drawn)))) - drawn).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_a_corpus_that_it_wrote_is_read_document_by_document(tmp_path: Path, dtype: type[np.number]) -> None:
    indexed = pytest.importorskip("megatron.core.datasets.indexed_dataset", exc_type=ImportError)
    torch = pytest.importorskip("torch")
    builder = indexed.IndexedDatasetBuilder(str(tmp_path / "m.bin"), dtype=dtype)
    builder.add_document(torch.tensor([1, 2, 3, 0]), [4])
    for part in ([5, 6], [7, 0]):
        builder.add_item(torch.tensor(part))
    builder.end_document()
    builder.add_document(torch.tensor([9, 9]), [2])
    builder.finalize(str(tmp_path / "m.idx"))
    source = Tokens((str(tmp_path / "m.idx"),)).bind(0)
    assert [ids.tolist() for _, ids in source.token_documents(Meter())] == [[1, 2, 3], [5, 6, 7], [9, 9]]


def test_the_json_has_the_three_splits_that_megatron_reads() -> None:
    utils = pytest.importorskip("megatron.core.datasets.utils", exc_type=ImportError)
    splits = json.loads(export("megatron", mixture(PATHS), form="json").text)
    train, valid, test = (utils.get_blend_from_list(splits[name]) for name in ("train", "valid", "test"))
    assert train == (list(PATHS.values()), list(WEIGHTS.values()))
    assert (valid, test) == (None, None)


def test_the_file_is_split_at_white_space_as_the_arguments_are() -> None:
    utils = pytest.importorskip("megatron.core.datasets.utils", exc_type=ImportError)
    text = export("megatron", mixture(PATHS), form="file").text
    assert utils.get_blend_from_list(text.split()) == (list(PATHS.values()), list(WEIGHTS.values()))


@pytest.mark.parametrize("reader", ["automodel", "bridge", "list"])
def test_nemo_automodel_reads_the_blend(reader: str, tmp_path) -> None:
    nemo = pytest.importorskip("nemo_automodel.components.datasets.llm.megatron_dataset", exc_type=ImportError)
    file = tmp_path / "blend.json"
    file.write_text(export("nemo", mixture(PATHS), reader=reader).text)
    blend = nemo.try_load_blend_from_json(file)
    train = blend if reader == "list" else blend["train"]
    assert nemo.get_blend_from_list(train) == (list(PATHS.values()), list(WEIGHTS.values()))
