"""Noise-corrected predictivity of single units in each area by each model."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

LOWEST, HIGHEST = -0.75, 1.25
"""Ends of the axis: dividing by the ceiling carries units that hardly repeat far beyond."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw the median noise-corrected r with its interval over the single units: a panel per area, a row per model."""
    areas = [area for area in AREAS if area in set(results.layers.region)]
    scored = set(results.layers.model[results.layers.r_corrected.notna()])  # no noise ceiling, no score
    models = [model for model in results.models if model in scored] or results.models
    figure = style.figure(style.PAGE, 24 + 5.2 * len(models))
    panels = np.atleast_1d(figure.subplots(1, len(areas), sharex=True, sharey=True))
    descriptions, outside = [], 0
    for axes, area in zip(panels, areas, strict=True):
        for row, model in enumerate(models):
            scores = results.scores(model, area)
            if scores is None:
                continue
            values = results.unit_scores(model, area, "r_corrected")
            inside = (values >= LOWEST) & (values <= HIGHEST)
            outside += int((~inside).sum())
            _draw_row(axes, row, scores, values[inside], style.colour_of(model))
            if np.isfinite(scores.r_corrected):
                descriptions.append(f"{style.name(model)} in {area} {scores.r_corrected:.3f}")
        for x in (0, 1):
            axes.axvline(x, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        axes.set_title(f"{area}\n{_unit_counts(results, models, area)}", fontsize=7, pad=4)
    figure.supxlabel("noise-corrected r", fontsize=7)
    style.model_rows(panels, models)
    panels[0].set_xlim(LOWEST, HIGHEST)
    panels[0].set_xticks([-0.5, 0, 0.5, 1], ["−.5", "0", ".5", "1"])
    _add_legend(figure)
    note = f" {outside} single units lie outside the axis and are not shown." if outside else ""
    scores = "; ".join(descriptions)
    return figure, f"Median noise-corrected r of each model's top layer in each area: {scores}.{note}"


def _unit_counts(results: Results, models: list[str], area: str) -> str:
    """Return the number of units of an area as text: one number, or the range where models differ."""
    scores = [results.scores(model, area) for model in models]
    counts = sorted({int(score.n_units) for score in scores if score is not None})
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]}–{counts[-1]}"


def _draw_row(axes, row: int, scores, values: np.ndarray, colour: str) -> None:
    """Draw one model in one area: single units, interval, median."""
    axes.plot(
        values, row + 0.62 * style.jitter(values), ".", color=colour, alpha=0.4, markersize=3, markeredgewidth=0,
        rasterized=len(values) > 500, zorder=1,
    )  # fmt: skip
    if not np.isfinite(scores.r_corrected):
        return
    ends = np.clip([scores.r_corrected_low, scores.r_corrected_high], LOWEST, HIGHEST)
    axes.plot(ends, [row, row], color=style.INK, linewidth=1.1, zorder=4)
    axes.plot(
        scores.r_corrected, row, "o", color=colour, markeredgecolor=style.INK, markeredgewidth=0.7, markersize=4.5,
        zorder=5,
    )  # fmt: skip


def _add_legend(figure: Figure) -> None:
    entries = [
        style.entry("o", "median", color="white", markeredgecolor=style.INK, markersize=4.5),
        style.entry("_", "95 % interval of the median", color=style.INK, markersize=8, markeredgewidth=1.1),
        style.entry(".", "single unit", color=style.GREY, alpha=0.6, markersize=4),
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
