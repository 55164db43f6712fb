"""YAML for study files: words stay words, and hostile files end at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bomix.config.study_file import load, parse
from bomix.config.yaml_reader import read
from bomix.errors import ConfigError, FaultsError

WORDS = [
    "no",
    "yes",
    "on",
    "off",
    "y",
    "n",
    "null",
    "~",
    "12:30",
    "2023-02-30",
    "2023-02-28",
    "true",
    "False",
    "007",
    "1e3",
    "12",
]
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "m0: &m0 {x: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
CHAIN = "c0: &c0 [x]\n" + "".join(f"c{n}: &c{n} [*c{n - 1}]\n" for n in range(1, 3000))


@pytest.mark.parametrize("word", WORDS)
def test_a_domain_has_the_name_that_was_written(tmp_path: Path, word: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"domains:\n  en: {{}}\n  {word}: {{}}\nmetrics: [en]\n")
    assert tuple(load(path).domains) == ("en", word)
    path.write_text(f"domains:\n  en: {{}}\n  '{word}':\nmetrics: [en]\n")
    assert tuple(load(path).domains) == ("en", word)


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "n", "12:30", "2023-02-30", "2023-02-28", "1e3"])
def test_a_metric_has_the_name_that_was_written(tmp_path: Path, word: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"domains: {{en: {{}}}}\nmetrics:\n  - en\n  - {word}\n")
    assert load(path).metrics == ("en", word)


@pytest.mark.parametrize("word", ["null", "~", "true", "False", "12", "007", "0x1F", "0b11", "1_000", "1.50", "1.5e+3"])
def test_a_word_that_is_none_where_a_name_is_wanted_is_to_be_quoted_as_it_stands(tmp_path: Path, word: str) -> None:
    path = tmp_path / "study.yaml"
    names = f"domains: {{en: {{}}, {word}: {{}}}}\nmetrics:\n  - en\n  -"
    for text, where in (
        (f"{names} {word}\n", r"metrics\[1\] \(line 4\)"),
        (f"{names} fr\nown: {{en: {word}}}\n", r"own\.en \(line 5\)"),
        (f"{names} fr\nobjective: {{kind: mean, metrics: [{word}]}}\n", r"objective\.metrics\[0\] \(line 5\)"),
    ):
        path.write_text(text)
        with pytest.raises(FaultsError, match=rf"{where}.*where it is a name, put quotes around it as it stands there"):
            load(path)
    path.write_text(f"{names} '{word}'\nown: {{en: '{word}'}}\n")
    assert load(path).metrics == ("en", word)
    assert load(path).own == {"en": word}


@pytest.mark.parametrize(
    ("text", "value"),
    [("no", False), ("off", False), ("NO", False), ("yes", True), ("on", True), ("true", True), ("False", False)],
)
def test_switches_may_be_words(tmp_path: Path, text: str, value: bool) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"domains: {{en: {{}}}}\nmetrics: [en]\npaired: {text}\n")
    assert load(path).paired is value


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 12", 12),
        ("a: -3", -3),
        ("a: 1_000", 1000),
        ("a: 0x10", 16),
        ("a: 1.5", 1.5),
        ("a: 1.5e+3", 1500.0),
        ("a: .5", 0.5),
        ("a: 10M", "10M"),
        ("a: ", None),
        ("a: null", None),
        ("a: '12'", "12"),
        ("a: &x [1, 2]\nb: *x", [1, 2]),
        ("x: &x {q: 1}\na: {<<: *x, r: 2}", {"q": 1, "r": 2}),
        ("a: {1: b, 2.5: c, null: d}", {"1": "b", "2.5": "c", "null": "d"}),
    ],
)
def test_values_are_read_as_ever(text: str, data: object) -> None:
    assert read(text)[0]["a"] == data


def test_nothing_is_read_from_an_empty_file() -> None:
    assert read("") == (None, {}, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: " + "1" * 5000, r"a number of 5,000 digits \(line 1\)"),
        ("domains:\n  a: " + "[" * 10_000, r"nested more than 50 levels deep \(line 2\)"),
        ("a: " + "{b: " * 60 + "1" + "}" * 60, "nested more than 50 levels deep"),
        (BOMB, "more than 1,000,000 values once its aliases are written out"),
        (MERGES, "more than 1,000,000 values once its aliases are written out"),
        (CHAIN, r"more than 50 levels once its aliases are written out \(line 50\)"),
        ("a: &a [*a]", "'\\*a' stands for contains itself"),
        ("a: &a {b: {c: *a}}", "contains itself"),
        ("? [a, b]\n: 1", r"a key must be text \(line 1\)"),
        ("x" * 600 + ": 1", "a key of 600 characters"),
        ("a: !!int x", "is not YAML"),
        ("a: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("a: !!timestamp 2023-02-30", "is not YAML"),
        ("a: [", "is not YAML"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("\x00", "is not YAML"),
        ("a: *nobody", "is not YAML"),
    ],
    ids=str,
)
def test_what_is_no_study_file_is_said_at_once_and_in_few_words(tmp_path: Path, text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError, match=said) as caught:
        parse(text, tmp_path / "study.yaml")
    assert time.process_time() - began < 5.0
    assert len(str(caught.value)) < 1000
    assert "study.yaml" in str(caught.value)


def test_a_fault_is_cut_before_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    small = "".join(BOMB.splitlines(keepends=True)[:5])  # 59,049 values: allowed, and no message may show them
    path.write_text(f"{small}domains: {{en: {{}}}}\nmetrics: *a4\nseed: *a4\n")
    with pytest.raises(FaultsError) as caught:
        load(path)
    assert len(str(caught.value)) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        "domains: {a: {}}\nmetrics: [a]\nseed: " + "9" * 5000,
        "domains: " + "{a: " * 9000,
        BOMB + "domains: *a11\n",
        "domains: {a: {}, b: {}}\nevaluator: {kind: synthetic, domains: 1000000000}\n",
        "domains: {a: {}}\nmetrics: [a]\n#" + "x" * 3_000_000,
    ],
    ids=["digits", "deep", "bomb", "billion", "long"],
)
def test_a_hostile_file_ends_with_2_in_little_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))"
    limited = f"{limit}; from bomix.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", limited, "check", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 2000
