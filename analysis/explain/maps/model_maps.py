"""The maps of one model: by every method, with trained and with initial weights, and baseline maps."""

from dataclasses import dataclass

import numpy as np
import torch

from analysis.core.errors import DataError
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.explain.gaze.image_square import Frame, face_region
from analysis.explain.maps import attribution, baseline_maps
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.params import Explain
from analysis.recordings.rois import FACE_CATEGORIES, Rois

TRAINED, UNTRAINED, CONTROL = "trained", "untrained", "none"
"""Weights of the model behind a map; ``none`` for baseline maps."""
REGION = "region"
"""The face region itself as a map, the upper reference for neurons."""
CONTROLS = ("centre", "prior", "edges")


class NotExplained(DataError):
    """A model has no maps; the message gives the reason."""


@dataclass(frozen=True)
class Explained:
    """The maps of one model for the test images with a face region.

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
    skipped : dict from method to the reason why it cannot explain the model
    """

    model: str
    networks: dict[str, Network]
    stems: tuple[str, ...]
    groups: np.ndarray
    x: torch.Tensor
    region: np.ndarray
    maps: dict[tuple[str, str], np.ndarray]
    skipped: dict[str, str]

    def by_method(self, weights: str) -> dict[str, np.ndarray]:
        """Return the maps for one set of weights, by method."""
        return {method: maps for (source, method), maps in self.maps.items() if source == weights}


class Regions:
    """Face regions of images in the square that a model sees, whose side is `size` pixels."""

    def __init__(self, rois: Rois, examples: Examples, size: int):
        self.rois, self.table, self.size = rois, examples.table, size

    def has_face(self, row: int) -> bool:
        """Return whether an image has a face region."""
        return not FACE_CATEGORIES.isdisjoint(self.rois.categories(self.table["stem"].iloc[row]))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the face regions of images, (n, size, size) bool."""
        found = np.zeros((len(rows), self.size, self.size), bool)
        for k, row in enumerate(rows):
            image = self.table.iloc[row]
            found[k] = face_region(self.rois, image["stem"], image["width"], image["height"], self.size)
        return found


def image_frames(table) -> dict[str, Frame]:
    """Return the part of the square that each image of ``images.csv`` covers, by stem."""
    return {row.stem: Frame.of(row.width, row.height) for row in table.itertuples()}


def evenly_spaced(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` rows, evenly spaced."""
    return (
        rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))] if len(rows) else rows
    )


def as_floats(x: torch.Tensor, rows: np.ndarray, device: str) -> torch.Tensor:
    """Return the inputs `rows` as float32 from 0 to 1 on the device, channels last."""
    return (x[torch.from_numpy(rows)].to(device).float() / 255).contiguous(memory_format=torch.channels_last)


def explain_model(
    model: str,
    networks: dict[str, Network],
    inputs: torch.Tensor,
    examples: Examples,
    rois: Rois,
    values: Explain,
    seed: int,
    device: str,
) -> Explained:
    """Compute all maps of one model.

    Parameters
    ----------
    model : str
    networks : dict from weights to Network
        Trained and untrained, on the device.
    inputs : uint8 tensor (n_all, 3, size, size)
        Of all images.
    examples, rois, values, seed, device
        Images with labels and splits; regions; parameters; seed of the project; torch device.

    Raises
    ------
    NotExplained
        If the inputs are not images, or fewer than two test images have a face region.
    """
    if not attribution.are_images(inputs):
        raise NotExplained(attribution.NOT_IMAGES)
    regions = Regions(rois, examples, inputs.shape[2])
    with_face = np.array([row for row in range(len(examples.label)) if regions.has_face(row)], int)
    split = examples.split[with_face]
    rows = evenly_spaced(with_face[split == "test"], values.images)
    region = regions.of(rows)
    rows, region = rows[region.any((1, 2))], region[region.any((1, 2))]  # a region may be smaller than a pixel
    if len(rows) < 2:
        raise NotExplained("fewer than two test images have a face region")
    x = as_floats(inputs, rows, device)
    table = examples.table.iloc[rows]
    stems = tuple(table["stem"])
    reasons = {name: attribution.reason_unavailable(name, networks[TRAINED], x[:1]) for name in attribution.METHODS}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    segments = attribution.segment(x, values)
    wanted = [(weights, name) for name in reasons if name not in skipped for weights in networks]

    def attribute(key: tuple[str, str]) -> np.ndarray:
        job = attribution.Job(networks[key[0]], x, values, seed_of(seed, "explain", model), list(stems), segments)
        return attribution.attribute(key[1], job)

    maps = dict(zip(wanted, map_threads(attribute, wanted), strict=True))
    training_regions = regions.of(evenly_spaced(with_face[split == "train"], 10 * values.images))
    baselines = _baseline_maps(x.cpu().numpy(), training_regions)
    maps |= {(CONTROL, name): baseline for name, baseline in baselines.items()}
    return Explained(model, networks, stems, table["group"].to_numpy(), x, region, maps, skipped)


def _baseline_maps(x: np.ndarray, training_regions: np.ndarray) -> dict[str, np.ndarray]:
    """Return the baseline maps; the prior is the mean of the face regions of training images."""
    size = x.shape[2]
    prior = baseline_maps.prior(training_regions) if len(training_regions) else baseline_maps.centre(size)
    return {
        "centre": np.broadcast_to(baseline_maps.centre(size), (len(x), size, size)),
        "prior": np.broadcast_to(prior, (len(x), size, size)),
        "edges": np.stack([baseline_maps.edges(image) for image in x]),
    }
