"""A folder of other images on which models are trained instead of part of the data set's own (key ``training``)."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from PIL import Image

from analysis.acquire.manifest import NAME, write_manifest
from analysis.acquire.recorded import arrays, checks, layout
from analysis.acquire.recorded.assembly import upright
from analysis.core.errors import DataError
from analysis.core.files import copy, write_csv, writing
from analysis.core.images import FACE_CATEGORIES, decode, read_acquired
from analysis.core.parallel import map_threads
from analysis.core.paths import of_reader
from analysis.core.reading import read_json
from analysis.core.settings import workers
from analysis.params.recorded import DataSet


def read(entry: DataSet) -> pd.DataFrame:
    """Check the folder that an entry names under ``training``: ``images/`` and ``images.csv`` as in `arrays.read`.

    Returns
    -------
    DataFrame
        Columns `layout.IMAGES`, and ``pixels``: `hash_pixels` of the image.

    Raises
    ------
    DataError
        If the folder or a file is missing, an image is unreadable or there twice, has no category, or its category is
        not spelt as that of faces, or if there are not two classes of the task.
    """
    folder = of_reader(entry.training)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: recorded.datasets names it (training)")
    images = checks.check_images(arrays.read_images(folder), layout.IMAGES)
    _check_categories(folder, images, entry.task)
    picture = upright(lambda file: (folder / "images" / file).read_bytes())

    def hash_one(file: str) -> str:
        try:
            return hash_pixels(decode(picture(file)))
        except DataError as error:
            raise DataError(f"{folder / 'images' / file}: {error}; give another file") from error
        except OSError as error:
            raise DataError(f"{folder / 'images' / file} cannot be read: {error.strerror}") from error

    images["pixels"] = map_threads(hash_one, images["file"], workers())
    if (same := images["pixels"].duplicated(keep=False)).any():
        one, other = images["file"][images["pixels"] == images["pixels"][same].iloc[0]][:2]
        raise DataError(f"{folder}: {one} and {other} are the same picture: keep one of them")
    return images


def hash_pixels(image: Image.Image) -> str:
    """Return the SHA-256 of an image's size and RGB values, the same for every file format without loss."""
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def _check_categories(folder: Path, images: pd.DataFrame, task: str) -> None:
    """Refuse images without a category, faces under another name, and a single class."""
    if (images["category"] == "").any():
        file = images["file"][images["category"] == ""].iloc[0]
        raise DataError(
            f"{folder}: {file} has no category: put it in a folder of that name, or name it in images.csv (category)"
        )
    names = set(images["category"])
    if odd := sorted(name for name in names - FACE_CATEGORIES if name.strip().lower() in ("face", "faces")):
        raise DataError(f"{folder}: category {odd[0]!r}: write face for images of faces")
    if task == "object" and len(names) < 2:
        raise DataError(f"{folder}: all images are of the category {min(names)!r}: add another, to tell objects apart")
    if task == "face" and not (names & FACE_CATEGORIES and names - FACE_CATEGORIES):
        lack = "without a face" if names & FACE_CATEGORIES else "of the category face"
        raise DataError(f"{folder}: no image {lack}: add some, to tell faces from other images")


def add(raw: Path, folder: Path, images: pd.DataFrame) -> None:
    """Add the images that `read` returned to a data set in `raw`: ``training/``, ``training.csv``, and its manifest.

    Raises
    ------
    DataError
        If an image is also one of the data set's own.
    """
    own = layout.read_images(raw)

    def hash_own(file: str) -> str:
        return hash_pixels(read_acquired(raw / "images" / file, layout.AGAIN))

    name_of = dict(zip(map_threads(hash_own, own["file"], workers()), own["image_id"], strict=True))
    for file, digest in images[["file", "pixels"]].itertuples(index=False):
        if digest in name_of:
            raise DataError(
                f"{folder}: {file} is also the image {name_of[digest]!r}, to which responses are predicted: remove it"
            )
        copy(folder / "images" / file, raw / layout.TRAINING / file)
    write_csv(raw / f"{layout.TRAINING}.csv", images[layout.IMAGES])
    about = read_json(raw / NAME, layout.AGAIN)
    del about["files"]
    write_manifest(raw, about.pop("source"), **about, training={"folder": folder.name, "images": len(images)})


def swapped(raw: Path, fill: Callable[[Path], None]) -> None:
    """Call ``fill(folder)`` with a new folder, which takes the place of `raw` once it is complete."""
    fresh = raw.with_name(f".{raw.name}.whole")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fill(fresh)
        with writing(raw):
            if raw.exists():
                shutil.rmtree(raw)
            fresh.rename(raw)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
