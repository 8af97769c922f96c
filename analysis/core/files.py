"""Write files whole or not at all; hash them."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from analysis.core.errors import DataError


@contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` when the block succeeds.

    The folder is created if missing. If the block fails, the temporary file is removed and `path` keeps its previous
    content.

    Raises
    ------
    DataError
        If the folder cannot be written (read-only, full disk).
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        if error.filename and Path(error.filename) not in (part, path, path.parent):
            raise
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the folder itself may be what cannot be written
            part.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value) -> None:
    """Write `value` as JSON with sorted keys; NaN is an error, since JSON has none."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike, advice: str, kind: type = dict):
    """Return what a JSON file holds.

    Parameters
    ----------
    path : path
    advice : str
        What to do if it is missing or damaged, for messages.
    kind : type
        Of the value.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, is not JSON, or holds another type of value.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: {advice}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged or not JSON ({error}): {advice}") from error
    if not isinstance(value, kind):
        raise DataError(f"{path} holds a {type(value).__name__}, not a {kind.__name__}: {advice}")
    return value


def write_csv(path: str | os.PathLike, table) -> None:
    """Write a pandas table as CSV without its index; floats are written in full precision."""
    with atomic(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_json(value):
    """Convert nested dicts and lists to JSON values: Python numbers, and None for NaN or infinity."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
