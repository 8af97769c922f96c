"""The question, and the path from image and gaze to the two scores."""

import base64
import io
from itertools import combinations, pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from PIL import Image

from paper import style
from paper.plots import rdms
from paper.results import Results

MOST_UNITS = 24
"""Units of the raster: more rows would not be told apart."""
ENOUGH = 4
"""Fixations that show a path of the gaze."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw the cortex above and the network below: image, responses, RDM; at the right how the two are compared."""
    model = results.roles()["first"]
    opened, shown = results.rdms(model), _example_image(results.example())
    figure = style.figure(style.PAGE, 88)
    grid = figure.subplots(2, 4, width_ratios=[0.8, 1.15, 1, 1])
    order, names, starts = rdms.by_category(opened["category"].values.astype(str))
    matrices = [rdms.percentiles(opened[key].values[np.ix_(order, order)]) for key in ("neural_rdm", "model_rdm")]
    _draw_image(grid[0, 0], shown, gaze=True)
    _draw_image(grid[1, 0], shown, gaze=False)
    spikes = _draw_spikes(grid[0, 1], shown)
    layers = results.summary["models"][model]["layers"]
    _draw_network(grid[1, 1], style.name(model), layers)
    titles = (
        f"RDM, {opened.attrs['n_units']} units of {opened.attrs['region']}",
        f"RDM, layer {opened.attrs['layer']}",
    )
    for axes, matrix, title in zip(grid[:, 2], matrices, titles, strict=True):
        axes.imshow(matrix, cmap="cividis", vmin=0, vmax=100)
        axes.set_title(title)
        rdms.mark_categories(axes, names, starts, len(order), labelled=False)
    area = claims["predictivity"]["area"]
    median = _draw_predictivity(grid[0, 3], results, model, area)
    _draw_geometry(grid[1, 3], *matrices, opened.attrs["rho"])
    for axes, letter in zip(grid.ravel(), "abcdefgh", strict=True):
        style.letter(axes, letter)
    for axes in grid.ravel():
        axes.title.set_fontsize(7)
    for row in grid:
        for left, right in pairwise(row):
            _draw_arrow(figure, left, right, end=-0.34 if right is row[-1] else -0.12)
    return figure, (
        f"The path of the data in eight panels. Above, the cortex: an image with the gaze of a monkey, {spikes}, the "
        f"dissimilarity matrix of {titles[0]}, and noise-corrected r of single units of {area}, median {median:.3f}. "
        f"Below, the network: the same image, the layers of {style.name(model)} ({', '.join(layers)}), the "
        f"dissimilarity matrix of its {titles[1]}, and the dissimilarities of network and neurons against each other, "
        f"rho {opened.attrs['rho']:.3f}."
    )


def _example_image(example: dict) -> dict | None:
    """Return the first image of the example recording, in the presentation whose gaze can be drawn most clearly.

    None if no image was kept.
    """
    recording = example["recording"]
    if recording is None:
        return None
    image = next((one for one in recording["images"] if one["jpeg"] and one["presentations"]), recording["images"][0])
    width, height = recording["size_dva"]
    return {
        "picture": image["jpeg"],
        "size": recording["size_dva"],
        "presentation": max(image["presentations"], key=lambda one: _clarity(_on_image(one, width, height))),
        "units": recording["units"],
    }


def _on_image(presentation: dict, width: float, height: float) -> list[list]:
    return [f for f in presentation["fixations"] if abs(f[0]) <= width / 2 and abs(f[1]) <= height / 2]


def _clarity(fixations: list[list]) -> tuple[bool, float]:
    """Say whether there are `ENOUGH` fixations, and how near two of them come: numbered circles hide each other."""
    nearest = min((float(np.hypot(a[0] - b[0], a[1] - b[1])) for a, b in combinations(fixations, 2)), default=0.0)
    return len(fixations) >= ENOUGH, nearest


