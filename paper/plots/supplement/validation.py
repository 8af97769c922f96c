"""Estimated noise ceilings against the explainable variance planted in the simulation."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw the reliability against the planted explainable variance, one point per unit."""
    table = results.validation[results.validation.ceiling.notna() & results.validation.explainable.notna()]
    figure = style.figure(style.COLUMN, 76)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.7, linestyle=style.DASHED, zorder=0)
    drifting = table[table.drifting]
    axes.plot(drifting.explainable, drifting.ceiling, "o", color=style.INK, markersize=6, fillstyle="none")
    for marker, area in zip("o^sDvP", AREAS, strict=True):
        rows = table[table.region == area]
        if len(rows):
            axes.plot(
                rows.explainable,
                rows.ceiling,
                marker,
                color=style.AREA_COLOURS[area],
                markersize=3,
                markeredgewidth=0,
                alpha=0.75,
                label=f"{area} ({len(rows)})",
            )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(min([0.0, *table.ceiling]) - 0.02, 1.02)
    axes.set_xlabel("planted explainable variance of the image means")
    axes.set_ylabel("estimated noise ceiling of the image means")
    if len(drifting):
        axes.plot([], [], "o", color=style.INK, markersize=6, fillstyle="none", label=f"drifting ({len(drifting)})")
    if len(table):
        axes.legend(loc="lower right", title="area (units)", title_fontsize=6.5, handletextpad=0.1)
    steady = table[~table.drifting]
    groups = ((steady, "steady units"), (drifting, "units whose planted rate drifts"))
    said = [
        f"{len(rows)} {name}, mean difference {np.mean(rows.ceiling - rows.explainable):.3f}"
        for rows, name in groups
        if len(rows)
    ]
    return figure, f"Scatter of the estimated ceiling against the planted explainable variance: {'; '.join(said)}."
