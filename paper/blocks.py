"""The parts of README and docs that commands fill: from ``<!-- NAME: command -->`` to ``<!-- /NAME -->``."""

import re
from pathlib import Path

from analysis.core.errors import DataError
from analysis.core.files import write_text

README, DOCS = Path("README.md"), Path("docs")


def pages() -> list[Path]:
    """Return the README and the pages of the documentation."""
    return [README, *sorted(DOCS.glob("*.md"))]


def block(name: str) -> str:
    """Return what stands in a block, on whatever page.

    Raises
    ------
    DataError
        If it does not stand on exactly one page, once.
    """
    path = _page_of(name)
    return _match(path.read_text(encoding="utf-8"), name)[2].strip("\n")


def fill(texts: dict[str, str]) -> None:
    """Write texts into the blocks of these names.

    Raises
    ------
    DataError
        If one of them does not stand on exactly one page, once.
    """
    for name, text in texts.items():
        path = _page_of(name)
        write_text(path, filled(path.read_text(encoding="utf-8"), name, text))


def outdated(texts: dict[str, str]) -> list[str]:
    """Return ``PAGE: NAME`` for each block that holds another text than this.

    Raises
    ------
    DataError
        As `fill`.
    """
    return [f"{_page_of(name)}: {name}" for name, text in texts.items() if block(name) != text]


def filled(page: str, name: str, text: str) -> str:
    """Return a page that has the block with `text` in it."""
    found = _match(page, name)
    return f"{page[: found.start()]}{found[1]}\n{text}\n{found[3]}{page[found.end() :]}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table as Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _page_of(name: str) -> Path:
    places = [path for path in pages() for _ in _matches(path.read_text(encoding="utf-8"), name)]
    if len(places) != 1:
        raise DataError(f"{README} and {DOCS}/ have {len(places)} blocks <!-- {name}: ... -->, not 1: git restores it")
    return places[0]


def _match(page: str, name: str) -> re.Match:
    return _matches(page, name)[0]


def _matches(page: str, name: str) -> list[re.Match]:
    return list(re.finditer(rf"(<!-- {name}: [^\n]* -->)\n(.*?)(<!-- /{name} -->)", page, re.DOTALL))
