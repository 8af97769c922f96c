"""RDM correlation of each model's top layer with each recorded population, as a share of its noise ceiling."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

FARTHEST = 1.5
"""Ends of the axis on either side: a population that hardly repeats has a ceiling near 0."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw rho over the upper bound of the noise ceiling: a panel per area, a row per model, a marker per recording."""
    areas = [area for area in AREAS if area in set(results.rsa.region)]
    models = [m for m in results.models if any(_shares(results, m, area).size for area in areas)] or results.models
    figure = style.figure(style.PAGE, 20 + 4.6 * len(models))
    panels = np.atleast_1d(figure.subplots(1, max(len(areas), 1), sharex=True, sharey=True))
    descriptions = []
    for axes, area in zip(panels, areas, strict=False):
        counts = set()
        for row, model in enumerate(models):
            shares = _shares(results, model, area)
            counts.add(len(shares))
            shifts = 0.5 * np.linspace(-0.5, 0.5, len(shares) + 2)[1:-1]
            inside = np.clip(shares, -FARTHEST, FARTHEST)
            axes.plot(inside, row + shifts, "o", color=style.colour_of(model), markersize=2.4, alpha=0.7)
            if len(shares):
                mean = float(np.clip(shares.mean(), -FARTHEST, FARTHEST))
                axes.plot([mean, mean], [row - 0.38, row + 0.38], color=style.INK, linewidth=1.2)
                descriptions.append(f"{style.name(model)} and {area} {shares.mean():.3f}")
        for x in (0, 1):
            axes.axvline(x, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        axes.set_title(f"{area}\n{_count(counts)}", fontsize=7, pad=4)
    figure.supxlabel("ρ / upper bound of the noise ceiling", fontsize=7)
    style.model_rows(panels, models)
    entries = [
        style.entry("o", "recording", color=style.INK, markersize=2.6),
        style.entry("|", "mean over recordings", color=style.INK, markersize=7, markeredgewidth=1.2),
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
    return figure, f"RDM correlation as a share of its ceiling, mean over recordings: {'; '.join(descriptions)}."


def _shares(results: Results, model: str, area: str) -> np.ndarray:
    rows = results.similarities(model, area)
    rows = rows[rows.ceiling_upper > 0]
    return (rows.rho / rows.ceiling_upper).to_numpy(float)


def _count(counts: set[int]) -> str:
    low, high = min(counts), max(counts)
    return f"n = {high}" if low == high else f"n = {low}–{high}"
