"""``bomix extend``: what it prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.io.store.study_folder import FolderStore
from bomix.study.study import Study
from tests.cli.called import called

FILE = "domains: {code: {tokens: 2B}, web: {tokens: 6B}, wiki: {tokens: 1B}}\nmetrics: [loss]\n"
RUNS = [(0.2, 0.7, 0.1), (0.5, 0.5, 0.0), (0.1, 0.3, 0.6), (0.6, 0.2, 0.2)]
QUICK = ("--functions", 0)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A study with four runs, one of them without wiki."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "study.yaml").write_text(FILE)
    study = Study.open(folder)
    for code, web, wiki in RUNS:
        study.add({"code": code, "web": web, "wiki": wiki}, {"loss": 3.0 + (code - 0.4) ** 2})
    return folder


def test_the_later_study_is_written_with_its_runs_and_a_second_time_brings_nothing(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    options = ("--add", "books=3B", "--drop", "wiki", "--map", "web=web/high:0.25,web/low:0.75")
    code, said = called("extend", old, new, *options, "--functions", 2)
    assert code == 0, said
    assert "carried over 4 runs, 0 already there: 1 exactly, 3 on text that the study has no more" in said
    assert "added: books; dropped: wiki; split: web" in said
    assert "unknown so far: books, web/high, web/low" in said
    assert "2 more runs:" in said
    study = Study.open(new)
    assert study.problem.tokens == {"books": 3e9, "code": 2e9, "web/high": 1.5e9, "web/low": 4.5e9}
    assert study.history.completed[1].trial.weights == pytest.approx(
        {"books": 0.0, "code": 0.5, "web/high": 0.125, "web/low": 0.375}
    )
    code, said = called("extend", old, new, "--drop", "wiki", "--map", "web=web/high,web/low", *QUICK)
    assert (code, "carried over 0 runs, 4 already there" in said) == (0, True)
    assert called("ask", new, "--out", tmp_path / "asked")[0] == 0
    assert Study.open(new).history.pending[0].trial.origin == "extension"


def test_a_dry_run_writes_nothing(old: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, said = called("extend", old, tmp_path / "new", "--drop", "wiki", "--dry-run", *QUICK)
    assert (code, "nothing was recorded" in said, "carried over 4 runs" in said) == (0, True, True)
    there = tmp_path / "there"
    there.mkdir()
    (there / "study.yaml").write_text(FILE)
    assert called("extend", old, there, "--refilter", "code", "--dry-run", *QUICK)[0] == 0
    assert not Study.open(there).history.completed
    assert [each for each in sorted(tmp_path.rglob("*")) if each.parent != there and each != there] == before


def test_a_draft_is_edited_first(old: Path, tmp_path: Path) -> None:
    new, options = tmp_path / "new", ("--add", "books", "--drop", "wiki")
    assert called("extend", old, new, *options, "--draft")[0] == 0
    assert [each.name for each in new.iterdir()] == ["study.yaml"]
    code, said = called("extend", old, new, *options, "--draft")
    assert (code, "is there already; leave --draft out" in said) == (2, True)
    code, said = called("extend", old, new, "--drop", "wiki", *QUICK)
    assert (code, len(Study.open(new).history.completed)) == (0, 4), said


def test_a_study_that_cannot_be_finished_is_absent(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create, made = FolderStore.create, []

    def full(self: FolderStore, *given: object) -> object:
        made.append(given)
        if len(made) == 3:
            raise OSError(28, "No space left on device", "trials/2")
        return create(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(FolderStore, "create", full)
    code, said = called("extend", old, tmp_path / "new", "--drop", "wiki", *QUICK)
    assert (code, "the disk is full" in said) == (2, True)
    assert [each.name for each in tmp_path.iterdir()] == ["old"]
    monkeypatch.undo()
    assert called("extend", old, tmp_path / "new", "--drop", "wiki", *QUICK)[0] == 0
    assert len(Study.open(tmp_path / "new").history.completed) == 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--map", "wiki"), "--map: expected OLD=NEW"),
        (("--map", "wiki=web:0.5,books:0.2"), "must sum to 1"),
        (("--map", "wki=web"), "the earlier study has no domain 'wki'; did you mean 'wiki'"),
        (("--drop", "wki"), "--drop wki: the earlier study has no domain 'wki'"),
        (("--refilter", "books"), "--refilter books: the new study has no domain 'books'"),
        (("--add", "web"), "--add web: the earlier study has it already"),
        (("--add", "=2B"), "--add: expected NAME, or NAME=TOKENS"),
        (("--add", "books=many"), "domains.books.tokens"),
        (("--metric", "los=loss"), "the other study has no metric 'los'"),
        (("--functions", "-1"), "--functions"),
        (("--what",), "No such option"),
    ],
)
def test_what_an_option_gets_wrong_is_named_and_nothing_is_written(
    old: Path, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    code, said = called("extend", old, tmp_path / "new", *options, *(() if "--functions" in options else QUICK))
    assert (code, told in said) == (2, True), said
    assert [each.name for each in tmp_path.iterdir()] == ["old"]


def test_places_that_are_no_studies_are_named(old: Path, tmp_path: Path) -> None:
    assert called("extend", tmp_path / "none", tmp_path / "new")[0] == 2
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("")
    code, said = called("extend", old, full, *QUICK)
    assert (code, "is there and holds no study" in said) == (2, True)
    code, said = called("extend", old, old, *QUICK)
    assert (code, "cannot be extended by itself" in said) == (2, True)


def test_a_study_file_that_no_longer_fits_is_to_be_edited(old: Path, tmp_path: Path) -> None:
    rule = "constraints:\n  - {coefficients: {wiki: 1, web: -1}, at_most: 0}\n"
    (old / "study.yaml").write_text(FILE + rule)
    code, said = called("extend", old, tmp_path / "new", "--drop", "wiki", *QUICK)
    assert (code, (tmp_path / "new").exists()) == (2, False)
    assert f"that --draft writes into {tmp_path / 'new'}: edit it" in " ".join(said.split())
    assert "constraints[0].coefficients.wiki (line 11): unknown domain 'wiki'" in said
    assert "/.new." not in said


def test_phases_are_refused_with_what_helps(old: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "study.yaml").write_text(FILE + "phases: {anneal: 0.2}\n")
    code, said = called("extend", old, tmp_path / "new", "--refilter", "code", *QUICK)
    assert (code, "there are 'phases' here; between studies of the same domains `bomix import" in said) == (2, True)


def test_runs_that_a_closed_node_leaves_out_are_named(old: Path, tmp_path: Path) -> None:
    options = ("--map", "web=web/a:0.9,web/b:0.1", *QUICK)
    assert called("extend", old, tmp_path / "new", *options, "--draft")[0] == 0
    with (tmp_path / "new" / "study.yaml").open("a") as file:
        file.write("tree: {web: {inside: uniform}}\n")
    code, said = called("extend", old, tmp_path / "new", *options)
    assert code == 0, said
    assert "4 runs (trials 0, 1, 2, 3) are not learnt from while nodes are closed ('web')" in " ".join(said.split())
