"""Example test images, and where the explained models find evidence for a face."""

import numpy as np
import pandas as pd
import xarray
from matplotlib.figure import Figure

from paper import style
from paper.results import Results, read_netcdf

METHODS = {"lime": "LIME", "occlusion": "occlusion"}


def is_available(results: Results) -> bool:
    """Say whether the explanations were computed for these results."""
    return results.ran("explain")


def is_drawable(results: Results) -> bool:
    """Say whether a model was explained."""
    return is_available(results) and not _read_table(results).empty


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw a column per image: the image, then a map per model and method with its share in the face."""
    data, shares = _read_gallery(results), _read_table(results)
    models = list(dict.fromkeys(shares["model"]))
    rows = [(model, method) for model in models for method in METHODS]
    figure = style.figure(style.PAGE, 5 + 26 * (1 + len(rows)))
    figure.get_layout_engine().set(h_pad=0.055)  # inches, between the numbers below a map and those above the next
    panels = figure.subplots(1 + len(rows), data.sizes["image"], squeeze=False)
    shares = shares[shares.weights == "trained"].set_index(["model", "method", "stem"])
    for column, (kind, stem) in enumerate(zip(data["kind"].values, data["stem"].values, strict=True)):
        panels[0, column].imshow(data["picture"].values[column].transpose(1, 2, 0), extent=(0, 1, 1, 0))
        panels[0, column].set_title(str(kind), fontsize=7)
        for axes, (model, method) in zip(panels[1:, column], rows, strict=True):
            evidence = data[f"map_{model}"].sel({"method": method}).values[column]
            largest = max(float(np.abs(evidence).max()), 1e-12)
            axes.imshow(evidence, cmap="RdBu_r", vmin=-largest, vmax=largest, extent=(0, 1, 1, 0))
            if method == next(iter(METHODS)):
                axes.set_title(f"P(face) {data[f'p_face_{model}'].values[column]:.2f}", fontsize=6, pad=2)
            if (model, method, str(stem)) in shares.index:
                found = shares.loc[(model, method, str(stem))]
                axes.set_xlabel(f"{found.in_face:.2f} | {found.in_shifted_faces:.2f}", fontsize=6, labelpad=2)
        for axes in panels[:, column]:
            _finish(axes, data["face"].values[column])
    labels = ["image", *(f"{style.name(model)}\n{METHODS[method]}" for model, method in rows)]
    for axes, label in zip(panels[:, 0], labels, strict=True):
        axes.set_ylabel(label, fontsize=6.5)
    mean = shares.groupby(["model", "method"], sort=False)[["in_face", "in_shifted_faces"]].mean()
    described = [
        f"{style.name(model)}, {METHODS[method]}: {row.in_face:.2f} of the positive map in the face, "
        f"{row.in_shifted_faces:.2f} in shifted faces"
        for (model, method), row in mean.iterrows()
    ]
    kinds = ", ".join(data["kind"].values.astype(str))
    return figure, f"Test images ({kinds}) above their maps. Mean over all images with a face: {'; '.join(described)}."


def _finish(axes, face: np.ndarray) -> None:
    """Outline the face, and remove the ticks."""
    if face.any():
        centres = (np.arange(len(face)) + 0.5) / len(face)
        axes.contour(centres, centres, face, [0.5], colors=style.INK, linewidths=0.6)
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, linewidth=0.4)


def _read_table(results: Results) -> pd.DataFrame:
    return results.table("explain", "images")


def _read_gallery(results: Results) -> xarray.Dataset:
    models = _read_table(results)["model"].unique()
    names = [
        "picture",
        "face",
        "stem",
        "kind",
        "method",
        *(f"{part}_{m}" for part in ("map", "p_face") for m in models),
    ]
    return read_netcdf(results.file("explain/gallery.nc"), "run the stage explain", names)
