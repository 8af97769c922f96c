"""Stage ``stimuli`` of a recorded data set: pad, label and split its images into data/stimuli."""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from analysis.acquire.recorded import layout
from analysis.core import paths
from analysis.core.files import write_csv, write_npy
from analysis.core.images import FACE_CATEGORIES, read_acquired
from analysis.core.parallel import map_threads
from analysis.core.settings import workers
from analysis.params import Params
from analysis.stimuli import splits, stage
from analysis.stimuli.images import pad
from analysis.stimuli.read import COLUMNS


def run(params: Params) -> None:
    """Write data/stimuli in the format of the free-viewing experiment, from the common layout in data/raw.

    Recordings of free viewing have the layout of the experiment, whose stage then reads them.
    Images of one ``group`` (one object on one scene) stay in one split; all categories are split in the same shares.
    No image is missing, so the lists of missing, unreadable and repeated files are empty.

    Raises
    ------
    DataError
        If data/raw is not in the common layout.
    """
    if paths.DANDISET.is_dir():
        stage.run(params)
        return
    images, values = layout.read_images(paths.RAW), params.stimuli
    files = [paths.RAW / "images" / file for file in images["file"]]

    def read(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
        image = read_acquired(path, layout.AGAIN)
        return pad(image, values.size), image.size

    pixels, sizes = zip(*map_threads(read, files, workers(), "images"), strict=True)
    write_npy(paths.STIMULI / "images.npy", np.stack(pixels))
    write_csv(paths.STIMULI / "images.csv", image_table(images, sizes, params))
    for name, columns in (("unreadable", ["path", "reason"]), ("copies", ["path", "used"])):
        write_csv(paths.STIMULI / f"{name}.csv", pd.DataFrame(columns=columns))
    write_csv(paths.STIMULI / "missing.csv", pd.DataFrame(columns=["path", "reason", "recordings"]))


def image_table(images: pd.DataFrame, sizes, params: Params) -> pd.DataFrame:
    """Return the table images.csv (`COLUMNS`) of a data set; `sizes` holds (width, height) of each image.

    The report's list of faces does not cover these images: ``label_report`` is the label, ``split_report`` empty.
    """
    table = pd.DataFrame({"stem": images["image_id"], "path": images["file"]})
    table["extension"] = [PurePosixPath(name).suffix for name in images["file"]]
    table["width"], table["height"] = zip(*sizes, strict=True)
    known = images["category"] != ""
    table["category"] = images["category"].where(known, "none")
    faces = images["category"].isin(FACE_CATEGORIES).map({True: "face", False: "non-face"})
    table["label"] = table["label_report"] = faces.where(known, "unlabelled")
    table["annotated"], table["group"] = known, group_numbers(images["group"])
    shares = (params.stimuli.validation, params.stimuli.test)
    table["split"] = splits.split_groups(table["group"].to_numpy(), list(table["category"]), *shares, params.seed)
    table["split_report"] = ""
    return table[COLUMNS]


def group_numbers(groups: pd.Series) -> np.ndarray:
    """Return the group of each image, numbered by first appearance; an image without a group forms its own."""
    names = [group or f"image {row}" for row, group in enumerate(groups)]
    return pd.factorize(np.array(names))[0]
