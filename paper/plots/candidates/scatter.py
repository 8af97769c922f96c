"""Accuracy against predictivity of the candidates in the search for HMO, by area."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.plots.candidates.read import read_table
from paper.results import Results

SEARCHES = {
    "random": ("drawn at random", "o"),
    "performance": ("optimised for performance", "s"),
    "predictivity": ("optimised for predictivity", "^"),
}
"""Label and marker of each kind of search."""
PANELS = (*AREAS, "IT")


def draw(results: Results) -> tuple[Figure, str]:
    """Draw accuracy against noise-corrected explained variance: a panel per area, a marker per candidate."""
    points, correlations = read_table(results, "predictivity"), read_table(results, "correlations")
    areas = [area for area in PANELS if (points["region"] == area).any()]
    columns = min(4, len(areas))
    rows = -(-len(areas) // columns)
    figure = style.figure(style.PAGE, 14 + 44 * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    descriptions = []
    for axes, area, letter in zip(panels, areas, "abcdefgh", strict=False):
        in_area = points[points["region"] == area]
        for (kind, (_, marker)), colour in zip(SEARCHES.items(), style.COLOURS, strict=False):
            drawn = in_area[in_area["kind"] == kind]
            axes.plot(
                100 * drawn["accuracy"], drawn["median_ev_normalised"], marker, color=colour, markersize=3, alpha=0.8
            )
        row = correlations[(correlations["region"] == area) & (correlations["kind"] == "all")].iloc[0]
        r = f"{row['r']:.2f}".replace("-", "−") if np.isfinite(row["r"]) else "undefined"
        axes.set_title(f"{area}: r = {r}", loc="left", fontsize=7)
        axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        style.letter(axes, letter)
        descriptions.append(f"{area} {r}")
    for axes in panels[len(areas) :]:
        axes.set_visible(False)
    figure.supxlabel("balanced accuracy on held-out images (%)", fontsize=7)
    figure.supylabel("noise-corrected explained variance", fontsize=7)
    entries = [
        style.entry(marker, label, color=colour)
        for (label, marker), colour in zip(SEARCHES.values(), style.COLOURS, strict=False)
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
    n = len(points[["kind", "number"]].drop_duplicates())
    return figure, (
        f"Accuracy of {n} candidate modules against how well they predict the units of each area. "
        f"Pearson's r over all candidates: {', '.join(descriptions)}."
    )
