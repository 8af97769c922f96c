"""Explained variance of single units in each area by each model, with the noise ceiling."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

LOWEST = -0.6
"""Left end of the axis: a median may lie far below 0, and single units even further."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw median r2 with its interval over the single units: a panel per area, a row per model."""
    areas = [area for area in AREAS if area in set(results.layers.region)]
    models = results.models
    figure = style.figure(style.PAGE, 24 + 5.2 * len(models))
    panels = np.atleast_1d(figure.subplots(1, len(areas), sharex=True, sharey=True))
    descriptions, outside = [], 0
    for axes, area in zip(panels, areas, strict=True):
        for row, model in enumerate(models):
            scores = results.scores(model, area)
            if scores is None:
                continue
            values = results.unit_scores(model, area)
            outside += int((values < LOWEST).sum())
            _draw_row(axes, row, scores, values[values >= LOWEST], style.colour(model, models))
            descriptions.append(f"{style.name(model)} in {area} {scores.r2:.3f}, ceiling {scores.ceiling:.3f}")
        axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        axes.set_title(f"{area}\n{_unit_counts(results, area)}", fontsize=7, pad=4)
    figure.supxlabel("cross-validated r²", fontsize=7)
    style.model_rows(panels, models)
    panels[0].set_xlim(LOWEST, 1)
    panels[0].set_xticks([-0.5, 0, 0.5, 1], ["−.5", "0", ".5", "1"])
    _add_legend(figure)
    note = f" {outside} single units lie below {LOWEST:g} and are not shown." if outside else ""
    scores = "; ".join(descriptions)
    return figure, f"Median r squared of each model's top layer in each area, with the ceiling there: {scores}.{note}"


def _unit_counts(results: Results, area: str) -> str:
    """Return the number of units of an area as text: one number, or the range where models differ."""
    scores = [results.scores(model, area) for model in results.models]
    counts = sorted({int(score.n_units) for score in scores if score is not None})
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]}–{counts[-1]}"


def _draw_row(axes, row: int, scores, values: np.ndarray, colour: str) -> None:
    """Draw one model in one area: single units, ceiling, interval, median."""
    if np.isfinite(scores.ceiling):
        axes.plot([scores.ceiling] * 2, [row - 0.42, row + 0.42], color=style.INK, linewidth=1.4, zorder=3)
    axes.plot(
        values,
        row + 0.62 * style.jitter(values),
        ".",
        color=colour,
        alpha=0.4,
        markersize=3,
        markeredgewidth=0,
        rasterized=len(values) > 500,
        zorder=1,
    )
    if scores.r2 < LOWEST:
        axes.annotate("←", (LOWEST, row), ha="left", va="center", fontsize=8, color=style.INK, zorder=5)
    elif np.isfinite(scores.r2):
        low, high = max(scores.r2_low, LOWEST), scores.r2_high
        axes.plot([low, high], [row, row], color=style.INK, linewidth=1.1, zorder=4)
        axes.plot(
            scores.r2,
            row,
            "o",
            color=colour,
            markeredgecolor=style.INK,
            markeredgewidth=0.7,
            markersize=4.5,
            zorder=5,
        )


def _add_legend(figure: Figure) -> None:
    entries = [
        style.entry("o", "median", color="white", markeredgecolor=style.INK, markersize=4.5),
        style.entry("_", "95 % interval of the median", color=style.INK, markersize=8, markeredgewidth=1.1),
        style.entry("|", "median noise ceiling", color=style.INK, markersize=8, markeredgewidth=1.4),
        style.entry(".", "single unit", color=style.GREY, alpha=0.6, markersize=4),
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
