"""What the report's result was made of: the decisive choices, both ways, the confound, and the power of the audit."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.claims.verdicts import LARGER, SMALLER
from paper.plots.audit.read import read_table
from paper.results import Results

GROUPS = {"single": "one", "merged": "two", "single_misaligned": "one*", "merged_misaligned": "two*"}
"""Tables of the confound, and their names: of how many recordings, with a star if trials are misaligned."""
PAIRS = ((-0.14, "o", style.COLOURS[0]), (0.14, "s", style.COLOURS[1]))
"""Shift, marker and colour of rho over all pairs, and within recordings."""
LABELS = {"r2": "median r²", "rho": "RDM ρ"}


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw Shapley value, first and last of the decisive choices, for r2 and rho; the confound; detection rates."""
    audit = claims["audit"]
    decisive = {step["field"] for score in LABELS for step in audit["decisive"][score]}
    shown = [step["field"] for step in audit["steps"]["r2"] if step["field"] in decisive]
    figure = style.figure(style.PAGE, 66)
    panels = figure.subplots(1, 4, width_ratios=[1, 1, 1.15, 1])
    texts = [_draw_steps(panels[k], audit["steps"][score], shown, LABELS[score]) for k, score in enumerate(LABELS)]
    panels[1].set_yticklabels([])
    texts.append(_draw_confound(panels[2], audit["confound"]))
    texts.append(_draw_power(panels[3], read_table(results, "power")))
    for axes, letter in zip(panels, "abcd", strict=True):
        style.letter(axes, letter)
    entries = [
        style.entry("o", "mean over orders, 95 % interval", color=style.COLOURS[0]),
        style.entry(">", "corrected first", color=style.INK, markerfacecolor="white", markersize=4),
        style.entry("<", "corrected last", color=style.INK, markersize=4),
    ]
    figure.legend(handles=entries, loc="outside upper left", ncols=3)
    return figure, ". ".join(texts) + "."


def _draw_steps(axes, steps: list[dict], shown: list[str], label: str) -> str:
    by_field, texts = {step["field"]: step for step in steps}, []
    for row, field in enumerate(shown):
        step = by_field[field]
        if step["value"] is None:
            continue
        colour = style.COLOURS[0] if step["verdict"] in (LARGER, SMALLER) else style.GREY
        if step["low"] is not None:
            axes.plot([step["low"], step["high"]], [row, row], color=colour, linewidth=1.2)
        axes.plot(step["value"], row, "o", color=colour, markersize=4, zorder=3)
        for key, marker, face in (("first", ">", "white"), ("last", "<", style.INK)):
            if step[key] is not None:
                axes.plot(step[key], row + 0.27, marker, color=style.INK, markerfacecolor=face, markersize=3.4)
        texts.append(f"{step['name']} {step['value']:.2f}")
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_yticks(range(len(shown)), [by_field[field]["name"] for field in shown])
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"effect on {label}")
    return f"Contributions to {label}: {', '.join(texts) or ('none is defined' if shown else 'none is decisive')}"


def _draw_confound(axes, confound: dict | None) -> str:
    axes.set_ylabel("Spearman ρ")
    axes.set_xlabel("recordings in a table\n(*: misaligned trials)")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    if confound is None:
        axes.text(0.5, 0.5, "not computed", ha="center", va="center", transform=axes.transAxes)
        return "The confound was not computed"
    texts = []
    for place, (group, name) in enumerate(GROUPS.items()):
        for shift, key, marker, colour in (
            (-0.14, "rho", "o", style.COLOURS[0]),
            (0.14, "within", "s", style.COLOURS[1]),
        ):
            score = confound[group][key]
            if score["value"] is None:
                continue
            if score["low"] is not None:
                axes.plot([place + shift] * 2, [score["low"], score["high"]], color=colour, linewidth=1)
            axes.plot(place + shift, score["value"], marker, color=colour, markersize=3.6)
        both = [confound[group][key]["value"] for key in ("rho", "within")]
        if None not in both:
            texts.append(f"{name} rho {both[0]:.2f}, within recordings {both[1]:.2f}".replace("\n", " "))
    axes.plot([], [], "o", color=style.COLOURS[0], label="all pairs")
    axes.plot([], [], "s", color=style.COLOURS[1], label="within recordings")
    axes.set_xticks(range(len(GROUPS)), GROUPS.values())
    axes.set_xlim(-0.5, len(GROUPS) - 0.5)
    axes.tick_params(axis="x", length=0, labelsize=6.5)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 1), ncols=2, handletextpad=0.1, columnspacing=0.8)
    return f"Tables of recordings: {'; '.join(texts)}"


def _draw_power(axes, rows) -> str:
    judged, texts = rows[rows.not_identifiable < 1], []
    for informative, label, colour, marker in (
        (False, "detected", style.COLOURS[1], "^"),
        (True, "false alarms", style.COLOURS[0], "o"),
    ):
        group = judged[judged.informative == informative]
        axes.fill_between(group.share, group.blocks_low, group.blocks_high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(group.share, group.blocks, marker, linestyle="-", color=colour, markersize=3.4, label=label)
        texts.append(f"{label} " + ", ".join(f"{row.blocks:.0%} at {row.share:g}" for row in group.itertuples()))
    for share in np.unique(rows.share[rows.not_identifiable == 1]):
        axes.axvspan(share - 0.03, share + 0.03, color=style.PALE, linewidth=0, zorder=-1)
        axes.text(share, 0.5, "not identifiable", rotation=90, ha="center", va="center", fontsize=6.5)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("degree of confound")
    axes.set_ylabel("share of simulated studies")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 1), ncols=2, handletextpad=0.3, columnspacing=0.8)
    return f"Simulated studies: {'; '.join(texts)}"
