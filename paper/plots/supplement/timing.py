"""Predictivity over time: noise-corrected r in consecutive bins after fixation onset, by area."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import UNLEARNED, Results

STAGE = "timing"
PARTS = {"zeroth": "from image onset", "later": "from later fixations"}
"""Rows of the figure: parts of ``bins.csv`` and their names."""
MOST = 6
"""Models drawn: the intervals of more would hide each other."""
BETWEEN = 0.7
"""Share of a bin's width over which the models are placed side by side."""


def is_drawable(results: Results) -> bool:
    """Return whether the stage ran and scored a model in a bin."""
    return results.ran(STAGE) and bool(results.table(STAGE, "scores").r_corrected.notna().any())


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw a panel per area and kind of fixation: scores by bin, bins without reliable responses, the latency."""
    bins, scores = results.table(STAGE, "bins"), results.table(STAGE, "scores")
    areas = [area for area in AREAS if area in set(bins.region)]
    models = style.in_order(scores.model)[:MOST]
    kinds = {model: results.summary["models"][model]["kind"] for model in models}
    figure = style.figure(style.PAGE, 84)
    panels = figure.subplots(len(PARTS), len(areas), sharex=True, sharey=True, squeeze=False)
    texts = []
    for row, (part, name) in zip(panels, PARTS.items(), strict=True):
        for axes, area in zip(row, areas, strict=True):
            here = bins[(bins.region == area) & (bins.part == part)]
            _draw_bins(axes, here)
            of_area = scores[(scores.region == area) & (scores.part == part)]
            for place, model in enumerate(models):
                rows = of_area[of_area.model == model]
                _draw_model(axes, rows, (place + 0.5) / len(models) - 0.5, **_look(model, kinds[model]))
            texts.append(_describe(area, name, here, of_area, models))
        row[0].set_ylabel(f"{name}\nnoise-corrected r")
    for axes, area in zip(panels[0], areas, strict=True):
        axes.set_title(area)
    ends = scores[["r_corrected_low", "r_corrected_high"]].to_numpy()
    panels[0, 0].set_ylim(max(np.nanmin(ends), -0.6) - 0.03, min(np.nanmax(ends), 1.4) + 0.03)
    panels[0, 0].set_xlim(bins.start_ms.min(), bins.stop_ms.max())
    panels[-1, len(areas) // 2].set_xlabel("time after onset (ms)")
    figure.legend(handles=_entries(kinds), loc="outside upper left", ncols=6)
    return figure, f"Noise-corrected r by time. {' '.join(texts)}"


def _draw_bins(axes, bins) -> None:
    """Shade the bins without reliable responses; mark zero and the median latency."""
    for one in bins[~bins.reliable].itertuples():
        axes.axvspan(one.start_ms, one.stop_ms, color=style.PALE, alpha=0.6, linewidth=0, zorder=0)
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=1)
    for latency in bins.latency_ms[:1]:
        axes.axvline(latency, color=style.INK, linewidth=0.8, linestyle=":", zorder=1)


def _look(model: str, kind: str) -> dict:
    """Return colour and marker of a model: hollow if it learns nothing from images."""
    colour = style.colour_of(model)
    face = "white" if kind in UNLEARNED else colour
    return {"marker": style.marker_of(model), "color": colour, "markerfacecolor": face, "markeredgewidth": 0.6}


def _draw_model(axes, rows, place: float, **look) -> None:
    """Draw a model's score in each bin with its interval, at a place from -0.5 to 0.5 within the bin."""
    at = (rows.start_ms + rows.stop_ms) / 2 + BETWEEN * place * (rows.stop_ms - rows.start_ms)
    axes.vlines(at, rows.r_corrected_low, rows.r_corrected_high, color=look["color"], linewidth=0.7)
    hollow = look["markerfacecolor"] != look["color"]
    axes.plot(at, rows.r_corrected, linestyle=":" if hollow else "-", markersize=2.6, linewidth=0.7, **look)


def _entries(kinds: dict[str, str]) -> list:
    looks = [(style.name(model), _look(model, kind)) for model, kind in kinds.items()]
    entries = [style.entry(look.pop("marker"), name, markersize=3.5, **look) for name, look in looks]
    entries.append(style.entry("s", "no reliable response", color=style.PALE, markersize=6))
    entries.append(style.entry("|", "median latency", color=style.INK, markersize=7))
    return entries


def _describe(area: str, name: str, bins, scores, models: list[str]) -> str:
    """Return the scores of one panel in words."""
    starts = ", ".join(f"{start:.0f}" for start in bins.start_ms[bins.reliable])
    if not starts:
        return f"{area}, {name}: no bin with reliable responses."
    values = {model: scores[scores.model == model].r_corrected.dropna() for model in models}
    said = [f"{style.name(model)} {', '.join(f'{r:.2f}' for r in of_model)}" for model, of_model in values.items()]
    return f"{area}, {name}, bins that start at {starts} ms: {'; '.join(said)}."
