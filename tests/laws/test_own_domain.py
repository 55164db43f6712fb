"""The mapping from metrics to their own domains."""

from __future__ import annotations

from bomix.laws.own_domain import own_faults


def test_names_that_are_not_there_are_faults_with_what_was_meant():
    assert own_faults(None, ["web"], ["loss"]) == []
    assert own_faults({"loss": "web"}, ["web"], ["loss"]) == []
    found = own_faults({"los": "web", "loss": "wev"}, ["web"], ["loss"])
    assert [fault.where for fault in found] == ["own.los", "own.loss"]
    assert "did you mean 'loss'?" in found[0].what
    assert "did you mean 'web'?" in found[1].what
