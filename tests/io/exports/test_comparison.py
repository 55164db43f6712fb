"""What is drawn beside what was recommended."""

from __future__ import annotations

import pytest

from bomix.contracts.exporter import Export, ExportDomain, TargetMixture
from bomix.io.exports.comparison import compared

DOMAINS = (
    ExportDomain("code", 0.9, tokens=9e8, tokens_per_document=100),
    ExportDomain("web", 0.1, tokens_per_document=50),
)
MIXTURE = TargetMixture(DOMAINS, tokens=1e9, sequence_length=1000)


def test_documents_that_are_drawn_become_shares_of_tokens_and_passes() -> None:
    code, web = compared(MIXTURE, "documents", Export("", "f", {"code": 9, "web": 2}))
    assert (code.share, web.share) == (pytest.approx(0.9), pytest.approx(0.1))
    assert (code.epochs, web.epochs) == (pytest.approx(1.0), None)
    assert (code.warning, web.warning) == (None, None)


def test_more_than_a_percent_off_is_a_warning() -> None:
    code, web = compared(MIXTURE, "sequences", Export("", "f", {"code": 897, "web": 103}))
    assert code.warning is None
    assert web.warning == "web: the trainer draws 10.3 % of the tokens, +3.0 % of the 10 % recommended"


def test_chance_spreads_as_a_binomial_and_is_warned_of() -> None:
    written = Export("", "f", {"code": 0.9, "web": 0.1}, by_chance=True)
    _, web = compared(MIXTURE, "sequences", written)
    assert web.spread == pytest.approx(1.96 * (0.9 / 0.1 / 1e6) ** 0.5)
    assert web.warning is None
    few = TargetMixture(DOMAINS, tokens=1e7, sequence_length=1000)
    assert "may be off by 5.9 %" in (compared(few, "sequences", written)[1].warning or "")
