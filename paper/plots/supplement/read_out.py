"""The face task read out of populations and of models at matched numbers of units and matched noise."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw precision against complexity and accuracy against training images in the latest area, and accuracy by area.

    Values are means over recordings.
    """
    kernel, learning, decoding = results.kernel, results.learning, results.decoding
    decoding = decoding[(decoding.factor == "all") & (decoding.measure == "balanced accuracy")]
    models = [model for model in results.models if model in set(learning.model)]
    area = max(learning.region, key=AREAS.index, default=None)
    figure = style.figure(style.PAGE, 62)
    panels, descriptions = figure.subplots(1, 3), []
    curves = [
        (panels[0], kernel[kernel.region == area], "complexity", "precision", "complexity, log₁₀(1/λ)"),
        (panels[1], learning[learning.region == area], "n_train", "score", "training images"),
    ]
    units = {"complexity": "complexity (1/λ)", "n_train": "training images"}
    names = {"precision": "precision", "score": "balanced accuracy"}
    for axes, table, x, y, x_label in curves:
        for system, rows in _systems(table, models):
            mean = rows.groupby(x)[y].mean()
            # Small superscripts of powers of ten are hard to read, so that the axis shows the exponents.
            at = np.log10(mean.index) if x == "complexity" else mean.index
            _plot(axes, at, mean, system, every=4 if x == "complexity" else 1)
            descriptions.append(
                f"{_name(system)} in {area}, {names[y]} {mean.iloc[-1]:.3f} at {mean.index[-1]:.0f} {units[x]}"
            )
        axes.set_xlabel(x_label)
        axes.set_ylabel(names[y])
        axes.set_title(area, loc="left", fontsize=7)
    panels[0].xaxis.set_major_locator(MultipleLocator(2))
    panels[1].set_xscale("log", base=2)
    panels[1].xaxis.set_major_formatter("{x:.0f}")
    areas = [name for name in AREAS if name in set(decoding.region)]
    for system, rows in _systems(decoding, models):
        mean = rows.groupby("region")["score"].mean().reindex(areas)
        _plot(panels[2], np.arange(len(areas)), mean, system)
        scores = ", ".join(f"{name} {score:.3f}" for name, score in mean.items())
        descriptions.append(f"{_name(system)}, balanced accuracy {scores}")
    panels[2].set_xticks(range(len(areas)), areas)
    panels[2].set_ylabel("balanced accuracy")
    for axes, nothing in zip(panels, (0, 0.5, 0.5), strict=True):
        axes.axhline(nothing, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    for axes, letter in zip(panels, "abc", strict=True):
        style.letter(axes, letter)
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=6)
    return figure, f"Read-out of the face task at matched units and noise. {'; '.join(descriptions)}."


def _systems(table, models: list[str]):
    """Yield the populations (None), whose rows every model's table repeats, and each model, with their rows."""
    repeated = ["recording", "region", *(name for name in ("complexity", "n_train") if name in table)]
    units = table[(table.system == "population") & table.model.isin(models)].drop_duplicates(repeated)
    of_models = {model: table[(table.system == "model") & (table.model == model)] for model in models}
    yield from ((system, rows) for system, rows in {None: units, **of_models}.items() if len(rows))


def _name(system: str | None) -> str:
    return "recorded units" if system is None else style.name(system)


def _plot(axes, x, y, system: str | None, every: int = 1) -> None:
    colour = style.INK if system is None else style.colour_of(system)
    marker = "*" if system is None else style.marker_of(system)
    axes.plot(
        x, y, color=colour, marker=marker, markersize=3, markevery=every, linewidth=1.6 if system is None else 0.8,
        label=_name(system),
    )  # fmt: skip
