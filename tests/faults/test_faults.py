"""A fault at every file operation of a small study: nothing acknowledged is lost, nothing goes wrong in silence.

By default the detached loop is killed, and its writes torn, at some operations. ``make test-faults`` meets every
operation of every scenario with every kind of fault, and prints the table of ``docs/reliability.md``.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bomix.errors import StoreError
from bomix.io.store.study_folder import FolderStore
from bomix.study import resolved_file
from bomix.trial import Result
from tests.faults.layer import KINDS
from tests.faults.runs import KILLED, Tally, record, run, sum_of, under_fault, undisturbed, warm
from tests.faults.scenarios import SCENARIOS

# Forked processes end by os._exit: they leave nothing that Python would warn of here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def everywhere(scenario: str, kind: str, folder: Path, *, every: int = 1) -> Tally:
    """A fault of one kind at each operation of a scenario, or at every so many, one study each."""
    warm(scenario, folder / "warm")
    expected, operations = undisturbed(scenario, folder / "undisturbed")
    tallies = []
    for at in range(0, len(operations), every):
        tallies.append(under_fault(scenario, kind, at, folder / str(at), expected))
        shutil.rmtree(folder / str(at))
    return sum_of(tallies)


def holds(tally: Tally) -> None:
    """What is promised: no loss, no silence, no traceback, and the same command again ends as if undisturbed."""
    assert (tally.lost, tally.silent, tally.tracebacks) == (0, 0, 0), tally
    assert tally.recovered == tally.tried, tally


@pytest.mark.parametrize("kind", ["killed", "torn"])
def test_a_loop_that_is_killed_anywhere_goes_on_as_if_undisturbed(tmp_path: Path, kind: str) -> None:
    tally = everywhere("ask and tell", kind, tmp_path, every=9)
    holds(tally)
    assert tally.codes[KILLED] == tally.tried >= 10
    assert tally.acknowledged >= 10


def test_trials_that_are_handed_out_and_taken_in_survive_a_kill_anywhere(tmp_path: Path) -> None:
    tally = everywhere("hand out and take", "killed", tmp_path, every=13)
    holds(tally)
    assert tally.codes[KILLED] == tally.tried >= 10


def test_the_layer_counts_what_a_study_does_and_lets_it_be(tmp_path: Path) -> None:
    first, operations = undisturbed("ask and tell", tmp_path / "a")
    assert len(first) == 4
    assert {"create", "write", "fsync", "link", "rename", "open"} <= set(operations)
    ended = run("ask and tell", tmp_path / "a")
    assert ended.code == 0
    assert not {"write", "link", "rename"} & set(ended.operations), "nothing is left to do"


@pytest.mark.parametrize("name", ["trial.json", "outcome.json"])
def test_every_changed_byte_and_every_cut_of_a_record_is_noticed(tmp_path: Path, name: str) -> None:
    undisturbed("ask and tell", tmp_path / "study")
    before = record(tmp_path / "study")
    path = tmp_path / "study/trials/0002" / name
    whole = path.read_bytes()
    changed = [whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in (1, 16)]
    for content in [*changed, *(whole[:length] for length in range(len(whole) - 1))]:
        path.write_bytes(content)
        kept = FolderStore(tmp_path / "study").read()
        if not kept.damages:  # a blank between parts, or a digit beyond what a number holds
            assert record(tmp_path / "study") == before
            continue
        assert [damage.trial for damage in kept.damages] == [2]
        assert len(kept.records) == 3


def spoilt(whole: bytes, *, cuts: int = 1) -> Iterator[bytes]:
    """A file with each byte changed, and cut at each length or at every so many."""
    yield from (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole)))
    yield from (whole[:length] for length in range(0, len(whole) - 1, cuts))


@pytest.mark.parametrize("name", ["revision-1.json", "withdrawn.json"])
def test_every_changed_byte_and_every_cut_of_an_amendment_is_noticed(tmp_path: Path, name: str) -> None:
    undisturbed("ask and tell", tmp_path / "study")
    store = FolderStore(tmp_path / "study")
    if name == "withdrawn.json":
        store.withdraw(2, why="a slip")
    else:
        told = store.read().records[2]
        store.revise(dataclasses.replace(told, outcome=Result({"loss": 3.0})), why="corrected")
    before, path = store.read(), tmp_path / "study/trials/0002" / name
    for content in spoilt(path.read_bytes()):
        path.write_bytes(content)
        kept = store.read()
        if kept.damages:
            assert [damage.path for damage in kept.damages] == [path]
            assert len(kept.records) == 3
        else:
            assert kept == before


def test_every_changed_byte_and_every_cut_of_what_follows_from_a_study_is_noticed(tmp_path: Path) -> None:
    undisturbed("ask and tell", tmp_path / "study")
    store, path = FolderStore(tmp_path / "study"), tmp_path / "study/resolved.json"
    before = resolved_file.read(store)
    for content in spoilt(path.read_bytes(), cuts=16):
        path.write_bytes(content)
        found, said = before, "resolved.json"
        try:
            found = resolved_file.read(store)
        except StoreError as error:
            said = str(error)
        assert found == before  # a blank between parts
        assert "resolved.json" in said


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_operation_of_every_scenario_meets_every_fault(tmp_path: Path, scenario: str, kind: str) -> None:
    tally = everywhere(scenario, kind, tmp_path)
    print(
        f"\n| {scenario} | {kind} | {tally.tried} | {tally.acknowledged} | {tally.lost} | {tally.silent} "
        f"| {tally.tracebacks} | {tally.recovered} |"
    )
    holds(tally)
