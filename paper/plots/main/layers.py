"""Layers along the ventral stream: noise-corrected r against depth in each area, and the depth that predicts best."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

MOST = 4
"""Networks drawn: bands of more would hide each other."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw a panel per area, a line per network with the band of its interval, and the mean depth chosen by area."""
    areas = [area for area in AREAS if area in set(results.layers.region)]
    networks = [one["key"] for one in claims["layers"]["networks"]][:MOST]
    figure = style.figure(style.PAGE, 58)
    panels = figure.subplots(1, len(areas) + 1, width_ratios=[1] * len(areas) + [1.35], squeeze=False)[0]
    texts, ends = [], [0.0]
    for axes, area in zip(panels, areas, strict=False):
        for model in networks:
            depth, rows = _course(results, model, area)
            colour = style.colour_of(model)
            axes.fill_between(depth, rows.r_corrected_low, rows.r_corrected_high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(
                depth, rows.r_corrected, style.marker_of(model), linestyle="-", color=colour, markersize=3, linewidth=1
            )
            ends += [*rows.r_corrected_low.dropna(), *rows.r_corrected_high.dropna()]
            if rows.r_corrected.notna().any():
                best = rows.loc[rows.r_corrected.idxmax()]
                texts.append(f"{style.name(model)} in {area}: {best.layer} {best.r_corrected:.3f}")
        axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        axes.set_title(area)
        axes.set_xlim(-0.08, 1.08)
        axes.set_xticks([0, 1], ["first", "last"])
    for axes in panels[: len(areas)]:
        axes.set_ylim(max(min(ends), -0.6) - 0.03, min(max(ends), 1.4) + 0.03)
        if axes is not panels[0]:
            axes.set_yticklabels([])
    panels[0].set_ylabel("noise-corrected r")
    panels[len(areas) // 2].set_xlabel("layer")
    texts.append(_draw_depth(panels[-1], claims["layers"], networks))
    for axes, letter in zip(panels, "abcdefgh", strict=False):
        style.letter(axes, letter)
    entries = [style.entry(style.marker_of(m), style.name(m), color=style.colour_of(m)) for m in networks]
    entries.append(style.entry("_", "mean of all networks", color=style.INK, markersize=9, markeredgewidth=1.6))
    figure.legend(handles=entries, loc="outside upper left", ncols=5)
    return figure, f"Layer of the highest noise-corrected r: {'; '.join(texts)}."


def _course(results: Results, model: str, area: str):
    """Return relative depth, from 0 to 1, and the scores of the layers of a network from input to output."""
    names = results.summary["models"][model]["layers"]
    rows = results.layers[(results.layers.model == model) & (results.layers.region == area)]
    rows = rows.set_index("layer").reindex(names).reset_index()
    return np.linspace(0, 1, len(names)), rows


def _draw_depth(axes, said: dict, networks: list[str]) -> str:
    """Draw the mean depth of the layers chosen in each area: of each network, and over all networks."""
    areas = [one["area"] for one in said["mean"]]
    mean = [one["depth"] for one in said["mean"]]
    for one in said["networks"]:
        if one["key"] in networks:
            places = [k for k, area in enumerate(areas) if area in one["depth"]]
            axes.plot(
                places, [one["depth"][areas[k]] for k in places], style.marker_of(one["key"]), linestyle="-",
                color=style.colour_of(one["key"]), markersize=3, linewidth=0.6, alpha=0.8,
            )  # fmt: skip
    axes.plot(range(len(areas)), mean, color=style.INK, linewidth=1.8)
    axes.set_xticks(range(len(areas)), areas, fontsize=6)
    axes.set_ylim(-0.05, 1.05)
    axes.set_yticks([0, 0.5, 1], ["first", "", "last"])
    axes.set_title("layer chosen")
    return "mean depth chosen, from 0 to 1: " + ", ".join(f"{one['area']} {one['depth']:.2f}" for one in said["mean"])
