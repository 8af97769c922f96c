"""Stage ``stimuli`` of a recorded data set: pad, label and split its images into data/stimuli."""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from analysis.acquire.recorded import layout
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_npy
from analysis.core.images import FACE_CATEGORIES, read_acquired
from analysis.core.parallel import map_threads
from analysis.core.settings import workers
from analysis.params import Params
from analysis.stimuli import splits, stage
from analysis.stimuli.images import pad
from analysis.stimuli.read import COLUMNS, UNLABELLED

ALONE = f"{layout.TRAINING}-"
"""Begins the stem of an image that no unit was shown, on which models are trained."""


def run(params: Params, dataset: str) -> None:
    """Write data/stimuli in the format of the free-viewing experiment, from the common layout in data/raw.

    Recordings of free viewing have the layout of the experiment, whose stage then reads them.
    Images of one ``group`` (one object on one scene) stay in one split; all categories are split in the same shares.
    If other images are there to train on, these are split, and the data set's own are in no split. No image is
    missing, so the lists of missing, unreadable and repeated files are empty.

    Raises
    ------
    DataError
        If data/raw is not in the common layout, or the object task has a single object.
    """
    if paths.DANDISET.is_dir():
        stage.run(params)
        return
    images, values = read_images(), params.stimuli
    files = [paths.RAW / file for file in images["file"]]

    def read(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
        image = read_acquired(path, layout.AGAIN)
        return pad(image, values.size), image.size

    pixels, sizes = zip(*map_threads(read, files, workers(), "images"), strict=True)
    write_npy(paths.STIMULI / "images.npy", np.stack(pixels))
    task = params.recorded.datasets.entry(dataset).task
    write_csv(paths.STIMULI / "images.csv", image_table(images, sizes, task, params))
    for name, columns in (("unreadable", ["path", "reason"]), ("copies", ["path", "used"])):
        write_csv(paths.STIMULI / f"{name}.csv", pd.DataFrame(columns=columns))
    write_csv(paths.STIMULI / "missing.csv", pd.DataFrame(columns=["path", "reason", "recordings"]))


def read_images() -> pd.DataFrame:
    """Return the tables of the data set's images and of other images to train on, one below the other.

    ``file`` starts from data/raw, and ``split`` says whether the image is to be split.
    """
    own, other = layout.read_images(paths.RAW), layout.read_training(paths.RAW)
    own = own.assign(path=own["file"], file="images/" + own["file"], split=other is None)
    if other is None:
        return own
    other = other.assign(image_id=ALONE + other["image_id"], path=other["file"], split=True)
    other["file"] = f"{layout.TRAINING}/" + other["file"]
    other["group"] = other["group"].where(other["group"] == "", ALONE + other["group"])
    return pd.concat([own, other], ignore_index=True)


def image_table(images: pd.DataFrame, sizes, task: str, params: Params) -> pd.DataFrame:
    """Return the table images.csv (`COLUMNS`) of a data set.

    The report's list of faces does not cover these images: ``label_report`` is the label, ``split_report`` empty.

    Parameters
    ----------
    images : DataFrame
        From `read_images`.
    sizes : sequence of (width, height)
    task : {"face", "object"}
        Whether the label says if there is a face, or is the category.
    params : Params
    """
    table = pd.DataFrame({"stem": images["image_id"], "path": images["path"]})
    table["extension"] = [PurePosixPath(name).suffix for name in images["file"]]
    table["width"], table["height"] = zip(*sizes, strict=True)
    known = images["category"] != ""
    table["category"] = images["category"].where(known, "none")
    faces = images["category"].isin(FACE_CATEGORIES).map({True: "face", False: "non-face"})
    label = images["category"] if task == "object" else faces
    table["label"] = table["label_report"] = label.where(known, UNLABELLED)
    table["annotated"], table["group"] = known, group_numbers(images["group"])
    table["split"] = table["split_report"] = ""
    rows = table[images["split"]]
    if task == "object" and len(objects := set(rows["label"]) - {UNLABELLED}) < 2:
        there = f"all are of the category {min(objects)!r}" if objects else "none has a category"
        raise DataError(f"task: object needs images of two categories or more; {there}: set task to face")
    shares = (params.stimuli.validation, params.stimuli.test)
    table.loc[rows.index, "split"] = splits.split_groups(
        rows["group"].to_numpy(), list(rows["category"]), *shares, params.seed
    )
    return table[COLUMNS]


def group_numbers(groups: pd.Series) -> np.ndarray:
    """Return the group of each image, numbered by first appearance; an image without a group forms its own."""
    names = [group or f"image {row}" for row, group in enumerate(groups)]
    return pd.factorize(np.array(names))[0]
