"""Trainers that draw items: grain, webdataset, torchdata, litdata, LitGPT, MosaicML streaming and torchtitan."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.formats.trained import LENGTHS, SEQUENCE, WEIGHTS, close, export, mixture, module, shares

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("ignore")]
DRAWS = 4000
PATHS = {name: f"/data/{name}" for name in WEIGHTS}


def test_grain_draws_whole_weights_exactly() -> None:
    pytest.importorskip("grain", exc_type=ImportError)
    given = mixture(PATHS)
    dataset = module(export("grain", given))["mixture"](source=lambda paths: [Path(paths[0]).name] * 30)
    drawn = list(itertools.islice(dataset, 40_000))
    assert close(shares(drawn, LENGTHS))


def test_webdataset_draws_samples_by_their_probabilities(tmp_path: Path) -> None:
    pytest.importorskip("webdataset", exc_type=ImportError)
    paths = {}
    for name in WEIGHTS:
        paths[name] = str(tmp_path / f"{name}.tar")
        with tarfile.open(paths[name], "w") as tar:
            for number in range(40):
                data = name.encode()
                member = tarfile.TarInfo(f"{number:03}.txt")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    dataset = module(export("webdataset", mixture(paths)))["mixture"]()
    drawn = [sample["txt"].decode() for sample in itertools.islice(dataset, DRAWS)]
    assert close(shares(drawn, LENGTHS), draws=DRAWS)


def test_torchdata_draws_items_by_their_weights() -> None:
    nodes = pytest.importorskip("torchdata.nodes", exc_type=ImportError)
    made = module(export("torchdata", mixture({})))["mixture"]
    sampler = made({name: nodes.IterableWrapper([name] * 40) for name in WEIGHTS})
    drawn = list(itertools.islice(nodes.Loader(sampler), DRAWS))
    assert close(shares(drawn, LENGTHS), draws=DRAWS)


def token_blocks(folder: Path) -> dict[str, str]:
    """Folders of litdata with one token per domain, its number."""
    litdata = pytest.importorskip("litdata", exc_type=ImportError)
    torch = pytest.importorskip("torch")
    from litdata.streaming.cache import Cache

    paths = {}
    for number, name in enumerate(WEIGHTS):
        cache = Cache(
            str(folder / name), chunk_size=(SEQUENCE + 1) * 50, item_loader=litdata.TokensLoader(SEQUENCE + 1)
        )
        for item in range(20):
            cache[item] = torch.full(((SEQUENCE + 1) * 50,), number, dtype=torch.int32)
        cache.done()
        cache.merge()
        paths[name] = str(folder / name)
    return paths


def test_litdata_draws_blocks_by_their_weights(tmp_path: Path) -> None:
    paths = token_blocks(tmp_path)
    made = module(export("litdata", mixture(paths)))
    dataset = made["mixture"]()
    drawn = [[*WEIGHTS][int(block[0])] for block in itertools.islice(dataset, 1000)]
    assert len(drawn) == 1000
    assert close(shares(drawn), draws=1000)


def test_litgpt_takes_the_data_module(tmp_path: Path) -> None:
    pytest.importorskip("litgpt.data", exc_type=ImportError)
    paths = token_blocks(tmp_path)
    data = module(export("litgpt", mixture(paths)))["Mixture"](num_workers=0)
    data.connect(batch_size=2, max_seq_length=SEQUENCE)
    blocks = [block for batch in itertools.islice(data.train_dataloader(), 500) for block in batch]
    assert {len(block) for block in blocks} == {SEQUENCE + 1}
    assert close(shares([[*WEIGHTS][int(block[0])] for block in blocks]), draws=1000)


def test_streaming_chooses_the_samples_that_are_said(tmp_path: Path) -> None:
    streaming = pytest.importorskip("streaming", exc_type=(ImportError, RuntimeError))
    paths = {}
    for name in WEIGHTS:
        paths[name] = str(tmp_path / name)
        with streaming.MDSWriter(out=paths[name], columns={"domain": "str"}) as writer:
            for _ in range(500):
                writer.write({"domain": name})
    written = export("streaming", mixture(paths), form="streams")
    streams = [streaming.Stream(**keys) for keys in yaml.safe_load(written.text).values()]
    dataset = streaming.StreamingDataset(streams=streams, batch_size=1, shuffle=False)
    drawn = [sample["domain"] for sample in dataset]
    assert len(drawn) == 1000
    assert {name: drawn.count(name) for name in WEIGHTS} == written.drawn


def test_torchtitan_packs_and_draws_sequences_by_their_weights(tmp_path: Path) -> None:
    pytest.importorskip("torchtitan.hf_datasets.text_datasets", exc_type=ImportError)
    paths = {}
    for name, length in LENGTHS.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps({"text": f"{name} " * length}) + "\n" for _ in range(50)))
        paths[name] = str(file)
    config = module(export("torchtitan", mixture(paths)))["dataloader"]()
    loader = config.build(dp_world_size=1, dp_rank=0, tokenizer=Words(), seq_len=SEQUENCE, local_batch_size=1)
    drawn = [Words.names[int(batch[0]["input"].mode().values)] for batch in itertools.islice(loader, 1000)]
    assert close(shares(drawn), draws=1000)


class Words:
    """A tokenizer of one token per word."""

    names = (*WEIGHTS, "end")
    bos_id = eos_id = 3

    def encode(self, text: str, **options: Any) -> list[int]:
        return [*(self.names.index(word) for word in text.split()), *([3] if options.get("add_eos") else [])]


def test_levanters_blocks_hold_whole_sequences() -> None:
    """Levanter's rule, as its `MixtureDataset` has it: normalised, times the block, cut, the rest to the largest."""
    small = {"code": 0.7, "web": 0.2999, "books": 1e-4}
    data = yaml.safe_load(export("levanter", mixture(PATHS, weights=small)).text)["data"]
    weights, block = data["train_weights"], data["mixture_block_size"]
    total = sum(weights.values())
    counts = np.array([weight / total * block for weight in weights.values()]).astype(np.int32)
    counts[counts.argmax()] += block - counts.sum()
    assert counts.tolist() == list(weights.values())
    assert counts.sum() == block < 2**16
    assert min(counts) > 0
