"""Controls: the confound planted alone, the audit tested on simulated studies, and selection on the test images."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit import table
from paper.results import Results

GROUPS = {
    ("trial_id", "single"): "one\nrecording",
    ("trial_id", "merged"): "faces and rest\nof different ones",
    ("row", "single"): "one, wrong\nimages",
    ("row", "merged"): "both\nflaws",
}


def draw(results: Results) -> tuple[Figure, str]:
    """Draw rho before and after shuffling within recordings, the simulated studies, and the optimism of selection."""
    figure = style.figure(style.PAGE, 62)
    panels = figure.subplots(1, 3, width_ratios=[1.7, 1.1, 0.8])
    said = [
        _confound(panels[0], table(results, "confound")),
        _studies(panels[1], table(results, "studies")),
        _selection(panels[2], table(results, "selection")),
    ]
    for axes, letter in zip(panels, "abc", strict=True):
        style.letter(axes, letter)
    return figure, ". ".join(said) + "."


def _confound(axes, rows) -> str:
    said = []
    for place, ((join, kind), name) in enumerate(GROUPS.items()):
        here = rows[(rows["join"] == join) & (rows["table"] == kind)]
        spread = np.linspace(-0.13, 0.13, max(len(here), 1))[: len(here)]
        for shift, name_of, ends, mark, paint in (
            (-0.2, "rho", ("low", "high"), "o", style.COLOURS[0]),
            (0.2, "left_block", ("left_low", "left_high"), "s", style.COLOURS[1]),
        ):
            axes.vlines(place + shift + spread, here[ends[0]], here[ends[1]], color=paint, linewidth=0.8)
            axes.plot(place + shift + spread, here[name_of], mark, color=paint, markersize=2.6)
        if len(here):
            plain = name.replace("\n", " ")
            said.append(f"{plain}: rho {here.rho.mean():.2f}, shuffled {here.left_block.mean():.2f}")
    axes.plot([], [], "o", color=style.COLOURS[0], label="ρ")
    axes.plot([], [], "s", color=style.COLOURS[1], label="shuffled within recordings")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xticks(range(len(GROUPS)), GROUPS.values())
    axes.set_xlim(-0.5, len(GROUPS) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("Spearman ρ of model and neural RDM")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.1)
    return "Planted confound: " + "; ".join(said)


def _studies(axes, rows) -> str:
    for confounded, name, mark, paint in (
        (True, "confounded", "^", style.COLOURS[1]),
        (False, "clean", "o", style.COLOURS[0]),
    ):
        here = rows[rows.confounded == confounded]
        axes.plot(here.rho, here.left_block, mark, color=paint, markersize=3, alpha=0.8, label=name)
    end = max(0.1, float(rows.rho.max()) * 1.05)
    axes.plot([0, end], [0, end / 2], color=style.GREY, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlabel("ρ of a simulated study")
    axes.set_ylabel("ρ shuffled within blocks")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.1)
    flagged = rows.groupby("confounded").flagged.mean()
    return f"Simulated studies: {flagged.get(True, 0):.0%} of the confounded and {flagged.get(False, 0):.0%} flagged"


def _selection(axes, rows) -> str:
    for row in rows.itertuples():
        axes.plot([0, 1], [row.nested, row.non_nested], color=style.PALE, linewidth=0.8, zorder=0)
    for place, name in enumerate(("nested", "non_nested")):
        axes.plot([place] * len(rows), rows[name], "o", color=style.COLOURS[place], markersize=3, alpha=0.8)
        axes.plot([place - 0.2, place + 0.2], [rows[name].mean()] * 2, color=style.INK, linewidth=1.2)
    axes.set_xticks([0, 1], ["validation", "test itself"])
    axes.set_xlim(-0.5, 1.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("images that select")
    axes.set_ylabel("accuracy on test images")
    return f"Selection: accuracy {rows.nested.mean():.3f} nested, {rows.non_nested.mean():.3f} on the test images"
