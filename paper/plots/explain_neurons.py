"""Whether units respond more where a map has more mass, area by area."""

from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.plots.explain import CONTROLS, METHODS, models, table
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw mean within-image correlation by area, a panel per map and a line per whose map it is."""
    areas = table(results, "areas")
    names, said = models(areas), []
    there = [area for area in AREAS if (areas.region == area).any()]
    panels = {**METHODS, "controls": "no model"}
    figure = style.figure(style.PAGE, 68)
    drawn = figure.subplots(1, len(panels), sharey=True)
    for axes, (method, label) in zip(drawn, panels.items(), strict=True):
        axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
        axes.set_title(label, fontsize=7, loc="left")
        if method == "controls":
            lines = [(names[0], "none", name, title) for name, title in CONTROLS.items()]
        else:
            lines = [(m, w, method, f"{style.name(m)}, {w}") for m in names for w in ("trained", "untrained")]
        for place, (model, weights, name, title) in enumerate(lines):
            rows = areas[(areas.model == model) & (areas.weights == weights) & (areas.method == name)]
            rows = rows.set_index("region")
            shown = [area for area in there if area in rows.index]
            x = [there.index(area) + 0.12 * (place - (len(lines) - 1) / 2) for area in shown]
            paint = style.COLOURS[place % len(style.COLOURS)]
            for at, area in zip(x, shown, strict=True):
                axes.plot([at, at], rows.loc[area, ["ci_low", "ci_high"]].tolist(), color=paint, linewidth=0.8)
            mark = style.MARKERS[place % len(style.MARKERS)]
            values = [float(rows.mean_beyond[area]) for area in shown]
            axes.plot(x, values, mark, color=paint, label=title, markersize=3)
            said += [f"{title} ({label}) {shown[-1]} {values[-1]:.2f}"] if shown else []
        axes.set_xticks(range(len(there)), there, rotation=90)
    drawn[0].set_ylabel("mean r beyond maps of other images")
    for axes, where in ((drawn[0], "outside upper center"), (drawn[-1], "outside lower center")):
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc=where, ncols=len(labels), handletextpad=0.1)
    return figure, "Mean correlation of response and map mass under the field, latest area: " + "; ".join(said) + "."
