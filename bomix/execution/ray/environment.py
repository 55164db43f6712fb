"""Whether Ray is installed, and what the process with it has in its environment: Ray reads most of that at import."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

_MODE, _TOKEN, _TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
"""Ray's own variables; a mode that the user sets is left alone."""


MISSING = "execution 'ray' needs Ray, which is not installed here; pip install 'bomix[ray]'"


def installed() -> bool:
    """Whether Ray can be imported; a folder of that name, which Python takes for an empty package, is none."""
    spec = find_spec("ray")
    return spec is not None and spec.origin is not None


def environment(address: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a driver of Ray.

    Args:
        address: ``auto``, ``local`` or ``host:port``.
        given: The environment of this process.
    """
    # A task without a GPU then sees none; else all of its node, which other tasks have.
    found = {**given, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
    if address == "local":
        found.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if found.setdefault(_MODE, "token") == "token" and not _has_token(given):
            # Ray would write one to the home folder, and a `ray start --head` later on would ask for it.
            found[_TOKEN] = token_hex(32)
    elif _MODE not in found and _has_token(given):
        # As Ray does where it finds the cluster by itself, and not where its address is given.
        found[_MODE] = "token"
    return found


def _has_token(given: Mapping[str, str]) -> bool:
    """Whether there is a token in one of the places where Ray looks for it."""
    return _TOKEN in given or Path(given.get(_TOKEN_PATH, "~/.ray/auth_token")).expanduser().is_file()
