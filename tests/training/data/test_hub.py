"""Which errors mean that there is no way to the hub."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from bomix.training.data.hub import UnreachableError, hub_error


@pytest.mark.parametrize(
    "cause", [ConnectionError("refused"), OfflineModeIsEnabled("off"), LocalEntryNotFoundError("x")]
)
def test_an_error_of_the_network_is_told_however_deep_it_lies(cause: Exception) -> None:
    error = OSError("couldn't load the files")
    error.__cause__ = RuntimeError("in between")
    error.__cause__.__context__ = cause
    assert type(hub_error("what", error)) is UnreachableError


def test_a_dataset_that_is_not_there_is_none() -> None:
    assert type(hub_error("what", FileNotFoundError("no such dataset"))) is not UnreachableError
