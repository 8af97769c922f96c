"""A few test images with their maps, for a figure of the paper."""

import numpy as np
import xarray as xr

from analysis.explain.attribution import METHODS
from analysis.explain.face_regions import Regions
from analysis.explain.model_maps import TRAINED, Explained, evenly_spaced, images_with_face
from analysis.models.data import Examples
from analysis.params import Explain
from analysis.recordings.rois import Rois

NUMBER = {"face": 4, "pareidolia": 2, "object": 2}
"""Number of images of each kind."""


def choose_images(examples: Examples, rois: Rois, values: Explain) -> dict[str, np.ndarray]:
    """Return evenly spaced rows of test images of each kind; faces are among those whose maps are scored."""
    table, test = examples.table, examples.split == "test"
    pareidolia = (table["category"] == "pareidolia").to_numpy()
    rows = {
        "face": images_with_face(examples, Regions(rois, examples, examples.images.shape[2]), values.images),
        "pareidolia": np.flatnonzero(test & pareidolia),
        "object": np.flatnonzero(test & (examples.label == 0) & ~pareidolia),
    }
    return {kind: evenly_spaced(rows[kind], number) for kind, number in NUMBER.items()}


def build_gallery(chosen: dict[str, np.ndarray], examples: Examples, rois: Rois, models: list[Explained]) -> xr.Dataset:
    """Return pictures and face regions, and the maps and P(face) of each model at the size of its inputs."""
    rows = np.concatenate(list(chosen.values()))
    faces = Regions(rois, examples, examples.images.shape[2]).faces(rows)
    variables = {
        "picture": (("image", "channel", "row", "column"), examples.images[rows]),
        "face": (("image", "row", "column"), faces.astype(np.uint8)),
    }
    for explained in models:
        where = [int(np.flatnonzero(explained.rows == row)[0]) for row in rows]
        axes = ("method", "image", f"row_{explained.model}", f"column_{explained.model}")
        maps = np.stack([explained.maps[TRAINED, method][where] for method in METHODS])
        variables[f"map_{explained.model}"] = (axes, maps)
        variables[f"p_face_{explained.model}"] = ("image", explained.p_face[where])
    return xr.Dataset(
        variables,
        coords={
            "stem": ("image", examples.table["stem"].iloc[rows].to_numpy(str)),
            "kind": ("image", np.repeat(list(chosen), [len(part) for part in chosen.values()])),
            "method": list(METHODS),
        },
    )
