"""Attribution maps of one model, with trained and initial weights, for test images with a face and for a gallery."""

from dataclasses import dataclass

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.core.parallel import map_threads
from analysis.explain import attribution
from analysis.explain.attribution import as_floats, blurred
from analysis.explain.explained_networks import Evidence
from analysis.explain.face_regions import Regions
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.params import Explain
from analysis.recordings.rois import Rois

TRAINED, INITIAL = "trained", "initial"
"""The weights that a network may have."""


class NotExplained(DataError):
    """A model cannot be explained; the message gives the reason."""


@dataclass(frozen=True)
class Explained:
    """The maps of one model.

    Attributes
    ----------
    model : str
    rows : (n,) int
        Explained images: first `n_scored` test images with a face region, then others of the gallery.
    n_scored : int
    stems : (n,) str
    groups : (n,)
        Near-duplicate group of each image.
    faces, frames : (n, size, size) bool
        Face regions, and the part of the square that the image covers.
    p_face : (n,)
        P(face) of the trained network.
    maps : dict from (weights, method) to float32 (n, size, size)
        (n_scored, size, size) with initial weights.
    mean_p_face : dict
        Mean P(face) of the trained network for ``faces`` and ``non_faces``, each ``intact`` and ``blurred``.
    """

    model: str
    rows: np.ndarray
    n_scored: int
    stems: np.ndarray
    groups: np.ndarray
    faces: np.ndarray
    frames: np.ndarray
    p_face: np.ndarray
    maps: dict[tuple[str, str], np.ndarray]
    mean_p_face: dict[str, dict[str, float]]

    def scored(self, weights: str, method: str) -> np.ndarray:
        """Return the maps of the images with a face region, (n_scored, size, size)."""
        return self.maps[weights, method][: self.n_scored]


def evenly_spaced(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` rows, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))]


def images_with_face(examples: Examples, regions: Regions, most: int) -> np.ndarray:
    """Return at most `most` test images with a face region of at least one pixel."""
    rows = np.array([row for row in np.flatnonzero(examples.split == "test") if regions.has_face(row)], int)
    rows = evenly_spaced(rows, most)
    return rows[regions.faces(rows).any(axis=(1, 2))]


def explain_model(
    model: str,
    networks: dict[str, Network],
    inputs: torch.Tensor,
    examples: Examples,
    rois: Rois,
    values: Explain,
    gallery: np.ndarray,
    device: str,
) -> Explained:
    """Compute all maps of one model.

    Parameters
    ----------
    model : str
    networks : dict from weights to Network
        `TRAINED` and `INITIAL`, on the device.
    inputs : uint8 tensor (n_all, 3, size, size)
        Inputs for all images.
    examples, rois, values
        Images with labels and splits; regions; parameters.
    gallery : (k,) int
        Images to explain besides those with a face region.
    device : str

    Raises
    ------
    NotExplained
        If the inputs are not images, or fewer than two test images have a face region.
    """
    if not attribution.are_images(inputs):
        raise NotExplained(attribution.NOT_IMAGES)
    regions = Regions(rois, examples, inputs.shape[2])
    scored = images_with_face(examples, regions, values.images)
    if len(scored) < 2:
        raise NotExplained("fewer than two test images have a face region")
    rows = np.concatenate([scored, np.setdiff1d(gallery, scored)])
    x = as_floats(inputs, rows, device)
    wanted = [(weights, method) for method in attribution.METHODS for weights in (TRAINED, INITIAL)]

    def attribute(key: tuple[str, str]) -> np.ndarray:
        weights, method = key
        return attribution.attribute(method, networks[weights], x if weights == TRAINED else x[: len(scored)], values)

    maps = dict(zip(wanted, map_threads(attribute, wanted), strict=True))
    table = examples.table.iloc[rows]
    non_faces = np.flatnonzero((examples.split == "test") & (examples.label == 0))
    both = {"faces": x[: len(scored)], "non_faces": as_floats(inputs, evenly_spaced(non_faces, values.images), device)}
    trained = networks[TRAINED]
    means = {
        name: {
            "intact": float(p_face(trained, images).mean()),
            "blurred": float(p_face(trained, blurred(images, values.blur)).mean()),
        }
        for name, images in both.items()
    }
    stems, groups = table["stem"].to_numpy(str), table["group"].to_numpy()
    faces, frames = regions.faces(rows), regions.frames(rows)
    return Explained(model, rows, len(scored), stems, groups, faces, frames, p_face(trained, x), maps, means)


def p_face(network: Network, x: torch.Tensor) -> np.ndarray:
    """Return the probability of a face for images (n, 3, size, size), (n,)."""
    evidence = Evidence(network)
    with torch.no_grad():
        logits = torch.cat([evidence(part) for part in x.split(attribution.IMAGES_PER_PASS)])
    return (1 / (1 + np.exp(-logits.double().cpu().numpy()))).astype(float)
