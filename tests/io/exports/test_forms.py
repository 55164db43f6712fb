"""What is written, form by form; those of trainers that cannot be installed here against their sources."""

from __future__ import annotations

import ast
import csv
import io
import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
import yaml

from bomix.contracts.exporter import ExportDomain, Exporter, TargetMixture
from bomix.errors import BomixError
from bomix.io.exports.csv_file import CsvFile
from bomix.io.exports.doremi import DoremiFile
from bomix.io.exports.gpt_neox import GptNeox
from bomix.io.exports.grain import Grain
from bomix.io.exports.hugging_face import HuggingFace, builder
from bomix.io.exports.items import item_faults
from bomix.io.exports.json_file import JsonFile
from bomix.io.exports.levanter import Levanter
from bomix.io.exports.litdata import Litdata
from bomix.io.exports.litgpt import Litgpt
from bomix.io.exports.megatron import Megatron
from bomix.io.exports.nanotron import Nanotron
from bomix.io.exports.nemo import Nemo
from bomix.io.exports.olmix import OlmixFile
from bomix.io.exports.olmo_core import OlmoCore
from bomix.io.exports.python_file import domain_list
from bomix.io.exports.regmix import RegmixFile
from bomix.io.exports.streaming import Streaming
from bomix.io.exports.torchdata import Torchdata
from bomix.io.exports.torchtitan import Torchtitan
from bomix.io.exports.webdataset import Webdataset
from bomix.io.exports.yaml_file import YamlFile

CODE = ExportDomain("code", 0.75, {"/data/code": 1.0}, 60e9, 1000.0)
BOOKS = ExportDomain("books", 0.25, {"/data/b1": 0.8, "/data/b2": 0.2}, 1e9, 9000.0)
MIXTURE = TargetMixture((CODE, BOOKS), tokens=8e9, sequence_length=4000, batch_sequences=1000, seed=7)
BY_PATH = {"/data/code": 0.75, "/data/b1": 0.2, "/data/b2": 0.05}


def loaded(exporter: Exporter, mixture: TargetMixture = MIXTURE) -> Any:
    """The YAML or JSON of an export."""
    return yaml.safe_load(exporter.export(mixture).text)


def constants(exporter: Exporter, mixture: TargetMixture = MIXTURE) -> dict[str, Any]:
    """The literal constants of an exported Python file."""
    body = ast.parse(exporter.export(mixture).text).body
    return {each.targets[0].id: ast.literal_eval(each.value) for each in body if isinstance(each, ast.Assign)}  # type: ignore[attr-defined]


def test_plain_forms_hold_shares_of_tokens() -> None:
    weights = {"code": 0.75, "books": 0.25}
    assert json.loads(JsonFile().export(MIXTURE).text) == loaded(YamlFile()) == weights
    assert loaded(YamlFile(details=True))["books"] == {
        "weight": 0.25,
        "tokens": 1e9,
        "tokens_per_document": 9000.0,
        "paths": ["/data/b1", "/data/b2"],
    }
    rows = [*csv.reader(io.StringIO(CsvFile(rows="mixture").export(MIXTURE).text))]
    assert rows == [["code", "books"], ["0.75", "0.25"]]
    assert CsvFile().export(MIXTURE).text == "domain,weight\ncode,0.75\nbooks,0.25\n"


def test_small_weights_are_numbers_in_yaml_too() -> None:
    small = replace(MIXTURE, domains=(replace(CODE, weight=1.0 - 1e-5), replace(BOOKS, weight=1e-5)))
    assert loaded(YamlFile(), small)["books"] == 1e-5


def test_megatrons_numbers_stand_before_their_prefixes_without_an_exponent() -> None:
    small = replace(MIXTURE, domains=(replace(CODE, weight=1.0 - 1e-5), replace(BOOKS, weight=1e-5)))
    words = shlex.split(Megatron().export(small).text)
    assert words == ["--data-path", "0.99999", "/data/code", "0.000008", "/data/b1", "0.000002", "/data/b2"]
    spaced = replace(MIXTURE, domains=(replace(CODE, paths={"/data/my code": 1.0}),))
    assert shlex.split(Megatron().export(spaced).text)[2] == "/data/my code"
    with pytest.raises(BomixError, match="/data/my code: Megatron splits this file at white space"):
        Megatron(form="file").export(spaced)


