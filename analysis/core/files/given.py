"""Read tables that a reader gives: CSV as other programs write it, in which nothing may be guessed."""

import csv
import io
from collections import Counter
from pathlib import Path

from analysis.core.errors import DataError, unreadable

MAX_FIELD = 1 << 24
"""Characters of one cell; a quotation mark that never ends takes the rest of a file into one."""


def contents(path: Path, what: str) -> bytes:
    """Return the bytes of a file that the command line or params.yaml names.

    Parameters
    ----------
    path : Path
    what : str
        What to give, for messages: ``an image file``.

    Raises
    ------
    DataError
        If there is no such file, it may not be read, or it is a folder, a pipe or a device, which might never end.
    """
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder; give {what}")
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is a device or pipe; give {what}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: give {what}") from error
    except OSError as error:
        raise unreadable(path, error) or DataError(f"{path} cannot be read ({error.strerror}); give {what}") from error


def table(path: Path, what: str, all_named: bool = False, **options):
    """Return a CSV table.

    Parameters
    ----------
    path : Path
    what : str
        What to give, for messages.
    all_named : bool
        Whether a column without a name is refused: where all columns count, the row numbers that pandas writes would.
    **options
        Of ``pandas.read_csv``.

    Raises
    ------
    DataError
        As `contents`, or if the file is not UTF-8, its columns are not separated by commas, two columns have one
        name, a row has more or fewer cells than there are columns, or there is no row.
    """
    import pandas as pd  # late: it takes longer to load than most commands by hand

    data = contents(path, what)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start + 1}): save it as CSV in UTF-8") from error
    _check(path, text, what, all_named)
    try:
        return pd.read_csv(io.StringIO(text), index_col=False, **options)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path} is not a csv table ({' '.join(str(error).split())}): give {what}") from error


def _check(path: Path, text: str, what: str, all_named: bool) -> None:
    """Refuse what pandas would read without a word: repeated or empty names, rows of another length."""
    before = csv.field_size_limit(MAX_FIELD)
    try:
        rows = [(row, n) for n, row in enumerate(csv.reader(io.StringIO(text, newline="")), 1) if row]
    except csv.Error as error:
        raise DataError(f"{path} is not a csv table ({error}): give {what}") from error
    finally:
        csv.field_size_limit(before)
    if len(rows) < 2:
        raise DataError(f"{path} has no rows: give {what}")
    header = rows[0][0]
    if len(header) == 1 and (sign := next((one for one in ";\t" if one in header[0]), None)):
        raise DataError(f"{path}: columns are separated by {sign!r}: save it with commas, and points in numbers")
    if all_named and "" in header:
        raise DataError(
            f"{path}: column {header.index('') + 1} has no name: name it, or remove it (pandas: index=False)"
        )
    if twice := [name for name, n in Counter(header).items() if n > 1 and name]:
        raise DataError(f"{path}: two columns are named {twice[0]!r}: rename or remove one")
    for row, n in rows[1:]:
        if len(row) != len(header):
            cells = f"{len(row)} cell{'s' * (len(row) != 1)}"
            raise DataError(
                f"{path}: row {n - 1} has {cells} for {len(header)} columns: mend it, or save the file again"
            )
