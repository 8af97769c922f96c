"""Compile a Typst file offline, with a fixed date, to an archival, accessible PDF."""

import re
from pathlib import Path

import typst

from analysis.core.errors import DataError

STANDARDS = ["a-2a", "ua-1"]
"""PDF/A-2a is for archives, PDF/UA-1 for screen readers; the latter requires alternative texts and tags."""

DATE = 1767225600
"""Date in the PDF, in seconds since 1970 (2026-01-01): the same inputs must give the same bytes on any day."""


def compile_pdf(source: Path, root: str, context: str) -> bytes:
    """Compile a Typst file to an archival, accessible PDF with a fixed date.

    Parameters
    ----------
    source : Path
    root : str
        Folder outside which the file reads nothing.
    context : str
        JSON that the file finds in ``sys.inputs``.

    Raises
    ------
    DataError
        If the compiler reports an error or a warning; the message is one line.
    """
    try:
        pdf, warnings = typst.compile_with_warnings(
            str(source),
            root=root,
            format="pdf",
            ignore_system_fonts=True,
            pdf_standards=STANDARDS,
            timestamp=DATE,
            sys_inputs={"context": context},
        )
    except typst.TypstError as error:
        raise DataError(_as_line(error) + _inputs_of(error)) from error
    if warnings:
        raise DataError("; ".join(_as_line(warning) for warning in warnings))
    return pdf


def _inputs_of(error: typst.TypstError) -> str:
    """Return, in brackets, which results the sections read in which compilation failed: one may be damaged."""
    sections = [Path(name) for name in re.findall(r"paper/[\w/]+\.typ", error.diagnostic or "")]
    texts = [path.read_text(encoding="utf-8") for path in sections if path.is_file()]
    found = sorted({name for text in texts for name in re.findall(r'(?:json|csv)\("/(results/[^"]+)"', text)})
    return f" (it reads {', '.join(found)}: run the stage again that writes the damaged one)" if found else ""


def _as_line(problem) -> str:
    """Return a message of the compiler as one line, with its location and hints."""
    location = re.search(r"┌─ (\S+)", problem.diagnostic or "")
    parts = [
        f"{location.group(1) if location else 'the paper'}:",
        problem.message,
        *(f"hint: {hint}" for hint in problem.hints),
    ]
    return " ".join(" ".join(parts).split())
