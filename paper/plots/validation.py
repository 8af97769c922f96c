"""Whether the estimated ceiling of a unit is the explainable variance that was planted in the simulation."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the split-half ceiling against the planted explainable variance, one point per unit."""
    table = results.validation[results.validation.ceiling.notna() & results.validation.explainable.notna()]
    figure = style.figure(style.COLUMN, 76)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    for mark, area in zip("o^sDvP", AREAS, strict=True):
        here = table[table.region == area]
        if len(here):
            axes.plot(
                here.explainable,
                here.ceiling,
                mark,
                color=style.AREA_COLOURS[area],
                markersize=3,
                markeredgewidth=0,
                alpha=0.75,
                label=f"{area} ({len(here)})",
            )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(min([0.0, *table.ceiling]) - 0.02, 1.02)
    axes.set_xlabel("planted explainable variance of the image means")
    axes.set_ylabel("split-half ceiling (Spearman–Brown)")
    if len(table):
        axes.legend(loc="upper left", title="area (units)", title_fontsize=6.5, handletextpad=0.1)
    difference = f"; the mean difference is {np.mean(table.ceiling - table.explainable):.3f}" if len(table) else ""
    alt = (
        f"Scatter of the estimated ceiling against the planted explainable variance of {len(table)} units{difference}. "
        "Points lie along the line of equality if the estimate is right."
    )
    return figure, alt
