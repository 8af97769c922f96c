"""A few test images with their maps and the monkeys' fixations, for a figure of the paper."""

import numpy as np
import torch
import xarray as xr

from analysis.core.parallel import map_threads
from analysis.explain.gaze.image_square import on_square
from analysis.explain.maps import attribution
from analysis.explain.maps.model_maps import Regions, as_floats
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.params import Explain
from analysis.recordings import read

KINDS = {
    "face": lambda table: table["label"] == "face",
    "pareidolia": lambda table: table["category"] == "pareidolia",
    "object": lambda table: table["label"] == "non-face",
}
IMAGES_PER_KIND = 2


def collect_fixations(frames: dict) -> dict[str, np.ndarray]:
    """Return the positions of selected fixations in the square of each image, (n_fixations, 2), over all recordings."""
    found: dict[str, list] = {}
    for recording in read.all_recordings("corrected"):
        chosen = read.selected(recording)
        stimulus = chosen["stimulus_id"].values.astype(str)
        gaze = np.column_stack([chosen["x_dva"], chosen["y_dva"]])
        for stem in np.unique(stimulus):
            if stem in frames:
                found.setdefault(stem, []).append(on_square(gaze[stimulus == stem], chosen, frames[stem]))
    return {stem: np.concatenate(parts) for stem, parts in found.items()}


def choose_images(examples: Examples, fixations: dict[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Return the rows and kinds of the test images of each kind with most fixations."""
    table = examples.table.assign(n=[len(fixations.get(stem, ())) for stem in examples.table["stem"]])
    shown = (examples.split != "train") & (table["n"] > 0)
    rows, kinds = [], []
    for kind, which in KINDS.items():
        part = table[shown & which(table)].sort_values(["n", "stem"], ascending=[False, True]).head(IMAGES_PER_KIND)
        rows += part.index.tolist()
        kinds += [kind] * len(part)
    return np.array(rows, int), kinds


def build_gallery(
    model: str,
    network: Network,
    inputs: torch.Tensor,
    examples: Examples,
    regions: Regions,
    fixations: dict[str, np.ndarray],
    values: Explain,
    seed: int,
    device: str,
) -> xr.Dataset:
    """Return images, maps, face regions and fixations (positions in the square, 0 to 1)."""
    rows, kinds = choose_images(examples, fixations)
    x = as_floats(inputs, rows, device)
    stems = examples.table["stem"].iloc[rows].tolist()
    methods = [name for name in attribution.METHODS if _available(name, network, x)]
    job = attribution.Job(network, x, values, seed, stems, attribution.segment(x, values)) if methods else None
    maps = dict(zip(methods, map_threads(lambda name: attribution.attribute(name, job), methods), strict=True))
    spots = [(k, *spot) for k, stem in enumerate(stems) for spot in fixations[stem]]
    seen = np.array(spots, float).reshape(-1, 3)
    side = x.shape[2]
    return xr.Dataset(
        {
            "picture": (("image", "channel", "row", "column"), inputs[torch.from_numpy(rows)].numpy()),
            "map": (
                ("method", "image", "row", "column"),
                np.stack([*maps.values()]) if maps else np.zeros((0, len(rows), side, side), np.float32),
            ),
            "region": (("image", "row", "column"), regions.of(rows).astype(np.uint8)),
            "fixation_image": ("fixation", seen[:, 0].astype(np.int32)),
            "fixation_x": ("fixation", seen[:, 1]),
            "fixation_y": ("fixation", seen[:, 2]),
        },
        coords={"stem": ("image", np.array(stems, str)), "kind": ("image", np.array(kinds, str)), "method": list(maps)},
        attrs={"model": model},
    )


def _available(method: str, network: Network, x: torch.Tensor) -> bool:
    return len(x) > 0 and attribution.reason_unavailable(method, network, x[:1]) is None
