"""The exported file is run by `datasets`: rows are drawn so that tokens have the recommended shares."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from bomix.errors import FaultsError
from tests.formats.trained import LENGTHS, WEIGHTS, close, export, mixture, module, shares

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("ignore")]
DRAWS = 4000


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    found = {}
    for name, length in LENGTHS.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps({"text": f"{name} " * length}) + "\n" for _ in range(50)))
        found[name] = str(file)
    return found


def test_tokens_are_drawn_in_the_recommended_shares(paths: dict[str, str]) -> None:
    dataset = module(export("hugging_face", mixture(paths), buffer=10))["mixture"]()
    rows = itertools.chain.from_iterable(itertools.repeat(dataset))  # begun again where it ends
    drawn = [row["text"].split()[0] for row in itertools.islice(rows, DRAWS)]
    assert close(shares(drawn, LENGTHS), draws=DRAWS)
    assert not close(shares(drawn), draws=DRAWS), "rows have other shares than tokens"


def test_one_seed_is_one_order_until_the_epoch_is_set(tmp_path: Path) -> None:
    """datasets 5.2.0 makes a generator of the seed and the epoch whenever a dataset is begun.

    So `BufferShuffledExamplesIterable` gives the same order again (iterable_dataset.py), also to a domain that
    `interleave_datasets` reads for the second time while the others are read for the first.
    """
    paths = {}
    for name in ("code", "web"):
        paths[name] = str(tmp_path / f"{name}.jsonl")
        Path(paths[name]).write_text("".join(json.dumps({"text": f"{name} {number}"}) + "\n" for number in range(60)))
    written = export("hugging_face", mixture(paths, tokens=12_000, weights={"code": 0.8, "web": 0.2}), rows="sequences")
    dataset = module(written)["mixture"]()
    first, again = ([row["text"] for row in dataset] for _ in range(2))
    code = [row for row in first if row.startswith("code")]
    assert first == again
    assert len(code) > 120
    assert code[:60] == code[60:120]
    assert "set_epoch(1)" in written.notes[0]
    assert written.notes[1].endswith(": code")
    dataset.set_epoch(1)
    other = [row["text"] for row in dataset]
    assert [row for row in other if row.startswith("code")][:60] != code[:60]


def test_probabilities_that_no_decimal_holds_are_accepted(paths: dict[str, str]) -> None:
    thirds = dict.fromkeys(WEIGHTS, 1 / 3)
    dataset = module(export("hugging_face", mixture(paths, weights=thirds), rows="sequences"))["mixture"]()
    assert len({row["text"] for row in itertools.islice(dataset, 100)}) == 3


def test_files_of_several_kinds_in_one_domain_are_refused(paths: dict[str, str]) -> None:
    given = mixture(paths)
    given.domains[0].paths["/data/more.parquet"] = 0.5  # type: ignore[index]
    with pytest.raises(FaultsError, match=r"code: only data files of one kind are read together"):
        export("hugging_face", given)
