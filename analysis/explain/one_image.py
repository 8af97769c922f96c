"""Explain one image file: its attribution maps as pictures and tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_figure, write_json
from analysis.core.files.claim import claim_folder
from analysis.core.images import read_image
from analysis.core.settings import device
from analysis.explain import attribution, explained_networks
from analysis.explain.face_regions import centre_bias, share_in_face
from analysis.explain.model_maps import p_face
from analysis.models import data, registry
from analysis.params import Params
from analysis.stimuli.images import pad

CENTRAL = 0.5
"""Side of the central square whose share of the map is reported, as a fraction of the image's side."""


def explain_file(params: Params, model: str, path: Path, out: Path, force: bool = False) -> list[str]:
    """Write the maps of one image: ``<stem>_<method>.png``, ``.csv`` (values) and ``<stem>.json`` (numbers).

    `force` lets them replace files.

    Returns
    -------
    list of str
        The results in a few lines of text.

    Raises
    ------
    DataError
        If the file is not an image, the model is not trained, its inputs are not images, or the files may not be
        written to `out`.
    """
    names = [f"{path.stem}_{method}.{suffix}" for method in attribution.METHODS for suffix in ("csv", "png")]
    claim_folder(out, names=[*names, f"{path.stem}.json"], inputs=[path], force=force)
    image = read_image(path)
    entry = params.models.entry(model)
    examples = data.load(entry.rules)
    network, architecture = explained_networks.load(params, model, examples)
    square = pad(image, examples.images.shape[2])  # like the training images in the stage stimuli
    inputs = registry.kind(entry.kind).inputs(replace(examples, images=square[None]), architecture)
    if not attribution.are_images(inputs):
        raise DataError(f"{model}: {attribution.NOT_IMAGES}")
    x = attribution.as_floats(inputs, np.array([0]), device())
    network, values = network.to(device()), params.explain
    about = {"model": model, "image": path.name, "size": int(x.shape[2]), "p_face": float(p_face(network, x)[0])}
    about["p_face_blurred"] = float(p_face(network, attribution.blurred(x, values.blur))[0])
    about["maps"] = {}
    for method in attribution.METHODS:
        map_ = attribution.attribute(method, network, x, values)[0]
        about["maps"][method] = _describe_map(map_)
        write_csv(out / f"{path.stem}_{method}.csv", pd.DataFrame(map_))
        _draw(out / f"{path.stem}_{method}.png", np.array(image), map_)
    write_json(out / f"{path.stem}.json", about)
    return _describe(about, out / path.stem)


def _describe_map(map_: np.ndarray) -> dict:
    """Return where a map peaks (0 to 1, right and down) and the share of its positive part in the central square."""
    row, column = np.unravel_index(map_.argmax(), map_.shape)
    size, whole = len(map_), np.ones(map_.shape, bool)
    near = np.abs((np.arange(size) + 0.5) / size - 0.5) < CENTRAL / 2
    middle = np.outer(near, near)
    share = share_in_face(map_, middle, whole)
    return {
        "peak_x": (column + 0.5) / size,
        "peak_y": (row + 0.5) / size,
        "largest": float(map_.max()),
        "least": float(map_.min()),
        "share_in_middle": share if np.isfinite(share) else None,
        "share_in_middle_of_even_map": float(middle.mean()),
        "share_in_middle_of_centre_bias": share_in_face(centre_bias(size), middle, whole),
    }


def _draw(path: Path, image: np.ndarray, map_: np.ndarray) -> None:
    """Draw the map over the image (height, width, 3): red is evidence for a face, blue against it."""
    from matplotlib.figure import Figure

    height, width = image.shape[:2]
    side = max(height, width)
    figure = Figure(figsize=(4, 4 * height / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    left, top = (width - side) / 2, (height - side) / 2
    largest = max(float(np.abs(map_).max()), 1e-12)
    axes.imshow(
        map_, cmap="RdBu_r", vmin=-largest, vmax=largest, alpha=0.55, extent=(left, left + side, top + side, top)
    )
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    write_figure(path, figure, format="png", dpi=150, metadata={"Software": None})


def _describe(about: dict, stem: Path) -> list[str]:
    both = f"{about['p_face']:.3f} for {about['image']}, {about['p_face_blurred']:.3f} after blurring"
    lines = [f"{about['model']}: P(face) = {both}"]
    for method, numbers in about["maps"].items():
        lines.append(f"{method}: peak at {numbers['peak_x']:.0%} from the left, {numbers['peak_y']:.0%} from the top")
    return [*lines, f"wrote {stem}*: maps and numbers"]
