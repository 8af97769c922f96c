"""Controls: the confound by itself, the audit on simulated studies, and selection on the test images."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit.read import read_table
from paper.results import Results

GROUPS = {
    ("trial_id", "single"): "one\nrecording",
    ("trial_id", "merged"): "two\nrecordings",
    ("row", "single"): "one,\nmisaligned",
    ("row", "merged"): "two,\nmisaligned",
}


def draw(results: Results) -> tuple[Figure, str]:
    """Draw rho before and after shuffling within recordings, the simulated studies, and the optimism of selection."""
    figure = style.figure(style.PAGE, 62)
    panels = figure.subplots(1, 3, width_ratios=[1.7, 1.1, 0.8])
    descriptions = [
        _draw_confound(panels[0], read_table(results, "confound")),
        _draw_studies(panels[1], read_table(results, "studies")),
        _draw_selection(panels[2], read_table(results, "selection")),
    ]
    for axes, letter in zip(panels, "abc", strict=True):
        style.letter(axes, letter)
    return figure, ". ".join(descriptions) + "."


def _draw_confound(axes, rows) -> str:
    descriptions = []
    for position, ((join, kind), label) in enumerate(GROUPS.items()):
        group = rows[(rows["join"] == join) & (rows["table"] == kind)]
        offsets = position + np.linspace(-0.13, 0.13, max(len(group), 1))[: len(group)]
        for shift, column, ends, marker, colour in (
            (-0.2, "rho", ("low", "high"), "o", style.COLOURS[0]),
            (0.2, "left_block", ("left_low", "left_high"), "s", style.COLOURS[1]),
        ):
            axes.vlines(offsets + shift, group[ends[0]], group[ends[1]], color=colour, linewidth=0.8)
            axes.plot(offsets + shift, group[column], marker, color=colour, markersize=2.6)
        if len(group):
            label = label.replace("\n", " ")
            descriptions.append(f"{label}: rho {group.rho.mean():.2f}, shuffled {group.left_block.mean():.2f}")
    axes.plot([], [], "o", color=style.COLOURS[0], label="ρ")
    axes.plot([], [], "s", color=style.COLOURS[1], label="ρ after shuffling within recordings")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_xticks(range(len(GROUPS)), GROUPS.values())
    axes.set_xlim(-0.5, len(GROUPS) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("Spearman ρ of model and neural RDM")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.1)
    return "Confound: " + "; ".join(descriptions)


def _draw_studies(axes, rows) -> str:
    for confounded, label, marker, colour in (
        (True, "confounded", "^", style.COLOURS[1]),
        (False, "clean", "o", style.COLOURS[0]),
    ):
        studies = rows[rows.confounded == confounded]
        axes.plot(studies.rho, studies.left_block, marker, color=colour, markersize=3, alpha=0.8, label=label)
    end = max(0.1, float(rows.rho.max()) * 1.05)
    axes.plot([0, end], [0, end / 2], color=style.GREY, linewidth=0.7, linestyle=style.DASHED, zorder=0)
    axes.set_xlabel("ρ of a simulated study")
    axes.set_ylabel("ρ after shuffling within blocks")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.1)
    flagged = rows.groupby("confounded").flagged.mean()
    confounded, clean = (f"{flagged.get(kind, 0):.0%}" for kind in (True, False))
    return f"Simulated studies: {confounded} of the confounded and {clean} of the clean ones are flagged"


def _draw_selection(axes, rows) -> str:
    for row in rows.itertuples():
        axes.plot([0, 1], [row.nested, row.non_nested], color=style.PALE, linewidth=0.8, zorder=0)
    for position, column in enumerate(("nested", "non_nested")):
        axes.plot([position] * len(rows), rows[column], "o", color=style.COLOURS[position], markersize=3, alpha=0.8)
        axes.plot([position - 0.2, position + 0.2], [rows[column].mean()] * 2, color=style.INK, linewidth=1.2)
    axes.set_xticks([0, 1], ["validation", "test"])
    axes.set_xlim(-0.5, 1.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("selected on images of")
    axes.set_ylabel("accuracy on test images")
    nested, non_nested = rows.nested.mean(), rows.non_nested.mean()
    return f"Accuracy {nested:.3f} if selected on validation images, {non_nested:.3f} if on the test images"
