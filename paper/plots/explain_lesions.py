"""What is lost with the face channels of a model's last layers, beyond channels of equal activation."""

from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.plots.explain import models, table
from paper.results import Results

MEASURES = {"accuracy": "balanced accuracy", "predictivity": "mean r of units", "rho": "RDM ρ"}


def draw(results: Results) -> tuple[Figure, str]:
    """Draw a row per model and a column per measure; the latest area stands for the neurons."""
    lesions = table(results, "lesions")
    names, said = models(lesions), []
    figure = style.figure(style.PAGE, 12 + 44 * len(names))
    panels = figure.subplots(len(names), len(MEASURES), squeeze=False, sharex=True)
    for row, model in zip(panels, names, strict=True):
        for axes, (measure, label) in zip(row, MEASURES.items(), strict=True):
            part = lesions[(lesions.model == model) & (lesions.measure == measure)]
            area = next((name for name in reversed(AREAS) if (part.region == name).any()), None)
            part = part if area is None else part[part.region == area]
            for place, layer in enumerate(dict.fromkeys(part.layer)):
                one = part[part.layer == layer]
                paint = style.COLOURS[place]
                x = [0, *(100 * one["share"])]
                axes.plot(x, [one.intact.iloc[0], *one.face], "o-", color=paint, label=f"{layer}, face channels")
                axes.plot(x, [one.intact.iloc[0], *one.control], "s:", color=paint, label=f"{layer}, matched channels")
                # The interval is of the difference: drawn about the matched channels.
                for at, low, high, middle in zip(x[1:], one.ci_low, one.ci_high, one.control, strict=True):
                    axes.plot([at, at], [middle - high, middle - low], color=paint, linewidth=0.7, alpha=0.7)
                last = one.iloc[-1]
                said.append(f"{style.name(model)} {layer} {label}: {last.face:.2f}, matched {last.control:.2f}")
            axes.set_ylabel(label + ("" if area is None else f", {area}"))
        row[0].set_title(style.name(model), loc="left")
        # Above the row, where no line runs under it; the title beside it has made the room.
        legend = row[-1].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=5.5, borderaxespad=0.2)
        legend.set_in_layout(False)
    for axes in panels[-1]:
        axes.set_xlabel("channels silenced (%)")
    return figure, "Largest share of channels silenced. " + "; ".join(said) + "."
