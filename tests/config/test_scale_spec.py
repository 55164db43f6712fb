"""The key ``scales``: keys of the evaluator in it, and where its faults are placed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.config import study_file
from bomix.config.build import plain
from bomix.config.scale_spec import build_study
from bomix.config.spec import StudySpec
from bomix.errors import FaultsError
from bomix.evaluators.proxy import Proxy
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.study.study_scales import study_scales

DOMAINS = "domains: {a: {source: {kind: files, paths: [a]}}, b: {source: {kind: files, paths: [b]}}}\n"
PROXY = DOMAINS + "evaluator:\n  kind: proxy\n  tokens: 200k\n  model: {size: 1M, architecture: gpt_neox}\n"


def load(folder: Path, text: str) -> StudySpec:
    (folder / "study.yaml").write_text(text)
    return study_file.load(folder / "study.yaml")


def test_keys_of_the_evaluator_stand_over_its_own_at_any_depth(tmp_path: Path) -> None:
    spec = load(
        tmp_path, PROXY + "scales:\n  small: {model: {size: 0.3M}}\n  large: {tokens: 300k, corpus: {max_tokens: 1M}}\n"
    )
    small, large = (spec.scales[name].evaluator for name in ("small", "large"))
    assert isinstance(small, Proxy)
    assert isinstance(large, Proxy)
    assert (small.model.size, small.model.architecture, small.tokens) == ("0.3M", "gpt_neox", 200_000)
    assert (large.model.size, large.tokens, large.corpus.max_tokens) == ("1M", 300_000, 10**6)
    found, target = study_scales(spec)
    assert [(each.name, each.scale) for each in found] == [("small", small.scale), ("large", large.scale)]
    assert target == large.scale


def test_of_keys_of_which_one_is_given_the_scales_own_counts(tmp_path: Path) -> None:
    spec = load(tmp_path, PROXY + "scales: {s: {tokens_per_parameter: 20}, l: {}}\n")
    proxy = spec.scales["s"].evaluator
    assert isinstance(proxy, Proxy)
    assert (proxy.tokens, proxy.tokens_per_parameter) == (None, 20.0)


def test_what_every_scale_states_need_not_stand_in_the_evaluator(tmp_path: Path) -> None:
    text = DOMAINS + "evaluator: proxy\nscales:\n  s: {model: {size: 0.3M}, tokens: 100k}\n  l: {tokens: 200k}\n"
    assert sorted(load(tmp_path, text).scales) == ["l", "s"]
    again = text + "  f: {params: 7B, tokens: 1T, train: false}\n"
    spec = load(tmp_path, again)
    assert spec.scales["f"].evaluator is None
    assert spec.scales["f"].tokens == 10**12
    with pytest.raises(FaultsError, match=r"evaluator\.tokens.*neither is given"):
        load(tmp_path, text + "  x: {model: {size: 3M}}\n")


def test_numbers_of_the_ladder_name_a_scale_of_an_evaluator_that_takes_it_from_the_trial(tmp_path: Path) -> None:
    spec = load(tmp_path, PROXY + "scales: {own: {}, other: {params: 1000, tokens: 100k}}\n")
    with pytest.raises(FaultsError, match=r"scales\.other\.params: no decoder has 1000 non-embedding parameters"):
        study_scales(spec)
    named = Proxy(tokens=200_000).model.non_embedding_parameters()
    spec = load(
        tmp_path,
        PROXY.replace(", architecture: gpt_neox", "")
        + f"scales: {{own: {{}}, other: {{params: {named}, tokens: 100001}}}}\n",
    )
    other = study_scales(spec)[0][0]
    assert (other.name, other.scale.params, other.scale.tokens) == ("other", named, 99_840)  # whole steps


def test_a_scale_of_another_kind_of_evaluator_has_all_of_its_own(tmp_path: Path) -> None:
    text = "domains: {d0: {}, d1: {}}\nevaluator: {kind: synthetic, domains: 2, tilt: 1}\nscales:\n"
    spec = load(
        tmp_path,
        text + "  s: {params: 1, tokens: 1, evaluator: {kind: synthetic, domains: 2}}\n  l: {params: 2, tokens: 2}\n",
    )
    assert spec.scales["s"].evaluator == Synthetic(domains=2)
    assert build_study(StudySpec, plain(spec)) == (spec, [])


@pytest.mark.parametrize(
    ("scales", "said"),
    [
        (
            "  s:\n    model:\n      sise: 1M\n",
            r"scales\.s\.model\.sise \(line 9\): unknown key 'sise'; did you mean 'size'",
        ),
        ("  s:\n    modle: {size: 1M}\n", r"scales\.s\.modle \(line 8\): unknown key 'modle'; did you mean 'model'"),
        ("  s: {cots: 1}\n", r"scales\.s\.cots \(line 7\): unknown key 'cots'; did you mean 'cost'"),
        (
            "  s: {zzz: 1}\n",
            r"unknown key 'zzz' \(a scale has params, tokens, .*train; the evaluator .*model",
        ),
        ("  s: {cost: cheap}\n", r"scales\.s\.cost \(line 7\): expected a number, found 'cheap'"),
        ("  s: {train: maybe}\n", r"scales\.s\.train \(line 7\): expected true or false"),
        ("  s: {model: {size: 2M}}\n", r"scales\.s\.model\.size \(line 7\): unknown size '2M'"),
        ("  s: {tokens: 10}\n", r"scales\.s\.tokens \(line 7\): 10 tokens are less than one step"),
        ("  s: {params: 1M, tokens: 50M, train: false, curve_points: 0}\n", r"scales\.s\.curve_points \(line 7\)"),
        ("  s: 5\n", r"scales\.s \(line 7\): expected a mapping of keys, found 5"),
        ("  s: {recipe: ' '}\n", r"scales\.s\.recipe \(line 7\): expected text"),
    ],
)
def test_faults_of_a_scale_name_its_line(tmp_path: Path, scales: str, said: str) -> None:
    with pytest.raises(FaultsError, match=said):
        load(tmp_path, PROXY + "scales:\n" + scales)


def test_a_fault_of_the_evaluator_is_told_once(tmp_path: Path) -> None:
    text = PROXY.replace("size: 1M", "size: 2M") + "scales: {s: {tokens: 100k}, l: {tokens: 300k}}\n"
    with pytest.raises(FaultsError) as caught:
        load(tmp_path, text)
    assert [fault.where for fault in caught.value.faults] == ["evaluator.model.size (line 5)"]


def test_without_an_evaluator_a_scale_has_its_own_keys_alone(tmp_path: Path) -> None:
    text = "domains: {a: {}, b: {}}\nmetrics: [m]\nscales: {s: {params: 1M, tokens: 1M, model: {size: 1M}}}\n"
    with pytest.raises(FaultsError, match=r"scales\.s\.model \(line 3\): unknown key 'model'"):
        load(tmp_path, text)


def test_scales_that_a_program_gave_are_read_back_as_they_were(tmp_path: Path) -> None:
    text = PROXY + "scales: {s: {tokens: 100k}, own: {recipe: x}, l: {model: {size: 3M}, tokens: 300k}}\n"
    spec = load(tmp_path, text)
    assert build_study(StudySpec, plain(spec)) == (spec, [])


def test_keys_of_the_evaluator_beside_a_whole_one_are_faults(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match=r"scales\.s\.model.*unknown key 'model'"):
        load(tmp_path, PROXY + "scales: {s: {model: {size: 1M}, evaluator: {kind: proxy, tokens: 100k}}, l: {}}\n")
