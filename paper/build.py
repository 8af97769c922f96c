"""Stage ``report``: compile the paper offline, with a fixed date, to an archival, accessible PDF; build the page."""

import json
import re
import sys
from pathlib import Path

import typst

from analysis.core import environment
from analysis.core.errors import DataError
from analysis.core.files import write_bytes, write_text
from analysis.core.paths import FIGURES
from analysis.core.reading import damaged, read_json, reading
from analysis.params import Params
from paper import html, provenance, style
from paper.draw import plots_for
from paper.kinds import Stamp
from paper.plots import explain
from paper.plots.audit import read as audit
from paper.plots.candidates import read as candidates
from paper.recorded import claims, tables
from paper.results import AGAIN, Results, path_of
from paper.results import read as read_results

SOURCE, OUTPUT = Path("paper/report.typ"), Path("paper/report.pdf")

STANDARDS = ["a-2a", "ua-1"]
"""PDF/A-2a is for archives, PDF/UA-1 for screen readers; the latter requires alternative texts and tags."""

DATE = 1767225600
"""Date in the PDF, in seconds since 1970 (2026-01-01): the same inputs must give the same bytes on any day."""


def run(params: Params) -> None:
    """Build ``paper/report.pdf`` and ``paper/report.html`` from ``results/`` and ``paper/figures/``.

    Raises
    ------
    DataError
        If a result or figure is missing, or the compiler reports an error or a warning; the message is one line.
    """
    results = read_results()
    results.check_stages()
    _check_figures(results)
    stamp = environment.decisive(read_json(results.file(environment.FILE), AGAIN, Stamp))
    _compare_environments(stamp)
    code_and_data = provenance.describe()
    page = html.build(results, code_and_data)
    pdf, warnings = _compile(_context(params, results, stamp, code_and_data))
    if warnings:
        raise DataError("; ".join(_as_line(warning) for warning in warnings))
    write_bytes(OUTPUT, pdf)
    write_text(html.OUTPUT, page)


def _context(params: Params, results: Results, stamp: dict, code_and_data: dict) -> str:
    """Return, as JSON, what the sections need besides the results."""
    sources = read_json(FIGURES / "sources.json", "run the stage figures", dict[str, list[str]])
    plots = plots_for(results)
    return json.dumps(
        {
            "params": params.model_dump(mode="json"),
            "roles": results.roles(),
            "audited": audit.is_available(results),
            "choices": audit.FIELDS,
            "searched": candidates.is_drawable(results),
            "variants": candidates.VARIANTS,
            "explained": explain.is_available(results),
            "names": {model: style.name(model) for model in results.models},
            "environment": stamp,
            "single_fixations": results.single_fixations(),
            "code_and_data": code_and_data,
            "sources": {name: [str(path_of(file)) for file in files] for name, files in sources.items()},
            "recorded": [claims.of_set(found) for found in tables.committed()],
            "drawn_by": {name: draw.__module__.replace(".", "/") + ".py" for name, draw in plots.items()},
            "stages": provenance.stages_of(results.folder),
        },
        sort_keys=True,
    )


def _check_figures(results: Results) -> None:
    again, names = "run the stage figures", list(plots_for(results))
    for file, kind in (("alt.json", str), ("sources.json", list[str])):
        if absent := [name for name in names if name not in read_json(FIGURES / file, again, dict[str, kind])]:
            raise damaged(FIGURES / file, f"no {absent[0]}", again)
    for path in [FIGURES / f"{name}.svg" for name in names]:
        with reading(path, again):
            if not path.read_bytes().rstrip().endswith(b"</svg>"):
                raise damaged(path, "its last line is not the end of a picture", again)


def _compare_environments(recorded: dict) -> None:
    """Print to standard error how this environment differs from that of the results, which the paper names."""
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
        raise DataError(_as_line(error) + _inputs_of(error)) from error


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
        f"{location.group(1) if location else SOURCE}:",
        problem.message,
        *(f"hint: {hint}" for hint in problem.hints),
    ]
    return " ".join(" ".join(parts).split())
