"""Performance after silencing a layer's face channels, or as many other channels of equal activation."""

from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.plots.explain.read import models_of, read_table
from paper.results import Results

MEASURES = {"accuracy": "balanced accuracy", "predictivity": "mean r of units", "rho": "RDM ρ"}


def draw(results: Results) -> tuple[Figure, str]:
    """Draw a row per model and a column per measure; neural measures are of the latest area."""
    lesions = read_table(results, "lesions")
    models, descriptions = models_of(lesions), []
    figure = style.figure(style.PAGE, 12 + 44 * len(models))
    panels = figure.subplots(len(models), len(MEASURES), squeeze=False, sharex=True)
    for row, model in zip(panels, models, strict=True):
        for axes, (measure, label) in zip(row, MEASURES.items(), strict=True):
            rows = lesions[(lesions.model == model) & (lesions.measure == measure)]
            area = next((name for name in reversed(AREAS) if (rows.region == name).any()), None)
            rows = rows if area is None else rows[rows.region == area]
            for layer, colour in zip(dict.fromkeys(rows.layer), style.COLOURS, strict=False):
                curve = rows[rows.layer == layer]
                x, intact = [0, *(100 * curve["share"])], curve.intact.iloc[0]
                axes.plot(x, [intact, *curve.face], "o-", color=colour, label=f"{layer}, face channels")
                axes.plot(x, [intact, *curve.control], "s:", color=colour, label=f"{layer}, matched channels")
                # The interval is that of the difference, drawn around the matched channels.
                for share, low, high, control in zip(x[1:], curve.ci_low, curve.ci_high, curve.control, strict=True):
                    axes.plot([share, share], [control - high, control - low], color=colour, linewidth=0.7, alpha=0.7)
                last = curve.iloc[-1]
                descriptions.append(f"{style.name(model)} {layer} {label}: {last.face:.2f}, matched {last.control:.2f}")
            axes.set_ylabel(label + ("" if area is None else f", {area}"))
        row[0].set_title(style.name(model), loc="left")
        # Above the row, level with the title, where it hides no line.
        legend = row[-1].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=5.5, borderaxespad=0.2)
        legend.set_in_layout(False)
    for axes in panels[-1]:
        axes.set_xlabel("channels silenced (%)")
    return figure, "With the largest share of channels silenced: " + "; ".join(descriptions) + "."
