"""The merged table: its blocks, and their labels."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit.read import read_table
from paper.results import Results

REACH = 2.0
"""Standard deviations at which the colour scale ends."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw blocks by units, and the labels of each block."""
    figure = style.figure(style.PAGE, 50)
    left, right = figure.subplots(1, 2, width_ratios=[2.0, 0.9])
    blocks, fill = read_table(results, "table_blocks"), read_table(results, "table_fill")
    labels = [name for name in blocks if name.startswith("label ")]
    _draw_means(figure, left, blocks, fill)
    descriptions = _draw_labels(right, blocks, labels)
    for axes, letter in zip((left, right), "ab", strict=True):
        style.letter(axes, letter)
    return figure, f"A merged table of {len(blocks)} blocks of rows. {descriptions}."


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
    axes.xaxis.get_major_locator().set_params(integer=True)
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