def _draw_image(axes, shown: dict | None, gaze: bool) -> None:
    axes.set_axis_off()
    if shown is None or shown["picture"] is None:
        axes.text(0.5, 0.5, "image not at hand", ha="center", va="center", transform=axes.transAxes)
        return
    width, height = shown["size"]
    extent = (-width / 2, width / 2, -height / 2, height / 2)
    with Image.open(io.BytesIO(base64.b64decode(shown["picture"]))) as picture:
        axes.imshow(np.asarray(picture.convert("RGB")), extent=extent)
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    if not gaze:
        axes.set_title("network: the image")
        return
    axes.set_title("monkey: gaze")
    on_image = _on_image(shown["presentation"], width, height)
    x, y = [f[0] for f in on_image], [f[1] for f in on_image]
    axes.plot(x, y, color="white", linewidth=2)
    axes.plot(x, y, color=style.COLOURS[0], linewidth=1)
    for number, (at, up) in enumerate(zip(x, y, strict=True), 1):
        axes.plot(at, up, "o", color=style.COLOURS[0], markersize=8, markeredgecolor="white")
        axes.text(at, up, str(number), ha="center", va="center_baseline", fontsize=6, color="white")


def _draw_spikes(axes, shown: dict | None) -> str:
    axes.set_title("spikes and windows")
    axes.set_xlabel("time from image onset (ms)")
    axes.set_ylabel("unit")
    axes.set_yticks([])
    if shown is None:
        axes.text(0.5, 0.5, "no recording", ha="center", va="center", transform=axes.transAxes)
        return "no recording"
    presentation = shown["presentation"]
    spikes = presentation["spikes"][:MOST_UNITS]
    for onset, offset in ((f[2], f[3]) for f in presentation["fixations"] if f[4]):
        axes.axvspan(onset, offset, color=style.COLOURS[0], alpha=0.18, linewidth=0)
    axes.eventplot([*spikes], colors=style.INK, linewidths=0.5, linelengths=0.8)
    axes.set_xlim(presentation["window"])
    axes.set_ylim(len(spikes) - 0.4, -0.6)
    return f"the spikes of {len(spikes)} units"


def _draw_network(axes, name: str, layers: list[str]) -> None:
    """Draw the layers as bars that shrink from input to output."""
    axes.set_axis_off()
    axes.set_title(name)
    heights = np.linspace(1.0, 0.35, len(layers))
    for place, (layer, height) in enumerate(zip(layers, heights, strict=True)):
        colour = style.COLOURS[1] if place == len(layers) - 1 else style.PALE
        axes.add_patch(Rectangle((place, -height / 2), 0.6, height, color=colour, linewidth=0))
        axes.text(place + 0.3, -0.58, layer, ha="center", va="top", fontsize=6.5, rotation=0 if len(layers) < 6 else 45)
    axes.set_xlim(-0.3, len(layers) - 0.1)
    axes.set_ylim(-0.9, 0.6)


def _draw_predictivity(axes, results: Results, model: str, area: str) -> float:
    values = results.unit_scores(model, area, "r_corrected")
    axes.set_title("predictivity")
    axes.set_xlabel(f"noise-corrected r ({area})")
    axes.set_ylabel("units")
    if len(values) == 0:
        return np.nan
    axes.hist(np.clip(values, -1, 1.5), np.linspace(-1, 1.5, 26), color=style.COLOURS[0])
    median = results.scores(model, area).r_corrected
    axes.axvline(median, color=style.INK, linewidth=1)
    axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
    axes.annotate(
        f"median {median:.2f}".replace("-", "−"), (median, 1), xytext=(-3, -2), textcoords="offset points",
        va="top", ha="right", xycoords=("data", "axes fraction"), fontsize=6.5,
    )  # fmt: skip
    return median


def _draw_geometry(axes, neural: np.ndarray, model: np.ndarray, rho: float) -> None:
    upper = np.triu_indices(len(neural), 1)
    axes.hist2d(model[upper], neural[upper], bins=20, range=[[0, 100], [0, 100]], cmap="Blues")
    axes.set_title(f"geometry, ρ = {rho:.2f}".replace("-", "−"))
    axes.set_xlabel("network (percentile)")
    axes.set_ylabel("neurons (percentile)")


def _draw_arrow(figure, left, right, end: float) -> None:
    """Draw a short arrow in the gap between two panels, up to the labels at the upper end of the right one."""
    figure.add_artist(
        ConnectionPatch(
            (1.03, 1.0), (end, 1.0), left.transAxes, right.transAxes, arrowstyle="-|>", mutation_scale=7,
            color=style.GREY, linewidth=0.8,
        )
    )  # fmt: skip
