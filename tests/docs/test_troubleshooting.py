"""The page of troubleshooting quotes what the code says today, and covers what newcomers met."""

import re

import pytest

from tests.docs.test_pages import anchors
from tests.project import ROOT
from tests.readme.commands import PAGES

PAGE = PAGES["troubleshooting"]
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [
        ROOT / "noxfile.py",
        *sorted((ROOT / "analysis").rglob("*.py")),
        *sorted((ROOT / "paper").glob("*.py")),
    ]
)
OF_OTHERS = {
    "failed to reproduce 'check'",
    "No module named",
    "No module named analysis",
    "torch==",
    "+cpu",
    "Unable to acquire lock",
    "is not a git repository",
    "No space left on device",
    "File too large",
    "Disk quota exceeded",
    "Permission denied",
    "Stale file handle",
    "cannot be read: Input/output error",
}
"""What DVC, Python, pip, git and the system say."""
FILLED_IN = {
    "params.yaml: unknown key": "unknown key {",
    "no usable Python 3.11": "no usable Python {",
    "NNN_DEVICE=cuda: torch sees no CUDA device": "torch sees {found or 'no'} CUDA device",
    "waiting for process": "waiting for {",
    "is already running": "is already running ({",
}
"""What the code says with a value filled in, and how it stands in the code."""


def symptoms() -> list[str]:
    """Return the phrases in backquotes of the first column of the table, cut at dots."""
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| ")]
    phrases = [phrase for row in rows for phrase in re.findall("`([^`]+)`", row)]
    parts = [part.strip(" :").removeprefix("error: ") for phrase in phrases for part in phrase.split("...")]
    return list(dict.fromkeys(part for part in parts if part))


@pytest.mark.parametrize("symptom", symptoms())
def test_a_symptom_is_what_the_code_says(symptom):
    assert symptom in OF_OTHERS or FILLED_IN.get(symptom, symptom) in CODE


def test_nothing_is_listed_that_the_page_does_not_quote():
    assert OF_OTHERS | set(FILLED_IN) <= set(symptoms())


def test_what_newcomers_met_is_there():
    met = {"two-runs-at-once", "a-locked-hdf5-file", "a-zip-without-git", "a-shared-folder"}
    assert met <= anchors(PAGE)
    for anchor in met:
        assert f"(#{anchor})" in PAGE
    assert "No module named analysis" in symptoms()
