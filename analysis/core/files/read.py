"""Read JSON, or say in one line what is wrong with the file."""

import json
import os
from pathlib import Path

from analysis.core.errors import DataError


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
