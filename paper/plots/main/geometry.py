"""Representational geometry: RDMs of network, neurons and labels, and their correlations with the neural RDM."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from paper import style
from paper.plots import rdms
from paper.recorded.claims import of_area
from paper.recorded.tables import CORRECTED, FOLDER, compared
from paper.results import Results

MEASURES = (("rho", "ρ", "white"), ("partial", "given the labels", None))
"""Key of each correlation, its name, and the face of its markers (None: filled)."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw three RDMs of one recording above, and below the correlations of all models, recorded IT beside them."""
    model, said = results.roles()["first"], claims["geometry"]
    panels = [_experiment(said, results.source), *_recorded(results)]
    models = style.in_order({one["key"] for panel in panels for one in panel["models"]})
    figure = style.figure(style.PAGE, 74 + 4.4 * len(models))
    above, below = figure.subfigures(2, 1, height_ratios=[54, 20 + 4.4 * len(models)])
    text = _draw_matrices(above, results, model)
    drawn = below.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    texts = [_draw_panel(axes, panel, models) for axes, panel in zip(drawn, panels, strict=True)]
    for axes, letter in zip(drawn, "defgh", strict=False):
        style.label_rows(axes, models)
        style.letter(axes, letter)
    below.legend(handles=_entries(), loc="outside upper center", ncols=4)
    return figure, " ".join([text, *texts])


def _draw_matrices(figure, results: Results, model: str) -> str:
    opened = results.rdms(model)
    category, attrs = opened["category"].values.astype(str), opened.attrs
    order, names, starts = rdms.by_category(category)
    label = (category[:, None] != category[None, :]).astype(float)
    matrices = (opened["model_rdm"].values, opened["neural_rdm"].values, label)
    titles = (
        f"{style.name(model)}, layer {attrs['layer']}",
        f"{attrs['region']}, {attrs['n_units']} units",
        "categories alone",
    )
    drawn = figure.subplots(1, 3)
    rhos = [rdms.correlation(matrix, matrices[1]) for matrix in matrices]
    for k, (axes, matrix, title) in enumerate(zip(drawn, matrices, titles, strict=True)):
        shown = axes.imshow(rdms.percentiles(matrix[np.ix_(order, order)]), cmap="cividis", vmin=0, vmax=100)
        beside = f"recording {attrs['recording']}" if k == 1 else f"ρ with the neurons {rhos[k]:.2f}".replace("-", "−")
        axes.set_title(f"{title}\n{beside}", fontsize=7, pad=5)
        rdms.mark_categories(axes, names, starts, len(order), labelled=k == 0)
        style.letter(axes, "abc"[k])
    bar = figure.colorbar(shown, ax=drawn, shrink=0.8, pad=0.02)
    bar.set_label("dissimilarity, percentile")
    bar.outline.set_linewidth(0.6)
    return (
        f"Three dissimilarity matrices of {len(order)} images in order of category ({', '.join(names)}): {titles[0]}; "
        f"{titles[1]}; categories. Correlation with the neurons: network {rhos[0]:.3f}, categories {rhos[2]:.3f}."
    )


def _experiment(said: dict, source: str) -> dict:
    bounds = said["ceiling"]
    return {
        "title": f"{said['area']}, {'simulated' if source == 'simulated' else 'free viewing'}, mean of "
        f"{said['recordings']} recording{'' if said['recordings'] == 1 else 's'}",
        "models": [{"key": m["key"], "rho": m["rho"], "partial": m["partial"]} for m in said["models"]],
        "ceiling": (bounds["lower"], bounds["upper"]),
        "references": {},
        "given": "label and category",
    }


def _recorded(results: Results):
    """Yield a panel for each recorded area of which dissimilarities were compared."""
    for found in compared():
        for region in found.regions:
            if found.measure(region) == CORRECTED:
                continue
            results.used.add(f"{FOLDER}/{found.name}.json")
            said, reference = of_area(found, region), found.table.get("reference") or {}
            models = [
                {
                    "key": m["name"],
                    "rho": {key: m[f"rho_{key}"] for key in ("value", "low", "high")},
                    "partial": {key: m[f"partial_{key}"] for key in ("value", "low", "high")},
                }
                for m in said["models"]
            ]
            systems = {pair: v for pair, v in reference.get("systems", {}).items() if region in pair.split(", ")}
            yield {
                "title": f"{region}, recorded, {found.table['images']} images",
                "models": models,
                "ceiling": (None, None),
                "references": {f"RDM of {other_of(pair, region)}": value for pair, value in systems.items()},
                "given": " and ".join(found.table.get("given") or ["label"]),
            }


def other_of(pair: str, region: str) -> str:
    """Return the system with which a region is paired: ``monkey IT, human IT``."""
    return next(name for name in pair.split(", ") if name != region)


def _draw_panel(axes, panel: dict, models: list[str]) -> str:
    low, high = panel["ceiling"]
    if low is not None and high is not None:
        axes.axvspan(low, high, color=style.PALE, linewidth=0, zorder=0)
    for name, value in panel["references"].items():
        axes.axvline(value, color=style.INK, linestyle=":", linewidth=1)
        axes.annotate(
            name, (value, 0), xytext=(-2, 3), textcoords="offset points", rotation=90, ha="right", va="bottom",
            xycoords=("data", "axes fraction"), fontsize=6.5,
        )  # fmt: skip
    texts = []
    for one in panel["models"]:
        row, colour = models.index(one["key"]), style.colour_of(one["key"])
        for shift, (key, name, face) in zip((-0.17, 0.17), MEASURES, strict=True):
            score = one[key]
            if score["value"] is None:
                continue
            if score["low"] is not None:
                axes.plot([score["low"], score["high"]], [row + shift] * 2, color=colour, linewidth=0.9)
            axes.plot(score["value"], row + shift, "o", color=colour, markerfacecolor=face or colour, markersize=3.2)
            texts.append(f"{style.name(one['key'])} {name} {score['value']:.3f}")
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_title(panel["title"], fontsize=7, loc="left")
    axes.set_xlabel(f"Spearman ρ (filled: given {panel['given']})")
    return f"{panel['title']}: {'; '.join(texts)}."


def _entries() -> list:
    return [
        style.entry("o", "correlation of RDMs, ρ", color=style.INK, markerfacecolor="white", markersize=3.2),
        style.entry("o", "labels held constant", color=style.INK, markersize=3.2),
        Patch(color=style.PALE, label="noise ceiling"),
    ]
