"""A dataset is written to memory, also where a Dask client would have xarray take a lock of the cluster."""

from __future__ import annotations

import contextlib
import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr

from bomix.io.store.netcdf import content


def test_the_bytes_are_those_of_a_file() -> None:
    dataset = xr.Dataset({"loss": ("trial", [1.0, 2.0])})
    assert xr.open_dataset(io.BytesIO(content(dataset)), engine="h5netcdf").equals(dataset)


def test_a_client_of_dask_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[dict[str, str]] = []

    @contextlib.contextmanager
    def setting(**options: str) -> Iterator[None]:
        used.append(options)
        yield

    dask = types.ModuleType("dask")
    dask.config = types.SimpleNamespace(set=setting)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dask", dask)
    monkeypatch.setitem(sys.modules, "distributed", types.ModuleType("distributed"))

    class Written:
        def to_netcdf(self, path: Path | None = None, *, engine: str) -> bytes:
            assert used == [{"scheduler": "synchronous"}]
            if path is not None:  # as xarray before 2025.8 is asked to
                path.write_bytes(b"bytes")
            return b"bytes"

    assert content(Written()) == b"bytes"  # type: ignore[arg-type]
