"""How well each model tells faces from other images it was not trained on."""

from matplotlib.figure import Figure

from paper import style
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw accuracy with its interval, and balanced accuracy, on the test images, one row per model."""
    table = results.accuracy[results.accuracy.split == "test"].set_index("model")
    models = [model for model in results.models if model in table.index]
    figure = style.figure(style.COLUMN, 16 + 7 * len(models))
    axes = figure.subplots()
    for row, model in enumerate(models):
        score = table.loc[model]
        colour, marker = style.colour(model, results.models), style.marker(model, results.models)
        axes.plot([score.ci_low, score.ci_high], [row, row], color=colour, linewidth=1.6, solid_capstyle="butt")
        # The open marker is larger and lies below, so that both show where they coincide; neither is clipped at 1.
        axes.plot(
            score.balanced_accuracy, row, marker, color=colour, markerfacecolor="white", markersize=7, clip_on=False
        )
        axes.plot(score.accuracy, row, marker, color=colour, markersize=3.5, clip_on=False)
        axes.annotate(
            f"{score.accuracy:.3f}  (n = {score.n:.0f})",
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
        )
    axes.axvline(0.5, color=style.GREY, linestyle=style.DASHED, linewidth=0.7)
    axes.annotate(
        "chance", (0.5, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=6, color=style.GREY
    )
    axes.set_yticks(range(len(models)), [style.name(model) for model in models])
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_xlim(min(0.45, table.ci_low.min() - 0.02), 1)
    axes.set_xlabel("proportion of test images classified correctly")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for filled, label in ((True, "accuracy, 95 % interval"), (False, "balanced accuracy")):
        face = style.INK if filled else "white"
        axes.plot([], [], "o", color=style.INK, markerfacecolor=face, markersize=4, label=label)
    figure.legend(loc="outside upper left", ncols=2, handletextpad=0.2, columnspacing=1)
    scores = "; ".join(
        f"{style.name(model)} {table.accuracy[model]:.3f} ({table.ci_low[model]:.3f} to {table.ci_high[model]:.3f}), "
        f"balanced {table.balanced_accuracy[model]:.3f}, {table.n[model]:.0f} images"
        for model in models
    )
    return (
        figure,
        f"Dot plot of the proportion of test images that each model classified correctly, with intervals: {scores}.",
    )
