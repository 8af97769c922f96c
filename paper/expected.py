"""The README's table of figures: what makes each, how long it takes, and a value to expect; filled from the results."""

import json
import re
from pathlib import Path

from analysis.errors import DataError
from analysis.files import write_text
from analysis.paths import FIGURES
from paper import provenance

README, MINUTES = Path("README.md"), Path("benchmarks/stages.json")
OPEN, CLOSE = "<!-- expected: python -m paper.expected -->", "<!-- /expected -->"
HEAD = ["figure", "command", "stages before it", "minutes of these", "expected value"]

NUMBER = re.compile(r"(?<!share )-?\d+\.\d+")
WORDS = 9
"""Words before the value that say what it is."""


def table() -> str:
    """Return the table as Markdown, a row per figure.

    Raises
    ------
    DataError
        If the figures are not drawn.
    """
    texts, sources = (_json(FIGURES / name) for name in ("alt.json", "sources.json"))
    minutes = _json(MINUTES)["minutes"] if MINUTES.is_file() else {}
    known = provenance.stages()
    rows = []
    for name, text in texts.items():
        before = list(dict.fromkeys(provenance.stage_of(f"results/{file}", known) for file in sources[name]))
        spent = [minutes.get(stage.split("@")[0]) for stage in before]
        said = "–" if None in spent else f"{sum(spent):.1f}"
        rows.append(
            [f"`{name}`", "`python -m analysis figures`", ", ".join(f"`{s}`" for s in before), said, value(text)]
        )
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def value(text: str) -> str:
    """Return the first number with decimals of an alternative text, with the words that lead to it."""
    found = NUMBER.search(text)
    if not found:
        return "–"
    before = re.split(r"[.;] ", text[: found.start()])[-1].split()
    return " ".join([*before[-WORDS:], found[0].replace("-", "−")])


def filled(readme: str) -> str:
    """Return the README with the table in its place.

    Raises
    ------
    DataError
        If it has no place for it.
    """
    if readme.count(OPEN) != 1 or CLOSE not in readme:
        raise DataError(f"{README} has no lines {OPEN} and {CLOSE}: git restores it")
    before, _, rest = readme.partition(OPEN)
    return before + OPEN + "\n" + table() + "\n" + CLOSE + rest.partition(CLOSE)[2]


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): run the stage figures (dvc repro figures)") from error


if __name__ == "__main__":
    write_text(README, filled(README.read_text(encoding="utf-8")))
