"""The study file of a later study, and a folder that is whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bomix.errors import ConfigError, FaultsError
from bomix.io.imports.domain_changes import DomainChanges, parsed_changes
from bomix.study.extended_file import extended_text, whole_or_absent

TEXT = """\
# comments are the earlier study's
domains:
  code: {tokens: 50B, lower: 0.1}
  web: {tokens: 200B}
  news: {tokens: 30B}
  forum: {}
metrics: [loss]
"""


def written(folder: Path, changes: DomainChanges, **tokens: str) -> dict[str, object]:
    (folder / "study.yaml").write_text(TEXT)
    found = yaml.safe_load(extended_text(folder / "study.yaml", changes, tokens))
    assert found["metrics"] == ["loss"]
    domains: dict[str, object] = found["domains"]
    return domains


def test_domains_that_stay_keep_their_keys_and_tokens_follow_the_changes(tmp_path: Path) -> None:
    maps = ["web=web/high:0.25,web/low:0.75", "news=talk", "forum=talk", "code=source"]
    assert written(tmp_path, parsed_changes(maps, added=["books"]), books="9B") == {
        "web/high": {"tokens": 50_000_000_000},
        "web/low": {"tokens": 150_000_000_000},
        "talk": {},  # of one of its parts no tokens are known
        "source": {"tokens": "50B", "lower": 0.1},
        "books": {"tokens": "9B"},
    }


def test_a_list_of_names_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: [code, web]\nmetrics: [loss]\n")
    text = extended_text(tmp_path / "study.yaml", DomainChanges(dropped=("web",), added=("books",)), {})
    assert yaml.safe_load(text)["domains"] == {"code": {}, "books": {}}


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="--add web: the earlier study has it already"):
        written(tmp_path, DomainChanges(added=("web",)))
    with pytest.raises(ConfigError, match=r"cannot read .*write the study file of the later study by hand"):
        extended_text(tmp_path / "none.yaml", DomainChanges(), {})


def test_a_folder_takes_its_name_once_all_of_it_is_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_or_absent(tmp_path / "new") as built:
        (built / "none.yaml").read_text()
    with whole_or_absent(tmp_path / "new", keep=False) as built:
        (built / "study.yaml").write_text(TEXT)
    assert not [*tmp_path.iterdir()]
    with whole_or_absent(tmp_path / "new") as built:
        (built / "study.yaml").write_text(TEXT)
        assert not (tmp_path / "new").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["new"]
    with pytest.raises(ConfigError, match="is there and holds no study"), whole_or_absent(tmp_path / "new"):
        pass
