"""Tables that trackers export: states, settings in one cell, columns that stand for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import FaultsError
from bomix.io.imports.columns import Reading
from bomix.io.imports.csv import read_runs
from bomix.io.imports.runs import Runs
from bomix.io.imports.trackers import is_tracker, run_key, unpacked
from bomix.io.tables.table import Row, Table
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace

PROBLEM = Problem(MixtureSpace(["code", "web"]), (Metric("web"),), Mean())


def read(folder: Path, text: str, **options: object) -> Runs:
    (folder / "t.csv").write_text(text)
    return read_runs(folder / "t.csv", None, PROBLEM, Reading(**options))  # type: ignore[arg-type]


def test_the_table_of_runs_of_wandb(tmp_path: Path) -> None:
    text = (
        '"Name","State","Notes","User","Tags","Created","Runtime","Sweep","lr","mix.code","mix.web","val_loss/web"\n'
        '"calm-sea-1","finished","-","me","","2026-11-30T10:00:00.000Z","60","","0.1","0.2","0.8","2.5"\n'
        '"red-sky-2","crashed","-","me","","2026-11-30T10:00:00.000Z","60","","0.1","0.5","0.5","9"\n'
        '"blue-fog-3","running","-","me","","2026-11-30T10:00:00.000Z","60","","0.1","0.4","0.6",""\n'
    )
    found = read(tmp_path, text)
    assert [(run[0], run[1].losses, run[1].info["run"]) for run in found.runs] == [
        ({"code": 0.2, "web": 0.8}, {"web": 2.5}, "calm-sea-1")
    ]
    assert any(
        "left out 2 rows whose State is not finished: crashed (1 rows), running (1 rows)" in each
        for each in found.notes
    )
    assert any("left out Notes, User, Tags" in each for each in found.notes)
    assert len(read(tmp_path, text, where=(("State", "crashed"),)).runs) == 1


def test_what_the_api_of_wandb_gives_has_settings_in_one_cell(tmp_path: Path) -> None:
    text = (
        ",summary,config,name\n"
        "0,\"{'_step': 9, 'val_loss': {'web': 2.5}, 'bad': nan}\","
        "\"{'lr': 0.1, 'mix': {'web': 0.8, 'code': 0.2}}\",calm-sea-1\n"
        "1,\"{'_step': 9, 'val_loss': {'web': 2.25}}\",\"{'mix': {'web': 0.5, 'code': 0.5}}\",red-sky-2\n"
    )
    found = read(tmp_path, text)
    assert [(run[0]["web"], run[1].losses["web"], run[1].info["run"]) for run in found.runs] == [
        (0.8, 2.5, "calm-sea-1"),
        (0.5, 2.25, "red-sky-2"),
    ]


def test_the_table_of_runs_of_mlflow(tmp_path: Path) -> None:
    text = (
        ",run_id,experiment_id,status,artifact_uri,start_time,metrics.val_loss/web,params.mix.web,params.mix.code,tags.x"
        "\n"
        "0,ab,1,FINISHED,file:///x,2026-11-30,2.5,0.8,0.2,me\n1,cd,1,FAILED,file:///x,2026-11-30,,0.5,,me\n"
    )
    found = read(tmp_path, text)
    assert [(run[0]["web"], run[1].losses["web"], run[1].info["run"]) for run in found.runs] == [(0.8, 2.5, "ab")]


def test_a_column_of_other_states_is_no_state_of_runs(tmp_path: Path) -> None:
    text = "run,state,code,web,val_loss/web\na,Texas,0.2,0.8,2\nb,Ohio,0.5,0.5,3\n"
    assert len(read(tmp_path, text).runs) == 2


def test_an_unknown_state_beside_known_ones_is_not_finished(tmp_path: Path) -> None:
    rows = "".join(f"{state},{state},0.2,0.8,2\n" for state in ("Finished", "crashed", "Cancelled", "TIMEOUT", "odd"))
    found = read(tmp_path, "run,state,code,web,val_loss/web\n" + rows)
    assert [run[1].info["run"] for run in found.runs] == ["Finished"]
    assert any("left out 4 rows whose state is not finished" in note for note in found.notes)
    others = "".join(f"{state},{state},0.2,0.8,2\n" for state in ("NODE_FAIL", "canceled", "preempted", "killed"))
    with pytest.raises(FaultsError, match="no run is left"):
        read(tmp_path, "run,state,code,web,val_loss/web\n" + others)


def test_cells_that_only_look_like_mappings_stay_as_they_are() -> None:
    table = Table(Path("t"), ("a", "b"), (Row(2, ("{not python}", '{"x": 1}')), Row(3, ("", ""))))
    assert unpacked(table).columns == ("a", "b.x")
    assert unpacked(table).rows[1].cells == ("", "")
    assert not is_tracker(["name", "State"])
    faults: list = []
    assert run_key(table, None, faults) is None
    assert "name one with --id" in faults[0].what
