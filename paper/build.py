"""Stage ``report``: compile the paper offline, with a fixed date, to an archival, accessible PDF; build the page."""

import json
import sys
from pathlib import Path

from analysis.core import environment
from analysis.core.files import write_bytes, write_text
from analysis.core.paths import FIGURES
from analysis.core.reading import damaged, read_json, reading
from analysis.params import Params
from paper import provenance, style
from paper.draw import MAIN, plots_for
from paper.kinds import Stamp
from paper.page import build as page
from paper.pdf import compile_pdf
from paper.plots.audit import read as audit
from paper.plots.candidates import read as candidates
from paper.plots.supplement import explain
from paper.recorded import claims, tables
from paper.results import AGAIN, LEAST_FIXATIONS, Results, path_of
from paper.results import read as read_results

SOURCE, OUTPUT = Path("paper/report.typ"), Path("paper/report.pdf")
SUPPLEMENT = Path("paper/supplement.typ"), Path("paper/supplement.pdf")


def run(params: Params) -> None:
    """Build the paper, its supplement and the page from ``results/``, ``paper/figures/`` and ``paper/claims.json``.

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
    html = page.build(results, code_and_data)
    context = _context(params, results, stamp, code_and_data)
    papers = {output: compile_pdf(source, ".", context) for source, output in ((SOURCE, OUTPUT), SUPPLEMENT)}
    for output, pdf in papers.items():
        write_bytes(output, pdf)
    write_text(page.OUTPUT, html)


def _context(params: Params, results: Results, stamp: dict, code_and_data: dict) -> str:
    """Return, as JSON, what the sections need besides the results."""
    sources = read_json(FIGURES / "sources.json", "run the stage figures", dict[str, list[str]])
    plots = plots_for(results)
    return json.dumps(
        {
            "params": params.model_dump(mode="json"),
            "roles": results.roles(),
            "audited": audit.is_available(results),
            "searched": candidates.is_drawable(results),
            "explained": explain.is_available(results),
            "names": {model: style.name(model) for model in results.models},
            "environment": stamp,
            "single_fixations": results.single_fixations(),
            "least_fixations": LEAST_FIXATIONS,
            "code_and_data": code_and_data,
            "sources": {name: [str(path_of(file)) for file in files] for name, files in sources.items()},
            "recorded": [claims.of_set(found) for found in tables.committed()],
            "drawn_by": {name: draw.__module__.replace(".", "/") + ".py" for name, draw in plots.items()},
            "main": [name for name in plots if name in MAIN],
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
