"""How well maps point to faces, compared with initial weights and model-free maps, and how faithful they are."""

from matplotlib.figure import Figure

from paper import style
from paper.plots.explain.read import CONTROLS, METHODS, models_of, read_table
from paper.results import Results

WEIGHTS = {"trained": ("o", -0.12), "untrained": ("s", 0.12)}


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the pointing game above deletion and insertion curves, a column per model."""
    scored, curves = read_table(results, "attribution"), read_table(results, "curves")
    models = models_of(scored)
    figure = style.figure(style.PAGE, 108)
    panels = figure.subplots(2, 2 * len(models), squeeze=False, height_ratios=[1.15, 1])
    descriptions = []
    for k, model in enumerate(models):
        top = panels[0, 2 * k]
        grid = top.get_gridspec()
        panels[0, 2 * k + 1].remove()
        top.remove()
        axes = figure.add_subplot(grid[0, 2 * k : 2 * k + 2])
        rows = scored[(scored.model == model) & (scored.score == "pointing")]
        descriptions.append(f"{style.name(model)}: " + _draw_pointing(axes, rows))
        axes.set_title(style.name(model), loc="left")
        style.letter(axes, "ab"[k] if k < 2 else "")
        for column, curve in enumerate(("deletion", "insertion")):
            _draw_curves(panels[1, 2 * k + column], curves[(curves.model == model) & (curves.curve == curve)])
            panels[1, 2 * k + column].set_xlabel(f"{curve}: proportion of pixels")
        panels[1, 2 * k].set_ylabel("P(face)")
    handles, labels = panels[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    entries = [
        style.entry(marker, name, color=style.COLOURS[k]) for k, (name, (marker, _)) in enumerate(WEIGHTS.items())
    ]
    entries.append(style.entry("D", "model-free", color=style.GREY))
    figure.legend(handles=entries, loc="outside upper right", ncols=len(entries))
    return figure, "Pointing game. " + "; ".join(descriptions) + "."


def _draw_pointing(axes, rows) -> str:
    ticks, descriptions = [], []
    shown = METHODS | {name: label for name, label in CONTROLS.items() if name != "region"}
    for position, (method, label) in enumerate(shown.items()):
        for weights in ("trained", "untrained", "none"):
            row = rows[(rows.method == method) & (rows.weights == weights)]
            if row.empty:
                continue
            marker, shift = WEIGHTS.get(weights, ("D", 0))
            colour = style.GREY if weights == "none" else style.COLOURS[list(WEIGHTS).index(weights)]
            score = row.iloc[0]
            axes.plot([position + shift] * 2, [score.ci_low, score.ci_high], color=colour)
            axes.plot(position + shift, score.estimate, marker, color=colour)
            descriptions.append(f"{label}, {weights} {score.estimate:.2f}")
        ticks.append(label.replace("-", "-\n").replace(" ", "\n", 1))
    axes.set_xticks(range(len(ticks)), ticks, fontsize=6)
    axes.set_ylim(-0.02, 1.05)
    axes.set_ylabel("maximum within a face\n(proportion of images)")
    return ", ".join(descriptions)


def _draw_curves(axes, rows) -> None:
    for (method, label), colour in zip(METHODS.items(), style.COLOURS, strict=False):
        curve = rows[rows.order == method]
        axes.plot(curve["share"], curve.p_face, color=colour, label=label)
    for method, dashes, label in (("random", (0, (1, 1.5)), "random order"), ("centre", (0, (4, 3)), "centre first")):
        curve = rows[rows.order == method]
        axes.plot(curve["share"], curve.p_face, color=style.GREY, linestyle=dashes, label=label)
    axes.set_ylim(-0.02, 1.02)