def test_megatron_rounds_the_samples_of_each_dataset_up() -> None:
    """0.9, 0.0999 and 0.0001 of 1000 are 900, 100 and 1: 1001 samples."""
    domains = (replace(CODE, weight=0.9), replace(BOOKS, weight=0.0999), ExportDomain("web", 1e-4, {"/w": 1.0}))
    written = Megatron().export(TargetMixture(domains, tokens=1000.0, sequence_length=1))
    assert written.drawn == {"code": 900, "books": 80 + 20, "web": 1}


def test_megatron_says_what_it_validates_on_and_which_passes_it_mixes() -> None:
    """Below 80 % of a last pass, it is shuffled apart: 1.7 passes over books come one after the other, 1.9 do not."""
    short, long = (replace(MIXTURE, tokens=passes * 4e9) for passes in (1.7, 1.9))
    for form in ("arguments", "file"):
        assert [note[:20] for note in Megatron(form=form).export(short).notes] == ["what --split takes f"]
        assert "once: books (1.9)" in Megatron(form=form).export(long).notes[1]
    assert Megatron(form="json").export(short).notes == Nemo().export(short).notes == ()
    assert len(Megatron(form="json").export(long).notes) == len(Nemo().export(long).notes) == 1
    assert len(Nemo(reader="list").export(long).notes) == 2


def test_nemo_names_the_splits_that_its_reader_wants() -> None:
    blend = ["0.75", "/data/code", "0.2", "/data/b1", "0.05", "/data/b2"]
    assert loaded(Nemo(reader="list")) == blend
    assert loaded(Nemo()) == {"train": blend}
    assert loaded(Nemo(reader="bridge")) == {"train": blend, "valid": None, "test": None}


def test_gpt_neox_has_lists_of_one_length_and_does_not_weigh_by_documents() -> None:
    data = loaded(GptNeox(validation=("/data/valid",)))
    assert dict(zip(data["train-data-paths"], data["train-data-weights"], strict=True)) == pytest.approx(BY_PATH)
    assert data["valid-data-paths"] == data["test-data-paths"] == ["/data/valid"]
    assert data["weight-by-num-documents"] is False
    assert "validation=[PATH]" in GptNeox().export(MIXTURE).notes[0]
    assert GptNeox(test=("/t",)).faults()[0].where == "validation"
    many = replace(MIXTURE, domains=tuple(ExportDomain(f"d{i}", 1 / 255, {f"/d{i}": 1.0}) for i in range(255)))
    with pytest.raises(BomixError, match="blends 254 datasets at most, and these are 255"):
        GptNeox().export(many)


def test_nanotron_has_folders_and_weights_and_says_when_data_begin_again() -> None:
    stage = loaded(Nanotron())["data_stages"][0]
    dataset = stage["data"]["dataset"]
    assert dict(zip(dataset["dataset_folder"], dataset["dataset_weights"], strict=True)) == pytest.approx(BY_PATH)
    assert (stage["start_training_step"], stage["data"]["seed"]) == (1, 7)
    assert Nanotron().export(MIXTURE).notes == ()
    assert "begins its index anew" in Nanotron().export(replace(MIXTURE, tokens=62e9)).notes[0]


def test_levanter_takes_a_larger_block_for_a_smaller_weight() -> None:
    data = loaded(Levanter())["data"]
    assert data["train_weights"] == {"code": 1536, "books": 512}
    urls = {"train_urls": ["/data/b1", "/data/b2"]}
    assert data["components"]["books"] == {"source": {"type": "url", **urls}}
    assert loaded(Levanter(form="configs"))["data"] == {
        "configs": {"code": {"train_urls": ["/data/code"]}, "books": urls},
        "train_weights": data["train_weights"],
        "mixture_block_size": 2048,
    }
    small = replace(MIXTURE, domains=(replace(CODE, weight=0.997), replace(BOOKS, weight=0.003)))
    data = loaded(Levanter(), small)["data"]
    assert data["mixture_block_size"] == 16384
    assert data["train_weights"] == {"code": 16335, "books": 49}
    assert constants(Levanter(form="marin"))["BLOCK"] == 2048
    for form in ("levanter", "configs", "marin"):
        assert Levanter(form=form).export(MIXTURE).notes[0].endswith("each time: books")
        assert Levanter(form=form).export(replace(MIXTURE, tokens=3e9)).notes == ()


