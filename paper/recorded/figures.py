"""The figures of the report on one recorded data set, drawn from its folder."""

import base64
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from analysis.core.files import hdf5
from analysis.core.images import decode, read_acquired
from analysis.core.paths import RAW, RESULTS
from analysis.core.reading import TEXT, read_csv, read_json, reading
from paper import style
from paper.plots.rdms import by_category, mark_categories, percentiles
from paper.recorded.claims import BASELINE
from paper.recorded.tables import CHOSEN, CORRECTED, Recorded

LABELS = {CORRECTED: "noise-corrected r", "rho": "ρ of the RDMs"}
ACQUIRE_AGAIN, SUMMARY_AGAIN = "run the stage acquire for this data set", "run the stage summary for this data set"
EXAMPLES, PER_ROW = 16, 8
"""Images shown, and how many of them beside each other."""
PIXELS = 112
"""Largest side of an image as it is shown."""


def all_figures(found: Recorded) -> Iterator[tuple[str, Figure, str]]:
    """Yield the name, the figure and the alternative text of each figure that the data set allows."""
    yield "examples", *examples(read_examples(found))
    if found.systems:
        yield "scores", *scores(found)
    if panels := list(_matrices(found)):
        yield "rdms", *rdms(panels)


class Examples(NamedTuple):
    """Number of images of each category, and the category and picture of some."""

    categories: dict[str, int]
    images: list[tuple[str, Image.Image]]


def read_examples(found: Recorded) -> Examples:
    """Return images from each category in turn; an image without a category is of the category ``none``."""
    return _of_summary() if "units" in found.table else _of_raw()


def _of_summary() -> Examples:
    path = RESULTS / "examples.json"
    table = read_json(path, SUMMARY_AGAIN)
    with reading(path, SUMMARY_AGAIN):
        images = [(one["category"], decode(base64.b64decode(one["jpeg"]))) for one in table["images"]]
        return Examples(table["categories"], images)


def _of_raw() -> Examples:
    """Return the examples of a data set of published dissimilarities, which has no stage ``summary``."""
    images = _read_images()
    turn = images.groupby("category").cumcount()
    shown = images.assign(turn=turn).sort_values(["turn", "category"], kind="stable")[:EXAMPLES].sort_values("category")
    pictures = [read_acquired(RAW / "images" / file, ACQUIRE_AGAIN) for file in shown["file"]]
    for picture in pictures:
        picture.thumbnail((PIXELS, PIXELS))
    counts = images["category"].value_counts(sort=False).sort_index().to_dict()
    return Examples(counts, list(zip(shown["category"], pictures, strict=True)))


def _read_images() -> pd.DataFrame:
    columns = ["image_id", "file", "category"]
    table = read_csv(RAW / "images.csv", ACQUIRE_AGAIN, columns, columns, na_values=[])
    return table.assign(category=table["category"].where(table["category"] != "", "none"))


def examples(found: Examples) -> tuple[Figure, str]:
    """Draw the examples."""
    rows = -(-len(found.images) // PER_ROW)
    figure = style.figure(style.PAGE, 5 + 25 * rows)
    panels = figure.subplots(rows, PER_ROW, squeeze=False).ravel()
    for axes, (category, picture) in zip(panels, found.images, strict=False):
        axes.imshow(np.asarray(picture))
        axes.set_title(category.replace("_", " "), pad=3)
    for axes in panels:
        axes.set_axis_off()
    return figure, f"{len(found.images)} of the images: {', '.join(category for category, _ in found.images)}."


def scores(found: Recorded) -> tuple[Figure, str]:
    """Draw the score of every layer of every model, and the scores of the models against their accuracy."""
    models, trained = found.models, [name for name in found.models if found.accuracy(name) is not None]
    columns = 2 if trained else 1
    figure = style.figure(style.PAGE, max(45, 12 + 7.5 * len(models)) * len(found.systems))
    grid = figure.subplots(len(found.systems), columns, squeeze=False, width_ratios=[1.4, 1][:columns])
    order, descriptions = _layer_order(), []
    for row, system in zip(grid, found.systems, strict=True):
        _draw_layers(row[0], found, system, order)
        row[0].set_title(system, loc="left")
        if trained:
            _draw_accuracy(row[1], found, system, trained)
        known = [found.score(name, system) for name in models]
        texts = [f"{style.name(one.model)} {one.value:.3f}" for one in known if one.value is not None]
        descriptions.append(f"{system} ({LABELS[found.measure(system)]}): {', '.join(texts)}")
    for axes, letter in zip(grid.ravel(), "abcdefgh", strict=False):
        style.letter(axes, letter)
    return figure, "Scores of the layers of each model. " + "; ".join(descriptions) + "."


def rdms(panels: list[tuple[str, np.ndarray, np.ndarray]]) -> tuple[Figure, str]:
    """Draw matrices of dissimilarity, (title, category of each image, matrix), with images ordered by category."""
    figure = style.figure(style.PAGE, 62 if len(panels) > 2 else 67)
    drawn = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, category, matrix), letter in zip(drawn, panels, "abcdefgh", strict=False):
        order, names, starts = by_category(category)
        shown = axes.imshow(percentiles(matrix[np.ix_(order, order)]), cmap="cividis", vmin=0, vmax=100)
        axes.set_title(title, pad=7)
        style.letter(axes, letter)
        mark_categories(axes, names, starts, len(order), labelled=axes is drawn[0])
    bar = figure.colorbar(shown, ax=drawn, shrink=0.7, pad=0.02)
    bar.set_label("dissimilarity, percentile")
    bar.outline.set_linewidth(0.6)
    titles = "; ".join(" ".join(title.split()) for title, *_ in panels)
    return figure, f"Dissimilarity matrices of {len(order)} images, ordered by category: {titles}."


