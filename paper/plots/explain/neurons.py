"""Within-image correlation of units' responses with the map under their receptive field, by area."""

from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.plots.explain.read import CONTROLS, METHODS, models_of, read_table
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw the mean within-image correlation by area: a panel per method, a marker per model and weights."""
    areas = read_table(results, "areas")
    models, descriptions = models_of(areas), []
    recorded = [area for area in AREAS if (areas.region == area).any()]
    panels = {**METHODS, "controls": "model-free"}
    figure = style.figure(style.PAGE, 68)
    drawn = figure.subplots(1, len(panels), sharey=True)
    for axes, (method, label) in zip(drawn, panels.items(), strict=True):
        axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
        axes.set_title(label, fontsize=7, loc="left")
        if method == "controls":
            lines = [(models[0], "none", name, title) for name, title in CONTROLS.items()]
        else:
            lines = [(m, w, method, f"{style.name(m)}, {w}") for m in models for w in ("trained", "untrained")]
        for k, (model, weights, name, title) in enumerate(lines):
            rows = areas[(areas.model == model) & (areas.weights == weights) & (areas.method == name)]
            rows = rows.set_index("region")
            shown = [area for area in recorded if area in rows.index]
            x = [recorded.index(area) + 0.12 * (k - (len(lines) - 1) / 2) for area in shown]
            colour = style.COLOURS[k % len(style.COLOURS)]
            for x_area, area in zip(x, shown, strict=True):
                axes.plot([x_area, x_area], rows.loc[area, ["ci_low", "ci_high"]].tolist(), color=colour, linewidth=0.8)
            marker = style.MARKERS[k % len(style.MARKERS)]
            values = [float(rows.mean_beyond[area]) for area in shown]
            axes.plot(x, values, marker, color=colour, label=title, markersize=3)
            descriptions += [f"{title} ({label}) {shown[-1]} {values[-1]:.2f}"] if shown else []
        axes.set_xticks(range(len(recorded)), recorded, rotation=90)
    drawn[0].set_ylabel("mean r, above maps of other images")
    for axes, where in ((drawn[0], "outside upper center"), (drawn[-1], "outside lower center")):
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc=where, ncols=len(labels), handletextpad=0.1)
    return figure, "Mean correlation of response and map under the receptive field, latest area: " + "; ".join(
        descriptions
    ) + "."
