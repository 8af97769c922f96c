"""The text of the built paper, without hyphenation."""

import re
from pathlib import Path

import pypdf

from analysis import params
from paper import build

PAPERS = ("paper/report.pdf", "paper/supplement.pdf")


def text_of(path: str | Path) -> str:
    """Return the text of a PDF on one line."""
    pages = (page.extract_text() for page in pypdf.PdfReader(path).pages)
    return " ".join(re.sub("\u00ad\\s*", "", " ".join(pages)).split())


def text_of_papers(project: Path = Path()) -> str:
    """Return the text of paper and supplement of a project."""
    return " ".join(text_of(project / paper) for paper in PAPERS)


def supplement_on_one_page() -> str:
    """Build the paper in the working folder on one long page, so that no figure splits a sentence; return the text."""
    source = Path("paper/typst/layout.typ")
    text = source.read_text(encoding="utf-8")
    assert 'paper: "a4"' in text
    source.write_text(text.replace('paper: "a4"', "width: 210mm, height: 3000mm"), encoding="utf-8")
    build.run(params.load())
    return text_of("paper/supplement.pdf")
