"""Test accuracy of variants of HMO relative to the full procedure, seed by seed."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.candidates.read import VARIANTS, read_table
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the difference of each variant from the full procedure in test accuracy: each seed, mean and interval."""
    runs, differences = read_table(results, "runs"), read_table(results, "differences")
    by_seed = runs.pivot(index="seed", columns="variant", values="accuracy")
    variants = [variant for variant in VARIANTS if variant in by_seed and variant != "full"]
    figure = style.figure(style.COLUMN, 14 + 7 * len(variants))
    axes = figure.subplots()
    descriptions = []
    for row, variant in enumerate(variants):
        gaps = 100 * (by_seed[variant] - by_seed["full"]).dropna().to_numpy()
        axes.plot(gaps, row + 0.4 * style.jitter(gaps), "o", color=style.GREY, markersize=2.5, linewidth=0)
        difference = differences[(differences["variant"] == variant) & (differences["measure"] == "accuracy")].iloc[0]
        mean, low, high = (100 * difference[key] for key in ("difference", "ci_low", "ci_high"))
        axes.plot([low, high], [row, row], color=style.COLOURS[0], linewidth=1.2)
        axes.plot(mean, row, "D", color=style.COLOURS[0], markersize=4)
        if np.isfinite(mean):
            descriptions.append(f"{VARIANTS[variant]} {mean:.1f} ({low:.1f} to {high:.1f})")
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_yticks(range(len(variants)), [VARIANTS[variant] for variant in variants])
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.set_xlabel("difference in test accuracy\n(percentage points)")
    entries = [
        style.entry("o", "seed", color=style.GREY, markersize=2.5),
        style.entry("D", "mean, 95 % interval", color=style.COLOURS[0]),
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=2)
    return figure, (
        f"Difference in test accuracy between variants of HMO and the full procedure, {len(by_seed)} seeds each, in "
        f"percentage points: {'; '.join(descriptions)}."
    )
