"""File of a model's out-of-fold predictions, for comparing models on the same images and units."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from analysis.compare.read import CHOSEN, read_scores
from analysis.compare.unit_scores import Predicted
from analysis.core import paths
from analysis.core.files import hdf5
from analysis.core.reading import damaged

FILE = "predictions.nc"
TOP = "top"
"""Name of the top layer's predictions, whatever the layer is called."""


@dataclass(frozen=True)
class PopulationPredictions:
    """Predictions of one population by a model (`read`).

    Attributes
    ----------
    recording, region : str
    images, units : tuple of str, n_images and n_units
    folds : (n_repeats, n_images) int
        Fold in which each image was predicted; -1 if never.
    layers : dict from `CHOSEN` and `TOP` to (n_repeats, n_images, n_units)
        In units of the responses; NaN where nothing could be predicted.
    """

    recording: str
    region: str
    images: tuple[str, ...]
    units: tuple[str, ...]
    folds: np.ndarray
    layers: dict[str, np.ndarray]


def write(path: Path, predicted: Sequence[Predicted], top: str) -> None:
    """Write the predictions of the chosen and the top layer, in a group ``<recording>-<area>`` per population.

    Uses h5netcdf, as `rdm_figure.write_rdms` does.
    """
    with hdf5.create_netcdf(path) as file:
        for one in predicted:
            population = one.measured.population
            group = file.create_group(f"{population.recording}-{population.region}")
            group.attrs.update({"recording": population.recording, "region": population.region})
            n_repeats, n_images = one.folds.shape
            group.dimensions = {"repeat": n_repeats, "image": n_images, "unit": len(population.units)}
            for name, values in (("image", population.images), ("unit", population.units)):
                group.create_variable(name, (name,), h5py.string_dtype(), data=np.array(list(values), object))
            group.create_variable("fold", ("repeat", "image"), np.int16, data=one.folds)
            for name, layer in ((CHOSEN, CHOSEN), (TOP, top)):
                group.create_variable(
                    name,
                    ("repeat", "image", "unit"),
                    np.float64,
                    data=one.layers[layer],
                    compression="gzip",
                    shuffle=True,
                )


def read(model: str) -> list[PopulationPredictions]:
    """Read the predictions that the stage ``compare`` wrote for a model, by population; empty without images.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    path, again = paths.RESULTS / "compare" / model / FILE, f"run the stage compare for {model}"
    if not path.is_file() and read_scores(model, "units").empty:
        return []
    with hdf5.opened(path, "netCDF", again) as file, hdf5.reading(path, "netCDF", again):
        found = [_population(group) for group in file.values()]
    for one in found:
        shape = (*one.folds.shape, len(one.units))
        if any(values.shape != shape or values.dtype.kind != "f" for values in one.layers.values()):
            raise damaged(path, f"predictions of {one.recording} do not have the shape {shape}", again)
    return found


def _population(group: h5py.Group) -> PopulationPredictions:
    images, units = (tuple(value.decode() for value in group[name][...]) for name in ("image", "unit"))
    layers = {name: group[name][...] for name in (CHOSEN, TOP)}
    return PopulationPredictions(
        str(group.attrs["recording"]), str(group.attrs["region"]), images, units, group["fold"][...], layers
    )
