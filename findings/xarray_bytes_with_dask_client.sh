#!/usr/bin/env bash
# With a Dask client in the process, xarray cannot write a dataset of NumPy arrays to memory.
#
# The good guess: Dataset.to_netcdf(engine="h5netcdf") without a path returns the bytes of the file, whether or not a
# Dask client is open, since nothing in the dataset is lazy. But with a client that is the process's default it raises
# "Semaphore or Lock `<_io.BytesIO object at 0x...>` not known", while the same call with a path writes the file.
#
# Version: xarray 2026.9.0, distributed 2026.8.0, h5netcdf 1.8.2, Python 3.11.
# Behaviour: the lock of a write is made for the default scheduler and named after what is written to. For a client it
# is a lock of the cluster; for a BytesIO that lock is one which the scheduler does not know, and acquiring it raises.
# Source: xarray/backends/locks.py: get_write_lock; distributed/semaphore.py: acquire.
# Who meets it: whoever writes results to memory (to upload them, or to replace a file as a whole) in a program that
# also hands work to Dask. `dask.config.set(scheduler="synchronous")` around the call does without the lock.
#
# Seen: without a client bytes; with one RuntimeError; with one, to a path, a file; with one, scheduler set, bytes
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  xarray==2026.9.0 distributed==2026.8.0 dask==2026.8.0 h5netcdf==1.8.2 h5py==3.16.0

cat >"$folder/client.py" <<'PYTHON'
import sys

import dask
import xarray
from dask.distributed import Client, LocalCluster

DATASET = xarray.Dataset({"loss": ("trial", [1.0, 2.0])})


def written(*place):
    try:
        found = DATASET.to_netcdf(*place, engine="h5netcdf")
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    return "a file" if place else "bytes" if len(found) else "nothing"


def main():
    seen = {"without a client": written()}
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        seen["with a client"] = written()
        seen["with a client, to a path"] = written(sys.argv[1])
        with dask.config.set(scheduler="synchronous"):
            seen["with a client, scheduler set"] = written()
    for when, what in seen.items():
        print(f"{when}: {what}")
    failed = seen.pop("with a client")
    assert failed.startswith("RuntimeError: Semaphore or Lock") and "not known" in failed, failed
    assert list(seen.values()) == ["bytes", "a file", "bytes"], seen


if __name__ == "__main__":
    main()
PYTHON
"$folder/venv/bin/python" "$folder/client.py" "$folder/a.nc" 2>"$folder/log" || { cat "$folder/log"; exit 1; }
