"""How much of each unit's response a model explains, under the report's protocol and under the corrected one."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.results import Results

LOWEST = -1.0
"""Units with a lower r2 are counted in the first bin, which says so."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the histogram of r2 over units of the top layer in the latest area, one panel per protocol."""
    models = shown_models(results)
    figure = style.figure(style.COLUMN, 16 + 29 * len(models))
    panels = np.atleast_1d(figure.subplots(len(models), 1, sharex=True))
    bins = np.linspace(LOWEST, 1, 41)
    said = []
    for axes, (title, model), letter in zip(panels, models, "abcdef", strict=False):
        region, values = unit_scores(results, model)
        axes.hist(np.clip(values, LOWEST, None), bins, color=style.colour(model, results.models), linewidth=0)
        axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)))
        median = summarised(results, model, region)
        if np.isfinite(median):
            place = axes.get_xaxis_transform()
            axes.plot(max(median, LOWEST), 1.03, "v", transform=place, color=style.INK, clip_on=False)
        below = int((values < LOWEST).sum())
        words = [f"{title}: {region}, n = {len(values)}", f"median {median:.3f}".replace("-", "−")]
        if below:
            words.append(f"{below} below −1")
        axes.set_title(", ".join(words), loc="left", fontsize=6.5, pad=8)
        axes.set_ylabel("units")
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
        style.letter(axes, letter)
        said.append(f"{title}: {len(values)} units of {region}, median {median:.3f}, {below} of them below -1")
    panels[-1].set_xlim(LOWEST, 1)
    panels[-1].set_xlabel("cross-validated r² of a unit")
    return figure, "Histograms of r squared over units, a panel for each protocol. " + "; ".join(said) + "."


def shown_models(results: Results) -> list[tuple[str, str]]:
    """Return (title, model) of the first model of each protocol, the report's first."""
    chosen = {}
    for model in results.models:
        chosen.setdefault(results.summary["models"][model]["protocol"], model)
    titles = {"report": "report protocol", "corrected": "corrected protocol"}
    return [(titles[protocol], chosen[protocol]) for protocol in titles if protocol in chosen]


def unit_scores(results: Results, model: str) -> tuple[str, np.ndarray]:
    """Return the latest area with units, and the defined r2 of its units for the model's top layer."""
    rows = results.units[(results.units.model == model) & (results.units.layer == results.top(model))]
    region = max(rows.region.unique(), key=style.AREAS.index)
    return region, rows.r2[(rows.region == region) & rows.r2.notna()].to_numpy()


def summarised(results: Results, model: str, region: str) -> float:
    """Return the median as the protocol has it (the report's leaves outliers out), from the table of layers."""
    rows = results.layers[
        (results.layers.model == model)
        & (results.layers.layer == results.top(model))
        & (results.layers.region == region)
    ]
    return float(rows.median_r2.iloc[0])
