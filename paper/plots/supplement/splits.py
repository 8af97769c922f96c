"""The report's median r² over random splits of the same images."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit.read import read_table
from paper.results import Results

LOWEST = -5.0
"""Scores of splits below it are counted in the first bin."""
BINS = 40


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw the histogram of the median r2 of all networks and splits, with the middle and the ends of most splits."""
    splits = read_table(results, "report_splits")
    figure = style.figure(style.COLUMN, 50)
    axes = figure.subplots()
    axes.set_xlabel("report's median r²")
    axes.set_ylabel(f"random splits (of {len(splits)})")
    r2 = splits.r2.to_numpy(float)
    if len(r2) == 0 or np.isnan(r2).any():
        axes.text(0.5, 0.5, "undefined", ha="center", va="center", transform=axes.transAxes)
        return figure, "The report's median r squared is undefined: too few images."
    middle = splits.groupby("seed").r2.median().mean()
    low, quarter, three_quarters, high = np.quantile(r2, [0.025, 0.25, 0.75, 0.975])
    start = max(LOWEST, r2.min())
    axes.hist(np.maximum(r2, start), np.linspace(start, max(r2.max(), start + 0.1), BINS + 1), color=style.COLOURS[0])
    height = axes.get_ylim()[1]
    for ends, width in (((low, high), 0.8), ((quarter, three_quarters), 2.4)):
        axes.plot(np.maximum(ends, start), [1.04 * height] * 2, color=style.INK, linewidth=width)
    axes.plot(middle, 1.04 * height, "o", color="white", markeredgecolor=style.INK, markersize=4)
    axes.set_xlim(start - 0.1, None)
    return figure, (
        f"Histogram of the report's median r squared over {len(r2)} splits: {low:.2f} to {high:.2f}, on average "
        f"{middle:.2f}."
    )
