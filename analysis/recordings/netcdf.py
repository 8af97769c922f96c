"""Read and write netCDF files; equal datasets give equal bytes."""

from pathlib import Path

import xarray as xr

from analysis.core.errors import DataError
from analysis.core.files import atomic

COMPRESSION = {"zlib": True, "complevel": 4, "shuffle": True}


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as netCDF-4, whole or not at all."""
    encoding = {
        name: COMPRESSION
        for name, variable in dataset.data_vars.items()
        if variable.size and variable.dtype.kind in "iuf" and variable.ndim
    }
    with atomic(path) as part:
        dataset.to_netcdf(part, engine="h5netcdf", encoding=encoding)


def read(path: Path) -> xr.Dataset:
    """Read a whole dataset into memory and close the file.

    Raises `DataError` if the file is missing or is not netCDF.
    """
    try:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage recordings first") from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(f"{path} is not a readable netCDF file: {' '.join(str(error).split())}") from error
