"""What an extra would bring is named with the command that brings it."""

from __future__ import annotations

import sys

from bomix.config.extras import missing


def test_packages_that_are_missing_are_named_and_none_is_imported() -> None:
    assert missing("proxy", ["antigravity", "json"]) is None
    assert "antigravity" not in sys.modules, "it would open a browser"
    assert missing("a", ["json", "no_such"]) == "no_such is not installed; pip install 'bomix[a]'"
    assert missing("a", ["no_such", "nor_this"]) == "no_such, nor_this are not installed; pip install 'bomix[a]'"