def test_olmo_core_asks_for_whole_batches_and_allows_the_passes_that_are_needed() -> None:
    data = loaded(OlmoCore(), replace(MIXTURE, tokens=8.001e9))
    assert data["requested_tokens"] % data["global_batch_size"] == 0
    assert data["global_batch_size"] == 4_000_000
    code, books = data["source_list"]["sources"]
    assert code["target_ratio"] + books["target_ratio"] == pytest.approx(1.0, abs=1e-9)
    assert (code["max_repetition_ratio"], books["max_repetition_ratio"]) == (1.0, 2.03)
    unknown = replace(MIXTURE, domains=(CODE, replace(BOOKS, tokens=None)))
    assert "how many tokens books hold is unknown" in OlmoCore().export(unknown).notes[-1]
    assert OlmoCore(processes=0).faults()[0].where == "processes"


def test_olmix_nests_topics_below_their_source() -> None:
    domains = (replace(CODE, name="dclm:code", weight=0.6), replace(BOOKS, name="dclm:books", weight=0.2), CODE)
    data = loaded(OlmixFile(), replace(MIXTURE, domains=(*domains[:2], replace(CODE, name="wiki", weight=0.2))))
    assert data["mix"]["dclm"]["weight"] == pytest.approx(0.8)
    assert data["mix"]["dclm"]["code"] == {"weight": 0.75, "repetition_factor": 1.0}
    assert data["mix"]["dclm"]["books"] == {"weight": 0.25, "repetition_factor": 1.62}
    assert data["mix"]["wiki"] == {"weight": 0.2, "repetition_factor": 1.0}
    assert [source["name"] for source in data["data"]["sources"]] == ["dclm", "wiki"]
    with pytest.raises(BomixError, match="dclm: it is a domain, and the source of others"):
        OlmixFile().export(replace(MIXTURE, domains=(domains[0], replace(BOOKS, name="dclm"))))


def test_olmix_takes_the_topmost_nodes_of_a_tree_for_sources() -> None:
    names = {"web/news/high": 0.5, "web/news/low": 0.1, "wiki": 0.4}
    domains = tuple(replace(CODE, name=name, weight=weight) for name, weight in names.items())
    data = loaded(OlmixFile(separator="/"), replace(MIXTURE, domains=domains))
    assert data["mix"]["web"]["weight"] == pytest.approx(0.6)
    assert data["mix"]["web"]["news/high"]["weight"] == pytest.approx(5 / 6)
    assert data["mix"]["wiki"]["weight"] == 0.4
    assert OlmixFile(separator="").faults()[0].where == "separator"


def test_doremi_and_regmix_have_their_own_keys() -> None:
    data = loaded(DoremiFile())
    assert data["train_domain_weights"] == data["eval_domain_weights"] == {"code": 0.75, "books": 0.25}
    assert loaded(DoremiFile(examples="documents"))["train_domain_weights"]["code"] == pytest.approx(27 / 28)
    named = replace(MIXTURE, domains=(replace(CODE, name="train_the_pile_arxiv"), BOOKS))
    data = loaded(RegmixFile(), named)
    assert data["train"] == {"train_the_pile_arxiv": 0.75, "train_books": 0.25}
    assert data["valid"] == {"valid_the_pile_arxiv": 1.0, "valid_books": 1.0}
    with pytest.raises(BomixError, match="two domains have one name without 'train_'"):
        RegmixFile().export(replace(MIXTURE, domains=(CODE, replace(BOOKS, name="train_code"))))


