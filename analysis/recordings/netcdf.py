"""Read and write netCDF files; equal datasets give equal bytes."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from analysis.core.files import hdf5
from analysis.core.reading import damaged

COMPRESSION = {"zlib": True, "complevel": 4, "shuffle": True}
Variables = dict[str, tuple[tuple[str, ...], str]]
"""Dimensions and allowed dtype kinds (numpy's letters) of each variable, by name."""


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as netCDF-4, whole or not at all."""
    encoding = {
        name: COMPRESSION
        for name, variable in dataset.data_vars.items()
        if variable.size and variable.dtype.kind in "iuf" and variable.ndim
    }
    hdf5.write_dataset(dataset, path, encoding)


def read(
    path: Path, again: str, variables: Variables | None = None, attributes: dict[str, type] | None = None
) -> xr.Dataset:
    """Read a whole dataset into memory and close the file.

    Parameters
    ----------
    path : Path
    again : str
        How to get the file, such as "run the stage recordings".
    variables, attributes : dict, optional
        What the file must hold.

    Raises
    ------
    DataError
        If the file is missing, is not netCDF, or lacks a variable or an attribute.
    """
    dataset = hdf5.read_dataset(path, again)
    check(dataset, path, again, variables or {}, attributes or {})
    return dataset


def read_texts(path: Path, again: str, names: Sequence[str]) -> list[str]:
    """Return attributes of a dataset that are text; reads no data. Raises `DataError` if the file lacks one."""
    import h5netcdf

    with hdf5.opened(path, "netCDF", again) as file, hdf5.reading(path, "netCDF", again):
        found = dict(h5netcdf.File(file, "r").attrs)
    for name in names:
        if not isinstance(found.get(name), str):
            raise damaged(path, f"no attribute {name}", again)
    return [found[name] for name in names]


def check_whole(path: Path, again: str) -> None:
    """Raise `DataError` if a file is not netCDF or was cut short; reads no data."""
    with hdf5.opened(path, "netCDF", again):
        pass


def check(
    dataset: xr.Dataset, path: Path, again: str, variables: Variables, attributes: dict[str, type] | None = None
) -> None:
    """Raise `DataError` unless a dataset has these variables and attributes."""
    for name, (dims, kinds) in variables.items():
        if name not in dataset.variables:
            raise damaged(path, f"no {name}", again)
        if dataset[name].dims != dims or dataset[name].dtype.kind not in kinds:
            raise damaged(path, f"{name} is {dataset[name].dtype} along {', '.join(dataset[name].dims)}", again)
    for name, kind in (attributes or {}).items():
        if not isinstance(dataset.attrs.get(name), kind):
            raise damaged(path, f"no attribute {name}", again)
