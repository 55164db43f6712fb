from __future__ import annotations

from bomix.surrogates.gp.spec import GP
from tests.surrogates.gp.journey import journey

BENEATH = ("surrogates/kernels/", "numerics/")
"""What stands behind a contract, or knows no bomix: a reader of the fit need not enter."""


def test_from_fit_to_posterior_is_a_short_walk():
    stays = journey(GP(draws=0, restarts=1))
    rooms = [stay.room for stay in stays if not stay.room.startswith(BENEATH)]
    walk = [room for room, before in zip(rooms, [None, *rooms], strict=False) if room != before]
    assert walk[0] == "surrogates/gp/spec"
    assert len(walk) <= 14, walk
    assert len(stays) <= 34, stays
