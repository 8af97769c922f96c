"""What models see of ``data/stimuli``: the images, and the labels and splits of one protocol."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.params.protocol import Protocol

CLASSES = ("non-face", "face")
"""Class names by class number."""
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
    label : int8 array (n_images,); 1 face, 0 non-face, -1 unlabelled
    split : str array (n_images,); train, validation, test, or "" for an image the protocol does not use
    selection : "validation" or "test", the split on which candidates and epochs are selected
    digest : SHA-256 of ``images.npy`` and ``images.csv``
    """

    images: np.ndarray
    table: pd.DataFrame
    label: np.ndarray
    split: np.ndarray
    selection: str
    digest: dict[str, str]

    def rows(self, split: str) -> np.ndarray:
        """Return the row numbers of the labelled images of a split."""
        return np.flatnonzero((self.split == split) & (self.label >= 0))


def load(rules: Protocol, folder: Path = paths.STIMULI) -> Examples:
    """Read images, labels and splits under a protocol.

    Raises
    ------
    DataError
        If a file or column is missing or the two files disagree, or a label or split is unknown; `NoExamples` if a
        split that the protocol needs (train, test and the one it selects on) lacks one of the classes.
    """
    csv, npy = folder / "images.csv", folder / "images.npy"
    images, table = _images(npy), _table(csv)
    if len(images) != len(table):
        raise DataError(f"{npy} holds {len(images)} images, {csv} {len(table)} rows: run the stage stimuli again")
    label_column, split_column = _COLUMNS[rules.labels]
    missing = [name for name in ("stem", label_column, split_column) if name not in table]
    if missing:
        raise DataError(f"{csv} lacks the column {missing[0]}: run the stage stimuli again")
    numbers = {name: number for number, name in enumerate(CLASSES)} | {"unlabelled": -1}
    label = table[label_column].map(numbers)
    if label.isna().any():
        raise DataError(f"{csv}: {label_column} = {table[label_column][label.isna()].iloc[0]!r} is no label")
    split = table[split_column].to_numpy(dtype=str)
    if unknown := sorted(set(split) - {*SPLITS, ""}):
        raise DataError(f"{csv}: {split_column} = {str(unknown[0])!r} is no split")
    digest = {"images.npy": sha256(npy), "images.csv": sha256(csv)}
    examples = Examples(images, table, label.to_numpy(np.int8), split, rules.selection, digest)
    for name in sorted({"train", rules.selection, "test"}):
        present = set(examples.label[examples.rows(name)])
        for number, label_name in enumerate(CLASSES):
            if number not in present:
                raise NoExamples(f"{csv}: no image labelled {label_name} ({label_column}) in the split {name}")
    return examples


def _images(path: Path) -> np.ndarray:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage stimuli") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not a whole .npy file: run the stage stimuli again") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise DataError(f"{path} holds {images.dtype} {images.shape}, not uint8 (n, 3, height, width)")
    return images


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=False, dtype={"stem": str})
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage stimuli") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table: run the stage stimuli again") from error


def resized(images: np.ndarray, size: int, chunk: int = 512):
    """Return images as a uint8 torch tensor (n, 3, size, size), smoothed before they are made smaller.

    Bytes are kept, not floats: the full set at 112 x 112 then fits a device (4,240 images: 160 MB).
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
