"""Which layer of a model predicts which area."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw median r2 of each layer in each area, a matrix per model, on one colour scale."""
    models = results.models
    areas = [area for area in style.AREAS if area in set(results.layers.region)]
    tables = {model: _table(results, model, areas) for model in models}
    figure = style.figure(style.PAGE, 20 + 6 * max(len(table) for table in tables.values()))
    values = np.concatenate([table.to_numpy().ravel() for table in tables.values()])
    widest = max([0.05, *values[np.isfinite(values)]])
    panels = np.atleast_1d(figure.subplots(1, len(models)))
    said = []
    for axes, (model, table), letter in zip(panels, tables.items(), "abcdefgh", strict=False):
        shown = axes.imshow(table.to_numpy(), cmap="cividis", vmin=0, vmax=widest, aspect="auto")
        for (row, column), value in np.ndenumerate(table.to_numpy()):
            if np.isfinite(value):
                tone = "black" if value > 0.6 * widest else "white"
                axes.text(column, row, short(value), ha="center", va="center", fontsize=5, color=tone)
        axes.set_xticks(range(len(areas)), areas)
        axes.set_yticks(range(len(table)), table.index)
        axes.set_title(style.name(model), pad=6)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        style.letter(axes, letter)
        cells = (f"{layer}: " + ", ".join(f"{a} {table.at[layer, a]:.3f}" for a in areas) for layer in table.index)
        said.append(f"{style.name(model)} ({'; '.join(cells)})")
    bar = figure.colorbar(shown, ax=panels, pad=0.01, fraction=0.03, extend="min")
    bar.set_label("median r²")
    bar.outline.set_linewidth(0.6)
    return figure, "Matrices of median r squared, layers by areas, one per model. " + ". ".join(said) + "."


def short(value: float) -> str:
    """Return a score with two decimals and no leading zero, to fit a small cell: -0.31 becomes −.31."""
    if value < -1:
        return "<−1"
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")


def _table(results: Results, model: str, areas: list[str]):
    rows = results.layers[results.layers.model == model]
    layers = results.summary["models"][model]["layers"]
    return rows.pivot(index="layer", columns="region", values="median_r2").reindex(index=layers, columns=areas)
