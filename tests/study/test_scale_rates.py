"""Scales of several sizes that take over one learning rate are named, and those that state theirs are not."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from bomix.cli.inspect import check
from bomix.study import scale_rates
from bomix.study.study import Study

HEAD = """\
domains:
  code: {source: {kind: files, paths: [code.jsonl]}}
  web: {source: {kind: files, paths: [web.jsonl]}}
evaluator:
  kind: proxy
  tokens: 4k
  sequence_length: 32
  batch_sequences: 4
  tokenizer: {kind: bpe, vocabulary: 300}
  corpus: {cache: cache}
"""
SHARED = """\
  optimization: {rate: 3e-3}
scales:
  0.3M: {model: {size: 0.3M}}
  1M: {model: {size: 1M}}
  3M: {model: {size: 3M}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("study")
    words = " ".join(f"word{number}" for number in range(40))
    for name in ("code", "web"):
        (made / f"{name}.jsonl").write_text("\n".join(f'{{"text": "{n} {name} {words}"}}' for n in range(200)))
    return made


def told(folder, tail):
    (folder / "study.yaml").write_text(HEAD + tail)
    return list(scale_rates.warnings(Study.open(folder), folder))


def of_layers(*counts):
    """Scales of a tiny decoder with these many layers."""
    keys = "{{model: {{architecture: llama, hidden: 32, layers: {0}, heads: 2, intermediate: 64}}}}"
    return "scales:\n" + "".join(f"  layers-{count}: {keys.format(count)}\n" for count in counts)


def test_check_names_scales_sizes_rate_lines_and_the_cure(folder):
    (warning,) = told(folder, SHARED)
    assert warning == (
        "scales '0.3M' (332,448 parameters), '1M' (907,360 parameters) and '3M' (3,115,264 parameters) share the "
        "learning rate 0.003 of evaluator.optimization.rate (line 11); one that suits the smallest is too high for "
        "larger ones, whose ranks then tell of the rate: try several at each size on the uniform mixture, and state "
        "the best, `optimization: {rate: ...}`, in scales.1M (line 14) and scales.3M (line 15), also where it is the "
        "same"
    )
    checked = CliRunner().invoke(check, [str(folder)], catch_exceptions=False)
    assert f"warning: {warning}\n" in checked.output
    assert "no other problems found" in checked.output


def test_the_cure_that_it_names_ends_it(folder):
    half = SHARED.replace("size: 1M}", "size: 1M}, optimization: {rate: 1.5e-3}")
    assert "scales '0.3M' (332,448 parameters) and '3M' (3,115,264 parameters) share" in told(folder, half)[0]
    assert told(folder, half.replace("size: 3M}", "size: 3M}, optimization: {rate: 5e-4}")) == []


def test_a_rate_that_each_scale_states_is_meant_though_it_is_one(folder):
    assert told(folder, SHARED.replace("M}}", "M}, optimization: {rate: 3e-3}}")) == []
    assert told(folder, SHARED.replace("M}}", "M}, optimization: {preset: liu2025}}")) == []
    assert len(told(folder, SHARED.replace("M}}", "M}, optimization: {clip: 0.5}}"))) == 1


def test_a_rate_that_stands_nowhere_is_shared_all_the_same(folder):
    (warning,) = told(folder, SHARED.replace("  optimization: {rate: 3e-3}\n", ""))
    assert "share the learning rate 0.003; one that suits" in warning
    (warning,) = told(folder, SHARED.replace("{rate: 3e-3}", "{preset: liu2025}"))
    assert "share the learning rate 0.0004 of evaluator.optimization.preset (line 11);" in warning


def test_a_scale_without_a_key_takes_over_all_of_the_evaluator(folder):
    (warning,) = told(folder, "scales:\n  small:\n  large: {model: {size: 30M}}\n")
    assert warning.startswith("scales 'small' (")
    assert told(folder, "scales:\n  small:\n  large: {model: {size: 30M}, optimization: {rate: 5e-4}}\n") == []


def test_scales_of_nearly_one_size_share_a_rate_rightly(folder):
    assert told(folder, "scales:\n  short: {tokens: 4k}\n  long: {tokens: 16k}\n") == []
    assert told(folder, of_layers(2, 4)) == []
    (warning,) = told(folder, of_layers(2, 5))
    assert warning.startswith("scales 'layers-2' (20,640 parameters) and 'layers-5' (51,552 parameters) share")


def test_a_scale_that_nobody_trains_has_no_rate(folder):
    assert (
        told(folder, "scales:\n  small: {model: {size: 0.3M}}\n  7B: {params: 7B, tokens: 20k, train: false}\n") == []
    )


def test_other_trainers_are_not_spoken_of(tmp_path):
    evaluator = {"kind": "command", "argv": [sys.executable, "train.py"], "metrics": ["loss"]}
    scales = {"small": {"params": "1M", "tokens": "1M"}, "large": {"params": "10M", "tokens": "10M"}}
    opened = Study(["code", "web"], evaluator=evaluator, scales=scales)
    assert list(scale_rates.warnings(opened, tmp_path)) == []


def test_the_record_of_a_program_tells_rates_apart_by_their_values(folder):
    (folder / "study.yaml").write_text(HEAD + SHARED)
    spec = Study.open(folder).spec
    domains = {name: {"source": {"kind": "files", "paths": [str(folder / f"{name}.jsonl")]}} for name in spec.domains}

    def warned(rate, name):
        scales = {"0.3M": {"model": {"size": "0.3M"}}, "1M": {"model": {"size": "1M"}, "optimization": {"rate": rate}}}
        made = Study(domains, path=folder / name, evaluator=spec.evaluator, scales=scales)
        return list(scale_rates.warnings(made, folder / name))

    (warning,) = warned(3e-3, "same")
    assert "share the learning rate 0.003; one that suits" in warning
    assert "in scales.1M, also where" in warning
    assert warned(1.5e-3, "other") == []
