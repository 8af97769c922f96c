"""The merged table: its blocks, the labels in them, and what its geometry owes to them."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit import table
from paper.results import Results

REACH = 2.0
"""Standard deviations at which the colours end."""


def draw(results: Results) -> tuple[Figure, str]:
    """Draw blocks by units, the labels of each block, and rho with pure RDMs before and after shuffling."""
    figure = style.figure(style.PAGE, 66)
    left, middle, right = figure.subplots(1, 3, width_ratios=[2.0, 0.9, 1.3])
    blocks, fill = table(results, "table_blocks"), table(results, "table_fill")
    labels = [name for name in blocks if name.startswith("label ")]
    _picture(figure, left, blocks, fill)
    said = _labels(middle, blocks, labels)
    words = _controls(right, table(results, "table_controls"))
    for axes, letter in zip((left, middle, right), "abc", strict=True):
        style.letter(axes, letter)
    return figure, f"A merged table of {len(blocks)} blocks of rows. {said}. {words}."


def _picture(figure, axes, blocks, fill) -> None:
    order = list(blocks.block)
    units = list(dict.fromkeys(fill.unit))
    # Blocks without a measured cell stay empty, which the pale ground shows.
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
    figure.colorbar(shown, ax=axes, label="mean, in SD of the column", pad=0.02, aspect=30)


def _labels(axes, blocks, labels) -> str:
    shares = blocks[labels].to_numpy(float)
    shares = shares / shares.sum(axis=1, keepdims=True)
    before, said = np.zeros(len(blocks)), []
    for place, name in enumerate(labels):
        paint = style.COLOURS[place % len(style.COLOURS)]
        axes.barh(range(len(blocks)), shares[:, place], left=before, color=paint, height=0.8, label=name[6:])
        before = before + shares[:, place]
        said.append(f"{name[6:]} fills {(shares[:, place] == 1).sum()} blocks alone")
    axes.set_ylim(len(blocks) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the block's images")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handlelength=1)
    return ", ".join(said)


def _controls(axes, controls) -> str:
    said = []
    for place, model in enumerate(("label", "format")):
        rows = controls[(controls.model == model) & (controls.within == "block")]
        paint = style.COLOURS[place]
        for row in rows.itertuples():
            axes.plot([row.rarest_share - 0.012] * 2, [row.low, row.high], color=paint, linewidth=0.9)
            axes.plot([row.rarest_share + 0.012] * 2, [row.left_low, row.left_high], color=paint, linewidth=0.9)
            said.append(f"{model}, share {row.rarest_share:g}: {row.rho:.2f}, shuffled {row.left:.2f}")
        axes.plot(rows.rarest_share - 0.012, rows.rho, "o", color=paint, label=model)
        axes.plot(rows.rarest_share + 0.012, rows.left, "o", color=paint, markerfacecolor="white")
    axes.plot([], [], "o", color=style.INK, markerfacecolor="white", label="shuffled")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlim(controls.rarest_share.min() - 0.06, controls.rarest_share.max() + 0.06)
    axes.set_xlabel("share of the rarest label")
    axes.set_ylabel("Spearman ρ with the table's RDM")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handletextpad=0.1, columnspacing=0.8)
    return "Correlation with pure RDMs: " + "; ".join(said)
