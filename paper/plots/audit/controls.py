"""Controls: the confound by itself, the power of the audit on simulated studies, and selection on the test images."""

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
    """Draw rho overall and within recordings, the power curve, and the optimism of selection."""
    figure = style.figure(style.PAGE, 62)
    panels = figure.subplots(1, 3, width_ratios=[1.7, 1.1, 0.8])
    descriptions = [
        _draw_confound(panels[0], read_table(results, "confound")),
        _draw_power(panels[1], read_table(results, "power")),
        _draw_selection(panels[2], read_table(results, "selection")),
    ]
    for axes, letter in zip(panels, "abc", strict=True):
        style.letter(axes, letter)
    return figure, ". ".join(descriptions) + "."


def _draw_confound(axes, rows) -> str:
    descriptions = []
    for position, ((join, kind), label) in enumerate(GROUPS.items()):
        here = rows[(rows["join"] == join) & (rows["table"] == kind)]
        group = here.groupby("recordings").mean(numeric_only=True)  # over networks
        offsets = position + np.linspace(-0.13, 0.13, max(len(group), 1))[: len(group)]
        for shift, column, ends, marker, colour in (
            (-0.2, "rho", ("rho_low", "rho_high"), "o", style.COLOURS[0]),
            (0.2, "within", ("within_low", "within_high"), "s", style.COLOURS[1]),
        ):
            axes.vlines(offsets + shift, group[ends[0]], group[ends[1]], color=colour, linewidth=0.8)
            axes.plot(offsets + shift, group[column], marker, color=colour, markersize=2.6)
        if len(group):
            label = label.replace("\n", " ")
            descriptions.append(f"{label}: rho {group.rho.mean():.2f}, within recordings {group.within.mean():.2f}")
    axes.plot([], [], "o", color=style.COLOURS[0], label="ρ")
    axes.plot([], [], "s", color=style.COLOURS[1], label="ρ within recordings")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_xticks(range(len(GROUPS)), GROUPS.values())
    axes.set_xlim(-0.5, len(GROUPS) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("Spearman ρ of model and neural RDM")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.1)
    return "Confound: " + "; ".join(descriptions)


def _draw_power(axes, rows) -> str:
    kinds = {False: ("detected", style.COLOURS[1], "^"), True: ("false alarms", style.COLOURS[0], "o")}
    judged = rows[rows.not_identifiable < 1]
    descriptions = []
    for (informative, (label, colour, marker)), shift in zip(kinds.items(), (-0.005, 0.005), strict=True):
        group = judged[judged.informative == informative]
        axes.vlines(group.share + shift, group.blocks_low, group.blocks_high, color=colour, linewidth=0.8)
        axes.plot(group.share + shift, group.blocks, marker, linestyle="-", color=colour, markersize=3, label=label)
        rates = ", ".join(f"{row.blocks:.0%} at {row.share:g}" for row in group.itertuples())
        descriptions.append(f"{label}: {rates}")
    for share in rows.share[rows.not_identifiable == 1].unique():
        axes.axvspan(share - 0.03, share + 0.03, color=style.PALE, linewidth=0, zorder=-1)
        axes.text(share, 0.5, "not identifiable", rotation=90, ha="center", va="center", fontsize=6.5)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("degree of confound")
    axes.set_ylabel("share of simulated studies")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.3)
    return "Simulated studies: " + "; ".join(descriptions)


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
