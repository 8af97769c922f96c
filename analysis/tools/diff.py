"""Compare the results of this copy with those of another: a clone, a container, another machine.

On one machine, in one environment, all files have the same bytes. Elsewhere the last digits may differ, and more than
those where a network was trained: the comparison then reports by how much each table differs, and which entries of the
environment.
"""

import csv
import filecmp
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isnan
from pathlib import Path

from analysis.core import environment
from analysis.core.errors import DataError
from analysis.core.paths import FIGURES, RESULTS
from analysis.core.reading import damaged, read_json, reading

AGAIN = "run the stage that writes it"
STAMP = RESULTS / environment.FILE

OUTPUTS = (
    RESULTS,
    FIGURES,
    *map(Path, ("paper/claims.json", "paper/report.pdf", "paper/supplement.pdf", "paper/report.html")),
)
"""Outputs compared by default: tables, figures, paper, web page."""


@dataclass(frozen=True)
class Comparison:
    """How two copies differ: in files, in the values of their tables, in their environments.

    ``same`` counts files with the same bytes, ``changed`` and ``missing`` name the others, ``values`` has a line per
    column or key that differs, ``largest`` is the largest difference between two numbers (infinite if text or shapes
    differ), and ``environments`` has a line per difference between the stamps.
    """

    same: int
    changed: list[str]
    missing: list[str]
    values: list[str]
    largest: float
    environments: list[str]

    def within(self, tolerance: float) -> bool:
        """Return whether the copies agree: no file is missing, and numbers differ by at most `tolerance`.

        A tolerance of 0 requires the same bytes. Above 0 only tables count (CSV, JSON): figures and paper follow from
        them.
        """
        if self.missing or self.largest > tolerance:
            return False
        return tolerance > 0 or not self.changed

    def lines(self) -> list[str]:
        """Return the comparison as lines of text."""
        total = self.same + len(self.changed) + len(self.missing)
        lines = [f"{self.same} of {total} files have the same bytes"]
        lines += [f"only in one copy: {name}" for name in self.missing]
        lines += [f"different bytes: {name}" for name in self.changed]
        lines += self.values
        lines += [f"environment differs: {line}" for line in self.environments]
        return lines


def compare(
    here: str | os.PathLike, there: str | os.PathLike, outputs: Sequence[str | os.PathLike] = OUTPUTS
) -> Comparison:
    """Compare `outputs` (files and folders) of two copies of the project (folders that contain ``results``).

    Stamps are compared by value, not as files. Raises `DataError` if a folder has no results, or a table cannot be
    read.
    """
    here, there = Path(here), Path(there)
    for folder in (here, there):
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder: give another copy of the project")
    stamps = [environment.read(folder / STAMP) for folder in (here, there)]
    names = sorted({name for folder in (here, there) for output in outputs for name in _files(folder, Path(output))})
    same, changed, missing = 0, [], []
    for name in names:
        if not ((here / name).is_file() and (there / name).is_file()):
            missing.append(str(name))
        elif filecmp.cmp(here / name, there / name, shallow=False):
            same += 1
        else:
            changed.append(str(name))
    gaps = {
        f"{name}, {key}": gap
        for name in changed
        if Path(name).is_relative_to(RESULTS) and Path(name).suffix in READERS
        for key, gap in _gaps(here / name, there / name).items()
    }
    return Comparison(
        same,
        changed,
        missing,
        [
            f"{key}: " + ("non-numeric difference" if gap == inf else f"differs by {gap:.2g} at most")
            for key, gap in gaps.items()
        ],
        max(gaps.values(), default=0.0),
        environment.differences(*stamps),
    )


def _files(folder: Path, output: Path) -> Iterator[Path]:
    found = [folder / output] if (folder / output).is_file() else (folder / output).rglob("*")
    yield from (path.relative_to(folder) for path in found if path.is_file() and path.name != environment.FILE)


def _gaps(a: Path, b: Path) -> dict[str, float]:
    """Return the largest difference of each column or key in which two tables differ."""
    ours, theirs = (READERS[path.suffix](path) for path in (a, b))
    gaps = {}
    for key in sorted(ours.keys() | theirs.keys()):
        x, y = ours.get(key, []), theirs.get(key, [])
        gaps[key] = max(map(_gap, x, y), default=0.0) if len(x) == len(y) else inf
    return {key: gap for key, gap in gaps.items() if gap > 0}


def _columns(path: Path) -> dict[str, list[str]]:
    """Return the cells of a CSV table by column."""
    with reading(path, AGAIN), path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if any(len(row) != len(header) for row in rows):
        raise damaged(path, "rows of different length", AGAIN)
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def _leaves(path: Path) -> dict[str, list]:
    """Return the values of a JSON file by dotted key; the items of a list share its key."""
    leaves: dict[str, list] = {}

    def walk(value, key: str) -> None:
        if isinstance(value, dict):
            for name, below in value.items():
                walk(below, f"{key}.{name}" if key else name)
        elif isinstance(value, list):
            for below in value:
                walk(below, key)
        else:
            leaves.setdefault(key, []).append(value)

    walk(read_json(path, AGAIN, object), "")
    return leaves


def _gap(x, y) -> float:
    """Return the absolute difference between two values; infinite if they differ and are not both numbers."""
    if x == y:
        return 0.0
    try:
        gap = abs(float(x) - float(y))
    except (TypeError, ValueError):
        return inf
    return inf if isnan(gap) else gap


READERS = {".csv": _columns, ".json": _leaves}
