"""The hub that cannot be reached: told once, whatever number of domains wanted it."""

from __future__ import annotations

from bomix.errors import DataError

_NAMES = {"ConnectError", "ConnectTimeout", "LocalEntryNotFoundError", "OfflineModeIsEnabled"}
"""Errors of ``httpx2`` and ``huggingface_hub`` (2.4.0) that have no base in common but ``Exception``."""


class UnreachableError(DataError):
    """There is no way to the hub, so that asking it for anything else is in vain."""


def hub_error(message: str, cause: BaseException) -> DataError:
    """The error to raise for one of the libraries that ask the hub.

    Args:
        message: What to say.
        cause: What they raised.
    """
    error: BaseException | None = cause
    while error is not None:
        if isinstance(error, ConnectionError) or type(error).__name__ in _NAMES:
            return UnreachableError(message)
        error = error.__cause__ or error.__context__
    return DataError(message)
