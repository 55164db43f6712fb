"""Tables as trackers, spreadsheets and people write them: what `bomix import` says of each, and the exit code.

Nothing is recorded of a table in which anything is wrong.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bomix.study.study import Study
from tests.cli.called import called

STUDY = "domains: {code: {}, web: {}}\nmetrics: [a, b]\nstrategy: sobol\n"
H = "run,code,web,a,b\n"
G = H + "r0,0.2,0.8,2.1,3.1\nr1,0.5,0.5,2.2,3.0\n"
STEPS = "run,step,code,web,a,b\nr0,100,0.2,0.8,2.5,3.1\nr0,200,0.2,0.8,2.1,3.0\n"
MODELS = "run,model,code,web,a,b\n" + "".join(
    f"r{run},{model},0.{run + 1},0.{9 - run},{2 + worse},{3 + worse}\n"
    for run in range(4)
    for worse, model in enumerate(("1M", "60M"))
)
REPEATS = H + "".join(
    f"r{run}{again},0.{run + 2},0.{8 - run},{2 + 1.5 * again},{3 + 1.5 * again}\n"
    for run in range(4)
    for again in (0, 1)
)

TABLES: list[tuple[object, ...]] = [
    ("good", G, 0, 2, "imported 2 runs (2 domains, 2 metrics), 0 already there"),
    ("empty", "", 2, 0, "t.csv: is empty; the first line must name the columns"),
    ("blank-lines", "\n\n\n", 2, 0, "t.csv: is empty; the first line must name the columns"),
    ("header-only", H, 2, 0, "t.csv: has a header and no rows"),
    ("no-header", "r0,0.2,0.8,2.1,3.1\nr1,0.5,0.5,2.2,3.0\n", 2, 0, "t.csv: there is no column for domain 'code'"),
    ("one-column", "run\nr0\n", 2, 0, "t.csv: there is no column for domain 'code'"),
    ("header-twice", H + H + "r0,0.2,0.8,2.1,3.1\n", 2, 0, "t.csv:2: the weight of domain 'code' is 'code', not a"),
    ("column-twice", "run,code,web,a,a\nr0,0.2,0.8,2.1,3.1\n", 2, 0, "t.csv:1: column 'a' stands twice; rename or"),
    ("column-unnamed", "run,code,web,a,b,\nr0,0.2,0.8,2.1,3.1,x\n", 0, 1, "imported 1 runs (2 domains, 2 metrics), 0"),
    ("index-column", ",run,code,web,a,b\n0,r0,0.2,0.8,2.1,3.1\n", 0, 1, "imported 1 runs (2 domains, 2 metrics), 0"),
    ("column-unknown", "run,code,web,a,b,note\nr0,0.2,0.8,2.1,3.1,x\n", 2, 0, "t.csv: columns that stand for no"),
    ("column-misspelt", "run,cod,web,a,b\nr0,0.2,0.8,2.1,3.1\n", 2, 0, "t.csv: there is no column for domain 'code';"),
    ("column-case", "run,Code,Web,a,b\nr0,0.2,0.8,2.1,3.1\n", 2, 0, "t.csv: there is no column for domain 'code';"),
    ("column-blank-around", "run, code , web,a,b\nr0,0.2,0.8,2.1,3.1\n", 0, 1, "imported 1 runs (2 domains, 2"),
    ("domain-missing", "run,code,a,b\nr0,1.0,2.1,3.1\n", 2, 0, "t.csv: there is no column for domain 'web'"),
    ("metrics-missing", "run,code,web\nr0,0.2,0.8\n", 2, 0, "t.csv: there is no column for any metric; the study has"),
    ("metric-missing", "run,code,web,a\nr0,0.2,0.8,2.1\n", 0, 1, "no column for b: recorded as not measured"),
    ("row-short", H + "r0,0.2,0.8,2.1\n", 2, 0, "t.csv:2: 4 cells, where the header names 5 columns"),
    ("row-long", H + "r0,0.2,0.8,2.1,3.1,9\n", 2, 0, "t.csv:2: 6 cells, where the header names 5 columns"),
    ("row-blank", H + "r0,0.2,0.8,2.1,3.1\n\nr1,0.5,0.5,2.2,3.0\n", 0, 2, "imported 2 runs (2 domains, 2 metrics), 0"),
    ("semicolons", G.replace(",", ";"), 0, 2, "imported 2 runs (2 domains, 2 metrics), 0 already there"),
    ("tabs", G.replace(",", "\t"), 0, 2, "imported 2 runs (2 domains, 2 metrics), 0 already there"),
    ("decimal-commas", G.replace(",", ";").replace(".", ","), 2, 0, "as '0,2'; --decimal-comma reads it as 0.2"),
    ("decimal-commas-told", G.replace(",", ";").replace(".", ","), 0, 2, "imported 2 runs", "--decimal-comma"),
    ("decimal-comma", H + '"r0","0,2","0,8","2,1","3,1"\n', 2, 0, "as '0,2'; --decimal-comma reads it as 0.2"),
    ("quoted", H + '"r0","0.2","0.8","2.1","3.1"\n', 0, 1, "imported 1 runs (2 domains, 2 metrics), 0 already there"),
    ("quote-open", H + '"r0,0.2,0.8,2.1,3.1\n', 2, 0, "t.csv:2: is no CSV: unexpected end of data"),
    ("crlf", G.replace("\n", "\r\n"), 0, 2, "imported 2 runs (2 domains, 2 metrics), 0 already there"),
    ("byte-order-mark", "\ufeff" + G, 0, 2, "imported 2 runs (2 domains, 2 metrics), 0 already there"),
    ("not-utf8", (G + "r\xe92,0.5,0.5,2,3\n").encode("latin-1"), 2, 0, "t.csv:4: is not UTF-8; save the table as CSV"),
    ("utf16", G.encode("utf-16"), 2, 0, "t.csv:1: is not UTF-8; save the table as CSV in that encoding"),
    ("binary", bytes(range(256)) * 4, 2, 0, "t.csv:2: is not UTF-8; save the table as CSV in that encoding"),
    ("nul", G + "r\0,0.5,0.5,2,3\n", 2, 0, "t.csv:4: the key 'run' is 'r\\x00', which has control characters"),
    ("json", '[{"run": "r0", "code": 0.2, "web": 0.8, "a": 2.1, "b": 3.1}]', 0, 1, "imported 1 runs (2 domains, 2"),
    ("comment", "# made by hand\n" + G, 2, 0, "t.csv:2: 5 cells, where the header names 1 columns"),
    ("weight-text", H + "r0,half,0.5,2.1,3.1\n", 2, 0, "t.csv:2: the weight of domain 'code' is 'half', not a number"),
    ("weight-empty", H + "r0,,0.8,2.1,3.1\n", 2, 0, "t.csv:2: the weight of domain 'code' is empty; write 0 where it"),
    ("weight-negative", H + "r0,-0.2,1.2,2.1,3.1\n", 2, 0, "t.csv:2: the weight of domain 'code' is -0.2; weights"),
    ("weight-nan", H + "r0,nan,0.8,2.1,3.1\n", 2, 0, "t.csv:2: the weight of domain 'code' is empty; write 0 where"),
    ("weight-inf", H + "r0,inf,0.8,2.1,3.1\n", 2, 0, "t.csv:2: the weight of domain 'code' is 'inf', not a number"),
    ("weights-short", H + "r0,0.2,0.7,2.1,3.1\n", 2, 0, "t.csv:2: the weights sum to 0.9, not to 1; divide them by"),
    ("weights-zero", H + "r0,0,0,2.1,3.1\n", 2, 0, "t.csv:2: the weights sum to 0, not to 1; divide them by their"),
    ("weights-percent", H + "r0,20,80,2.1,3.1\nr1,50,50,2.2,3.0\n", 0, 2, "t.csv: every row sums to 100: read as"),
    ("weights-percent-told", H + "r0,20,80,2.1,3.1\nr1,0.5,0.5,2.2,3.0\n", 2, 0, "t.csv:3: the weights", "--percent"),
    ("weights-percent-sign", H + "r0,20%,80 %,2.1,3.1\n", 0, 1, "imported 1 runs (2 domains, 2 metrics), 0 already"),
    (
        "weights-counts",
        H + "r0,2e6,8e6,2.1,3.1\nr1,1e6,9e6,2,3\n",
        2,
        0,
        "t.csv: the weights of every row sum to 1e+07",
    ),
    ("weights-counts-told", H + "r0,2e6,8e6,2.1,3.1\nr1,1,1,2,3\n", 0, 2, "imported 2 runs", "--rescale"),
    ("weights-both", G, 2, 0, "--percent: weights are percent or counts", "--percent", "--rescale"),
    (
        "many-alike",
        H + "".join(f"r{n},x,0.8,2.1,3.1\n" for n in range(512)),
        2,
        0,
        "  - and 507 more of this kind, the",
    ),
    ("errors", "run,code,web,a,b,a_stderr\nr0,0.2,0.8,2.1,3.1,0.1\nr1,0.5,0.5,2,3,\n", 0, 2, "imported 2 runs"),
    (
        "errors-wrong",
        "run,code,web,a,b,a_stderr\nr0,0.2,0.8,2.1,3.1,-1\n",
        2,
        0,
        "t.csv:2: the standard error of metric 'a'",
    ),
    ("pattern", G.replace("code,web", "mx.code,mx.web"), 0, 2, "imported 2 runs", "--map", "mx.*=*"),
    ("pattern-stars", G, 2, 0, "--map: 'm*x*=*': expected one * in the column", "--map", "m*x*=*"),
    (
        "state",
        "Name,State,code,web,a,b,lr\nx,finished,0.2,0.8,2,3,1\ny,crashed,0.5,0.5,9,9,1\n",
        0,
        1,
        "left out 1 rows",
    ),
    ("weights-tokens", H + "r0,2000000,8000000,2.1,3.1\n", 2, 0, "t.csv:2: the weights sum to 1e+07, not to 1;"),
    ("weights-rounded", H + "r0,0.333,0.666,2.1,3.1\n", 0, 1, "imported 1 runs (2 domains, 2 metrics), 0 already"),
    ("loss-text", H + "r0,0.2,0.8,diverged,3.1\n", 2, 0, "t.csv:2: the loss of metric 'a' is 'diverged', not a"),
    ("loss-empty", H + "r0,0.2,0.8,,3.1\n", 0, 1, "a: not measured in 1 runs (1 empty)"),
    ("losses-empty", H + "r0,0.2,0.8,,\n", 2, 0, "t.csv:2: run r0 has no loss; --allow-partial drops it"),
    (
        "loss-gaps",
        H + "r0,0.2,0.8,-,3.1\nr1,0.5,0.5,#N/A,3.0\nr2,0.6,0.4,Infinity,3.0\nr3,0.7,0.3,<NA>,3.0\n",
        0,
        4,
        "a: not measured in 4 runs (1",
    ),
    ("loss-negative", H + "r0,0.2,0.8,-2.1,3.1\n", 2, 0, "t.csv:2: losses.a: -2.1 lies outside the range of its unit"),
    ("loss-huge", H + "r0,0.2,0.8,1e400,3.1\n", 2, 0, "t.csv:2: the loss of metric 'a' is '1e400', not a finite"),
    ("loss-large", H + "r0,0.2,0.8,1e200,3.1\n", 0, 1, "imported 1 runs (2 domains, 2 metrics), 0 already there"),
    ("loss-thousands", H + 'r0,0.2,0.8,"2,100.5",3.1\n', 2, 0, "t.csv:2: the loss of metric 'a' is '2,100.5', not a"),
    ("loss-list", H + 'r0,0.2,0.8,"[2.1]",3.1\n', 2, 0, "t.csv:2: the loss of metric 'a' is '[2.1]', not a finite"),
    ("loss-hex", H + "r0,0.2,0.8,0x10,3.1\n", 2, 0, "t.csv:2: the loss of metric 'a' is '0x10', not a finite number"),
    ("loss-underscore", H + "r0,0.2,0.8,2_1,3.1\n", 2, 0, "t.csv:2: the loss of metric 'a' is '2_1', not a finite"),
    ("loss-fullwidth", H + "r0,0.2,0.8,\uff12.5,3.1\n", 0, 1, "imported 1 runs (2 domains, 2 metrics), 0 already"),
    ("key-twice-same", H + "r0,0.2,0.8,2.1,3.1\nr0,0.2,0.8,2.1,3.1\n", 0, 1, "left out 1 rows that are copies of"),
    ("key-twice-other", H + "r0,0.2,0.8,2.1,3.1\nr0,0.5,0.5,2.2,3.0\n", 2, 0, "t.csv:3: the key 'run' is r0 again,"),
    ("key-empty", H + ",0.2,0.8,2.1,3.1\n", 2, 0, "t.csv:2: the key 'run' is empty"),
    ("key-missing", "code,web,a,b\n0.2,0.8,2.1,3.1\n", 0, 1, "imported 1 runs (2 domains, 2 metrics), 0 already"),
    ("key-named", "name,code,web,a,b\nr0,0.2,0.8,2.1,3.1\n", 0, 1, "imported 1 runs (2 domains, 2", "--id", "name"),
    ("key-not-there", G, 2, 0, "t.csv: there is no column 'nam' to join by", "--id", "nam"),
    ("key-escape", H + "\x1b[31mr0,0.2,0.8,2.1,3.1\n", 2, 0, "t.csv:2: the key 'run' is '\\x1b[31mr0', which has"),
    ("steps", STEPS, 2, 0, "t.csv: column 'step' has 2 values (100 (1 rows), 200 (1 rows)), so rows are checkpoints"),
    ("steps-last", STEPS, 0, 1, "kept the last 'step' of each run, 1 of 2 rows: 200 (1 rows)", "--step", "last"),
    ("steps-none", G, 2, 0, "--step: no table has a column of steps (looked for step, global_step,", "--step", "last"),
    ("steps-not-there", STEPS, 2, 0, "t.csv: no row has step=300; there are 100 (1 rows), 200 (1", "--step", "300"),
    (
        "steps-text",
        "run,step,code,web,a,b\nr0,early,0.2,0.8,2.5,3.1\nr0,late,0.2,0.8,2.1,3.0\n",
        2,
        0,
        "t.csv:2: the step 'early' of",
        "--step",
        "last",
    ),
    (
        "steps-negative",
        "run,step,code,web,a,b\nr0,-1,0.2,0.8,2.5,3.1\nr0,200,0.2,0.8,2.1,3.0\n",
        0,
        1,
        "kept the last 'step' of each",
        "--step",
        "last",
    ),
    ("models", MODELS, 2, 0, "t.csv: column 'model' names 2 models, 1M (4 rows), 60M (4 rows), whose losses do not"),
    (
        "scales",
        "run,params,code,web,a,b\nr0,1M,0.2,0.8,2.5,3.1\nr1,60M,0.5,0.5,2.1,3.0\n",
        2,
        0,
        "t.csv: the runs are of 2 scales",
    ),
    ("scale-text", "run,params,code,web,a,b\nr0,small,0.2,0.8,2.5,3.1\n", 2, 0, "t.csv:2: the params of the run are"),
    ("scale-zero", "run,params,code,web,a,b\nr0,0,0.2,0.8,2.5,3.1\n", 2, 0, "t.csv:2: the params of the run are '0',"),
    ("scale-option", G, 0, 2, "imported 2 runs (2 domains, 2 metrics), 0 already there", "--params", "1M"),
    ("scale-option-text", G, 2, 0, "Invalid value for '--params': 'many' is no positive whole", "--params", "many"),
    ("scale-option-negative", G, 2, 0, "Invalid value for '--params': '-5' is no positive whole", "--params", "-5"),
    ("where", G, 0, 1, "t.csv: left out 1 rows by --where, kept 1", "--where", "run=r0"),
    ("where-nothing", G, 2, 0, "t.csv: no row has run=r9; there are r0 (1 rows), r1 (1 rows)", "--where", "run=r9"),
    ("where-column", G, 2, 0, "--where: no table has a column 'rn'; did you mean 'run'?", "--where", "rn=r0"),
    ("where-form", G, 2, 0, "--where: expected COLUMN=VALUE, found 'run'", "--where", "run"),
    ("map", "run,c,web,a,b\nr0,0.2,0.8,2.1,3.1\n", 0, 1, "imported 1 runs (2 domains, 2 metrics),", "--map", "c=code"),
    ("map-form", G, 2, 0, "--map: expected COLUMN=NAME, found 'code'", "--map", "code"),
    ("map-unknown", G, 2, 0, "note=code: no table has a column 'note'", "--map", "note=code"),
    ("map-twice", G, 2, 0, "--map: column 'a' is both 'a' and 'b'; keep one", "--map", "a=a", "--map", "a=b"),
    ("map-domain-unknown", G, 2, 0, "a=wiki: the study has no domain or metric 'wiki'", "--map", "a=wiki"),
    ("seed-negative", "run,seed,code,web,a,b\nr0,-1,0.2,0.8,2.1,3.1\n", 0, 1, "1 runs have a seed that is no whole"),
    ("seed-text", "run,seed,code,web,a,b\nr0,first,0.2,0.8,2.1,3.1\n", 0, 1, "1 runs have a seed that is no whole"),
    (
        "seed-huge",
        "run,seed,code,web,a,b\nr0,99999999999999999999999,0.2,0.8,2.1,3.1\n",
        0,
        1,
        "1 runs have a seed that is no",
    ),
    ("repeats-far", REPEATS, 2, 0, "t.csv: 8 rows repeat 4 mixtures with losses that no seed explains, as a 2 in"),
    (
        "long-cell",
        H + "r" + "x" * 200000 + ",0.2,0.8,2.1,3.1\n",
        2,
        0,
        "t.csv:2: the key 'run' has 200,001 characters,",
    ),
    (
        "long-line",
        H + "r0,0.2,0.8,2.1,3.1" + "," * 20000 + "\n",
        2,
        0,
        "t.csv:2: 20005 cells, where the header names 5",
    ),
    ("prefix", G, 0, 2, "imported 2 runs", "--prefix", "other/"),
    ("prefix-escape", G, 2, 0, "--prefix: expected at most 500 characters", "--prefix", "\x1b[31m"),
    ("prefix-long", G, 2, 0, "--prefix: expected at most 500 characters", "--prefix", "x" * 501),
]
"""Name, content, exit code, runs that are recorded, what is said, and options."""


@pytest.mark.parametrize("row", TABLES, ids=[str(row[0]) for row in TABLES])
def test_what_is_said_of_a_table(tmp_path: Path, row: tuple[object, ...]) -> None:
    _, content, code, runs, said, *options = row
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else str(content).encode())
    table = tmp_path / "t.csv"
    found, printed = called("import", tmp_path, "--weights", table, "--losses", table, *options)
    assert str(said) in printed.replace(f"{tmp_path}/", "")
    assert found == code, printed
    assert len(printed) < 2000
    assert len(Study.open(tmp_path).history.records) == runs


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pipe", "t.csv: is empty"),
        ("device", "t.csv: cannot be read: it is no regular file"),
        ("nothing", "t.csv: cannot be read: No such file"),
        ("loop", "t.csv: cannot be read: Too many levels of symbolic links"),
    ],
)
def test_what_is_no_table_is_refused_at_once(tmp_path: Path, kind: str, said: str) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    table = tmp_path / "t.csv"
    if kind == "pipe":
        os.mkfifo(table)
    if kind in ("device", "loop"):
        table.symlink_to("/dev/zero" if kind == "device" else table)
    found, printed = called("import", tmp_path, "--weights", table, "--losses", table)
    assert found == 2, printed
    assert said in printed


def test_a_pipe_that_somebody_writes_to_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    reader, writer = os.pipe()
    os.write(writer, G.encode())
    os.close(writer)
    found, printed = called("import", tmp_path, "--weights", f"/dev/fd/{reader}")
    os.close(reader)
    assert (found, printed.splitlines()[-1]) == (0, "imported 2 runs (2 domains, 2 metrics), 0 already there")
