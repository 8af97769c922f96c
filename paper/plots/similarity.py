"""How alike the geometry of a model's top layer and of each recorded population is, beside its ceilings."""

import numpy as np
from matplotlib.figure import Figure

from paper import style
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw Spearman's rho of the two RDMs per model, area and recording, over the band of the noise ceilings."""
    areas = [area for area in style.AREAS if area in set(results.rsa.region)]
    figure = style.figure(style.PAGE, 58)
    axes = figure.subplots()
    step = 0.8 / len(results.models)
    said = []
    for place, model in enumerate(results.models):
        rows = results.rsa[(results.rsa.model == model) & (results.rsa.layer == results.top(model))]
        paint, mark = style.colour(model, results.models), style.marker(model, results.models)
        for column, area in enumerate(areas):
            here = rows[(rows.region == area) & rows.rho.notna()]
            spread = np.linspace(-0.5, 0.5, len(here) + 2)[1:-1]
            for shift, score in zip(spread, here.itertuples(), strict=True):
                x = column - 0.4 + step * (place + 0.5 + 0.8 * shift)
                if np.isfinite(score.ceiling_lower):
                    axes.fill_between(
                        [x - 0.3 * step / len(here), x + 0.3 * step / len(here)],
                        score.ceiling_lower,
                        score.ceiling_upper,
                        color=style.PALE,
                        linewidth=0,
                        zorder=0,
                    )
                axes.plot([x, x], [score.ci_low, score.ci_high], color=paint, linewidth=0.9)
                axes.plot(x, score.rho, mark, color=paint, markersize=3.5)
                said.append(f"{style.name(model)} and {area} of {score.recording} {score.rho:.3f}")
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xticks(range(len(areas)), areas)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(areas) - 0.5)
    axes.set_ylabel("Spearman ρ of the two RDMs")
    for model in results.models:
        paint, mark = style.colour(model, results.models), style.marker(model, results.models)
        axes.plot([], [], mark, color=paint, label=style.name(model))
    axes.fill_between([], [], color=style.PALE, label="noise ceiling, lower to upper")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(results.models) + 1)
    return figure, f"Spearman correlation of model and neural dissimilarities: {'; '.join(said)}."
