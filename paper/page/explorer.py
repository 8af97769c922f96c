"""What the script of the page reads: RDMs, and gaze and spikes of the example recording."""

import base64

import matplotlib
import numpy as np

from paper import style
from paper.plots import rdms

UNDEFINED = 255
"""Byte of a pair without a percentile; the others run from 0 to 254."""


def describe_rdms(models: dict, thumbnails: dict[str, str | None]) -> dict:
    """Return the RDMs of models, of a population and of the labels in order of category, as base64 bytes.

    Parameters
    ----------
    models : dict of xarray.Dataset
        RDMs of each model and one population. Of models compared with other images than the first, none is shown.
    thumbnails : dict
        Base64 JPEG of each image to show, by stem, or None if it is not at hand; images without an entry are left out.

    Returns
    -------
    dict
        Of each matrix percentiles (0 to 254) and dissimilarities in thousandths.
    """
    opened = next(iter(models.values()))
    stems = opened["stem"].values.astype(str)
    order, _, _ = rdms.by_category(opened["category"].values.astype(str))
    order = [image for image in order if stems[image] in thumbnails]
    category = opened["category"].values.astype(str)[order]
    colours = matplotlib.colormaps["cividis"](np.linspace(0, 1, UNDEFINED))[:, :3]
    same = [one for one in models if np.array_equal(models[one]["stem"].values.astype(str), stems)]
    same = [one for one in same if models[one].attrs["recording"] == opened.attrs["recording"]]
    return {
        "category": [category_name(name) for name in category],
        "starts": [0, *(np.flatnonzero(category[1:] != category[:-1]) + 1).tolist()],
        "thumbnails": [_jpeg_uri(thumbnails[stem]) for stem in stems[order]],
        "palette": _base64((colours * 255).round().astype(np.uint8)),
        "models": [
            {
                "name": style.name(model),
                "layer": str(models[model].attrs["layer"]),
                "rho": round(float(models[model].attrs["rho"]), 4),
                **_describe_rdm(models[model]["model_rdm"].values[np.ix_(order, order)]),
            }
            for model in same
        ],
        "neural": _describe_rdm(opened["neural_rdm"].values[np.ix_(order, order)]),
        "labels": _describe_rdm((category[:, None] != category[None, :]).astype(float)),
    }


def _describe_rdm(rdm: np.ndarray) -> dict:
    percentiles = rdms.percentiles(rdm)
    ranks = np.rint(0.01 * (UNDEFINED - 1) * np.nan_to_num(percentiles))
    return {
        "percentile": _base64(np.where(np.isfinite(percentiles), ranks, UNDEFINED).astype(np.uint8)),
        "thousandths": _base64(np.rint(1000 * np.nan_to_num(rdm)).astype("<i2")),
    }


def describe_recording(recording: dict, screen_grey: int) -> dict:
    """Return the example recording of the results with names of categories and addresses of pictures for the page."""
    shown = sorted(recording["images"], key=lambda image: image["category"] == "none")  # what has a category first
    images = [
        {
            "stem": image["stem"],
            "category": category_name(image["category"]),
            "picture": _jpeg_uri(image["jpeg"]),
            "presentations": image["presentations"],
        }
        for image in shown
    ]
    screen = f"rgb({screen_grey} {screen_grey} {screen_grey})"
    return {"size_dva": recording["size_dva"], "units": recording["units"], "images": images, "screen": screen}


def category_name(category: str) -> str:
    """Return a category as the paper writes it."""
    return "no category" if category == "none" else category.replace("_", " ")


def ramp() -> list[str]:
    """Return nine colours from the most similar pair to the most dissimilar one."""
    return [matplotlib.colors.to_hex(matplotlib.colormaps["cividis"](k / 8)) for k in range(9)]


def _jpeg_uri(jpeg: str | None) -> str | None:
    return None if jpeg is None else f"data:image/jpeg;base64,{jpeg}"


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
