"""Read and write netCDF files; equal datasets give equal bytes."""

from pathlib import Path

import xarray as xr

from analysis.core.files import hdf5

COMPRESSION = {"zlib": True, "complevel": 4, "shuffle": True}


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as netCDF-4, whole or not at all."""
    encoding = {
        name: COMPRESSION
        for name, variable in dataset.data_vars.items()
        if variable.size and variable.dtype.kind in "iuf" and variable.ndim
    }
    hdf5.write_dataset(dataset, path, encoding)


def read(path: Path) -> xr.Dataset:
    """Read a whole dataset into memory and close the file.

    Raises `DataError` if the file is missing, or cannot be read; the message tells why.
    """
    return hdf5.read_dataset(path, "run the stage recordings again")
