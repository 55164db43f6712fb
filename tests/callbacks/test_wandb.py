"""Weights & Biases' own reader finds in its offline files what was logged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bomix.callbacks.wandb import WandB
from tests.callbacks.logged import NAMES, run

wandb = pytest.importorskip("wandb")
pytestmark = pytest.mark.callbacks


def records_of(file: Path) -> list[object]:
    """The records of an offline run, blocks of LevelDB's log format with protocol buffers in them."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, found, part = file.read_bytes(), 7, [], b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            (record := Record()).ParseFromString(part)
            found.append(record)
            part = b""
    return found


def test_an_offline_run_holds_every_trial(tmp_path: Path) -> None:
    study = run(tmp_path, WandB(mode="offline"))
    (file,) = (tmp_path / "mixture").glob("wandb/offline-run-*/run-*.wandb")
    records = records_of(file)
    (opened,) = (record.run for record in records if record.HasField("run"))
    assert (opened.project, opened.run_group) == ("bomix", "mixture")
    config = {item.key: json.loads(item.value_json) for item in opened.config.update}
    assert config["domains"] == "c++, web"
    rows = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    assert [row["trial"] for row in rows] == [0, 1, 2]
    assert all(row.keys() >= NAMES for row in rows)
    assert [row["objective"] for row in rows] == [2.5, 2.5, 2.5]
    assert [row["weight/web"] for row in rows] == [
        pytest.approx(record.trial.weights["web"]) for record in study.history.records
    ]


def test_a_run_that_the_program_has_open_stays_as_it_is(tmp_path: Path) -> None:
    with wandb.init(mode="offline", dir=tmp_path, project="mine") as mine:
        run(tmp_path, WandB(mode="offline"))
        assert wandb.run is mine
        mine.log({"still": "open"})
