"""Any table of images x units, with a label and perhaps a block (recording, session) for every image."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from analysis.core.errors import DataError

IMAGE_COLUMNS = ("image_path", "image", "image_id", "stimulus_id", "stem", "Filename", "path")
"""Names under which the image of a row is looked for; else the first column that holds text."""
LISTED, UNLISTED = "listed", "not listed"
"""Labels of images that a plain list of file names has, and has not."""
LEAST_ROWS = 8


@dataclass(frozen=True)
class ResponseTable:
    """Responses of units to images.

    Attributes
    ----------
    images : (n_images,) str
        As the table names them.
    units : tuple of str, n_units
    values : (n_images, n_units) float64
        NaN where a cell is empty.
    label : (n_images,) str
    block : (n_images,) str or None
        None where the table does not say; then they are detected (`analysis.audit.blocks`).
    unnamed : DataFrame
        Rows left out because they name no image, one column per unit; the index says after how many other rows each
        stood.
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
        One row per image; one text column names the image, the columns `label` and `block` (if they are columns)
        are taken as such, and every other column is a unit.
    label, block : str
        Name of a column, or a csv file: with one or more columns of which the first (or ``Filename``) names images,
        and a column ``label`` (``block``). A file without that column is a list: its images are ``listed``, all
        others ``not listed``. Files match images by file name, extension included, as the report did.

    Raises
    ------
    DataError
        If a column is missing, a unit holds text, an image occurs twice or the rows are too few.
    """
    table = _csv(path)
    image_column = _image_column(table, path, label, block)
    named = table[image_column].notna()
    unnamed = table[~named].set_axis(named.cumsum()[~named])
    table = table[named].reset_index(drop=True)
    if len(table) < LEAST_ROWS:
        raise DataError(f"{path}: {len(table)} rows name an image; an audit needs {LEAST_ROWS} or more")
    images = table[image_column].astype(str).to_numpy(dtype=str)
    twice = table[image_column][table[image_column].duplicated()]
    if len(twice):
        raise DataError(f"{path}: image {twice.iloc[0]!r} has more than one row; average or drop them first")
    labels = _per_image(table, images, label, "label", path)
    blocks = None if block is None else _per_image(table, images, block, "block", path)
    units = [name for name in table.columns if name not in (image_column, label, block)]
    if len(units) < 2:
        raise DataError(f"{path}: {len(units)} unit columns; a correlation over units needs 2 or more")
    unnamed = pd.DataFrame(_numbers(unnamed[units], path), unnamed.index, units)
    return ResponseTable(images, tuple(units), _numbers(table[units], path), labels, blocks, unnamed)


def _csv(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: give a csv file with a row per image and a column per unit") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not a csv table: {' '.join(str(error).split())}") from error
    if table.columns.duplicated().any() or not len(table):
        raise DataError(f"{path} has no rows, or a column name twice")
    return table


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
        column = pd.to_numeric(units[name], errors="coerce")
        text = units[name][column.isna() & units[name].notna()]
        if len(text):
            raise DataError(
                f"{path}: column {name!r} holds {str(text.iloc[0])!r} (row {text.index[0] + 1}), not a number;"
                " repair it, or leave the column out if it is no unit"
            )
        columns[name] = column.astype(np.float64)
    values = np.column_stack(list(columns.values()))
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise DataError(f"{path}: column {units.columns[column]!r} is infinite in row {row + 1}; drop or repair it")
    return values


def _per_image(table: pd.DataFrame, images: np.ndarray, source: str, what: str, path: Path) -> np.ndarray:
    """Return the label or block of each image from a column of the table or from a file."""
    if source in table:
        column = table[source]
        if column.isna().any():
            raise DataError(f"{path}: {what} column {source!r} is empty in row {int(column.isna().argmax()) + 1}")
        return column.astype(str).to_numpy(dtype=str)
    if not Path(source).is_file():
        names = ", ".join(map(str, [*table.columns[:4], "..."] if len(table.columns) > 5 else table.columns))
        hint = "; leave --block out to detect blocks" if what == "block" else ""
        raise DataError(f"{path} has no {what} column {source!r} (there: {names}), and no such file exists{hint}")
    return _from_file(images, Path(source), what)


def _from_file(images: np.ndarray, path: Path, what: str) -> np.ndarray:
    listed = _csv(path)
    names = listed["Filename" if "Filename" in listed else listed.columns[0]].dropna().astype(str)
    mine = [PurePosixPath(image).name for image in images]
    if what not in listed:
        if what == "block":
            raise DataError(f"{path} has no column 'block'; give one beside the names of the images")
        known = {PurePosixPath(name).name for name in names}
        out = np.array([LISTED if name in known else UNLISTED for name in mine])
    else:
        of = dict(zip((PurePosixPath(name).name for name in names), listed.loc[names.index, what], strict=True))
        missing = [name for name in mine if name not in of]
        if missing:
            raise DataError(f"{path} has no {what} for image {missing[0]!r} ({len(missing)} missing)")
        out = np.array([str(of[name]) for name in mine])
    return out
