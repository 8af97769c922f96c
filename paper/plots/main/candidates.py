"""Performance against predictivity over candidate networks, and how specific the relation is to IT."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.claims.search import EARLY, LATE
from paper.claims.verdicts import LARGER, SMALLER
from paper.plots.candidates.read import read_table
from paper.results import Results

SEARCHES = {
    "random": ("drawn at random", "o"),
    "performance": ("optimised for performance", "s"),
    "predictivity": ("optimised for predictivity", "^"),
}
"""Label and marker of each kind of search."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw the candidates in V1 and in IT, then r in each area, then its difference from that in V1."""
    points, chosen = read_table(results, "predictivity"), read_table(results, "searches")
    areas = claims["performance"]["areas"]
    known = [one["area"] for one in areas]
    shown = [area for area in dict.fromkeys((EARLY, LATE if LATE in known else known[-1])) if area in known]
    figure = style.figure(style.PAGE, 62)
    panels = figure.subplots(1, len(shown) + 2, width_ratios=[1.1] * len(shown) + [0.85, 0.85])
    limits = _limits(points[points.region.isin(shown)])
    for axes, area in zip(panels, shown, strict=False):
        _draw_scatter(axes, points[points.region == area], chosen[chosen.region == area], limits)
        r = next(one for one in areas if one["area"] == area)["value"]
        axes.set_title(f"{area}: r = {_number(r)}", loc="left")
    panels[0].set_ylabel("noise-corrected r")
    texts = [_draw_areas(panels[-2], areas, lambda one: one, "r of performance and\npredictivity")]
    texts.append(_draw_areas(panels[-1], areas, lambda one: one["specificity"], "difference from\nr in V1"))
    panels[-1].set_yticklabels([])
    for axes, letter in zip(panels, "abcdef", strict=False):
        style.letter(axes, letter)
    entries = [
        style.entry(marker, label, color=colour)
        for (label, marker), colour in zip(SEARCHES.values(), style.COLOURS, strict=False)
    ]
    entries.append(style.entry("s", "chosen by a search", color="white", markeredgecolor="black"))
    figure.legend(handles=entries, loc="outside upper left", ncols=4)
    return figure, (
        f"Noise-corrected predictivity against accuracy of candidate modules in {' and '.join(shown)}. "
        f"Correlation by area: {texts[0]}. Difference from V1: {texts[1] or 'undefined'}."
    )


def _draw_scatter(axes, rows, chosen, limits) -> None:
    for (kind, (_, marker)), colour in zip(SEARCHES.items(), style.COLOURS, strict=False):
        drawn, best = rows[rows.kind == kind], chosen[chosen.kind == kind]
        axes.plot(
            100 * drawn.accuracy, drawn.median_corrected_r, marker, color=colour, markersize=2.6, alpha=0.65,
            markeredgewidth=0,
        )  # fmt: skip
        axes.plot(100 * best.accuracy, best.median_corrected_r, marker, color=colour, markersize=6, mec="black")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_ylim(limits)
    axes.set_xlabel("balanced accuracy (%)")


def _draw_areas(axes, areas: list[dict], of, label: str) -> str:
    texts = []
    for row, one in enumerate(areas):
        score = of(one)
        if score["value"] is None:
            continue
        colour = style.COLOURS[0] if score["verdict"] in (LARGER, SMALLER) else style.GREY
        if score["low"] is not None:
            axes.plot([score["low"], score["high"]], [row, row], color=colour, linewidth=1)
        axes.plot(score["value"], row, "o", color=colour, markersize=4)
        texts.append(f"{one['area']} {_number(score['value'])} ({_number(score['low'])} to {_number(score['high'])})")
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_yticks(range(len(areas)), [one["area"] for one in areas])
    axes.set_ylim(len(areas) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    return ", ".join(texts)


def _limits(rows) -> tuple[float, float]:
    values = rows.median_corrected_r[np.isfinite(rows.median_corrected_r)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    room = 0.06 * max(high - low, 0.1)
    return max(low - room, -1.0), min(high + room, 1.5)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")
