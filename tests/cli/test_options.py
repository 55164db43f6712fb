"""Options that commands share."""

from __future__ import annotations

import logging

import pytest

from bomix.cli.options import log_to_stderr


@pytest.mark.parametrize(("verbose", "level"), [(0, logging.WARNING), (1, logging.INFO), (2, logging.DEBUG), (5, 10)])
def test_each_v_says_more(verbose, level):
    log = logging.getLogger("bomix")
    before = log.level
    try:
        log_to_stderr(verbose)
        assert log.level == level
    finally:
        log.setLevel(before)
