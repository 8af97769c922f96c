"""Stage ``report``: the paper, compiled offline and with a fixed date to an archival, accessible PDF, and the page."""

import json
import re
import sys
from pathlib import Path

import typst

from analysis.core import environment
from analysis.core.errors import DataError
from analysis.core.files import atomic, write_text
from analysis.core.paths import FIGURES
from analysis.params import Params
from paper import html, provenance, results, style
from paper.draw import plots_for
from paper.plots import ablation, audit, candidates, explain

SOURCE, OUTPUT = Path("paper/report.typ"), Path("paper/report.pdf")

STANDARDS = ["a-2a", "ua-1"]
"""PDF/A-2a: readable in decades; PDF/UA-1: readable by screen readers (alt texts and tags are then compulsory)."""

DATE = 1767225600
"""Date written into the PDF, in seconds (2026-01-01): the same inputs must give the same bytes on any day."""


def run(params: Params) -> None:
    """Build ``paper/report.pdf`` and ``paper/report.html`` from ``results/`` and ``paper/figures/``.

    Raises
    ------
    DataError
        If a result or figure is missing, or the compiler reports an error or a warning; the message is one line.
    """
    found = results.read()
    _check_figures(found)
    stamp = environment.decisive(environment.read(found.file(environment.FILE)))
    _compare_environments(stamp)
    made_of = provenance.made_of()
    page = html.build(found, made_of)
    pdf, warnings = _compile(_context(params, found, stamp, made_of))
    if warnings:
        raise DataError("; ".join(_line(warning) for warning in warnings))
    with atomic(OUTPUT) as part:
        part.write_bytes(pdf)
    write_text(html.OUTPUT, page)


def _context(params: Params, found: results.Results, stamp: dict, made_of: dict) -> str:
    """Return, as JSON, what the text needs beside the results."""
    sources = json.loads((FIGURES / "sources.json").read_text(encoding="utf-8"))
    return json.dumps(
        {
            "params": params.model_dump(mode="json"),
            "roles": found.roles(),
            "audited": audit.is_there(found),
            "searched": candidates.drawable(found),
            "variants": ablation.NAMES,
            "explained": explain.is_there(found),
            "names": {model: style.name(model) for model in found.models},
            "environment": stamp,
            "single_fixations": found.single_fixations(),
            "made_of": made_of,
            "sources": {name: [f"results/{file}" for file in read] for name, read in sources.items()},
            "drawn_by": {name: draw.__module__.replace(".", "/") + ".py" for name, draw in plots_for(found).items()},
            "stages": provenance.stages_of(found.folder),
        },
        sort_keys=True,
    )


def _check_figures(found: results.Results) -> None:
    for path in [
        FIGURES / "alt.json",
        FIGURES / "sources.json",
        *(FIGURES / f"{name}.svg" for name in plots_for(found)),
    ]:
        if not path.is_file():
            raise DataError(f"{path} is missing: run the stage figures (dvc repro figures)")


def _compare_environments(recorded: dict) -> None:
    """Say on standard error in what this environment differs from that of the results; the paper names theirs."""
    for line in environment.differences(environment.decisive(environment.stamp()), recorded):
        print(f"note: the results were computed in another environment: {line}", file=sys.stderr)


def _compile(context: str) -> tuple[bytes, list]:
    try:
        return typst.compile_with_warnings(
            str(SOURCE),
            root=".",
            format="pdf",
            ignore_system_fonts=True,
            pdf_standards=STANDARDS,
            timestamp=DATE,
            sys_inputs={"context": context},
        )
    except typst.TypstError as error:
        raise DataError(_line(error)) from error


def _line(problem) -> str:
    """Return a message of the compiler as one line, with its place and hints."""
    place = re.search(r"┌─ (\S+)", problem.diagnostic or "")
    parts = [f"{place.group(1) if place else SOURCE}:", problem.message, *(f"hint: {hint}" for hint in problem.hints)]
    return " ".join(" ".join(parts).split())
