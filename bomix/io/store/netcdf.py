"""A dataset as the bytes of a netCDF file."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def content(dataset: xr.Dataset) -> bytes:
    """What a file of a dataset holds, made in memory: HDF5 does not survive a disk that fills up under it.

    Where a Dask client is the process's default, as for who trains in its workers, xarray takes a lock of the cluster
    for what it writes, which for a place in memory is none that the cluster knows: so there is no client meanwhile.
    """
    without: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    if "distributed" in sys.modules:
        import dask

        without = dask.config.set(scheduler="synchronous")
    with without:
        return bytes(dataset.to_netcdf(engine="h5netcdf")) if _writes_to_memory() else _by_file(dataset)


def _writes_to_memory() -> bool:
    """Whether xarray makes the bytes of HDF5 without a file, which it does since 2025.8."""
    import xarray as xr
    from packaging.version import Version

    return Version(xr.__version__) >= Version("2025.8")


def _by_file(dataset: xr.Dataset) -> bytes:
    """The same by a file in the folder for temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.nc"
        dataset.to_netcdf(path, engine="h5netcdf")
        return path.read_bytes()
