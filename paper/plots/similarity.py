"""RDM correlation of each model's top layer with each recorded population, with its noise ceiling."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw Spearman's rho of the two RDMs per recording over its noise ceiling: a panel per area, a row per model."""
    areas = [area for area in AREAS if area in set(results.rsa.region)]
    models = results.models
    figure = style.figure(style.PAGE, 24 + 5.2 * len(models))
    panels = np.atleast_1d(figure.subplots(1, max(len(areas), 1), sharex=True, sharey=True))
    descriptions = []
    for axes, area in zip(panels, areas, strict=False):
        counts = set()
        for row, model in enumerate(models):
            rows = results.similarities(model, area)
            counts.add(len(rows))
            shifts = np.linspace(-0.5, 0.5, len(rows) + 2)[1:-1]
            for shift, score in zip(shifts, rows.itertuples(), strict=True):
                _draw_recording(axes, row + 0.8 * shift, 0.6 / len(rows), score, style.colour(model, models))
            if len(rows):
                descriptions.append(f"{style.name(model)} and {area} " + ", ".join(f"{rho:.3f}" for rho in rows.rho))
        axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        axes.set_title(f"{area}\n{_count_recordings(counts)}", fontsize=7, pad=4)
    figure.supxlabel("Spearman ρ", fontsize=7)
    style.model_rows(panels, models)
    entries = [
        style.entry("o", "recording", color="white", markeredgecolor=style.INK, markersize=3.5),
        style.entry("_", "95 % interval", color=style.INK, markersize=8),
        Patch(color=style.PALE, label="noise ceiling, lower to upper bound"),
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
    return figure, f"Spearman correlation of model and neural RDM, by recording: {'; '.join(descriptions)}."


def _count_recordings(counts: set[int]) -> str:
    low, high = min(counts), max(counts)
    return f"n = {high}" if low == high else f"n = {low}–{high}"


def _draw_recording(axes, y: float, height: float, score, colour: str) -> None:
    """Draw one recording: its ceiling, its interval, its rho."""
    if np.isfinite(score.ceiling_lower):
        axes.fill_betweenx(
            [y - height / 2, y + height / 2],
            score.ceiling_lower,
            score.ceiling_upper,
            color=style.PALE,
            linewidth=0,
            zorder=0,
        )
    axes.plot([score.ci_low, score.ci_high], [y, y], color=colour, linewidth=0.9)
    axes.plot(score.rho, y, "o", color=colour, markersize=2.8)
