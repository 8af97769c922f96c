"""Read the output of an earlier stage; a missing, damaged or foreign file gives a one-line error that names it.

In all functions, `again` says how to get the file back, such as "run the stage train for hmo".
"""

import io
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from analysis.core import paths
from analysis.core.errors import DataError, unreadable

FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError)
FAULTS += (RuntimeError, MemoryError)
"""Exceptions that libraries raise on damaged files."""

TEXT = ("model", "protocol", "layer", "layers", "recording", "subject", "region", "unit", "neuroid_id", "reduction")
TEXT += ("system", "factor", "level", "measure", "part", "other", "split", "what")
"""Text columns of the result tables."""


class ListedFile(TypedDict):
    """Entry of a file in ``data/raw/manifest.json``."""

    size: int


class Manifest(TypedDict):
    """The keys of ``data/raw/manifest.json`` that are used."""

    files: dict[str, ListedFile]


def not_found(path: Path, again: str) -> DataError:
    """Return the error for a file that is missing."""
    return DataError(f"{path} not found: {again}")


def damaged(path: Path, why: object, again: str) -> DataError:
    """Return the error for a file that is not what its stage writes."""
    return DataError(f"{path} is damaged ({' '.join(str(why).split()) or type(why).__name__}): {again} again")


@contextmanager
def reading(path: Path, again: str) -> Iterator[None]:
    """Turn an exception while a file is read into a one-line error.

    Put only code that depends on the content of the file inside: anywhere else such exceptions would be bugs in this
    project.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise _closed(path) or not_found(path, again) from error
    except FAULTS as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise unreadable(path, error) or damaged(path, why, again) from error


def _closed(path: Path) -> DataError | None:
    """Return the error for a file that exists but may not be read, which safetensors calls missing; else None."""
    try:
        path.open("rb").close()
    except OSError as error:
        return unreadable(path, error)
    return None


def read_json(path: Path, again: str, kind: object = dict):
    """Return the content of a JSON file.

    Parameters
    ----------
    path : Path
    again : str
    kind : type
        Type of the content, as pydantic understands it: ``dict[str, float]``, or a ``TypedDict`` with the keys that
        are used.
    """
    with reading(path, again):
        content = json.loads(path.read_bytes())
        try:
            _adapter(kind).validate_python(content, strict=True)
        except ValidationError as error:
            wrong = error.errors()[0]
            place = ".".join(map(str, wrong["loc"])) or "content"
            why = f"no {place}" if wrong["type"] == "missing" else f"{place} has the wrong type"
            raise damaged(path, why, again) from error
    return content


@cache
def _adapter(kind: object) -> TypeAdapter:
    return TypeAdapter(kind)


def read_csv(path: Path, again: str, columns: Collection[str] = (), text: Collection[str] | None = None, **options):
    """Return a CSV table that this project wrote (`core.files.write_csv`).

    Only an empty cell counts as missing: "none" and "NA" are values.

    Parameters
    ----------
    path : Path
    again : str
    columns : collection of str
        Columns that the table must have.
    text : collection of str, optional
        Columns to read as text, even if all their cells are empty; all others of `columns` must then hold numbers.
    **options
        Passed to ``pandas.read_csv``.
    """
    import pandas as pd  # imported late: it loads for longer than most commands run

    options = {"keep_default_na": False, "na_values": [""]} | options
    with reading(path, again):
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            raise damaged(path, "its last line is incomplete", again)
        if text is not None:
            options["dtype"] = dict.fromkeys(text, str)
        table = pd.read_csv(io.BytesIO(data), index_col=False, **options)
    if absent := [name for name in columns if name not in table]:
        raise damaged(path, f"no column {', '.join(absent)}", again)
    for name in columns if text is not None else ():
        if name not in text and not (pd.api.types.is_numeric_dtype(table[name]) or table[name].isna().all()):
            raise damaged(path, f"column {name} contains a non-numeric value", again)
    return table


def read_npy(path: Path, again: str, ndim: int, dtype: type[np.generic] = np.floating, mapped: bool = False):
    """Return an array of `ndim` dimensions and a subtype of `dtype`; if `mapped`, as a read-only memory map."""
    with reading(path, again):
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        if array.ndim != ndim or not np.issubdtype(array.dtype, dtype):
            raise damaged(path, f"{array.dtype} of shape {array.shape}", again)
    return array


def check_raw(dependencies: Collection[str]) -> None:
    """Compare the sizes of files in data/raw with its manifest, so that a truncated table is not read as a short one.

    Recordings need only exist: their readers notice truncation, and the stage decides how many may fail.

    Parameters
    ----------
    dependencies : collection of str
        Dependencies of a stage in ``dvc.yaml``; those in data/raw are compared.

    Raises
    ------
    DataError
        If a file is missing or has another size, or the manifest is damaged. Without a manifest, nothing is compared.
    """
    manifest, again = paths.RAW / "manifest.json", "run the stage acquire"
    wanted = [Path(one) for one in dependencies if Path(one).is_relative_to(paths.RAW)]
    if not wanted or not manifest.is_file():
        return
    for name, listed in read_json(manifest, again, Manifest)["files"].items():
        path = paths.RAW / name
        if any(path.is_relative_to(one) for one in wanted):
            with reading(path, again):
                size = path.stat().st_size
            if size != listed["size"] and not path.is_relative_to(paths.DANDISET):
                raise damaged(path, f"{size} bytes of {listed['size']}", again)