def _draw_layers(axes, found: Recorded, system: str, order: dict[str, list[str]]) -> None:
    for row, model in enumerate(found.models):
        by_layer, colour = found.layer_scores(model, system), style.colour(model, found.models)
        besides = set(by_layer) - {CHOSEN, found.score(model, system).layer}
        names = sorted(besides, key=lambda name: _place(order, model, name))
        # The middle is left to the layer that stands for the model.
        offsets = [y for y in np.linspace(-0.36, 0.36, len(names) + 1 + len(names) % 2) if abs(y) > 1e-9]
        for name, offset in zip(names, offsets, strict=False):
            _draw_score(axes, by_layer[name], row + offset, colour, size=2.2)
        _draw_score(axes, found.score(model, system), row, style.INK, size=4.5, face=colour)
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_xlabel(LABELS[found.measure(system)])
    style.label_rows(axes, found.models)


def _draw_score(axes, score, y: float, colour: str, size: float, face: str | None = None) -> None:
    if score.value is None:
        return
    if score.low is not None and score.high is not None:
        axes.plot(
            [score.low, score.high], [y, y], color=colour, linewidth=0.3 * size, solid_capstyle="butt", zorder=size
        )
    axes.plot(score.value, y, "o", color=face or colour, markeredgecolor=colour, markersize=size, zorder=size)


def _draw_accuracy(axes, found: Recorded, system: str, trained: list[str]) -> None:
    for model in trained:
        score, x = found.score(model, system), 100 * found.accuracy(model)
        if score.value is None:
            continue
        colour = style.colour(model, found.models)
        if score.low is not None:
            axes.plot([x, x], [score.low, score.high], color=colour, linewidth=1.0)
        marker = style.marker(model, found.models)
        axes.plot(x, score.value, marker, color=colour, markeredgecolor=style.INK, label=style.name(model))
    axes.set_xlabel("test images classified correctly (%)")
    axes.set_ylabel(LABELS[found.measure(system)])
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), borderaxespad=0.2, handletextpad=0.1, fontsize=6)


def _place(order: dict[str, list[str]], model: str, layer: str) -> int:
    names = order.get(model, [])
    return names.index(layer) if layer in names else len(names)


def _layer_order() -> dict[str, list[str]]:
    """Return the layers of each model from input to output: tables keep their order, JSON does not."""
    path, again = RESULTS / "geometry.csv", "run the stage geometry for this data set"
    if not path.is_file():
        path, again = RESULTS / "layers.csv", SUMMARY_AGAIN
    table = read_csv(path, again, ["model", "layer"], TEXT)
    return {model: list(dict.fromkeys(rows["layer"])) for model, rows in table.groupby("model", sort=False)}


def _matrices(found: Recorded) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield the RDMs that are at hand, of a model, the neurons and the categories, as `rdms` takes them."""
    from scipy.spatial.distance import squareform

    published = RAW / "rdms.nc"
    if published.is_file():
        file = hdf5.read_dataset(published, ACQUIRE_AGAIN)
        with reading(published, ACQUIRE_AGAIN):
            known = _read_images().set_index("image_id")["category"]
            category = known.loc[file["image_id"].values.astype(str)].to_numpy(str)
            rows = dict(zip(file["system"].values.astype(str), file["rdm"].values.astype(float), strict=True))
            matrices = {system: squareform(rows[system], checks=False) for system in found.systems}
        for system, matrix in matrices.items():
            yield system, category, matrix
    else:
        scores = {name: found.score(name, region).value for region in found.regions[-1:] for name in found.models}
        ranked = sorted((name for name in scores if scores[name] is not None), key=lambda name: -scores[name])
        if not ranked:
            return
        model = next((name for name in ranked if name not in ("category", BASELINE)), ranked[0])
        path, again = RESULTS / "compare" / model / "rdms.nc", f"run the stage compare for {model}"
        file = hdf5.read_dataset(path, again)
        with reading(path, again):
            category, attrs = file["category"].values.astype(str), file.attrs
            matrices = {
                f"{style.name(model)},\nlayer {attrs['layer']}": file["model_rdm"].values.astype(float),
                f"{attrs['region']},\n{attrs['n_units']} units": file["neural_rdm"].values.astype(float),
            }
        for title, matrix in matrices.items():
            yield title, category, matrix
    yield "categories", category, (category[:, None] != category[None, :]).astype(float)
