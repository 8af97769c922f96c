"""The parts of the README that commands fill: from ``<!-- NAME: command -->`` to ``<!-- /NAME -->``."""

import re
from pathlib import Path

from analysis.core.errors import DataError

README = Path("README.md")


def block(readme: str, name: str) -> str:
    """Return what stands in a block.

    Raises
    ------
    DataError
        If the README does not have it once.
    """
    return _found(readme, name)[2].strip("\n")


def filled(readme: str, name: str, text: str) -> str:
    """Return the README with `text` in a block.

    Raises
    ------
    DataError
        If the README does not have it once.
    """
    found = _found(readme, name)
    return f"{readme[: found.start()]}{found[1]}\n{text}\n{found[3]}{readme[found.end() :]}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table as Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _found(readme: str, name: str) -> re.Match:
    found = list(re.finditer(rf"(<!-- {name}: [^\n]* -->)\n(.*?)(<!-- /{name} -->)", readme, re.DOTALL))
    if len(found) != 1:
        raise DataError(f"{README} has {len(found)} blocks <!-- {name}: ... -->, not 1: git restores it")
    return found[0]
