"""``bomix init``."""

from __future__ import annotations

import json

from click.testing import CliRunner

from bomix.cli.write import init
from bomix.config import study_file
from bomix.errors import ConfigError


def test_the_file_that_is_written_is_a_study_and_is_never_overwritten(tmp_path):
    assert CliRunner().invoke(init, [str(tmp_path / "new")]).exit_code == 0
    path = tmp_path / "new" / "study.yaml"
    assert study_file.load(path).domains
    path.write_text("mine")
    refused = CliRunner().invoke(init, [str(tmp_path / "new")])
    assert isinstance(refused.exception, ConfigError)
    assert path.read_text() == "mine"


def test_the_schema_is_json():
    assert "properties" in json.loads(CliRunner().invoke(init, ["--schema"]).output)
