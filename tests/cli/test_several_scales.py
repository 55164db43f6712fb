"""A study of several scales on the command line: its file, runs that are imported by scale, what is shown of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.cli.called import called as call

TOLD = "domains: {code: {}, web: {}}\nmetrics: [loss]\n"
SCALES = """scales:
  small: {params: 1M, tokens: 50M}
  large: {params: 10M, tokens: 500M}
  final: {params: 7B, tokens: 1T, train: false}
"""
TARGET = "target: {scale: large}\n"


class Done(NamedTuple):
    """How a command ended, and what it printed, errors included."""

    code: int
    out: str


def called(*arguments: object) -> Done:
    return Done(*call(*arguments))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(TOLD + SCALES + TARGET)
    return tmp_path


def table(folder: Path, name: str, rows: str, columns: str = "run,code,web,loss") -> str:
    (folder / name).write_text(f"{columns}\n{rows}")
    return str(folder / name)


def runs(count: int, above: float = 0.0) -> str:
    shares = np.linspace(0.05, 0.95, count)
    return "".join(f"r{i},{w:.3f},{1 - w:.3f},{2 + above + (w - 0.3) ** 2:.5f}\n" for i, w in enumerate(shares))


FILES = [
    (
        "target-unknown",
        TOLD + SCALES + "target: {scale: larg}\n",
        "target.scale (line 7): unknown scale 'larg'; did you mean",
    ),
    (
        "target-of-none",
        TOLD + "target: {scale: large, tokens: 1B}\n",
        "target.scale (line 3): the study names no scales",
    ),
    (
        "no-cost",
        TOLD + "scales:\n  s: {params: 1M}\n  l: {params: 2M, tokens: 1B}\n",
        "scales.s (line 4): its tokens are unknown",
    ),
    (
        "some-cost",
        TOLD + "scales:\n  s: {params: 1M, tokens: 1M, cost: 1}\n  l: {params: 2M, tokens: 1B}\n",
        "scales (line 3): s states a cost",
    ),
    (
        "twice",
        TOLD + "scales:\n  s: {params: 1M, tokens: 1M}\n  l: {params: 1M, tokens: 1M}\n",
        "scales.l (line 5): its runs",
    ),
    ("nothing", TOLD + "scales:\n  s: {cost: 1}\n", "scales.s (line 4): nothing tells its runs from those of others"),
    (
        "key",
        TOLD + "scales:\n  s: {parms: 1M, tokens: 1M}\n",
        "scales.s.parms (line 4): unknown key 'parms'; did you mean",
    ),
    ("list", TOLD + "scales: [small]\n", "scales (line 3): expected a mapping from names, found ['small']"),
    (
        "untrained",
        "domains: {d0: {}, d1: {}}\nevaluator: {kind: synthetic, domains: 2}\n"
        "scales:\n  s: {params: 1, tokens: 1, train: false}\n",
        "scales (line 3): no scale is trained",
    ),
    (
        "placeholder",
        "domains: {a: {}, b: {}}\nevaluator: {kind: command, argv: [echo, '{scale}'], metrics: [m]}\n",
        "evaluator.argv[1] (line 2): {scale} is known in a study of several scales alone",
    ),
    (
        "unknown-number",
        "domains: {a: {}, b: {}}\nevaluator: {kind: command, argv: [echo, '{tokens}'], metrics: [m]}\n"
        "scales:\n  s: {params: 1, cost: 1}\n  l: {params: 2, cost: 2}\n",
        "scales.s.tokens (line 4): evaluator.argv[1] asks for {tokens}, which is unknown",
    ),
]


@pytest.mark.parametrize(("text", "said"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_a_file_whose_scales_are_wrong_is_refused_with_key_and_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    done = called("check", tmp_path)
    assert done.code == 2
    assert said in done.out


def test_small_and_large_runs_are_imported_with_one_command_each_and_decided_about_at_the_target(study: Path) -> None:
    assert called("import", study, "--weights", table(study, "s.csv", runs(8, 1.0)), "--scale", "small").code == 0
    assert called("import", study, "--weights", table(study, "l.csv", runs(3)), "--scale", "large").code == 0
    again = called("import", study, "--weights", table(study, "l.csv", runs(3)), "--scale", "large")
    assert "imported 0 runs (2 domains, 1 metrics), 3 already there" in again.out
    done = called("recommend", study)
    assert (
        "at scale 'large' (10M params x 500M tokens); learnt from runs 8 of small, 3 of large, 0 of final" in done.out
    )
    assert "of 11 trials the best 10 of scale 'large'; --all shows every one" in called("status", study).out
    state = json.loads(called("status", study, "--json").out)
    assert [trial["scale"] for trial in state["trials"]] == ["small"] * 8 + ["large"] * 3
    asked = json.loads(called("ask", study).out)
    assert asked["scale"]["name"] in {"small", "large"}  # what is trained here; which one is the strategy's choice
    (study / "result.json").write_text('{"losses": {"loss": 2.0}}')
    assert called("tell", study, str(asked["trial"]), study / "result.json").code == 0
    mixtures = table(study, "m.csv", "0.3,0.7\n", "code,web")
    large, small = (called("predict", study, mixtures, *more).out for more in ([], ["--scale", "small"]))
    assert float(small.split("\n")[1].split(",")[2]) - float(large.split("\n")[1].split(",")[2]) == pytest.approx(
        1.0, abs=0.2
    )
    assert "unknown scale 'smal'; did you mean 'small'" in called("predict", study, mixtures, "--scale", "smal").out
    shown = called("check", study).out
    assert "decided about" in shown
    assert "multi_scale" in shown


def test_a_table_that_comes_in_twice_under_two_scales_is_refused_unless_it_is_meant(study: Path) -> None:
    rows = table(study, "t.csv", runs(6))
    assert called("import", study, "--weights", rows, "--scale", "small").code == 0
    done = called("import", study, "--weights", rows, "--scale", "large")
    assert done.code == 2
    assert "6 of these runs are recorded at 'small' with the same losses to the last digit" in done.out
    assert "if they are of 'large', withdraw those first" in done.out
    assert called("import", study, "--weights", rows, "--scale", "small").code == 0  # the same again is there already
    assert called("import", study, "--weights", rows, "--scale", "large", "--as-one").code == 0


def test_a_column_holds_the_names_of_scales_or_their_numbers(study: Path) -> None:
    columns = "run,code,web,loss,scale"
    named = table(study, "n.csv", "a,0.5,0.5,3,small\na,0.5,0.5,2,large\n", columns)
    assert called("import", study, "--weights", named).code == 0
    other = table(study, "o.csv", "b,0.5,0.5,3,small\nc,0.4,0.6,2,large\n", "run,code,web,loss,size")
    assert called("import", study, "--weights", other, "--scale", "size").code == 0
    numbers = table(study, "p.csv", "d,0.2,0.8,3,1M,50M\ne,0.4,0.6,2,7B,1T\n", "run,code,web,loss,params,tokens")
    assert called("import", study, "--weights", numbers).code == 0
    state = json.loads(called("status", study, "--json").out)
    assert [trial["scale"] for trial in state["trials"]] == ["small", "large", "small", "large", "small", "final"]


@pytest.mark.parametrize(
    ("rows", "columns", "options", "said"),
    [
        (
            "a,0.5,0.5,3\n",
            "run,code,web,loss",
            [],
            "1 runs do not say of which of the study's scales they are (small, large, final)",
        ),
        (
            "a,0.5,0.5,3\n",
            "run,code,web,loss",
            ["--scale", "smal"],
            "and the study no scale of that name (known: small, large, final)",
        ),
        (
            "a,0.5,0.5,3,smal\nb,0.5,0.5,3,small\n",
            "run,code,web,loss,size",
            ["--scale", "size"],
            "t.csv:2: the study has no scale 'smal'",
        ),
        (
            "a,0.5,0.5,3\n",
            "run,code,web,loss",
            ["--scale", "small", "--scale", "large"],
            "--scale small and --scale large say it twice",
        ),
        (
            "a,0.5,0.5,3\n",
            "run,code,web,loss",
            ["--scale", "small", "--tokens", "1M"],
            "--scale small and --tokens say it twice",
        ),
        ("a,0.5,0.5,3,small,7B\n", "run,code,web,loss,scale,params", [], "t.csv:2: the run is of 'small'"),
        ("a,0.5,0.5,3,7B\n", "run,code,web,loss,params", ["--scale", "small"], "t.csv:2: the run is of 'small'"),
        (
            "a,0.5,0.5,3,10,500M\na,0.5,0.5,2,20,50M\n",
            "run,code,web,loss,step,tokens",
            ["--params", "1M"],
            "t.csv:3: the run has 5e+08 tokens at step 10 and 5e+07 at step 20",
        ),
        (
            "a,0.5,0.5,3,10,50M\na,0.5,0.5,2,20,50M\n",
            "run,code,web,loss,step,tokens",
            ["--params", "1M"],
            "t.csv:3: the run has 5e+07 tokens at step 10 and 5e+07 at step 20",
        ),
    ],
    ids=[
        "none",
        "unknown",
        "unknown-cell",
        "two",
        "numbers-too",
        "contradiction",
        "named-for-all",
        "out-of-order",
        "equal-tokens",
    ],
)
def test_runs_that_do_not_say_their_scale_plainly_are_refused(
    study: Path, rows: str, columns: str, options: list[str], said: str
) -> None:
    done = called("import", study, "--weights", table(study, "t.csv", rows, columns), *options)
    assert done.code == 2
    assert said in done.out
    assert not (study / "trials").exists()


def test_checkpoints_with_tokens_of_their_own_are_runs_of_cheaper_scales(study: Path) -> None:
    (study / "study.yaml").write_text(
        TOLD + "scales: {half: {params: 1M, tokens: 25M}, end: {params: 1M, tokens: 50M}}\n"
    )
    rows = "a,0.5,0.5,3,10,25M\na,0.5,0.5,2,20,50M\nb,0.2,0.8,3.1,10,25M\nb,0.2,0.8,2.2,20,50M\n"
    path = table(study, "c.csv", rows, "run,code,web,loss,step,seen")
    done = called("import", study, "--weights", path, "--params", "1M", "--scale", "tokens=seen")
    assert done.code == 0
    state = json.loads(called("status", study, "--json").out)
    assert [trial["scale"] for trial in state["trials"]] == ["half", "end", "half", "end"]


def test_runs_of_two_scales_in_a_study_that_names_none_are_refused_with_the_lines_to_add(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(TOLD)
    rows = "a,0.5,0.5,3,1M,50M\nb,0.4,0.6,2,10M,50M\n"
    mixed = table(tmp_path, "t.csv", rows, "run,code,web,loss,params,tokens")
    done = called("import", tmp_path, "--weights", mixed)
    lines = "scales:\n  1M: {params: 1M, tokens: 50M}\n  10M: {params: 10M, tokens: 50M}\n"
    assert done.code == 2
    assert lines.strip() in done.out
    (tmp_path / "study.yaml").write_text(TOLD + lines)
    assert called("import", tmp_path, "--weights", mixed).code == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "study.yaml").write_text(TOLD)
    assert (
        called("import", tmp_path / "other", "--weights", table(tmp_path, "a.csv", runs(2)), "--params", "1M").code == 0
    )
    done = called(
        "import", tmp_path / "other", "--weights", table(tmp_path, "b.csv", runs(3)), "--params", "2M", "--prefix", "x"
    )
    assert "scales:\n  1M: {params: 1M, cost: 1M}\n  2M: {params: 2M, cost: 2M}" in done.out


def test_a_command_is_told_the_scale_of_its_trial(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import json, os, sys\nname, params, tokens, mixture, result = sys.argv[1:]\n"
        "told = json.load(open(mixture))['scale']\n"
        "assert told == {'name': name, 'params': int(params), 'tokens': int(tokens)}, told\n"
        "assert os.environ['BOMIX_SCALE'] == name\n"
        "json.dump({'losses': {'m': float(params)}}, open(result, 'w'))\n"
    )
    argv = "[python3, train.py, '{scale}', '{params}', '{tokens}', '{mixture}', '{result}']"
    (tmp_path / "study.yaml").write_text(
        f"domains: {{a: {{}}, b: {{}}}}\nevaluator: {{kind: command, argv: {argv}, metrics: [m]}}\n"
        "strategy: sobol\nbudget: {trials: 1}\nscales: {s: {params: 10, tokens: 5}, l: {params: 20, tokens: 5}}\n"
    )
    assert called("optimize", tmp_path, "--trials", "1").code == 0
    state = json.loads(called("status", tmp_path, "--json").out)
    assert [(trial["scale"], trial["losses"]) for trial in state["trials"]] == [("l", {"m": 20.0})]
