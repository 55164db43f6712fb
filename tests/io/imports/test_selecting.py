"""Checkpoints, models, scales and seeds of a table: chosen, or refused with the column that tells them apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bomix.errors import FaultsError
from bomix.io.imports.columns import Reading
from bomix.io.imports.comparability import several_scales
from bomix.io.imports.csv import read_runs
from bomix.io.imports.runs import Runs
from bomix.io.imports.selecting import named_step
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace

PROBLEM = Problem(MixtureSpace(("code", "math", "web")), (Metric("a"), Metric("b")), Mean())
SHARES = np.random.default_rng(3).dirichlet(np.ones(3), 10).round(4)
STEPS = {1000: 1.2, 2000: 0.5, 4000: 0.0}
SIZES = {"1M": 1.4, "60M": 0.0}


def rows(
    column: str, offsets: dict[object, float], *, key: str | None = None, gaps: frozenset[int] = frozenset()
) -> str:
    """A table with a row of each run for each value of a column, whose losses lie so much higher."""
    lines = [",".join([*([key] if key else []), column, "code", "math", "web", "a", "b"])]
    for number, shares in enumerate(SHARES):
        for place, (value, offset) in enumerate(offsets.items()):
            if number in gaps and place == len(offsets) - 1:
                continue
            cells = [f"r{number}"] if key else []
            cells += [str(value), *map(str, shares.tolist())]
            lines.append(",".join([*cells, f"{2 + shares[0] + offset:.4f}", f"{3 - shares[1] + offset:.4f}"]))
    return "\n".join(lines) + "\n"


def read(folder: Path, text: str, **options: object) -> Runs:
    (folder / "t.csv").write_text(text)
    own = options.pop("own", None)
    problem = dataclasses.replace(PROBLEM, scale=own)  # type: ignore[arg-type]
    return read_runs(folder / "t.csv", None, problem, Reading(**options))  # type: ignore[arg-type]


def refused(folder: Path, text: str, **options: object) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        read(folder, text, **options)
    return [str(fault) for fault in caught.value.faults]


FINAL = [pytest.approx(2 + shares[0], abs=1e-4) for shares in SHARES]


@pytest.mark.parametrize("key", [None, "run"])
@pytest.mark.parametrize("column", ["step", "global_step", "_step", "iteration", "checkpoint"])
def test_checkpoints_are_refused_until_it_is_said_which_count(tmp_path: Path, column: str, key: str | None) -> None:
    text = rows(column, STEPS, key=key)
    (fault,) = refused(tmp_path, text)
    assert f"column '{column}' has 3 values (1000 (10 rows), 2000 (10 rows), 4000 (10 rows))" in fault
    assert "--step last" in fault
    assert "--step 4000" in fault
    for option in ("last", "4000", "4k", column, f"{column}=4000", f"{column}=last"):
        found = read(tmp_path, text, step=option)
        assert [result.losses["a"] for _, result, _ in found.runs] == FINAL
        assert {result.info["step"] for _, result, _ in found.runs} == {4000.0}
    early = read(tmp_path, text, step="1000")
    assert min(result.losses["a"] for _, result, _ in early.runs) > 3


def test_a_table_of_one_checkpoint_needs_no_choice(tmp_path: Path) -> None:
    assert len(read(tmp_path, rows("step", {4000: 0.0})).runs) == len(SHARES)


def test_runs_without_a_step_and_ends_that_differ_are_told(tmp_path: Path) -> None:
    text = rows("step", STEPS, gaps=frozenset({2, 5}))
    found = read(tmp_path, text, step="4000")
    assert len(found.runs) == len(SHARES) - 2
    assert "kept 8 of 28 rows, those with step=4000; 2 runs have no row there and are left out" in found.notes
    (note,) = read(tmp_path, text, step="last", as_one=True).notes
    assert "2000 (2 rows), 4000 (8 rows); the runs end at different steps, whose losses may not compare" in note
    assert "there are 1000 (10 rows)" in refused(tmp_path, text, step="3000")[0]


def test_keys_of_their_own_do_not_make_checkpoints_runs(tmp_path: Path) -> None:
    lines = rows("step", STEPS).splitlines()
    text = "\n".join([f"index,{lines[0]}", *(f"{n},{line}" for n, line in enumerate(lines[1:]))])
    assert "--step last" in refused(tmp_path, text)[0]
    assert [result.losses["a"] for _, result, _ in read(tmp_path, text, step="last").runs] == FINAL


def test_checkpoints_that_only_the_losses_have_are_joined(tmp_path: Path) -> None:
    lines = [line.split(",") for line in rows("step", STEPS, key="run").splitlines()]
    (tmp_path / "w.csv").write_text("\n".join(dict.fromkeys(",".join([c[0], *c[2:5]]) for c in lines)))
    (tmp_path / "l.csv").write_text("\n".join(",".join([*c[:2], *c[5:]]) for c in lines))
    found = read_runs(tmp_path / "w.csv", tmp_path / "l.csv", PROBLEM, Reading(step="last"))
    assert [result.losses["a"] for _, result, _ in found.runs] == FINAL
    with pytest.raises(FaultsError, match="column 'step' has 3 values"):
        read_runs(tmp_path / "w.csv", tmp_path / "l.csv", PROBLEM)


@pytest.mark.parametrize("column", ["phase", "epoch"])
def test_repeats_that_are_far_apart_name_the_column_that_tells_them_apart(tmp_path: Path, column: str) -> None:
    text = rows(column, STEPS)
    (fault,) = refused(tmp_path, text, ignore_unknown=True)
    assert "30 rows repeat 10 mixtures with losses that no seed explains" in fault
    assert f"column '{column}' tells them apart: --where {column}=4000, or --step {column}" in fault
    assert len(read(tmp_path, text, ignore_unknown=True, step=column).runs) == 10
    assert len(read(tmp_path, text, ignore_unknown=True, where=((column, "2000"),)).runs) == 10
    assert len(read(tmp_path, text, ignore_unknown=True, as_one=True).runs) == 30


def test_repeats_that_nothing_tells_apart_are_refused_as_well(tmp_path: Path) -> None:
    lines = [",".join(line.split(",")[1:]) for line in rows("step", STEPS).splitlines()]
    assert "no column tells them apart" in refused(tmp_path, "\n".join(lines))[0]


@pytest.mark.parametrize("key", [None, "run"])
def test_models_are_not_mixed(tmp_path: Path, key: str | None) -> None:
    text = rows("model", SIZES, key=key)
    (fault,) = refused(tmp_path, text)
    assert "column 'model' names 2 models, 1M (10 rows), 60M (10 rows)" in fault
    assert "--where model=1M takes one, --scale model reads it as the number of parameters" in fault
    found = read(tmp_path, text, where=(("model", "60m"),))
    assert [result.losses["a"] for _, result, _ in found.runs] == FINAL
    found = read(tmp_path, text, scale_from={"params": "model"}, own=Scale(60_000_000))
    assert {scale for _, _, scale in found.runs} == {Scale(1_000_000), Scale(60_000_000)}
    assert "has no scale of its own" in refused(tmp_path, text, scale_from={"params": "model"})[0]


def test_a_model_of_each_run_is_a_name(tmp_path: Path) -> None:
    text = rows("model", {"x": 0.0}).splitlines()
    named = [text[0], *(line.replace("x", f"run-{n}", 1) for n, line in enumerate(text[1:]))]
    assert len(read(tmp_path, "\n".join(named)).runs) == 10


@pytest.mark.parametrize("axis", ["params", "tokens"])
def test_scales_are_not_mixed_in_a_study_that_has_none(tmp_path: Path, axis: str) -> None:
    text = rows(axis, SIZES)
    (fault,) = refused(tmp_path, text)
    assert "the runs are of 2 scales" in fault
    assert f"--where {axis}=1M takes those of one" in fault
    assert len(read(tmp_path, text, where=((axis, "60e6"),)).runs) == 10
    assert len(read(tmp_path, text, as_one=True).runs) == 20
    assert len(read(tmp_path, text, own=Scale(**{axis: 60_000_000})).runs) == 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"where": (("modle", "1M"),)}, "--where: no table has a column 'modle'; did you mean 'model'?"),
        ({"where": (("model", "3B"),)}, "no row has model=3B; there are 1M (10 rows), 60M (10 rows)"),
        ({"step": "last"}, "--step: no table has a column of steps"),
        ({"step": "steps_done"}, "--step: no table has a column 'steps_done'"),
        ({"scale_from": {"params": "modle"}}, "--scale: no table has a column 'modle'"),
        ({"scale_from": {"params": "web"}}, "which is no number of params"),
    ],
)
def test_options_that_name_nothing_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    assert any(said in fault for fault in refused(tmp_path, rows("model", SIZES), **options))


@pytest.mark.parametrize("column", ["seed", "config.seed", "params.random_seed"])
def test_seeds_are_kept_and_repeat_a_mixture(tmp_path: Path, column: str) -> None:
    text = rows(column, {0: 0.0, 1: 0.004, 2: -0.003}, key="run")
    found = read(tmp_path, text)
    assert len(found.runs) == 30
    assert [result.info["seed"] for _, result, _ in found.runs][:3] == [0, 1, 2]
    assert len(read(tmp_path, text, where=((column, "0"), (column, "2"))).runs) == 20


def test_copies_of_a_row_are_left_out_and_told(tmp_path: Path) -> None:
    bare = [",".join(line.split(",")[1:]) for line in rows("step", {1: 0.0}).splitlines()]
    found = read(tmp_path, "\n".join([*bare, bare[1], bare[4]]))
    assert len(found.runs) == 10
    assert f"{tmp_path / 't.csv'}:12 (as line 2)" in found.notes[0]
    assert "left out 2 rows that are copies of others" in found.notes[0]
    keyed = [f"run,{bare[0]}", *(f"{n},{line}" for n, line in enumerate(bare[1:]))]
    assert len(read(tmp_path, "\n".join([*keyed, keyed[3]])).runs) == 10
    found = read(tmp_path, "\n".join([*keyed, f"99,{bare[2]}"]))
    assert len(found.runs) == 11
    assert "1 runs have the same numbers as another one, and are kept: 99 as 1" in found.notes


def test_keys_that_stand_twice_name_the_column_that_tells_them_apart(tmp_path: Path) -> None:
    text = rows("phase", {"warm": 1.0, "end": 0.0}, key="run")
    (fault,) = refused(tmp_path, text, ignore_unknown=True)
    assert "the key 'run' is r0 again, as in line 2, and so for 9 more rows" in fault
    assert "'phase' tells them apart: --where phase=end" in fault
    lines = text.splitlines()
    assert len(refused(tmp_path, "\n".join(lines[:7]), ignore_unknown=True)) == 3


@pytest.mark.parametrize(
    ("step", "columns", "expected"),
    [
        (None, ("step",), ()),
        ("last", ("a", "iter"), ("iter", "last")),
        ("4k", ("step",), ("step", "4k")),
        ("last", ("a",), ()),
        ("tokens", ("tokens",), ("tokens", "last")),
        ("ckpt=12", ("ckpt",), ("ckpt", "12")),
    ],
)
def test_what_an_option_says_of_steps(step: str | None, columns: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert named_step(step, columns) == expected


def test_scales_compare_as_far_as_they_are_known() -> None:
    assert several_scales([None, Scale(7), Scale(7, 9), Scale(tokens=9)]) == []
    assert several_scales([Scale(7, 9), Scale(7, 8)]) == ["7 params x 8 tokens", "7 params x 9 tokens"]


def test_the_column_that_was_read_as_a_scale_is_the_one_that_is_advised(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, rows("model", SIZES), scale_from={"params": "model"})
    assert "the runs are of 2 scales" in fault
    assert "--where model=1M takes those of one, --step model the last of each run" in fault
    assert (
        len(read(tmp_path, rows("model", SIZES), scale_from={"params": "model"}, where=(("model", "1M"),)).runs) == 10
    )
