"""The effect of each choice of protocol on the scores: one after the other, and each alone."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit.read import COLOURS, FIELDS, MARKERS, PLANTED, SMALL, TRAINED, read_table
from paper.results import Results

LOWEST = -1.0
"""Lower scores are drawn as an arrow at the edge."""

PANELS = {
    "r2": "median r²",
    "pearson_r": "median r",
    "rho": "RDM ρ",
    "ceiling": "noise ceiling",
    "accuracy": "accuracy",
}
REFERENCES = {"r2": "ceiling", "rho": "left_within_block"}
"""What a score is compared with, drawn as a short vertical line."""

CHANCE = {"accuracy": 0.5}
WALKS = {
    "in order": "from the report's protocol to the corrected one, one choice at a time",
    "flawed alone": "corrected protocol, with one choice of the report",
}
SHIFT = {SMALL: -0.13, TRAINED: 0.17, PLANTED: 0.02}


def draw(results: Results) -> tuple[Figure, str]:
    """Draw a row of panels per walk and a column per score; the steps run downwards."""
    ladder = read_table(results, "ladder").fillna({"field": ""})
    figure = style.figure(style.PAGE, 136)
    panels = figure.subplots(len(WALKS), len(PANELS), sharey="row", sharex="col")
    descriptions = []
    for row, (walk, title), letter in zip(panels, WALKS.items(), "ab", strict=True):
        steps = ladder[ladder.walk == walk]
        names = _step_names(walk, steps)
        for axes, (score, label) in zip(row, PANELS.items(), strict=True):
            axes.axvline(CHANCE.get(score, 0), color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
            for band in range(0, len(names), 2):  # bands lead the eye from the label to the last panel
                axes.axhspan(band - 0.5, band + 0.5, color=style.PALE, alpha=0.35, linewidth=0, zorder=-1)
            for network in SHIFT:
                _draw_scores(axes, steps[steps.network == network], score, network)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.set_yticks(range(len(names)), names)
            axes.tick_params(axis="y", length=0)
            axes.set_xlabel(label if walk == "flawed alone" else "")
        # The title may run over the panels to the right, and must not widen its own.
        row[0].set_title(title, loc="left", fontsize=7, pad=6).set_in_layout(False)
        style.letter(row[0], letter)
        small = steps[steps.network == SMALL].set_index("step")
        descriptions += [
            f"{walk}, {names[k]}: r squared {small.r2[k]:.2f}, rho {small.rho[k]:.2f}" for k in small.index
        ]
    for network in SHIFT:
        if (ladder.network == network).any():
            panels[0, 1].plot([], [], MARKERS[network], color=COLOURS[network], label=network)
    panels[0, 1].plot(
        [], [], "|", color=style.INK, markersize=6, label="noise ceiling of r²; ρ after shuffling within recordings"
    )
    figure.legend(*panels[0, 1].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure, "Scores at every step between the two protocols. " + "; ".join(descriptions) + "."


def _step_names(walk: str, steps: pd.DataFrame) -> list[str]:
    fields = steps.drop_duplicates("step").set_index("step")["field"]
    start = {"in order": "report protocol", "flawed alone": "corrected protocol"}[walk]
    sign = {"in order": "+ ", "flawed alone": "− "}[walk]
    return [start if not fields[k] else sign + FIELDS.get(fields[k], fields[k]) for k in sorted(fields.index)]


def _draw_scores(axes, steps: pd.DataFrame, score: str, network: str) -> None:
    colour = COLOURS[network]
    for step in steps.itertuples():
        value, low, high = (getattr(step, name) for name in (score, f"{score}_low", f"{score}_high"))
        y = step.step + SHIFT[network]
        if not np.isfinite(value):
            continue
        if high > LOWEST:
            axes.plot([max(low, LOWEST), high], [y, y], color=colour, linewidth=0.8, solid_capstyle="butt")
        if value >= LOWEST:
            axes.plot(value, y, MARKERS[network], color=colour, markersize=3)
        else:
            axes.annotate("←", (LOWEST, y), ha="left", va="center", fontsize=6, color=colour)
        reference = getattr(step, REFERENCES[score]) if score in REFERENCES else np.nan
        if np.isfinite(reference):
            axes.plot(reference, y, "|", color=style.INK, markersize=4, markeredgewidth=0.9, zorder=5)
