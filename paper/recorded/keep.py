"""Keep the table of a data set in the repository, and tell whether a kept one is that of the results at hand."""

from collections.abc import Iterator
from pathlib import Path

from analysis.core import environment
from analysis.core.errors import DataError
from analysis.core.files import write_json
from paper.recorded.tables import COMPUTED, FOLDER, committed, read

SETS = Path("recorded")
"""Holds the folders of the data sets."""


def keep(name: str) -> Path:
    """Copy ``recorded/<name>/results/recorded.json`` to ``paper/recorded/<name>.json``; return the new path.

    Raises
    ------
    DataError
        If there is no such table, it lacks a key, or it is of another data set.
    """
    source, target = SETS / name / COMPUTED, FOLDER / f"{name}.json"
    table = read(source).table
    if table["dataset"] != name:
        raise DataError(f"{source} is of the data set {table['dataset']}, not {name}: run the stages of {name} again")
    write_json(target, _kept(table))
    return target


def outdated() -> Iterator[str]:
    """Yield a line for each kept table that differs from the results at hand, with the entries that differ.

    Environment and code may be others: what they compute may not.
    """
    for kept in committed():
        source = SETS / kept.name / COMPUTED
        if not source.is_file():
            continue
        ours, theirs = (_computed(table) for table in (_kept(kept.table), _kept(read(source).table)))
        if different := sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)):
            yield (
                f"{FOLDER / kept.name}.json differs from {source} in {', '.join(different)}: "
                f"python -m paper.recorded {kept.name}"
            )


def _kept(table: dict) -> dict:
    """Return a table without what says where it was computed."""
    return table | {"environment": environment.decisive(table["environment"])}


def _computed(table: dict) -> dict:
    hashes = {key: value for key, value in table["hashes"].items() if key != "code"}
    return {key: value for key, value in table.items() if key != "environment"} | {"hashes": hashes}
