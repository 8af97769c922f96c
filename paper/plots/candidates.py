"""Performance against predictivity over candidates of the HMO search."""

import json

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

KINDS = {
    "random": ("drawn at random", "o"),
    "performance": ("chosen for performance", "s"),
    "predictivity": ("chosen for predictivity", "^"),
}
"""How the kinds of search are written and marked."""
PANELS = (*AREAS, "IT")


def drawable(results: Results) -> bool:
    """Say whether the stage candidates ran on these results and found images to search on."""
    path = results.folder / "candidates" / "summary.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["missing"] is None


def table(results: Results, name: str) -> pd.DataFrame:
    """Read one table of the stage."""
    return results.table("candidates", name)


def draw(results: Results) -> tuple[Figure, str]:
    """Draw accuracy against the explained share of each area, a panel per area, a mark per candidate."""
    points, correlations = table(results, "predictivity"), table(results, "correlations")
    areas = [area for area in PANELS if (points["region"] == area).any()]
    columns = min(4, len(areas))
    rows = -(-len(areas) // columns)
    figure = style.figure(style.PAGE, 14 + 44 * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    said = []
    for axes, area, letter in zip(panels, areas, "abcdefgh", strict=False):
        here = points[points["region"] == area]
        for (kind, (_, mark)), colour in zip(KINDS.items(), style.COLOURS, strict=False):
            part = here[here["kind"] == kind]
            axes.plot(100 * part["accuracy"], part["median_ev_normalised"], mark, color=colour, markersize=3, alpha=0.8)
        row = correlations[(correlations["region"] == area) & (correlations["kind"] == "all")].iloc[0]
        r = f"{row['r']:.2f}".replace("-", "−") if np.isfinite(row["r"]) else "undefined"
        axes.set_title(f"{area}: r = {r}", loc="left", fontsize=7)
        axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
        style.letter(axes, letter)
        said.append(f"{area} {r}")
    for axes in panels[len(areas) :]:
        axes.set_visible(False)
    figure.supxlabel("balanced accuracy on held-out images (%)", fontsize=7)
    figure.supylabel("explained share of variance", fontsize=7)
    entries = [
        style.entry(mark, words, color=colour)
        for (words, mark), colour in zip(KINDS.values(), style.COLOURS, strict=False)
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
    n = len(points[["kind", "number"]].drop_duplicates())
    return figure, (
        f"Accuracy of {n} candidate modules against how well they predict the units of each area. "
        f"Pearson's r over all of them: {', '.join(said)}."
    )
