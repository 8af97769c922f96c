"""The images of ``data/stimuli`` with the labels and splits of one protocol."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.params.protocol import Protocol
from analysis.stimuli.read import (
    CLASSES,
    UNLABELLED,
    classes_of,
    hash_files,
    read_images,
    read_missing,
    read_table,
)

SPLITS = ("train", "validation", "test")
_COLUMNS = {"roi": ("label", "split"), "filename": ("label_report", "split_report")}


class NoExamples(DataError):
    """A split that the protocol needs lacks one of the classes."""


@dataclass(frozen=True)
class Examples:
    """The images with the labels and splits that one protocol gives them.

    Attributes
    ----------
    images : uint8 array (n_images, 3, height, width), memory-mapped
    table : pandas table, one row per image in the same order
    label : int16 array (n_images,); number of the class (1 face, 0 non-face), or -1: unlabelled
    split : str array (n_images,); train, validation, test, or "" for an image the protocol does not use
    selection : "validation" or "test", the split on which candidates and epochs are selected
    digest : SHA-256 of ``images.npy`` and ``images.csv``
    classes : names of the classes by number, such as `CLASSES`
    """

    images: np.ndarray
    table: pd.DataFrame
    label: np.ndarray
    split: np.ndarray
    selection: str
    digest: dict[str, str]
    classes: tuple[str, ...] = CLASSES

    def rows(self, split: str) -> np.ndarray:
        """Return the row numbers of the labelled images of a split."""
        return np.flatnonzero((self.split == split) & (self.label >= 0))


def load(rules: Protocol) -> Examples:
    """Read images, labels and splits under a protocol.

    Raises
    ------
    DataError
        If a file or column is missing, the two files disagree, or a label or split is unknown; `NoExamples` if a
        split that the protocol needs (train, test and the one it selects on) lacks one of the classes.
    """
    csv, images, table = "data/stimuli/images.csv", read_images(), read_table()
    label_column, split_column = _COLUMNS[rules.labels]
    split = table[split_column].to_numpy(dtype=str)
    if unknown := sorted(set(split) - {*SPLITS, ""}):
        raise DataError(f"{csv}: {split_column} = {str(unknown[0])!r} is not a split")
    classes = classes_of(table[label_column][split != ""])
    numbers = {name: number for number, name in enumerate(classes)} | {UNLABELLED: -1}
    label = table[label_column].map(numbers)
    if classes != CLASSES:
        label = label.where(split != "", label.fillna(-1))  # images of no split may show other objects
    if label.isna().any():
        raise DataError(f"{csv}: {label_column} = {table[label_column][label.isna()].iloc[0]!r} is not a label")
    examples = Examples(images, table, label.to_numpy(np.int16), split, rules.selection, hash_files(), classes)
    for name in sorted({"train", rules.selection, "test"}):
        present = set(examples.label[examples.rows(name)])
        for number, label_name in enumerate(classes):
            if number not in present:
                raise NoExamples(f"{csv}: no image labelled {label_name} ({label_column}) in the split {name}")
    return examples


def excuse() -> str | None:
    """Return why images may lack a class without anything being wrong, after which stages go on without models.

    Some images that the recordings show are not at hand, or the recordings show none that their authors annotated, as
    some of the published ones do. None: neither is so.
    """
    if not read_missing().empty:
        return "images are missing (data/stimuli/missing.csv)"
    if paths.DANDISET.is_dir() and not read_table()["annotated"].any():
        return "the authors annotated none of the images that the recordings show"
    return None


def image_inputs(examples: Examples, architecture: dict):
    """Return all images as a uint8 torch tensor (n_images, 3, size, size), `size` being that of the architecture."""
    return resized(examples.images, architecture["size"])


def resized(images: np.ndarray, size: int, chunk: int = 512):
    """Return images as a uint8 torch tensor (n, 3, size, size), anti-aliased when downsampled.

    Bytes rather than floats, so that the full set fits on a device (4,240 images of 112 x 112: 160 MB).
    """
    import torch
    from torch.nn import functional

    if images.shape[2:] == (size, size):
        return torch.from_numpy(np.array(images))
    out = torch.empty((len(images), 3, size, size), dtype=torch.uint8)
    for start in range(0, len(images), chunk):
        part = torch.from_numpy(np.array(images[start : start + chunk])).float()
        part = functional.interpolate(part, (size, size), mode="bilinear", antialias=True, align_corners=False)
        out[start : start + chunk] = part.round_().clamp_(0, 255).to(torch.uint8)
    return out
