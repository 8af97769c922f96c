"""Calibration of intervals, contrasts and noise ceilings in simulations whose truth is known."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.claims.truth import OURS
from paper.results import Results
from paper.truth.tables import FOLDER, read

NOMINAL = {"coverage": 95, "false_alarms": 5}
KINDS = {
    "median r": ("median of units", "o", style.COLOURS[0]),
    "mean r": ("mean of units", "s", style.COLOURS[1]),
    "RDM correlation": ("correlation of RDMs", "^", style.COLOURS[2]),
    "mean of given scores": ("mean of given scores", "D", style.COLOURS[3]),
}
"""What a case estimates, by the beginning of its name: label, marker and colour."""
SHORT = {
    "nested analysis of variance, jackknife": "nested ANOVA, jackknife",
    "one-way analysis of variance": "one-way ANOVA",
    "restricted maximum likelihood": "restricted ML",
    "weighted squares by image": "weighted squares",
    "split halves, harmonic mean": "halves, harmonic mean",
    "split halves, Spearman-Brown": "halves, Spearman–Brown",
}
"""Estimators of noise ceilings, as the axis names them."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw the coverage of each case, the false alarms of its contrasts, and the bias of each estimator of ceilings."""
    results.used.update(f"{FOLDER}/{name}.json" for name in ("coverage", "reliability"))
    cases, ceilings = read("coverage"), read("reliability")
    figure = style.figure(style.PAGE, 66)
    panels = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
    texts = [
        _draw_rates(panels[0], cases, "coverage", "coverage (%)"),
        _draw_rates(panels[1], cases, "false_alarms", "contrasts with p ≤ 0.05 (%)"),
        _draw_biases(panels[2], ceilings),
    ]
    for axes, letter in zip(panels, "abc", strict=True):
        style.letter(axes, letter)
    entries = [style.entry(marker, label, color=colour) for label, marker, colour in KINDS.values()]
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries))
    return figure, " ".join(texts)


def _draw_rates(axes, cases: dict, key: str, label: str) -> str:
    known = {name: one for name, one in cases.items() if one[key] is not None}
    for row, (name, one) in enumerate(known.items()):
        _, marker, colour = next(look for start, look in KINDS.items() if name.startswith(start))
        rate, runs = one[key], one["runs"]
        reach = 2 * np.sqrt(rate * (1 - rate) / runs)
        axes.plot([100 * (rate - reach), 100 * (rate + reach)], [row, row], color=colour, linewidth=0.8)
        axes.plot(100 * rate, row, marker, color=colour, markersize=3.4)
    axes.axvline(NOMINAL[key], color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_ylim(len(known) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_ylabel("case")
    axes.set_xlabel(label)
    rates = [one[key] for one in known.values()]
    return f"{label.split(' (')[0].capitalize()} in {len(known)} cases: {min(rates):.1%} to {max(rates):.1%}."


def _draw_biases(axes, ceilings: list[dict]) -> str:
    texts = []
    for row, (name, short) in enumerate(SHORT.items()):
        values = np.array([one["bias"][name] for one in ceilings])
        colour = style.COLOURS[0] if name == OURS else style.GREY
        axes.plot(values, row + 0.6 * style.jitter(values), ".", color=colour, markersize=3, markeredgewidth=0)
        texts.append(f"{short} {values.min():.3f} to {values.max():.3f}")
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_yticks(range(len(SHORT)), SHORT.values())
    axes.set_ylim(len(SHORT) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("bias of the noise ceiling")
    return f"Bias of noise ceilings: {'; '.join(texts)}."
