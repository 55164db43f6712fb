"""Runs from pairs of tables: joined by key, and each thing that keeps them from being joined."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bomix.errors import FaultsError
from bomix.io.imports.columns import Reading
from bomix.io.imports.csv import read_runs
from bomix.io.imports.identity import compare
from bomix.io.imports.runs import Runs
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import IMPORTED, Record, Result, Trial

PROBLEM = Problem(MixtureSpace(("web", "code")), (Metric("code"), Metric("web")), Mean())
WEIGHTS = "index,train_the_pile_web,train_the_pile_code\n1,0.25,0.75\n2,1.0,0.003\n"
LOSSES = "index,metric/the_pile_code_val_loss,metric/the_pile_web_val_loss\n2,3.5,2.5\n1,2.0,4.0\n"


def read(folder: Path, weights: str, losses: str | None = None, **options: object) -> Runs:
    (folder / "w.csv").write_text(weights)
    if losses is not None:
        (folder / "l.csv").write_text(losses)
    second = None if losses is None else folder / "l.csv"
    return read_runs(folder / "w.csv", second, PROBLEM, Reading(**options))  # type: ignore[arg-type]


def wrong(folder: Path, weights: str, losses: str | None = None, **options: object) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        read(folder, weights, losses, **options)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def plain(found: Runs) -> list[tuple[dict[str, float], dict[str, float]]]:
    return [(dict(weights), dict(result.losses)) for weights, result, _ in found.runs]


def test_regmix_tables_are_joined_by_key_not_by_position(tmp_path: Path) -> None:
    found = read(tmp_path, WEIGHTS, LOSSES)
    assert [result.losses for _, result, _ in found.runs] == [{"code": 2.0, "web": 4.0}, {"code": 3.5, "web": 2.5}]
    assert found.runs[0][0] == {"web": 0.25, "code": 0.75}
    assert found.runs[1][0] == pytest.approx({"web": 1 / 1.003, "code": 0.003 / 1.003})
    printed = {"weights": 3, "losses": {"code": 1, "web": 1}}
    assert found.runs[0][1].info == {"table": "w.csv", "run": "1", "decimals": printed}
    assert found.notes == ()


def test_olmix_tables_are_joined_by_run_and_not_by_the_index_beside_it(tmp_path: Path) -> None:
    ratios = "run,name,index,web,code\na,first,0,1,0\nb,second,1,0,1\n"
    metrics = "run_id,name,index,web,code\nb,second,0,2,1\na,first,1,4,3\n"
    assert plain(read(tmp_path, ratios, metrics)) == [
        ({"web": 1.0, "code": 0.0}, {"web": 4.0, "code": 3.0}),
        ({"web": 0.0, "code": 1.0}, {"web": 2.0, "code": 1.0}),
    ]


@pytest.mark.parametrize(
    ("table", "mapping"),
    [
        ("train_web,train_code,web,code\n0.5,0.5,2,1\n", {}),
        ("web,code,metric/web,metric/code\n0.5,0.5,2,1\n", {}),
        ("run,web,code,metric/web,metric/code\nx,0.5,0.5,2,1\n", {}),
        (
            "a,b,c,d=e\n0.5,0.5,2,1\n",
            {"a": "weights.web", "b": "weights.code", "c": "losses.web", "d=e": "losses.code"},
        ),
    ],
)
def test_one_table_may_hold_both(tmp_path: Path, table: str, mapping: dict[str, str]) -> None:
    expected = [({"web": 0.5, "code": 0.5}, {"web": 2.0, "code": 1.0})]
    assert plain(read(tmp_path, table, mapping=mapping)) == expected
    same = tmp_path / "w.csv"
    assert plain(read_runs(same, same, PROBLEM, Reading(mapping=mapping))) == expected


def test_the_key_and_the_columns_may_have_any_name(tmp_path: Path) -> None:
    weights, losses = "hash,x,code\nff,0.5,0.5\n", "hash,x,code\nff,2,1\n"
    found = read(tmp_path, weights, losses, key="hash", mapping={"x": "web"})
    assert plain(found) == [({"web": 0.5, "code": 0.5}, {"web": 2.0, "code": 1.0})]


def test_a_whole_number_that_became_a_float_is_the_same_key(tmp_path: Path) -> None:
    assert len(read(tmp_path, WEIGHTS, LOSSES.replace("\n2,", "\n2.0,")).runs) == 2


def test_empty_cells_and_absent_columns_were_not_measured(tmp_path: Path) -> None:
    for cell in ("", "NaN", "null", "NA", "None", "-", "#N/A", "<NA>", "Infinity", "-inf"):
        found = read(tmp_path, WEIGHTS, LOSSES.replace("4.0", cell))
        info = found.runs[0][1].info
        assert found.runs[0][1] == Result({"code": 2.0}, info=info, unmeasured=("web",))
        assert found.notes == (f"web: not measured in 1 runs (1 {repr(cell) if cell else 'empty'})",)
        assert found.runs[1][1].unmeasured == ()
    found = read(tmp_path, WEIGHTS, "index,code\n1,2.0\n2,3.0\n")
    assert found.metrics == ("code",)
    assert all(result.unmeasured == ("web",) for _, result, _ in found.runs)
    assert found.notes == ("no column for web: recorded as not measured",)


def test_everything_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    weights = "index,web,code\n1,0.5,0.5\n2,0.5,x\n1,1,0\n3,0.8,0.1\n4,1.1,-0.1\n5,1,0\n,1,0\n"
    losses = "index,web,code\n1,2,high\n2,2,3\n3,low,3\n4,1,1\n6,1,1\n7,,\n4,1,2\n"
    assert sorted(wrong(tmp_path, weights, losses)) == [
        "l.csv:2: the loss of metric 'code' is 'high', not a finite number",
        "l.csv:4: the loss of metric 'web' is 'low', not a finite number",
        "l.csv:6: run 6 has no weights in w.csv; --allow-partial drops it",
        "l.csv:7: run 7 has no weights in w.csv; --allow-partial drops it",
        "l.csv:8: the key 'index' is 4 again, as in line 5; every run needs its own (--id names another column)",
        "w.csv:3: the weight of domain 'code' is 'x', not a number",
        "w.csv:4: the key 'index' is 1 again, as in line 2; every run needs its own (--id names another column)",
        "w.csv:5: the weights sum to 0.9, not to 1; divide them by their sum",
        "w.csv:6: the weight of domain 'code' is -0.1; weights are not negative",
        "w.csv:7: run 5 has no losses in l.csv; --allow-partial drops it",
        "w.csv:8: the key 'index' is empty",
    ]


def test_strays_are_dropped_where_that_is_wanted(tmp_path: Path) -> None:
    found = read(tmp_path, WEIGHTS + "3,1,0\n5,1,0\n", LOSSES + "4,1,1\n5,,\n", allow_partial=True)
    assert len(found.runs) == 2
    (note,) = found.notes
    for place in ("w.csv:4", "l.csv:4", "l.csv:5"):
        assert place in note
    with pytest.raises(FaultsError, match="no run is left"):
        read(tmp_path, WEIGHTS, "index,web\n1,\n2,\n", allow_partial=True)


@pytest.mark.parametrize(
    ("weights", "losses", "options", "said"),
    [
        ("index,web\n1,1\n", LOSSES, {}, "no column for domain 'code'"),
        (WEIGHTS, "index,loss\n1,2\n", {}, "no column for any metric"),
        (
            WEIGHTS,
            LOSSES.replace("web_val", "wbe_val"),
            {},
            "stand for no metric of the study: 'metric/the_pile_wbe_val",
        ),
        ("index,web,code,wiki\n1,0.5,0.5,0\n", LOSSES, {}, "stand for no domain of the study: 'wiki'"),
        (WEIGHTS, LOSSES.replace("index", "number"), {}, "no key column in common"),
        (WEIGHTS, LOSSES, {"key": "indx"}, "no column 'indx' to join by; did you mean 'index'?"),
        (WEIGHTS, LOSSES.replace("\n1,", "\na,").replace("\n2,", "\nb,"), {}, "another column may be meant"),
        ("web,code\n0.5,0.5\n", None, {}, "'web' may be a weight or a loss"),
        (WEIGHTS, LOSSES, {"mapping": {"nowhere": "web"}}, "no table has a column 'nowhere'"),
        (WEIGHTS, LOSSES, {"mapping": {"index": "wbe"}}, "no domain or metric 'wbe'; did you mean 'web'?"),
        ("a,b,c,d\n1,0,1,1\n", None, {"mapping": {"a": "web"}}, "'web' is a domain and a metric"),
    ],
)
def test_columns_that_cannot_be_told_are_named(
    tmp_path: Path, weights: str, losses: str | None, options: dict[str, object], said: str
) -> None:
    assert said in "\n".join(wrong(tmp_path, weights, losses, **options))


def test_unknown_columns_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    weights = "index,web,code,note\n1,0.5,0.5,x\n"
    found = read(tmp_path, weights, "index,web,code,more\n1,2,3,4\n", ignore_unknown=True)
    assert plain(found) == [({"web": 0.5, "code": 0.5}, {"web": 2.0, "code": 3.0})]
    assert [note.rpartition(": ")[2] for note in found.notes] == ["left out note", "left out more"]


def test_both_files_are_named_where_neither_is_there(tmp_path: Path) -> None:
    with pytest.raises(FaultsError) as caught:
        read_runs(tmp_path / "w.csv", tmp_path / "l.csv", PROBLEM)
    assert len(caught.value.faults) == 2


def test_runs_that_are_there_are_counted_as_often_as_they_stand(tmp_path: Path) -> None:
    twice = "run,web,code,metric/web,metric/code\na,0.5,0.5,2,\nb,0.5,0.5,2,\nc,0.5,0.5,2.01,\n"
    found = read(tmp_path, twice)
    runs = found.runs
    records = [Record(Trial(n, weights, 0, IMPORTED), result) for n, (weights, result, _) in enumerate(runs)]
    assert compare(found, []).new == runs
    assert compare(found, records[:1]).new == runs[1:]
    assert compare(found, records).new == ()
    asked = [Record(Trial(0, *runs[0][:1], 0, "sobol"), runs[0][1])]
    assert compare(found, asked).new == runs


def test_the_published_tables_are_read_as_they_are() -> None:
    if (data := os.environ.get("BOMIX_DATA")) is None:
        pytest.skip("BOMIX_DATA names no folder with regmix/ (github.com/sail-sg/regmix, folder data)")
    folder = Path(data) / "regmix"
    names = [
        (folder / name).read_text().split("\n")[0].split(",")[1:]
        for name in ("train_mixture_1m.csv", "train_pile_loss_1m.csv")
    ]
    domains = [name.removeprefix("train_the_pile_") for name in names[0]]
    metrics = [name.removeprefix("metric/the_pile_").removesuffix("_val_loss") for name in names[1]]
    problem = Problem(MixtureSpace(domains), tuple(map(Metric, metrics)), Mean())
    found = read_runs(folder / "train_mixture_1m.csv", folder / "train_pile_loss_1m.csv", problem)
    raw = np.loadtxt(folder / "train_mixture_1m.csv", delimiter=",", skiprows=1)[:, 1:]
    losses = np.loadtxt(folder / "train_pile_loss_1m.csv", delimiter=",", skiprows=1)[:, 1:]
    assert len(found.runs) == 512
    weights = np.array([[mixture[name] for name in domains] for mixture, _, _ in found.runs])
    np.testing.assert_allclose(weights, raw / raw.sum(axis=1, keepdims=True), atol=1e-15)
    np.testing.assert_array_equal([[result.losses[name] for name in metrics] for _, result, _ in found.runs], losses)


SCALED = "run,web,code,params,tokens\n1,0.25,0.75,1M,50e6\n2,0.5,0.5,,\n3,1,0,2M,\n"
OF_SCALED = "run,web,code\n1,2,1\n2,3,2\n3,4,3\n"


def test_columns_tell_the_scale_of_each_run_and_an_option_that_of_the_others(tmp_path: Path) -> None:
    def told(**options: object) -> list[Scale | None]:
        return [scale for _, _, scale in read(tmp_path, SCALED, OF_SCALED, as_one=True, **options).runs]

    assert told() == [Scale(1_000_000, 50_000_000), None, Scale(2_000_000)]
    filled = [Scale(1_000_000, 50_000_000), Scale(tokens=7), Scale(2_000_000, 7)]
    assert told(scale=Scale(tokens=7)) == filled
    assert {scale for _, _, scale in read(tmp_path, WEIGHTS, LOSSES).runs} == {None}
    one = "web,code,metric/web,metric/code,params\n0.5,0.5,2,1,3k\n"
    assert [scale for _, _, scale in read(tmp_path, one).runs] == [Scale(3_000)]
    weights = "run,web,code\n1,0.5,0.5\n2,0,1\n3,1,0\n"
    beside = [scale for _, _, scale in read(tmp_path, weights, SCALED, as_one=True).runs]
    assert beside == told()


def test_scales_that_are_none_or_contradict_each_other_are_named(tmp_path: Path) -> None:
    text = "run,web,code,params,tokens\n1,0.25,0.75,0,many\n"
    cure = "where column '{}' means something else, rename it, or leave it out with --ignore-unknown"
    assert wrong(tmp_path, text, "run,web,code\n1,2,1\n") == [
        f"w.csv:2: the params of the run are '0', not a positive whole number; {cure.format('params')}",
        f"w.csv:2: the tokens of the run are 'many', not a positive whole number; {cure.format('tokens')}",
    ]
    faults = wrong(tmp_path, "run,web,code,params\n1,0.25,0.75,1M\n", "run,web,code,params\n1,2,1,2M\n")
    assert faults == ["l.csv:2: the params of the run are 2M, and others in w.csv:2"]


def test_columns_without_counts_are_left_out_where_unknown_ones_are(tmp_path: Path) -> None:
    losses = "run,web,code\n1,2,1\n2,3,2\n"
    text = "run,web,code,params,tokens\n1,0.25,0.75,small,10\n2,0.5,0.5,large,\n"
    found = read(tmp_path, text, losses, ignore_unknown=True)
    assert [scale for _, _, scale in found.runs] == [Scale(tokens=10), None]
    assert found.notes == (f"{tmp_path / 'w.csv'}: left out params",)
    text = "run,web,code,params,tokens\n1,0.25,0.75,1M,10.5\n2,0.5,0.5,,10\n"
    found = read(tmp_path, text, losses, ignore_unknown=True, scale=Scale(tokens=9))
    assert [scale for _, _, scale in found.runs] == [Scale(1_000_000, 9), Scale(tokens=9)]
    assert found.notes == (f"{tmp_path / 'w.csv'}: left out tokens",)


def test_a_column_that_is_a_domain_or_mapped_tells_no_scale(tmp_path: Path) -> None:
    text = "run,params,code\n1,0.25,0.75\n"
    found = read(tmp_path, text, "run,web,code\n1,2,1\n", mapping={"params": "web"})
    assert found.runs[0][0] == {"web": 0.25, "code": 0.75}
    assert found.runs[0][2] is None


def test_runs_that_are_there_are_found_whatever_their_scale(tmp_path: Path) -> None:
    found = read(tmp_path, SCALED, OF_SCALED, as_one=True)
    records = [Record(Trial(n, run[0], 0, IMPORTED), run[1]) for n, run in enumerate(found.runs[:2])]
    assert compare(found, records).new == (found.runs[2],)


def test_a_cause_is_told_once_and_not_its_consequences(tmp_path: Path) -> None:
    problem = Problem(MixtureSpace(["code", "web"]), (Metric("acc", "accuracy", "max"),), Mean())
    table = tmp_path / "t.csv"
    table.write_text("run;web;code;acc\na;0,25;0,75;0,3\nb;0,5;0,5;0,4\n")
    with pytest.raises(FaultsError) as caught:
        read_runs(table, None, problem)
    (fault,) = caught.value.faults
    assert "as '0,75'; --decimal-comma reads it as 0.75" in fault.what
    table.write_text("run,web,code,acc\na,0.25,0.75,x\nb,0.5,0.5,0.4\n")
    with pytest.raises(FaultsError) as caught:
        read_runs(table, None, problem)
    assert [fault.what for fault in caught.value.faults] == ["the loss of metric 'acc' is 'x', not a finite number"]


@pytest.mark.parametrize(("unit", "value"), [("accuracy", 0.31), ("%", 31.0)])
def test_percent_cells_of_a_metric_are_read_by_its_unit(tmp_path: Path, unit: str, value: float) -> None:
    problem = Problem(MixtureSpace(["code", "web"]), (Metric("acc", unit, "max"),), Mean())
    (table := tmp_path / "t.csv").write_text("run,web,code,acc\na,20%,80%,31%\n")
    assert read_runs(table, None, problem).runs[0][1].losses == {"acc": value}
