"""Explained variance of single units by the report HMO, under the report's protocol and the corrected one."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

LOWEST = -1.0
"""Units with a lower r2 are counted in the first bin; the title gives their number."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the histogram of r2 over units of the top layer in the latest area, one panel per protocol."""
    models = shown_models(results)
    figure = style.figure(style.COLUMN, 16 + 29 * len(models))
    panels = np.atleast_1d(figure.subplots(len(models), 1, sharex=True))
    bins = np.linspace(LOWEST, 1, 41)
    descriptions = []
    for axes, (title, model), letter in zip(panels, models, "abcdef", strict=False):
        region = latest_area(results, model)
        values = results.unit_scores(model, region)
        axes.hist(np.clip(values, LOWEST, None), bins, color=style.colour(model, results.models), linewidth=0)
        axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED)
        median = results.scores(model, region).r2  # as the protocol defines it: the report's excludes outliers
        if np.isfinite(median):
            above = axes.get_xaxis_transform()
            axes.plot(max(median, LOWEST), 1.03, "v", transform=above, color=style.INK, clip_on=False)
        below = int((values < LOWEST).sum())
        title_parts = [f"{title}: {region}, n = {len(values)}", f"median {median:.3f}".replace("-", "−")]
        if below:
            title_parts.append(f"{below} below −1")
        axes.set_title(", ".join(title_parts), loc="left", fontsize=6.5, pad=8)
        axes.set_ylabel("units")
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
        style.letter(axes, letter)
        descriptions.append(f"{title}: {len(values)} units of {region}, median {median:.3f}, {below} of them below -1")
    panels[-1].set_xlim(LOWEST, 1)
    panels[-1].set_xlabel("cross-validated r² of a unit")
    return figure, "Histograms of r squared over units, a panel for each protocol. " + "; ".join(descriptions) + "."


def shown_models(results: Results) -> list[tuple[str, str]]:
    """Return (title, model): the report's protocol, and the same kind of model (else the first) as corrected."""
    roles = results.roles()
    corrected = roles["twin"] or roles["first"]
    chosen = [("report's protocol", roles["report"]), ("corrected protocol", corrected)]
    return [(title, model) for title, model in chosen if model]


def latest_area(results: Results, model: str) -> str:
    """Return the last area in which the model's top layer was compared."""
    return max(results.layers.region[results.layers.model == model].unique(), key=AREAS.index)
