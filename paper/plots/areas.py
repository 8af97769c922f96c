"""The score of each model in each area, beside what the noise of the recordings allows."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from paper import style
from paper.results import Results

LOWEST = -0.6
"""Bottom of the axis: the median of a protocol may lie far below 0, single units farther."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw median r2 and its interval per model and area over the points of single units, with ceilings."""
    areas = [area for area in style.AREAS if area in set(results.layers.region)]
    figure = style.figure(style.PAGE, 70)
    axes = figure.subplots()
    step = 0.8 / len(results.models)
    said, outside = [], 0
    for place, model in enumerate(results.models):
        top = results.layers[(results.layers.model == model) & (results.layers.layer == results.top(model))]
        top = top.set_index("region")
        units = results.units[(results.units.model == model) & (results.units.layer == results.top(model))]
        paint = style.colour(model, results.models)
        for column, area in enumerate(areas):
            if area not in top.index:
                continue
            x = column - 0.4 + step * (place + 0.5)
            score = top.loc[area]
            _ceiling(axes, x, step, score.median_ceiling)
            values = units.r2[(units.region == area) & units.r2.notna()].to_numpy()
            outside += int((values < LOWEST).sum())
            _points(axes, x, step, values[values >= LOWEST], paint)
            if score.median_r2 >= LOWEST:
                axes.plot([x, x], [max(score.ci_low, LOWEST), score.ci_high], color=style.INK, linewidth=1.1, zorder=4)
                axes.plot(
                    x,
                    score.median_r2,
                    style.marker(model, results.models),
                    color=paint,
                    markeredgecolor=style.INK,
                    markeredgewidth=0.5,
                    markersize=5,
                    clip_on=False,
                    zorder=5,
                )
            elif score.median_r2 < LOWEST:
                axes.annotate("↓", (x, LOWEST), ha="center", va="bottom", fontsize=8, color=paint, zorder=5)
            said.append(f"{style.name(model)} in {area} {score.median_r2:.3f}, ceiling {score.median_ceiling:.3f}")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    counts = _counts(results, areas)
    axes.set_xticks(range(len(areas)), [f"{area}\nn = {counts[area]}" for area in areas])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(areas) - 0.5)
    axes.set_ylim(LOWEST, 1)
    axes.set_ylabel("cross-validated r² of the top layer")
    _legend(axes, results.models)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(results.models) + 2)
    note = f" {outside} single units lie below {LOWEST:g} and are not shown." if outside else ""
    alt = f"Median r squared of each model's top layer in each area, with the ceiling there: {'; '.join(said)}.{note}"
    return figure, alt


def _counts(results: Results, areas: list[str]) -> dict[str, str]:
    """Return the units of each area as text: one number, or the range over the models where it differs."""
    counts = {}
    tops = [results.top(model) for model in results.layers.model]
    table = results.layers[results.layers.layer == tops]
    for area in areas:
        found = sorted(set(table.n_units[table.region == area]))
        counts[area] = f"{found[0]}" if len(found) == 1 else f"{found[0]}–{found[-1]}"
    return counts


def _ceiling(axes, x: float, step: float, height: float) -> None:
    if np.isfinite(height):
        axes.add_patch(Rectangle((x - step / 2, height - 0.006), step, 0.012, color=style.GREY, linewidth=0, zorder=3))


def _points(axes, x: float, step: float, values: np.ndarray, paint: str) -> None:
    """Draw single units beside each other by their rank, so that nothing is random."""
    if not len(values):
        return
    # The golden ratio spreads neighbours in rank far apart across the width.
    across = (np.argsort(np.argsort(values, kind="stable"), kind="stable") * 0.618034) % 1 - 0.5
    axes.plot(
        x + 0.7 * step * across,
        values,
        ".",
        color=paint,
        alpha=0.45,
        markersize=3,
        markeredgewidth=0,
        rasterized=len(values) > 500,
        zorder=1,
    )


def _legend(axes, models: list[str]) -> None:
    for model in models:
        axes.plot(
            [],
            [],
            style.marker(model, models),
            color=style.colour(model, models),
            markeredgecolor=style.INK,
            markeredgewidth=0.5,
            label=style.name(model),
        )
    axes.plot([], [], color=style.GREY, linewidth=2, label="median ceiling")
