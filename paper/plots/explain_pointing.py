"""How well the maps point to faces, against initial weights and maps that know no model; and their faithfulness."""

from matplotlib.figure import Figure

from paper import style
from paper.plots.explain import CONTROLS, METHODS, models, table
from paper.results import Results

WEIGHTS = {"trained": ("o", -0.12), "untrained": ("s", 0.12)}


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the pointing game and, below, deletion and insertion curves, a column per model."""
    scored, curves = table(results, "attribution"), table(results, "curves")
    names = models(scored)
    figure = style.figure(style.PAGE, 108)
    panels = figure.subplots(2, 2 * len(names), squeeze=False, height_ratios=[1.15, 1])
    said = []
    for place, model in enumerate(names):
        top = panels[0, 2 * place]
        grid = top.get_gridspec()
        panels[0, 2 * place + 1].remove()
        top.remove()
        axes = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        rows = scored[(scored.model == model) & (scored.score == "pointing")]
        said.append(f"{style.name(model)}: " + _pointing(axes, rows))
        axes.set_title(style.name(model), loc="left")
        style.letter(axes, "ab"[place] if place < 2 else "")
        for column, curve in enumerate(("deletion", "insertion")):
            _curves(panels[1, 2 * place + column], curves[(curves.model == model) & (curves.curve == curve)])
            panels[1, 2 * place + column].set_xlabel(f"{curve}: share of pixels")
        panels[1, 2 * place].set_ylabel("P(face)")
    handles, labels = panels[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    marks = [style.entry(mark, name, color=style.COLOURS[k]) for k, (name, (mark, _)) in enumerate(WEIGHTS.items())]
    marks.append(style.entry("D", "knows no model", color=style.GREY))
    figure.legend(handles=marks, loc="outside upper right", ncols=len(marks))
    return figure, "Pointing game. " + "; ".join(said) + "."


def _pointing(axes, rows) -> str:
    ticks, said = [], []
    shown = METHODS | {name: label for name, label in CONTROLS.items() if name != "region"}
    for place, (method, label) in enumerate(shown.items()):
        for weights in ("trained", "untrained", "none"):
            row = rows[(rows.method == method) & (rows.weights == weights)]
            if row.empty:
                continue
            mark, shift = WEIGHTS.get(weights, ("D", 0))
            paint = style.GREY if weights == "none" else style.COLOURS[list(WEIGHTS).index(weights)]
            one = row.iloc[0]
            axes.plot([place + shift] * 2, [one.ci_low, one.ci_high], color=paint)
            axes.plot(place + shift, one.estimate, mark, color=paint)
            said.append(f"{label}, {weights} {one.estimate:.2f}")
        ticks.append(label.replace("-", "-\n").replace(" ", "\n", 1))
    axes.set_xticks(range(len(ticks)), ticks, fontsize=6)
    axes.set_ylim(-0.02, 1.05)
    axes.set_ylabel("maximum within a face (share)")
    return ", ".join(said)


def _curves(axes, rows) -> None:
    for place, (method, label) in enumerate(METHODS.items()):
        one = rows[rows.order == method]
        axes.plot(one["share"], one.p_face, color=style.COLOURS[place], label=label)
    for method, dashes, label in (("random", (0, (1, 1.5)), "random order"), ("centre", (0, (4, 3)), "centre")):
        one = rows[rows.order == method]
        axes.plot(one["share"], one.p_face, color=style.GREY, linestyle=dashes, label=label)
    axes.set_ylim(-0.02, 1.02)
