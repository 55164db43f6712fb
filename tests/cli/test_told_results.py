"""Results as trainers and people write them: what `bomix tell` says of each, the exit code, and what is recorded.

A trial of which the result cannot be used stays pending, so that the right one can be told.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bomix.study.study import Study
from tests.cli.called import called

STUDY = "domains: {code: {}, web: {}}\nmetrics: [a, b]\nstrategy: sobol\n"
W = '{"losses": {"a": 2.1, "b": 3.1}, '
A = '{"losses": {"a": %s, "b": 3.1}}'

RESULTS: list[tuple[object, ...]] = [
    ("good", '{"losses": {"a": 2.1, "b": 3.1}}', 0, "completed", "trial 0: objective 2.6000"),
    ("empty", "", 2, "pending", "the result is not JSON that can be read: Expecting value: line 1 column 1 (char 0)"),
    ("blank", " \n", 2, "pending", "the result is not JSON that can be read: Expecting value: line 2 column 1 (char"),
    ("text", "done", 2, "pending", "the result is not JSON that can be read: Expecting value: line 1 column 1 (char"),
    ("null", "null", 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("true", "true", 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("list", "[2.1, 3.1]", 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("number", "2.1", 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("string", '"2.1"', 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("cut", '{"losses": {"a": 2.1', 2, "pending", "the result is not JSON that can be read: Expecting ',' delimiter:"),
    ("two", A % '2.1, "b": 3.1}}{"losses": {"a": 2.1', 2, "pending", "the result is not JSON that can be read: Extra"),
    ("yaml", "losses: {a: 2.1, b: 3.1}", 2, "pending", "the result is not JSON that can be read: Expecting value:"),
    ("csv", "a,b\n2.1,3.1\n", 2, "pending", "the result is not JSON that can be read: Expecting value: line 1 column"),
    ("trailing-comma", '{"losses": {"a": 2.1, "b": 3.1,}}', 2, "pending", "the result is not JSON that can be read:"),
    ("single-quotes", "{'losses': {'a': 2.1, 'b': 3.1}}", 2, "pending", "the result is not JSON that can be read:"),
    ("byte-order-mark", '\ufeff{"losses": {"a": 2.1, "b": 3.1}}', 0, "completed", "trial 0: objective 2.6000"),
    ("not-utf8", (W + '"info": "é"}').encode("latin-1"), 2, "pending", "cannot read r.json: it is not UTF-8 (invalid"),
    ("utf16", '{"losses": {"a": 2.1, "b": 3.1}}'.encode("utf-16"), 2, "pending", "cannot read r.json: it is not"),
    ("binary", bytes(range(256)), 2, "pending", "cannot read r.json: it is not UTF-8 (invalid start byte); write it"),
    ("object-empty", "{}", 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("losses-null", '{"losses": null}', 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("losses-list", '{"losses": [2.1, 3.1]}', 2, "pending", 'the result must look like {"losses": {"a": 2.5,'),
    ("losses-number", '{"losses": 2.1}', 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("losses-text", '{"losses": "2.1"}', 2, "pending", 'the result must look like {"losses": {"a": 2.5, ...}}'),
    ("losses-empty", '{"losses": {}}', 2, "pending", "losses.a: missing; give its loss, or null (None in Python)"),
    ("losses-all-null", '{"losses": {"a": null, "b": null}}', 2, "pending", "losses: no metric was measured; a"),
    ("bare", '{"a": 2.1, "b": 3.1}', 0, "completed", "trial 0: objective 2.6000"),
    ("loss-missing", '{"losses": {"a": 2.1}}', 2, "pending", "losses.b: missing; give its loss, or null (None in"),
    ("loss-missing-partial", '{"losses": {"a": 2.1}}', 0, "completed", "trial 0: objective - (not", "--partial"),
    ("loss-null", '{"losses": {"a": 2.1, "b": null}}', 0, "completed", "trial 0: objective - (not measured: b)"),
    ("loss-unknown", '{"losses": {"a": 2.1, "b": 3.1, "c": 1.0}}', 2, "pending", "losses.c: unknown name 'c' (known:"),
    ("loss-misspelt", '{"losses": {"a": 2.1, "B": 3.1}}', 2, "pending", "losses.b: missing; give its loss, or null"),
    ("loss-twice", A % '2.1, "a": 2.2', 2, "pending", "'a' stands twice in the result; keep one"),
    ("loss-text", A % '"2.1"', 2, "pending", "losses.a: expected a finite number, found '2.1'"),
    ("loss-true", A % "true", 2, "pending", "losses.a: expected a finite number, found True"),
    ("loss-list", A % "[2.1]", 2, "pending", "losses.a: expected a finite number, found [2.1]"),
    ("loss-mapping", A % '{"mean": 2.1}', 2, "pending", "losses.a: expected a finite number, found {'mean': 2.1}"),
    ("loss-nan", A % "NaN", 2, "pending", "losses.a: expected a finite number, found nan; null says that it was not"),
    ("loss-inf", A % "Infinity", 2, "pending", "losses.a: expected a finite number, found inf; null says that it was"),
    ("loss-overflow", A % "1e999", 2, "pending", "losses.a: expected a finite number, found inf; null says that it"),
    ("loss-digits", '{"losses": {"a": ' + "9" * 5000 + ', "b": 3.1}}', 2, "pending", "losses.a: expected a finite"),
    ("loss-many-digits", '{"losses": {"a": ' + "9" * 400 + ', "b": 3.1}}', 2, "pending", "losses.a: expected a finite"),
    ("loss-negative", A % "-2.1", 2, "pending", "losses.a: -2.1 lies outside the range of its unit 'nats/token', [0,"),
    ("loss-large", A % "1e200", 0, "completed", "trial 0: objective 5e+199"),
    ("loss-whole", '{"losses": {"a": 2, "b": 3}}', 0, "completed", "trial 0: objective 2.5000"),
    ("sems-text", W + '"sems": {"a": "x"}}', 2, "pending", "sems.a: expected a finite number from 0, found 'x'"),
    ("sems-negative", W + '"sems": {"a": -0.1}}', 2, "pending", "sems.a: expected a finite number from 0, found -0.1"),
    ("sems-unknown", W + '"sems": {"c": 0.1}}', 2, "pending", "sems.c: unknown name 'c' (known: a, b)"),
    ("sems-null", W + '"sems": null}', 0, "completed", "trial 0: objective 2.6000"),
    ("sems-list", W + '"sems": [0.1]}', 2, "pending", "sems: expected a mapping from names to numbers, found [0.1]"),
    ("realized-unknown", W + '"realized": {"wiki": 1.0}}', 2, "pending", "realized.wiki: unknown name 'wiki' (known:"),
    ("realized-sum", W + '"realized": {"code": 0.5, "web": 0.4}}', 2, "pending", "realized: must name every domain"),
    (
        "realized-text",
        W + '"realized": {"code": "half", "web": 0.5}}',
        2,
        "pending",
        "realized.code: expected a finite",
    ),
    (
        "realized-negative",
        W + '"realized": {"code": -0.5, "web": 1.5}}',
        2,
        "pending",
        "realized.code: expected a finite",
    ),
    ("epochs-negative", W + '"epochs": {"code": -1}}', 2, "pending", "epochs.code: expected a finite number from 0,"),
    ("epochs-unknown", W + '"epochs": {"wiki": 1}}', 2, "pending", "epochs.wiki: unknown name 'wiki' (known: code,"),
    ("cost-negative", W + '"cost": -1}', 2, "pending", "cost: expected device-seconds, found -1"),
    ("cost-text", W + '"cost": "1h"}', 2, "pending", "cost: expected device-seconds, found '1h'"),
    ("cost-nan", W + '"cost": NaN}', 2, "pending", "cost: expected device-seconds, found nan"),
    ("cost-null", W + '"cost": null}', 0, "completed", "trial 0: objective 2.6000"),
    ("cost-true", W + '"cost": true}', 2, "pending", "cost: expected device-seconds, found True"),
    ("info-list", W + '"info": [1]}', 2, "pending", "info: expected a mapping, found [1]"),
    ("info-text", W + '"info": "fine"}', 2, "pending", "info: expected a mapping, found 'fine'"),
    ("info-nan", W + '"info": {"x": NaN}}', 2, "pending", "info: must be plain JSON: Out of range float values are"),
    (
        "info-deep",
        W + '"info": ' + '{"x": ' * 200 + "1" + "}" * 200 + "}",
        2,
        "pending",
        "info: is nested deeper than 32",
    ),
    ("deep", "[" * 100000 + "]" * 100000, 2, "pending", "the result is nested too deep to be read; flatten it"),
    ("curve-text", W + '"curve": "x"}', 2, "pending", 'curve: must look like {"steps": [...], "losses": {"<metric>":'),
    (
        "curve-lengths",
        W + '"curve": {"steps": [1, 2], "losses": {"a": [3.0]}}}',
        2,
        "pending",
        'curve: must look like {"steps":',
    ),
    (
        "curve-good",
        W + '"curve": {"steps": [1, 2], "losses": {"a": [3.0, 2.1]}}}',
        0,
        "completed",
        "trial 0: objective 2.6000",
    ),
    (
        "curve-backwards",
        W + '"curve": {"steps": [2, 1], "losses": {"a": [3.0, 2.1]}}}',
        2,
        "pending",
        'curve: must look like {"steps":',
    ),
    (
        "curve-nan",
        W + '"curve": {"steps": [1, 2], "losses": {"a": [NaN, 2.1]}}}',
        0,
        "completed",
        "trial 0: objective 2.6000",
    ),
    ("artifacts-list", W + '"artifacts": ["x"]}', 2, "pending", "artifacts: expected a mapping from names to paths,"),
    ("artifacts-number", W + '"artifacts": {"x": 3}}', 2, "pending", "artifacts.'x': expected a path as text under a"),
    ("artifacts-gone", W + '"artifacts": {"x": "gone.bin"}}', 0, "completed", "trial 0: objective 2.6000"),
    ("key-unknown", W + '"loss": 2.1}', 2, "pending", "loss: unknown key 'loss' (known: losses, sems, realized,"),
    ("key-misspelt", '{"loses": {"a": 2.1, "b": 3.1}}', 2, "pending", 'the result must look like {"losses":'),
    ("key-extra", W + '"note": "x"}', 2, "pending", "note: unknown key 'note' (known: losses, sems, realized,"),
    ("failure", '{"failure": "diverged"}', 0, "failed", "trial 0: failed (diverged)"),
    ("failure-empty", '{"failure": ""}', 2, "pending", "failure: expected the reason as text, found ''"),
    ("failure-null", '{"failure": null}', 2, "pending", "failure: expected the reason as text, found None"),
    ("failure-number", '{"failure": 3}', 2, "pending", "failure: expected the reason as text, found 3"),
    ("failure-list", '{"failure": ["a"]}', 2, "pending", "failure: expected the reason as text, found ['a']"),
    (
        "failure-and-losses",
        '{"failure": "diverged", "losses": {"a": 2.1, "b": 3.1}}',
        2,
        "pending",
        "failure: stands beside losses; a",
    ),
    ("failure-long", '{"failure": "' + "x" * 3000000 + '"}', 0, "failed", "trial 0: failed"),
    ("failure-newlines", '{"failure": "a\\nb\\nc"}', 0, "failed", "trial 0: failed (a"),
    ("failure-escape", '{"failure": "\\u001b[31mred"}', 0, "failed", "trial 0: failed (red)"),
    ("failure-surrogate", '{"failure": "\\ud800"}', 0, "failed", "trial 0: failed (\\ud800)"),
    ("info-surrogate", W + '"info": {"x": "\\ud800"}}', 0, "completed", "trial 0: objective 2.6000"),
    ("huge", W + '"info": {"x": "' + "y" * 70_000_000 + '"}}', 2, "pending", "cannot read r.json: [Errno 27] it is"),
    ("trial-other", '{"trial": 7, "losses": {"a": 2.1, "b": 3.1}}', 2, "pending", "trial: unknown key 'trial'"),
    ("trial-same", '{"trial": 0, "losses": {"a": 2.1, "b": 3.1}}', 2, "pending", "trial: unknown key 'trial' (known:"),
]
"""Name, content, exit code, what becomes of the trial, what is said, and options."""


def asked(folder: Path) -> None:
    (folder / "study.yaml").write_text(STUDY)
    Study.open(folder).ask()


@pytest.mark.parametrize("row", RESULTS, ids=[str(row[0]) for row in RESULTS])
def test_what_is_said_of_a_result(tmp_path: Path, row: tuple[object, ...]) -> None:
    _, content, code, status, said, *options = row
    asked(tmp_path)
    (tmp_path / "r.json").write_bytes(content if isinstance(content, bytes) else str(content).encode())
    found, printed = called("tell", tmp_path, 0, tmp_path / "r.json", *options)
    assert str(said) in printed.replace(f"{tmp_path}/", "")
    assert found == code, printed
    assert len(printed) < 11_000
    (record,) = Study.open(tmp_path).history.records
    assert record.status == status


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing", "loop"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    asked(tmp_path)
    path = {"device": Path("/dev/zero")}.get(kind, tmp_path / "r")
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "folder":
        path.mkdir()
    if kind == "loop":
        path.symlink_to(path)
    found, printed = called("tell", tmp_path, 0, path)
    assert found == 2, printed
    assert str(path) in printed
    assert [record.status for record in Study.open(tmp_path).history.records] == ["pending"]