def test_streams_choose_whole_samples_and_keep_remote_data_in_the_cache() -> None:
    far = replace(MIXTURE, domains=(replace(CODE, paths={"s3://b/code": 1.0}), BOOKS))
    streams = loaded(Streaming(cache="/fast"), far)["train_loader"]["dataset"]["streams"]
    assert streams["code"] == {"remote": "s3://b/code", "local": "/fast/code", "choose": 1_500_000}
    assert streams["books_1"] == {"local": "/data/b2", "choose": 100_000}
    assert loaded(Streaming(form="streams", cache="/fast"), far) == streams


def test_python_files_hold_shares_of_what_their_trainer_counts() -> None:
    documents = {"code": 27 / 28, "books": 1 / 28}
    small = replace(MIXTURE, domains=(CODE, replace(BOOKS, paths={"/data/b": 1.0})))
    for exporter in (HuggingFace(), Webdataset(), Torchdata()):
        assert {name: share for name, _, share in constants(exporter, small)["DOMAINS"]} == pytest.approx(documents)
    assert {name: share for name, _, share in constants(Grain(), small)["DOMAINS"]} == {"code": 2700, "books": 100}
    assert {name: share for name, _, share in constants(Torchtitan(), small)["DOMAINS"]} == {
        "code": 0.75,
        "books": 0.25,
    }
    for by_path in (Litdata(), Litgpt()):
        assert {path: share for _, path, share in constants(by_path)["PARTS"]} == pytest.approx(BY_PATH)


def test_domains_that_hugging_face_reads_again_are_named() -> None:
    one = replace(MIXTURE, domains=(CODE, replace(BOOKS, paths={"/data/b": 1.0})))
    assert HuggingFace().export(one).notes[1:] == (
        "a domain that the run reads again comes in the same order each time: books",
    )
    assert len(HuggingFace().export(replace(one, tokens=3e9)).notes) == 1


def test_epochs_of_litdata_read_less_of_the_larger_domain_than_its_passes() -> None:
    """Books end an epoch after 4B tokens, 3B of them of the 60B of code: n epochs read 1 - 0.95^n of it."""
    for exporter in (Litdata(), Litgpt()):
        assert len(exporter.export(MIXTURE).notes) == 2, "two epochs read 0.0975 of code in 0.1 passes"
        told = exporter.export(replace(MIXTURE, tokens=40e9)).notes[2]
        assert "of 10.0 epochs" in told
        assert told.endswith("code 40 % in 0.50 passes")
        assert (
            len(exporter.export(replace(MIXTURE, domains=(CODE, replace(BOOKS, tokens=None)), tokens=4e10)).notes) == 2
        )


def test_torchtitan_refuses_names_that_differ_in_capitals_alone() -> None:
    alike = replace(MIXTURE, domains=(CODE, replace(CODE, name="Code"), replace(CODE, name="web")))
    with pytest.raises(BomixError, match="Code: torchtitan takes names in small letters"):
        Torchtitan().export(alike)


def test_probabilities_of_hugging_face_sum_to_one_to_the_last_bit() -> None:
    thirds = replace(MIXTURE, domains=tuple(ExportDomain(f"d{i}", 1 / 3, {f"/d{i}": 1.0}, None, 3.0) for i in range(3)))
    *first, last = [share for *_, share in constants(HuggingFace(), thirds)["DOMAINS"]]
    assert last == 1.0 - sum(first)


@pytest.mark.parametrize(
    ("path", "found"),
    [("a/*.jsonl.zst", "json"), ("b.Parquet", "parquet"), ("c.txt.gz", "text"), ("org/name", None), ("/folder", None)],
)
def test_files_are_read_by_their_endings(path: str, found: str | None) -> None:
    assert builder(path) == found


def test_names_and_paths_are_literals_of_python() -> None:
    odd = replace(MIXTURE, domains=(replace(CODE, name='say "it\'s"', paths={"C:\\data": 1.0}),))
    assert ast.literal_eval(domain_list(odd, {'say "it\'s"': 1.0}).removeprefix("DOMAINS = ")) == [
        ('say "it\'s"', ["C:\\data"], 1.0)
    ]


def test_an_item_is_no_token() -> None:
    assert item_faults("rows", "documents") == item_faults("rows", "sequences") == []
    assert item_faults("rows", "tokens")[0].where == "rows"
