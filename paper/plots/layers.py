"""Noise-corrected r in each area by each layer of each model."""

from string import ascii_lowercase

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

BEST = "best"
"""The layer chosen within the training images of each fold, in the table of layers."""
ACROSS = 3
"""Panels in a row."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw median noise-corrected r of each layer in each area, a matrix per model, on one colour scale."""
    scored = results.layers[results.layers.r_corrected.notna()]  # no noise ceiling, no score
    models = [model for model in results.models if model in set(scored.model)] or results.models
    areas = [area for area in AREAS if area in set(results.layers.region)]
    tables = {model: _table(results, model, areas) for model in models}
    rows = [models[k : k + ACROSS] for k in range(0, len(models), ACROSS)]
    heights = [1 + max(len(tables[model]) for model in row) for row in rows]
    figure = style.figure(style.PAGE, 16 + sum(4.6 * height + 7 for height in heights))
    values = np.concatenate([table.to_numpy().ravel() for table in tables.values()])
    widest = max([0.05, *values[np.isfinite(values)]])
    grid = figure.add_gridspec(len(rows), min(ACROSS, len(models)), height_ratios=heights)
    panels = [figure.add_subplot(grid[divmod(index, ACROSS)]) for index in range(len(models))]
    descriptions = []
    for axes, (model, table), letter in zip(panels, tables.items(), ascii_lowercase, strict=False):
        shown = axes.imshow(table.to_numpy(), cmap="cividis", vmin=0, vmax=widest, aspect="auto")
        for (row, column), value in np.ndenumerate(table.to_numpy()):
            if np.isfinite(value):
                tone = "black" if value > 0.6 * widest else "white"
                axes.text(column, row, short(value), ha="center", va="center", fontsize=6, color=tone)
        axes.set_xticks(range(len(areas)), areas)
        axes.xaxis.tick_top()
        axes.set_ylim(heights[panels.index(axes) // ACROSS] - 1.5, -0.5)  # cells of one height in a row of panels
        axes.set_yticks(range(len(table)), table.index)
        axes.set_title(style.name(model), pad=5)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        style.letter(axes, letter)
        cells = (f"{layer}: " + ", ".join(f"{a} {table.at[layer, a]:.3f}" for a in areas) for layer in table.index)
        descriptions.append(f"{style.name(model)} ({'; '.join(cells)})")
    bar = figure.colorbar(shown, ax=panels, pad=0.01, fraction=0.03, aspect=25, shrink=0.8, extend="min")
    bar.set_label("median noise-corrected r")
    bar.outline.set_linewidth(0.6)
    return figure, "Matrices of median noise-corrected r, layers by areas, one per model. " + ". ".join(
        descriptions
    ) + "."


def short(value: float) -> str:
    """Return a score with two decimals and no leading zero, to fit a small cell: -0.31 becomes −.31."""
    if value < -1:
        return "<−1"
    text = f"{value:.2f}".replace("0.", ".", 1)
    return ".00" if text == "-.00" else text.replace("-", "−")


def _table(results: Results, model: str, areas: list[str]):
    rows = results.layers[results.layers.model == model]
    table = rows.pivot(index="layer", columns="region", values="r_corrected")
    layers = [*results.summary["models"][model]["layers"], BEST]
    return table.reindex(index=[layer for layer in layers if layer in table.index], columns=areas)
