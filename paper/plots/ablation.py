"""What each part of the HMO procedure is worth: variants less the full procedure, seed by seed."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.candidates import table
from paper.results import Results

NAMES = {
    "full": "full procedure",
    "no_boosting": "no boosting, best of one search",
    "random_search": "random search for TPE",
    "margin": "margins for weights",
    "trained": "trained filters",
    "report": "the report's HMO",
}
"""Variants as the paper writes them."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the difference of each variant from the full procedure in test accuracy: each seed, mean and interval."""
    runs, differences = table(results, "runs"), table(results, "differences")
    wide = runs.pivot(index="seed", columns="variant", values="accuracy")
    variants = [name for name in NAMES if name in wide and name != "full"]
    figure = style.figure(style.COLUMN, 14 + 7 * len(variants))
    axes = figure.subplots()
    said = []
    for row, name in enumerate(variants):
        gaps = 100 * (wide[name] - wide["full"]).dropna().to_numpy()
        axes.plot(gaps, row + 0.4 * style.spread(gaps), "o", color=style.GREY, markersize=2.5, linewidth=0)
        found = differences[(differences["variant"] == name) & (differences["measure"] == "accuracy")].iloc[0]
        middle, low, high = (100 * found[key] for key in ("difference", "ci_low", "ci_high"))
        axes.plot([low, high], [row, row], color=style.COLOURS[0], linewidth=1.2)
        axes.plot(middle, row, "D", color=style.COLOURS[0], markersize=4)
        if np.isfinite(middle):
            said.append(f"{NAMES[name]} {middle:.1f} ({low:.1f} to {high:.1f})")
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    axes.set_yticks(range(len(variants)), [NAMES[name] for name in variants])
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.set_xlabel("difference in test accuracy (points)")
    entries = [
        style.entry("o", "seed", color=style.GREY, markersize=2.5),
        style.entry("D", "mean, 95 % interval", color=style.COLOURS[0]),
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=2)
    return figure, (
        f"Test accuracy of variants of HMO less that of the full procedure, {len(wide)} seeds each, in points: "
        f"{'; '.join(said)}."
    )
