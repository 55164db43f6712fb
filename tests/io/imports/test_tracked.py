"""Runs that trackers keep on this machine, and the tables that they export.

What their own packages write is read in `tests/formats/test_trackers.py`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from bomix.errors import Fault, FaultsError
from bomix.io.imports import tensorboard, wandb
from bomix.io.imports.columns import Reading
from bomix.io.imports.csv import read_runs
from bomix.io.imports.offline import OfflineRun, table_of_runs
from bomix.io.imports.tracked import read_tracked
from bomix.io.imports.trackio import read_trackio
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace

PROBLEM = Problem(MixtureSpace(["code", "web"]), (Metric("code"), Metric("web")), Mean())


def project(folder: Path, *, run_id: bool = True) -> Path:
    """A project as trackio 0.43 keeps it; older versions knew no ids."""
    path = folder / "mix.db"
    with sqlite3.connect(path) as database:
        key = "run_id TEXT, " if run_id else ""
        database.execute(
            f"CREATE TABLE metrics (id INTEGER PRIMARY KEY, {key}run_name TEXT, step INTEGER, metrics TEXT)"
        )
        database.execute(f"CREATE TABLE configs (id INTEGER PRIMARY KEY, {key}run_name TEXT, config TEXT)")
        names = "run_id, run_name" if run_id else "run_name"
        for run, web in (("a", 0.25), ("b", 0.5)):
            who = (f"id-{run}", run) if run_id else (run,)
            marks = ", ".join("?" * (len(who) + 1))
            config = {"mix": {"web": web, "code": 1 - web}, "lr": 1, "_Username": None}
            database.execute(f"INSERT INTO configs ({names}, config) VALUES ({marks})", (*who, json.dumps(config)))
            for step, loss in ((20, 2.0 + web), (10, 3.0)):
                values = json.dumps({"val_loss/web": loss, "val_loss/code": "NaN", "img": {}}).encode()
                insert = f"INSERT INTO metrics ({names}, step, metrics) VALUES ({marks}, ?)"
                database.execute(insert, (*who, step, values))
    database.close()
    return path


@pytest.mark.parametrize("run_id", [True, False])
def test_a_project_of_trackio_is_read_by_the_last_step_of_each_metric(tmp_path: Path, run_id: bool) -> None:
    found = read_tracked("trackio", project(tmp_path, run_id=run_id), None, PROBLEM)
    assert [(run[0], dict(run[1].losses)) for run in found.runs] == [
        ({"code": 0.75, "web": 0.25}, {"web": 2.25}),
        ({"code": 0.5, "web": 0.5}, {"web": 2.5}),
    ]
    assert [run[1].info["run"] for run in found.runs] == (["id-a", "id-b"] if run_id else ["a", "b"])
    assert found.runs[0][1].info["step"] == 20


def test_mixtures_may_stand_in_a_table_and_are_joined_by_id_or_name(tmp_path: Path) -> None:
    path = project(tmp_path)
    weights = tmp_path / "w.csv"
    weights.write_text("run,web,code\na,0.1,0.9\nb,0.2,0.8\n")
    found = read_tracked("trackio", tmp_path, weights, PROBLEM, Reading(ignore_unknown=True))
    assert [run[0]["web"] for run in found.runs] == [0.1, 0.2]
    weights.write_text("run,web,code\nx,0.1,0.9\n")
    with pytest.raises(FaultsError, match="no key of column 'run' is the id or the name of a run"):
        read_tracked("trackio", path, weights, PROBLEM)


def test_what_is_no_project_says_so_and_is_not_made(tmp_path: Path) -> None:
    faults: list[Fault] = []
    assert read_trackio(tmp_path, faults) is None
    assert read_trackio(tmp_path / "nowhere.db", faults) is None
    (tmp_path / "text.db").write_text("no database")
    assert read_trackio(tmp_path / "text.db", faults) is None
    said = [fault.what for fault in faults]
    assert said[0].startswith("has 0 files of projects")
    assert all(each.startswith("is no project of trackio that can be read") for each in said[1:])
    assert not (tmp_path / "nowhere.db").exists()


@pytest.mark.parametrize(
    ("reader", "module"), [(wandb.read_wandb, "wandb.proto"), (tensorboard.read_tensorboard, "tensorboard")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, reader, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wandb", "wandb.proto", "tensorboard", "google.protobuf.message"):
        monkeypatch.setitem(sys.modules, name, None)
    faults: list[Fault] = []
    assert reader(tmp_path, faults) is None
    assert f"pip install 'bomix[{module.partition('.')[0]}]'" in faults[0].what


def test_a_log_of_wandb_is_put_together_from_pieces_and_its_last_half_is_left() -> None:
    def piece(kind: int, data: bytes) -> bytes:
        return b"crc4" + len(data).to_bytes(2, "little") + bytes([kind]) + data

    head = b":W&B\xe1\xbe\x00"
    first = piece(1, b"one") + piece(2, b"tw") + piece(3, b"o-") + piece(4, b"three")
    filled = head + first + piece(1, bytes(2**15 - len(head + first) - 7 - 3)) + b"\0\0\0"  # three bytes end the block
    found = list(wandb._records(filled + piece(1, b"next") + piece(1, b"cut short")[:-2]))
    assert [found[0], found[1], found[-1]] == [b"one", b"two-three", b"next"]
    assert len(found) == 4
    with pytest.raises(ValueError, match="does not begin with :W&B"):
        list(wandb._records(b"text"))


def test_a_run_that_did_not_finish_is_left_out_and_its_seed_is_known(tmp_path: Path) -> None:
    config = {"weights": {"web": 0.25, "code": 0.75}, "seed": 3}
    runs = [
        OfflineRun("x", "one", config, {"val_loss/web": 2.0}, 10, "finished"),
        OfflineRun("y", "two", config, {}, 5, "crashed"),
    ]
    table = table_of_runs(tmp_path / "t.csv", runs)
    lines = [",".join(table.columns), *(",".join(row.cells) for row in table.rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = read_runs(tmp_path / "t.csv", None, PROBLEM)
    assert len(found.runs) == 1
    assert found.runs[0][1].info["seed"] == 3
    assert any("left out 1 rows whose State is not finished: crashed (1 rows)" in note for note in found.notes)
