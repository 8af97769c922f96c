"""Read a table of images x units, with a label and optionally a block (recording, session) for every image."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.files import given

IMAGE_COLUMNS = ("image_path", "image", "image_id", "stimulus_id", "stem", "Filename", "path")
"""Names of columns that may identify the image of a row; failing these, the first column, if it holds text."""
LISTED, UNLISTED = "listed", "not listed"
"""Labels of images that are in a plain list of file names, and of those that are not."""
LEAST_ROWS = 8
WANTED = "a csv file with a row per image and a column per unit"
LARGEST = 1e100
"""Largest size of a response: sums of squares of larger ones overflow."""


class TableNotAuditable(DataError):
    """A table is readable but does not allow an audit: too few labels, images or blocks, or a unit without data."""


@dataclass(frozen=True)
class ResponseTable:
    """Responses of units to images.

    Attributes
    ----------
    images : (n_images,) str
        Names, as in the table.
    units : tuple of str, n_units
    values : (n_images, n_units) float64
        NaN where a cell is empty.
    label : (n_images,) str
    block : (n_images,) str or None
        None if unknown; blocks are then detected (`analysis.audit.table.blocks`).
    unnamed : DataFrame
        Rows that name no image, one column per unit. The index is the number of named rows before each.
    """

    images: np.ndarray
    units: tuple[str, ...]
    values: np.ndarray
    label: np.ndarray
    block: np.ndarray | None
    unnamed: pd.DataFrame = field(default_factory=pd.DataFrame)


def read(path: Path, label: str, block: str | None = None) -> ResponseTable:
    """Read a table of images x units from a csv file.

    Parameters
    ----------
    path : Path
        One row per image. One text column names the image; every column other than that one, `label` and `block` is a
        unit.
    label, block : str
        Name of a column, or a csv file whose first column (or ``Filename``) names images and which has a column
        ``label`` (``block``). A file without a column ``label`` is a list: its images are ``listed``, all others ``not
        listed``. Images are matched by file name including the extension, as in the report.

    Raises
    ------
    DataError
        If a column is missing, a unit contains text, an image occurs twice or there are too few rows.
    """
    table = given.table(path, WANTED, all_named=True)
    image_column = _image_column(table, path, label, block)
    named = table[image_column].notna()
    unnamed = table[~named].set_axis(named.cumsum()[~named])
    table = table[named].reset_index(drop=True)
    if len(table) < LEAST_ROWS:
        raise DataError(f"{path}: {len(table)} rows name an image; an audit needs {LEAST_ROWS} or more")
    images = table[image_column].astype(str).to_numpy(dtype=str)
    twice = table[image_column][table[image_column].duplicated()]
    if len(twice):
        raise DataError(f"{path}: image {twice.iloc[0]!r} has more than one row; average them or keep one")
    labels = _per_image(table, images, label, "label", path)
    blocks = None if block is None else _per_image(table, images, block, "block", path)
    units = [name for name in table.columns if name not in (image_column, label, block)]
    if unused := [name for name in units if name in ("label", "block")]:
        raise DataError(
            f"{path}: column {unused[0]!r} would count as a unit: give --{unused[0]} {unused[0]}, or remove it"
        )
    if len(units) < 2:
        raise DataError(f"{path}: {len(units)} unit columns; a correlation over units needs 2 or more")
    unnamed = pd.DataFrame(_numbers(unnamed[units], path), unnamed.index, units)
    return ResponseTable(images, tuple(units), _numbers(table[units], path), labels, blocks, unnamed)


def _image_column(table: pd.DataFrame, path: Path, *taken: str | None) -> str:
    for name in IMAGE_COLUMNS:
        if name in table and name not in taken:
            return name
    text = [name for name in table if name not in taken and not pd.api.types.is_numeric_dtype(table[name])]
    if not text or text[0] != table.columns[0]:
        raise DataError(f"{path}: no column names the image of a row; call it {IMAGE_COLUMNS[1]!r}")
    return text[0]


def _numbers(units: pd.DataFrame, path: Path) -> np.ndarray:
    columns = {}
    for name in units:
        try:
            column = pd.to_numeric(units[name], errors="coerce")
        except OverflowError:  # a whole number of hundreds of digits
            raise DataError(f"{path}: column {name!r} holds a number beyond {LARGEST:g}; correct it") from None
        text = units[name][column.isna() & units[name].notna()]
        if len(text):
            raise DataError(
                f"{path}: column {name!r} holds {str(text.iloc[0])!r} (row {text.index[0] + 1}), not a number;"
                " correct it, or remove the column if it is not a unit"
            )
        columns[name] = column.astype(np.float64)
    values = np.column_stack(list(columns.values()))
    if (bad := np.abs(values) > LARGEST).any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"{path}: column {units.columns[column]!r} holds {values[row, column]:g} in row {row + 1}; correct it or"
            " remove the row"
        )
    return values


def _per_image(table: pd.DataFrame, images: np.ndarray, source: str, kind: str, path: Path) -> np.ndarray:
    """Return the label or block of each image, from a column of the table or from a file."""
    if source in table:
        column = table[source]
        if column.isna().any():
            raise DataError(f"{path}: {kind} column {source!r} is empty in row {int(column.isna().argmax()) + 1}")
        return column.astype(str).to_numpy(dtype=str)
    if not Path(source).exists():
        names = ", ".join(map(str, [*table.columns[:4], "..."] if len(table.columns) > 5 else table.columns))
        hint = "; omit --block to detect blocks" if kind == "block" else ""
        raise DataError(f"{path} has no {kind} column {source!r} (it has {names}), and there is no such file{hint}")
    return _from_file(images, Path(source), kind)


def _from_file(images: np.ndarray, path: Path, kind: str) -> np.ndarray:
    listed = given.table(path, f"a csv file with the {kind} of each image")
    column = "Filename" if "Filename" in listed else listed.columns[0]
    listed = listed[listed[column].notna()]
    names = [PurePosixPath(name).name for name in listed[column].astype(str)]
    names_here = [PurePosixPath(image).name for image in images]
    if kind not in listed:
        if other := [name for name in listed if name.strip().lower() == kind]:
            raise DataError(f"{path}: name the column {kind!r}, not {other[0]!r}")
        if kind == "block":
            raise DataError(f"{path} has no column 'block'; add one beside the names of the images")
        in_list = set(names)
        return np.array([LISTED if name in in_list else UNLISTED for name in names_here])
    value_of: dict[str, object] = {}
    for name, value in zip(names, listed[kind], strict=True):
        if pd.isna(value):
            raise DataError(f"{path}: the {kind} of image {name!r} is empty: fill it in or remove the row")
        if value_of.setdefault(name, value) != value:
            raise DataError(f"{path}: image {name!r} has the {kind} {value_of[name]!r} and {value!r}: keep one row")
    if missing := [name for name in names_here if name not in value_of]:
        raise DataError(f"{path} has no {kind} for image {missing[0]!r} ({len(missing)} missing)")
    return np.array([str(value_of[name]) for name in names_here])
