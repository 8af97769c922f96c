"""Model recovery: how often each kind of model wins, world by world."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from paper import style
from paper.results import Results
from paper.truth.tables import FOLDER

DARK = 0.55
"""Share above which a number is written in white."""


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw the share of experiments that each kind wins: a panel per area, and one of the graded world by size."""
    results.used.add(f"{FOLDER}/recovery.json")
    found = claims["truth"]["recovery"]
    areas = list(dict.fromkeys(cell["area"] for cell in found["cells"]))
    kinds = list(found["cells"][0]["winners"])
    figure = style.figure(style.PAGE, 70)
    panels = figure.subplots(1, len(areas) + 1)
    texts = []
    for axes, area in zip(panels, areas, strict=False):
        cells = [cell for cell in found["cells"] if cell["area"] == area]
        names = [cell["world"] for cell in cells]
        texts.append(_draw_matrix(axes, area, names, cells, kinds))
        if axes is not panels[0]:
            axes.set_yticklabels([])
    sizes = [f"{cell['images']} / {cell['units']} / {cell['recordings']}" for cell in found["power"]]
    texts.append(_draw_matrix(panels[-1], "AIT, graded world", sizes, found["power"], kinds))
    panels[0].set_ylabel("world")
    panels[-1].set_ylabel("images / units / recordings")
    for axes, letter in zip(panels, "abcdefgh", strict=False):
        style.letter(axes, letter)
    return figure, f"Share of experiments won. {' '.join(texts)}"


def _draw_matrix(axes, title: str, names: list[str], cells: list[dict], kinds: list[str]) -> str:
    shares = np.array([[cell["winners"][kind] for kind in kinds] for cell in cells])
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > DARK else style.INK
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=colour)
        if cells[row]["planted"] == kinds[column]:
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, color=style.COLOURS[1], linewidth=1.4)
            )
    axes.set_xticks(range(len(kinds)), kinds, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    rows = []
    for name, cell in zip(names, cells, strict=True):
        won = ", ".join(f"{kind} {share:.2f}" for kind, share in cell["winners"].items())
        rows.append(f"{name}: {won}")
    return f"{title}: {'; '.join(rows)}."
