"""What the top layer of each model shares with each area beyond the labels of the images."""

import numpy as np
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

ALL = "all"
"""Recording of the rows that summarise an area."""
ROWS = (
    ("correlation of RDMs, Spearman ρ", (("rho", "correlation"), ("rho_given_both", "given label and category"))),
    ("predictivity within a label, r", (("r_face", "within faces"), ("r_nonface", "within non-faces"))),
)
"""Axis of each row of panels, and its measures with their names: the first has open markers, the second filled ones."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw two measures in each row of panels: a panel per area, a line per model."""
    table = results.beyond_label[results.beyond_label.recording == ALL]
    models = [model for model in results.models if model in set(table.model)]
    areas = [area for area in AREAS if area in set(table.region)]
    figure = style.figure(style.PAGE, 44 + 8.5 * len(models))
    parts, descriptions = figure.subfigures(len(ROWS), 1), []
    for part, (axis, measures), letters in zip(parts, ROWS, ("abcdef", "ghijkl"), strict=True):
        panels = np.atleast_1d(part.subplots(1, max(len(areas), 1), sharex=True, sharey=True))
        for axes, area in zip(panels, areas, strict=False):
            axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
            axes.set_title(area, fontsize=7, pad=4)
            for shift, filled, (measure, name) in zip((-0.18, 0.18), (False, True), measures, strict=True):
                scores = table[(table.region == area) & (table.measure == measure)].set_index("model")
                for row, model in enumerate(models):
                    if model in scores.index:
                        colour = style.colour_of(model)
                        _draw_score(axes, row + shift, scores.loc[model], colour, filled)
                texts = [
                    f"{style.name(m)} {scores.value[m]:.3f} ({scores.ci_low[m]:.3f} to {scores.ci_high[m]:.3f})"
                    for m in models
                    if m in scores.index
                ]
                descriptions.append(f"{axis}, {name}, {area}: {', '.join(texts)}")
        style.model_rows(panels, models)
        for axes, letter in zip(panels, letters, strict=False):
            axes.texts[-1].set_text(letter)  # letters run on over the rows
        part.supxlabel(axis, fontsize=7)
        entries = [
            style.entry("o", name, color=style.INK, markerfacecolor=face, markersize=3.5)
            for face, (_, name) in zip(("white", style.INK), measures, strict=True)
        ]
        part.legend(handles=entries, loc="outside upper left", ncols=2)
    return figure, f"Dot plots with 95 % intervals. {'; '.join(descriptions)}."


def _draw_score(axes, y: float, score, colour: str, filled: bool) -> None:
    if np.isfinite(score.ci_low):
        axes.plot([score.ci_low, score.ci_high], [y, y], color=colour, linewidth=0.9)
    axes.plot(score.value, y, "o", color=colour, markerfacecolor=colour if filled else "white", markersize=3)
