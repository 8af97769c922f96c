"""The commands that README and docs tell their readers to type: those of shell blocks and those in backquotes."""

import re
from dataclasses import dataclass

import yaml

from tests.project import ROOT


def pages() -> dict[str, str]:
    """Return the text of the README and of each page of the documentation, by name, in the order of the menu."""
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    paths = [ROOT / "README.md", *(ROOT / "docs" / path for entry in menu for path in entry.values())]
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


PAGES = pages()
SHELL = ". .nox/env-cpu/bin/activate && PATH=$PATH:$PWD/.venv/bin"
"""What the README has its readers type once in each shell; the commands after it run in such a shell."""

PROGRAMS = re.compile(
    r"\.|nox|python3?|pip|dvc|git|docker|podman|apptainer|sudo|mkdir|sha256sum|cp|curl|make|bash|chmod|pytest|dask"
    r"|\.venv/bin/.*|container/.*"
)
"""A text in backquotes that begins with one of these and goes on is a command."""


@dataclass(frozen=True)
class Command:
    """One command as it stands on a page."""

    text: str
    page: str
    in_block: bool


def code_blocks(language: str, text: str) -> list[str]:
    """Return what stands in the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands() -> list[Command]:
    """Return the commands of all pages, in the order of the text."""
    return [command for page, text in PAGES.items() for command in commands_of(text, page)]


def commands_of(text: str, page: str) -> list[Command]:
    """Return the commands of one page; a line with ``&&`` holds several."""
    found = []
    pattern = r"^```sh\n(?P<block>.*?)^```|^```.*?^```|`(?P<inline>[^`]+)`"
    for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
        if match["block"]:
            lines = match["block"].replace("\\\n", " ").splitlines()
            found += [Command(part, page, True) for line in lines for part in parts(line)]
        elif match["inline"] and is_command(match["inline"]):
            found += [Command(part, page, False) for part in parts(match["inline"])]
    return found


def parts(line: str) -> list[str]:
    """Return the commands of one line, without what ``#`` begins and without spare space."""
    line = re.sub(r"(^|\s)#.*", "", line)
    return [" ".join(part.split()) for part in line.split("&&") if part.strip()]


def is_command(code: str) -> bool:
    """Say whether a text in backquotes is a command: a program and its words, or ``nox``, which needs none."""
    words = re.sub(r"^(\w+=\S*\s+)+", "", code).split()
    program = words[0] if words else ""
    return code == "nox" or bool(PROGRAMS.fullmatch(program) and len(words) > 1)
