"""Example test images: where the monkeys looked, and where the first explained model finds evidence for a face."""

import numpy as np
import xarray
from matplotlib.figure import Figure

from analysis.core.errors import DataError
from paper import style
from paper.plots.explain.read import METHODS
from paper.results import Results


def draw(results: Results) -> tuple[Figure, str]:
    """Draw a column per image: the image with gaze and the face region, then a map per method."""
    data = _read_gallery(results)
    pictures = data["picture"].values.transpose(0, 2, 3, 1)
    size, names = pictures.shape[1], [str(name) for name in data["method"].values]
    figure = style.figure(style.PAGE, 29 * (1 + len(names)) + 8)
    panels = figure.subplots(1 + len(names), len(pictures), squeeze=False)
    for column, kind in enumerate(data["kind"].values.astype(str)):
        panels[0, column].imshow(pictures[column])
        of_image = data["fixation_image"].values == column
        x, y = (data[f"fixation_{axis}"].values[of_image] * size - 0.5 for axis in "xy")
        panels[0, column].plot(x, y, ".", color=style.COLOURS[1], markersize=1.5, alpha=0.6)
        panels[0, column].set_title(kind, fontsize=7)
        for row in range(len(names)):
            evidence = data["map"].values[row, column]
            largest = max(float(np.abs(evidence).max()), 1e-12)
            panels[row + 1, column].imshow(evidence, cmap="RdBu_r", vmin=-largest, vmax=largest)
            if not evidence.any():  # Grad-CAM keeps positive evidence alone, and may find none
                centred = {"xycoords": "axes fraction", "ha": "center", "va": "center"}
                panels[row + 1, column].annotate("no evidence", (0.5, 0.5), color=style.GREY, fontsize=6, **centred)
        for axes in panels[:, column]:
            if data["region"].values[column].any():
                axes.contour(data["region"].values[column], [0.5], colors=style.INK, linewidths=0.6)
            axes.set_xlim(-0.5, size - 0.5)
            axes.set_ylim(size - 0.5, -0.5)
            axes.set_xticks([])
            axes.set_yticks([])
    for row, label in enumerate(["gaze", *(METHODS[name] for name in names)]):
        panels[row, 0].set_ylabel(label)
    kinds = data["kind"].values.astype(str).tolist()
    return figure, f"Test images ({', '.join(kinds)}) with fixations and, below, maps: {', '.join(names)}."


def _read_gallery(results: Results) -> xarray.Dataset:
    path = results.file("explain/gallery.nc")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as file:
            return file.load()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({' '.join(str(error).split())}): run the stage explain") from error
