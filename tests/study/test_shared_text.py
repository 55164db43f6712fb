"""Domains that hold the same text."""

from __future__ import annotations

from pathlib import Path

from bomix.config.sections import DomainSpec
from bomix.config.spec import StudySpec
from bomix.study.shared_text import shared_text
from bomix.training.data.sources import Files, Hub


def test_shared_files_and_equal_sources_are_named_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e"):
        (tmp_path / f"{name}.jsonl").write_text("{}")
    domains = {
        "first": Files(("a.jsonl",)),
        "all": Files(("[a-d].jsonl", "a.jsonl")),
        "most": Files(("./b.jsonl", "c.jsonl", "d.jsonl", "a.jsonl")),
        "alone": Files(("e.jsonl",)),
        "hub": Hub("owner/name"),
        "again": Hub("owner/name"),
        "another": Hub("owner/name", split="test"),
    }
    spec = StudySpec({name: DomainSpec(source=source) for name, source in domains.items()})
    files, more, hub = shared_text(spec, tmp_path)
    assert files.startswith("domains 'first', 'all', 'most' share text (")
    assert files.endswith("a.jsonl); give each text to one domain")
    assert more.startswith("domains 'all', 'most' share text (")
    assert more.count(".jsonl") == 3
    assert hub.startswith("domains 'hub', 'again' share text (Hub(name='owner/name'")
    assert "most" not in hub
