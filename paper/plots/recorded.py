"""How well each model predicts recorded neurons, beside the experiment of the paper."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.predictivity import latest_area
from paper.recorded.claims import of_area
from paper.recorded.tables import CHOSEN, CORRECTED, FOLDER, Recorded, compared
from paper.results import Results

LABELS = {CORRECTED: "noise-corrected r", "rho": "ρ of the RDMs"}
NARROW = 2
"""At most so many panels fit into one column."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the median score of each model's chosen layer with its interval: a panel per area, a row per model."""
    panels = [_experiment(results)]
    for found in compared():
        results.used.add(f"{FOLDER}/{found.name}.json")
        panels += [_recorded(found, region) for region in found.regions]
    known = {model["name"] for panel in panels for model in panel["models"] if model["value"] is not None}
    models = style.in_order(known)
    figure = style.figure(style.COLUMN if len(panels) <= NARROW else style.PAGE, 20 + 4.6 * len(models))
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_panel(axes, panel, models)
    style.model_rows(drawn, models)
    return figure, "Median score of each model with its interval. " + " ".join(map(_describe, panels))


def _experiment(results: Results) -> dict:
    """Return the panel of the paper's own experiment: the latest area in which the first model was compared."""
    area = latest_area(results, results.roles()["first"])
    rows = results.layers[(results.layers.region == area) & (results.layers.layer == CHOSEN)]
    rows = rows[rows.r_corrected.notna()]
    models = [
        {"name": row.model, "value": row.r_corrected, "low": row.r_corrected_low, "high": row.r_corrected_high}
        for row in rows.itertuples()
    ]
    title = f"{area}, {'simulated' if results.source == 'simulated' else 'free viewing'}"
    return {"title": title, "measure": CORRECTED, "models": models, "n": f"{rows.n_units.max():.0f} units"}


def _recorded(found: Recorded, region: str) -> dict:
    said = of_area(found, region)
    return {
        "title": f"{region}, {found.title}",
        "measure": said["measure"],
        "models": said["models"],
        "n": f"{found.n_units(region)} units" if said["measure"] == CORRECTED else f"{found.table['images']} images",
    }


def _draw_panel(axes, panel: dict, models: list[str]) -> None:
    for model in panel["models"]:
        if model["value"] is None:
            continue
        row, colour = models.index(model["name"]), style.colour(model["name"], models)
        if model["low"] is not None and model["high"] is not None:
            axes.plot([model["low"], model["high"]], [row, row], color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(
            model["value"], row, "o", color=colour, markeredgecolor=style.INK, markeredgewidth=0.6, markersize=4.5
        )
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_title(f"{panel['title']}\n{panel['n']}", fontsize=6.5, pad=4)
    axes.set_xlabel(LABELS[panel["measure"]])
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.05), max(high, 0.5))
    axes.xaxis.get_major_locator().set_params(nbins=4)


def _describe(panel: dict) -> str:
    scores = "; ".join(
        f"{style.name(model['name'])} {model['value']:.3f}" + _interval(model)
        for model in panel["models"]
        if model["value"] is not None
    )
    return f"{panel['title']} ({LABELS[panel['measure']]}, {panel['n']}): {scores}."


def _interval(model: dict) -> str:
    ends = [model["low"], model["high"]]
    return "" if None in ends or not np.isfinite(ends).all() else f" ({ends[0]:.3f} to {ends[1]:.3f})"
