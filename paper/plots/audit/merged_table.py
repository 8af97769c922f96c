"""The merged table: its blocks, their labels, and how far they explain its geometry."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit.read import read_table
from paper.results import Results

REACH = 2.0
"""Standard deviations at which the colour scale ends."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw blocks by units, the labels of each block, and rho with pure RDMs before and after shuffling."""
    figure = style.figure(style.PAGE, 66)
    left, middle, right = figure.subplots(1, 3, width_ratios=[2.0, 0.9, 1.3])
    blocks, fill = read_table(results, "table_blocks"), read_table(results, "table_fill")
    labels = [name for name in blocks if name.startswith("label ")]
    _draw_means(figure, left, blocks, fill)
    descriptions = _draw_labels(middle, blocks, labels)
    controls = _draw_controls(right, read_table(results, "table_controls"))
    for axes, letter in zip((left, middle, right), "abc", strict=True):
        style.letter(axes, letter)
    return figure, f"A merged table of {len(blocks)} blocks of rows. {descriptions}. {controls}."


def _draw_means(figure, axes, blocks, fill) -> None:
    order = list(blocks.block)
    units = list(dict.fromkeys(fill.unit))
    # Blocks without a measured cell stay empty and show the pale background.
    grid = fill.pivot(index="block", columns="unit", values="mean_z").loc[order, units].to_numpy(float)
    shown = axes.imshow(
        np.ma.masked_invalid(grid), aspect="auto", cmap="RdBu_r", vmin=-REACH, vmax=REACH, interpolation="none"
    )
    axes.set_facecolor(style.PALE)
    step = max(1, len(order) // 12)
    axes.set_yticks(range(0, len(order), step), [f"{blocks.rows[k]}" for k in range(0, len(order), step)])
    axes.set_ylabel("block (its rows)")
    axes.set_xlabel("column")
    axes.tick_params(length=0)
    figure.colorbar(shown, ax=axes, label="mean (SD of the column)", pad=0.02, aspect=30)


def _draw_labels(axes, blocks, labels) -> str:
    shares = blocks[labels].to_numpy(float)
    shares = shares / shares.sum(axis=1, keepdims=True)
    left, descriptions = np.zeros(len(blocks)), []
    for k, name in enumerate(labels):
        colour = style.COLOURS[k % len(style.COLOURS)]
        axes.barh(range(len(blocks)), shares[:, k], left=left, color=colour, height=0.8, label=name[6:])
        left = left + shares[:, k]
        descriptions.append(f"{name[6:]} fills {(shares[:, k] == 1).sum()} blocks by itself")
    axes.set_ylim(len(blocks) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xlim(0, 1)
    axes.set_xlabel("proportion of the block's images")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handlelength=1)
    return ", ".join(descriptions)


def _draw_controls(axes, controls) -> str:
    descriptions = []
    for k, model in enumerate(("label", "format")):
        rows = controls[(controls.model == model) & (controls.within == "block")]
        colour = style.COLOURS[k]
        for row in rows.itertuples():
            axes.plot([row.rarest_share - 0.012] * 2, [row.low, row.high], color=colour, linewidth=0.9)
            axes.plot([row.rarest_share + 0.012] * 2, [row.left_low, row.left_high], color=colour, linewidth=0.9)
            descriptions.append(f"{model}, share {row.rarest_share:g}: {row.rho:.2f}, shuffled {row.left:.2f}")
        axes.plot(rows.rarest_share - 0.012, rows.rho, "o", color=colour, label=model)
        axes.plot(rows.rarest_share + 0.012, rows.left, "o", color=colour, markerfacecolor="white")
    axes.plot([], [], "o", color=style.INK, markerfacecolor="white", label="after shuffling")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_xlim(controls.rarest_share.min() - 0.06, controls.rarest_share.max() + 0.06)
    axes.set_xlabel("proportion of the rarest label")
    axes.set_ylabel("Spearman ρ with the table's RDM")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handletextpad=0.1, columnspacing=0.8)
    return "Correlation with pure RDMs: " + "; ".join(descriptions)
