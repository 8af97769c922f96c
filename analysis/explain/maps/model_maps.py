"""The maps of one model: by every method, with trained and with initial weights, beside maps that know no model."""

from dataclasses import dataclass

import numpy as np
import torch

from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.explain.gaze.image_square import Frame, face_region
from analysis.explain.maps import attribution, baseline_maps
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.params import Explain
from analysis.recordings.rois import FACE_CATEGORIES, Rois

TRAINED, UNTRAINED, CONTROL = "trained", "untrained", "none"
"""Whose weights a map comes from; ``none``: it knows no model."""
REGION = "region"
"""The face region itself as a map: the upper reference of the neurons."""
CONTROLS = ("centre", "prior", "edges")


@dataclass(frozen=True)
class Explained:
    """One model's maps of the test images with a face region.

    Attributes
    ----------
    model : str
    networks : dict from weights to Network
    stems : tuple of str, n_images
    groups : (n_images,)
        Near-duplicate group.
    x : float tensor (n_images, 3, size, size), 0 to 1
    region : (n_images, size, size) bool
    maps : dict from (weights, method) to (n_images, size, size)
    skipped : dict from method to the reason why the model has no such maps
    """

    model: str
    networks: dict[str, Network]
    stems: tuple[str, ...]
    groups: np.ndarray
    x: torch.Tensor
    region: np.ndarray
    maps: dict[tuple[str, str], np.ndarray]
    skipped: dict[str, str]

    def of(self, weights: str) -> dict[str, np.ndarray]:
        """Return the maps of one set of weights by method."""
        return {method: maps for (whose, method), maps in self.maps.items() if whose == weights}


class Regions:
    """Face regions of images in the square that a model of some size sees."""

    def __init__(self, rois: Rois, examples: Examples, size: int):
        self.rois, self.table, self.size = rois, examples.table, size

    def has_face(self, row: int) -> bool:
        """Say whether an image has the region of a face."""
        return not FACE_CATEGORIES.isdisjoint(self.rois.categories(self.table["stem"].iloc[row]))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the regions of images, (n, size, size) bool."""
        found = np.zeros((len(rows), self.size, self.size), bool)
        for k, row in enumerate(rows):
            one = self.table.iloc[row]
            found[k] = face_region(self.rois, one["stem"], one["width"], one["height"], self.size)
        return found


def frames(table) -> dict[str, Frame]:
    """Return where each image of ``images.csv`` lies in its square, by stem."""
    return {row.stem: Frame.of(row.width, row.height) for row in table.itertuples()}


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many rows, evenly spread over all."""
    return (
        rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))] if len(rows) else rows
    )


def as_floats(x: torch.Tensor, rows: np.ndarray, device: str) -> torch.Tensor:
    """Return the inputs at `rows` as float32 from 0 to 1 on the device, channels last."""
    return (x[torch.from_numpy(rows)].to(device).float() / 255).contiguous(memory_format=torch.channels_last)


def explain(
    model: str,
    networks: dict[str, Network],
    inputs: torch.Tensor,
    examples: Examples,
    rois: Rois,
    values: Explain,
    seed: int,
    device: str,
) -> Explained | str:
    """Compute all maps of one model, or return why it has none.

    Parameters
    ----------
    model : str
    networks : dict from weights to Network
        Trained and untrained, on the device.
    inputs : uint8 tensor (n_all, 3, size, size)
        Of all images.
    examples, rois, values, seed, device
        Images with labels and splits; regions; parameters; seed of the project; torch device.
    """
    if inputs.ndim != 4 or inputs.shape[1] != 3:
        return "its inputs are not images"
    regions = Regions(rois, examples, inputs.shape[2])
    with_face = np.array([row for row in range(len(examples.label)) if regions.has_face(row)], int)
    split = examples.split[with_face]
    rows = spread(with_face[split == "test"], values.images)
    region = regions.of(rows)
    rows, region = rows[region.any((1, 2))], region[region.any((1, 2))]  # a region may be smaller than a pixel
    if len(rows) < 2:
        return "fewer than two test images have a face region"
    x = as_floats(inputs, rows, device)
    table = examples.table.iloc[rows]
    stems = tuple(table["stem"])
    reasons = {name: attribution.unavailable(name, networks[TRAINED], x[:1]) for name in attribution.METHODS}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    pieces = attribution.cut(x, values)
    wanted = [(whose, name) for name in reasons if name not in skipped for whose in networks]

    def one(key: tuple[str, str]) -> np.ndarray:
        job = attribution.Job(networks[key[0]], x, values, seed_of(seed, "explain", model), list(stems), pieces)
        return attribution.attribute(key[1], job)

    found = dict(zip(wanted, map_threads(one, wanted), strict=True))
    known = regions.of(spread(with_face[split == "train"], 10 * values.images))
    found |= {(CONTROL, name): maps for name, maps in _controls(x.cpu().numpy(), known).items()}
    return Explained(model, networks, stems, table["group"].to_numpy(), x, region, found, skipped)


def _controls(x: np.ndarray, known: np.ndarray) -> dict[str, np.ndarray]:
    """Return the maps that know no model; the prior is the mean of the regions of training images."""
    size = x.shape[2]
    prior = baseline_maps.prior(known) if len(known) else baseline_maps.centre(size)
    return {
        "centre": np.broadcast_to(baseline_maps.centre(size), (len(x), size, size)),
        "prior": np.broadcast_to(prior, (len(x), size, size)),
        "edges": np.stack([baseline_maps.edges(image) for image in x]),
    }
