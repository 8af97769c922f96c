"""The RDMs of a model's top layer and of one population, for the figure."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from analysis.core.areas import AREAS, IT
from analysis.core.files import hdf5
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.params.protocol import Protocol
from analysis.statistics.rsa.rdm import rdm


def choose_population(populations: list[Population]) -> Population:
    """Return the population to show: from the highest area, with the most units, then the most images."""

    def rank(population: Population) -> tuple:
        n_units = len(population.units)
        area = (*AREAS, IT).index(population.region)
        return area, n_units >= scoring.LEAST_UNITS, n_units, len(population.images)

    return max(populations, key=rank)


def write_rdms(
    path: Path,
    population: Population,
    rules: Protocol,
    features: np.ndarray,
    layer: str,
    images: neural.Images,
    rsa: pd.DataFrame,
) -> None:
    """Write both RDMs as netCDF, with their rank correlation from the table `rsa`.

    Uses h5netcdf, because xarray loads dask for writing, which takes longer than everything else.
    """
    matrices = {
        "model_rdm": rdm(features, "correlation", population.images).square(),
        "neural_rdm": scoring.neural_rdm(population, rules).square(),
    }
    category = images.table["category"].loc[list(population.images)]
    shown = rsa[
        (rsa["recording"] == population.recording) & (rsa["region"] == population.region) & (rsa["layer"] == layer)
    ]
    with hdf5.create_netcdf(path) as file:
        n = len(population.images)
        file.dimensions = {"image": n, "other": n}
        for name, matrix in matrices.items():
            variable = file.create_variable(
                name, ("image", "other"), np.float64, data=matrix, compression="gzip", shuffle=True
            )
            variable.attrs["coordinates"] = "stem category"
        for name, labels in (("stem", population.images), ("category", category)):
            file.create_variable(name, ("image",), h5py.string_dtype(), data=np.array(list(labels), object))
        file.attrs.update(
            {
                "recording": population.recording,
                "region": population.region,
                "layer": layer,
                "n_units": np.int64(len(population.units)),
                "rho": float(shown["rho"].iloc[0]) if len(shown) else np.nan,
            }
        )
