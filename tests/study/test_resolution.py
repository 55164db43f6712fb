"""From a study spec to a problem, and what is frozen of it."""

from __future__ import annotations

import pytest

from bomix.errors import BomixError, ConfigError
from bomix.study.frozen import FROZEN
from bomix.study.resolution import reopen
from bomix.study.study import Study

STUDY = "domains: {code: {}, web: {}}\nmetrics: {loss: {}}\nstrategy: sobol\nseed: 3\n"


def test_what_makes_losses_comparable_is_frozen_once_there_are_trials(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    study = Study.open(tmp_path)
    study.tell(study.ask(), {"loss": 2.5})
    assert "seed" in FROZEN
    assert "strategy" not in FROZEN
    path.write_text(STUDY.replace("sobol", "dirichlet"))
    assert Study.open(tmp_path).ask().origin == "dirichlet"
    path.write_text(STUDY.replace("seed: 3", "seed: 4"))
    with pytest.raises(BomixError, match="seed"):
        Study.open(tmp_path).ask()


def test_a_folder_or_its_file_open_the_same_study_and_an_empty_one_none(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    assert reopen(tmp_path)[0] == reopen(tmp_path / "study.yaml")[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty"):
        reopen(tmp_path / "empty")
