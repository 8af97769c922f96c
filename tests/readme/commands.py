"""The commands that the README tells its readers to type: those of its shell blocks and those in backquotes."""

import re
from dataclasses import dataclass

from tests.project import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = ". .nox/env-cpu/bin/activate && PATH=$PATH:$PWD/.venv/bin"
"""What the README has its readers type once in each shell; the commands after it run in such a shell."""

PROGRAMS = re.compile(
    r"\.|nox|python3?|pip|dvc|git|docker|podman|apptainer|sudo|mkdir|sha256sum|cp|curl|make|bash|\.venv/bin/.*|container/.*"
)
"""A text in backquotes that begins with one of these and goes on is a command."""


@dataclass(frozen=True)
class Command:
    """One command, as the README has it, with the heading under which it stands."""

    text: str
    heading: str
    in_block: bool


def code_blocks(language: str, text: str = README) -> list[str]:
    """Return what stands in the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text: str = README) -> list[Command]:
    """Return all commands in the order of the text; lines with ``&&`` are several."""
    found, heading = [], ""
    pattern = r"^```sh\n(?P<block>.*?)^```|^```.*?^```|`(?P<inline>[^`]+)`|^#+ (?P<heading>[^\n]*)"
    for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
        heading = match["heading"] or heading
        if match["block"]:
            lines = match["block"].replace("\\\n", " ").splitlines()
            found += [Command(part, heading, True) for line in lines for part in parts(line)]
        elif match["inline"] and is_command(match["inline"]):
            found += [Command(part, heading, False) for part in parts(match["inline"])]
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
