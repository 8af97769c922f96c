"""What each choice of protocol contributes to the scores, and the report's score over random splits."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.plots.audit.read import FIELDS, read_table
from paper.results import Results

LOWEST = -5.0
"""Scores of splits below it are counted in the first bin."""
BINS = 40


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the Shapley values of the decisive choices, for r2 and for rho, and the report's r2 over splits."""
    table, splits = read_table(results, "shapley"), read_table(results, "report_splits")
    figure = style.figure(style.PAGE, 66)
    panels = figure.subplots(1, 3, width_ratios=[1.1, 1.1, 1])
    shown = decisive_choices(table)
    descriptions = [
        _draw_values(axes, table[table.score == score].set_index("field"), shown, label)
        for axes, score, label in zip(panels, ("r2", "rho"), ("median r²", "RDM ρ"), strict=False)
    ]
    panels[1].set_yticklabels([])
    descriptions.append(_draw_splits(panels[2], splits))
    for axes, letter in zip(panels, "abc", strict=True):
        style.letter(axes, letter)
    return figure, ". ".join(descriptions) + "."


def decisive_choices(table) -> list[str]:
    """Return the choices whose interval excludes 0 for either score, in the order of the protocol."""
    decisive = table[(table.low > 0) | (table.high < 0)]
    return [field for field in dict.fromkeys(table.field) if field in set(decisive.field)]


def _draw_values(axes, values, shown: list[str], label: str) -> str:
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    rows = values.loc[shown]
    colours = [
        style.COLOURS[0] if low > 0 or high < 0 else style.GREY for low, high in zip(rows.low, rows.high, strict=True)
    ]
    axes.hlines(range(len(rows)), rows.low, rows.high, color=colours, linewidth=1)
    axes.scatter(rows.value, range(len(rows)), c=colours, s=12, zorder=3)
    axes.set_yticks(range(len(rows)), [FIELDS.get(field, field) for field in shown])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_xlabel(f"contribution to {label}")
    parts = ", ".join(f"{FIELDS.get(k, k)} {value:.2f}" for k, value in rows.value.items())
    return f"Contributions to {label}: {parts}"


def _draw_splits(axes, splits) -> str:
    r2 = splits.r2.to_numpy(float)
    if splits.r2.isna().any():
        axes.text(0.5, 0.5, "undefined", ha="center", va="center", transform=axes.transAxes)
        return "The report's median r squared is undefined: too few images"
    middle = splits.groupby("seed").r2.median().mean()
    low, quarter, three_quarters, high = np.quantile(r2, [0.025, 0.25, 0.75, 0.975])
    start = max(LOWEST, r2.min())
    axes.hist(np.maximum(r2, start), np.linspace(start, max(r2.max(), start + 0.1), BINS + 1), color=style.COLOURS[0])
    height = axes.get_ylim()[1]
    for ends, width in (((low, high), 0.8), ((quarter, three_quarters), 2.4)):
        axes.plot(np.maximum(ends, start), [1.04 * height] * 2, color=style.INK, linewidth=width)
    axes.set_xlim(start - 0.1, None)
    axes.plot(middle, 1.04 * height, "o", color="white", markeredgecolor=style.INK, markersize=4)
    axes.set_xlabel("report's median r²")
    axes.set_ylabel(f"random splits (of {len(r2)})")
    return f"The report's median r squared over {len(r2)} splits: {low:.2f} to {high:.2f}, on average {middle:.2f}"
