"""The kept tables of benchmarks, ``<name>.json``: which there are, and their content."""

import json
from pathlib import Path

from analysis.core.errors import DataError
from analysis.core.files import write_text

FOLDER = Path("paper/truth")
"""Holds the kept tables."""
SOURCE = Path("benchmarks")
"""Where the benchmarks write theirs."""
NAMES = ("coverage", "calibration", "reliability", "recovery")
"""Benchmarks whose truth is known: of intervals, of tests, of noise ceilings, and of the models that should win."""


def read(name: str, folder: Path = FOLDER) -> dict | list | None:
    """Return the kept table of a benchmark; None if none was kept.

    Raises
    ------
    DataError
        If it is not JSON.
    """
    path = Path(folder) / f"{name}.json"
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}): git restores it, or python -m paper.truth") from error


def keep() -> list[Path]:
    """Copy the tables in `SOURCE` to `FOLDER`; return the new paths.

    Raises
    ------
    DataError
        If there is none.
    """
    found = [name for name in NAMES if (SOURCE / f"{name}.json").is_file()]
    if not found:
        raise DataError(f"{SOURCE} holds none of {', '.join(f'{name}.json' for name in NAMES)}: run the benchmarks")
    for name in found:
        write_text(FOLDER / f"{name}.json", (SOURCE / f"{name}.json").read_text(encoding="utf-8"))
    return [FOLDER / f"{name}.json" for name in found]
