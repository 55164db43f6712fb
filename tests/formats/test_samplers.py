"""Trainers that draw items: grain, webdataset, torchdata, litdata, LitGPT, MosaicML streaming and torchtitan."""

from __future__ import annotations

import io
import itertools
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.formats.trained import LENGTHS, SEQUENCE, WEIGHTS, close, export, mixture, module, shares

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("ignore")]
DRAWS = 4000
PATHS = {name: f"/data/{name}" for name in WEIGHTS}
WEIGHTS_TITLED = {name.title(): weight for name, weight in WEIGHTS.items()}


def test_grain_draws_whole_weights_exactly() -> None:
    pytest.importorskip("grain", exc_type=ImportError)
    given = mixture(PATHS)
    dataset = module(export("grain", given))["mixture"](source=lambda paths: [Path(paths[0]).name] * 30)
    drawn = list(itertools.islice(dataset, 40_000))
    assert close(shares(drawn, LENGTHS))


def test_each_process_of_grain_sees_the_whole_mixture() -> None:
    """grain 0.2.18 deals domains out in a fixed pattern (`_dataset_and_key_of_next_element` of mix.py).

    Of weights 3 and 1 each fourth element is of the second: of four readers that take every fourth, as its guide
    shards, three see the first domain alone. What each packs into sequences then has other shares of tokens.
    """
    pytest.importorskip("grain", exc_type=ImportError)
    weights = {"code": 0.75, "web": 0.25}
    written = export("grain", mixture(PATHS, weights=weights), elements="sequences")
    dataset = module(written)["mixture"](source=lambda paths: [Path(paths[0]).name] * 30)
    for reader in range(4):
        drawn = [*itertools.islice(dataset[reader::4], 500)]
        assert close(shares(drawn), weights, draws=500)


def shards(folder: Path, each: int = 40, count: int = 1) -> dict[str, list[str]]:
    """Shards of every domain, with samples that name it and their number."""
    paths: dict[str, list[str]] = {}
    for name in WEIGHTS:
        for shard in range(count):
            paths.setdefault(name, []).append(str(folder / f"{name}-{shard}.tar"))
            with tarfile.open(paths[name][-1], "w") as tar:
                for number in range(each):
                    data = f"{name} {shard} {number}".encode()
                    member = tarfile.TarInfo(f"{number:03}.txt")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return paths


def test_webdataset_draws_samples_by_their_probabilities(tmp_path: Path) -> None:
    pytest.importorskip("webdataset", exc_type=ImportError)
    paths = {name: found[0] for name, found in shards(tmp_path).items()}
    dataset = module(export("webdataset", mixture(paths)))["mixture"]()
    drawn = [sample["txt"].decode().split()[0] for sample in itertools.islice(dataset, DRAWS)]
    assert close(shares(drawn, LENGTHS), draws=DRAWS)


def test_a_seed_of_webdataset_gives_one_order_and_each_pass_another(tmp_path: Path) -> None:
    """webdataset 1.0.2 seeds `shuffle` by the clock (`_shuffle` of filters.py), whatever `WebDataset(seed=)` says.

    That seed is of shards alone, whose order it then makes the same in each pass (`WebDataset.__init__` of compat.py).
    """
    pytest.importorskip("webdataset", exc_type=ImportError)
    paths = shards(tmp_path, each=10, count=8)
    given = mixture({name: found[0] for name, found in paths.items()}, weights={"code": 1.0})
    for path in paths["code"]:
        given.domains[0].paths[path] = 1 / 8  # type: ignore[index]
    for buffer in (1, 1000):
        made = module(export("webdataset", given, buffer=buffer))["mixture"]
        first, again, other = (
            [sample["txt"].decode() for sample in itertools.islice(made(seed=seed), 160)] for seed in (3, 3, 4)
        )
        assert first == again != other
        assert sorted(first[:80]) == sorted(first[80:])
        assert first[:80] != first[80:]


