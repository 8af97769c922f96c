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
    """Draw balanced accuracy against noise-corrected predictivity: a panel per area, a marker per candidate."""
    points, correlations = read_table(results, "predictivity"), read_table(results, "correlations")
    chosen = read_table(results, "searches").set_index(["kind", "region"])
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
                100 * drawn["accuracy"], drawn["median_corrected_r"], marker, color=colour, markersize=2.5, alpha=0.6,
                linewidth=0,
            )  # fmt: skip
            if (kind, area) in chosen.index:
                best = chosen.loc[(kind, area)]
                axes.plot(
                    100 * best["accuracy"], best["median_corrected_r"], marker, color=colour, markersize=6,
                    markeredgecolor="black", markeredgewidth=0.7,
                )  # fmt: skip
        row = correlations[correlations["region"] == area].iloc[0]
        r, low, high = (
            f"{row[name]:.2f}".replace("-", "−") if np.isfinite(row[name]) else "–"
            for name in ("r", "ci_low", "ci_high")
        )
        axes.set_title(f"{area}: r = {r} ({low} to {high})", loc="left", fontsize=7)
        axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        style.letter(axes, letter)
        descriptions.append(f"{area} {r} ({low} to {high})")
    for axes in panels[len(areas) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(areas) - columns) : len(areas)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("balanced accuracy on held-out images (%)", fontsize=7)
    figure.supylabel("noise-corrected predictivity, r", fontsize=7)
    entries = [
        style.entry(marker, label, color=colour)
        for (label, marker), colour in zip(SEARCHES.values(), style.COLOURS, strict=False)
    ]
    entries.append(style.entry("s", "chosen by the search", color="white", markeredgecolor="black"))
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
    return figure, (
        f"Accuracy of candidate modules against how well they predict the units of each area. Pearson's r over the "
        f"{row['candidates']:.0f} random candidates, with its 95 % interval: {', '.join(descriptions)}."
    )