def test_torchdata_draws_items_by_their_weights() -> None:
    nodes = pytest.importorskip("torchdata.nodes", exc_type=ImportError)
    made = module(export("torchdata", mixture({})))["mixture"]
    sampler = made({name: nodes.IterableWrapper([name] * 40) for name in WEIGHTS})
    drawn = list(itertools.islice(nodes.Loader(sampler), DRAWS))
    assert close(shares(drawn, LENGTHS), draws=DRAWS)


def token_folder(folder: Path, tokens: list[list[int]]) -> str:
    """A folder of litdata with a chunk for each list, and a block of nothing but the token for each of its tokens."""
    litdata = pytest.importorskip("litdata", exc_type=ImportError)
    torch = pytest.importorskip("torch")
    from litdata.streaming.cache import Cache

    block = SEQUENCE + 1
    cache = Cache(str(folder), chunk_size=block * len(tokens[0]), item_loader=litdata.TokensLoader(block))
    for item, chunk in enumerate(tokens):
        cache[item] = torch.tensor(chunk, dtype=torch.int32).repeat_interleave(block)
    cache.done()
    cache.merge()
    return str(folder)


def token_blocks(folder: Path) -> dict[str, str]:
    """Folders of litdata with one token per domain, its number."""
    return {name: token_folder(folder / name, [[number] * 50] * 20) for number, name in enumerate(WEIGHTS)}


def test_litdata_draws_blocks_by_their_weights(tmp_path: Path) -> None:
    paths = token_blocks(tmp_path)
    made = module(export("litdata", mixture(paths)))
    dataset = made["mixture"]()
    drawn = [[*WEIGHTS][int(block[0])] for block in itertools.islice(dataset, 1000)]
    assert len(drawn) == 1000
    assert close(shares(drawn), draws=1000)


def test_what_epochs_of_litdata_read_of_a_domain_is_what_is_said(tmp_path: Path) -> None:
    """litdata 0.2.76 ends an epoch with the first dataset (`_CombinedDatasetIterator` of combined.py).

    The next begins every dataset anew, shuffled by its number: 0.8 passes in eight epochs read 57 % of the text. The
    number is counted by its own loader; iterated otherwise, each epoch reads the same blocks.
    """
    litdata = pytest.importorskip("litdata", exc_type=ImportError)
    sizes = {"code": 100, "web": 1000}
    paths = {
        name: token_folder(tmp_path / name, np.arange(size).reshape(-1, 5).tolist()) for name, size in sizes.items()
    }
    given = mixture(paths, tokens=1600 * SEQUENCE, weights=dict.fromkeys(sizes, 0.5))
    domains = tuple(replace(domain, tokens=SEQUENCE * sizes[domain.name]) for domain in given.domains)
    written = export("litdata", replace(given, domains=domains))
    told = re.search(r"of 8.0 epochs.*web (\d+) % in 0.80 passes", written.notes[-1])
    assert told is not None
    dataset = module(written)["mixture"]()
    # The first hundred tokens are those of code as well; the others are of web.
    first, again = ({token for block in dataset if (token := int(block[0])) >= 100} for _ in range(2))
    assert len(first & again) > 0.9 * len(first) > 50
    loader = litdata.StreamingDataLoader(dataset, batch_size=1, num_workers=0)
    blocks = itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), 1600)
    web = [token for block in blocks if (token := int(block[0, 0])) >= 100]
    assert len(web) == pytest.approx(720, rel=0.15)
    assert len(set(web)) / 900 == pytest.approx(int(told[1]) / 100, abs=0.06)


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
    # The names of domains have capitals: torchtitan 0.3.0 looks up their small letters (`HuggingFaceTextDataset`).
    titled = mixture({name.title(): path for name, path in paths.items()}, weights=WEIGHTS_TITLED)
    config = module(export("torchtitan", titled))["dataloader"]()
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
