"""Stage ``figures``: every figure of the paper, drawn from ``results/`` alone, and the claims that it makes."""

from collections.abc import Callable

from analysis.core.errors import DataError
from analysis.core.files import write_json, write_text
from analysis.core.parallel import map_processes
from analysis.core.paths import FIGURES
from analysis.params import Params
from paper import style, vega
from paper.claims import build as claims
from paper.plots.audit import read as audit
from paper.plots.candidates import read as candidates
from paper.plots.main import candidates as performance
from paper.plots.main import geometry, layers, origin, predictivity, question
from paper.plots.supplement import (
    beyond_label,
    coverage,
    explain,
    merged_table,
    read_out,
    recovery,
    similarity,
    splits,
    timing,
    units,
    validation,
)
from paper.results import Results
from paper.results import read as read_results
from paper.truth import tables as truth

MAIN = {
    "question": question.draw,
    "predictivity": predictivity.draw,
    "geometry": geometry.draw,
    "candidates": performance.draw,
    "origin": origin.draw,
    "layers": layers.draw,
}
"""File name of each figure of the main text, without extension, and the function that draws it."""

SUPPLEMENT = {
    "units": units.draw,
    "timing": timing.draw,
    "similarity": similarity.draw,
    "beyond_label": beyond_label.draw,
    "read_out": read_out.draw,
    "validation": validation.draw,
    "coverage": coverage.draw,
    "recovery": recovery.draw,
    "splits": splits.draw,
    "merged_table": merged_table.draw,
    "explain": explain.draw,
}
"""Figures of the supplement."""

OF_AUDIT = {"origin": "single_choices", "splits": "report_splits", "merged_table": "table_blocks"}
"""Figures of the audit, and the table that must have rows for each to be drawn."""
OF_TRUTH = {"coverage": ("coverage", "reliability"), "recovery": ("recovery",)}
"""Figures of simulations apart from the experiment, and the kept tables that each needs."""
WITH_RECORDED = ("predictivity", "geometry")
"""Figures that also show recorded data sets, where tables of them are committed."""


def run(params: Params) -> None:
    """Draw all figures to ``paper/figures`` as SVG; write ``paper/claims.json``, and the page of ``dvc plots show``.

    Alternative texts are written to ``alt.json``, and the results each figure was drawn from to ``sources.json``.

    Raises
    ------
    DataError
        If a result is missing, or comes from another data source than the parameters name.
    """
    results = read_results()
    results.check_stages()
    if results.source != params.acquire.source:
        raise DataError(
            f"results/summary.json is of {results.source} data, but acquire.source in params.yaml is "
            f"{params.acquire.source}: run dvc repro"
        )
    said = claims.write(results)
    plots = plots_for(results)
    drawn = map_processes(lambda plot: draw_figure(results, said, *plot), plots.items(), "figures")
    write_json(FIGURES / "alt.json", {name: text for name, (text, _) in zip(plots, drawn, strict=True)})
    write_json(FIGURES / "sources.json", {name: files for name, (_, files) in zip(plots, drawn, strict=True)})
    write_text(FIGURES / "plots.html", vega.dvc_page())


def draw_figure(results: Results, said: dict, name: str, draw: Callable) -> tuple[str, list[str]]:
    """Draw ``paper/figures/<name>.svg``; return its alternative text and the results it was drawn from."""
    results.used.clear()
    with style.applied():
        figure, text = draw(results, said)
        mixed = name in WITH_RECORDED and any(used.startswith("paper/") for used in results.used)
        source = "simulated" if name in OF_TRUTH else results.source
        style.stamp(figure, style.BOTH if mixed and source == "simulated" else source)
        style.save(figure, FIGURES / f"{name}.svg")
    return text, sorted(results.used)


def plots_for(results: Results) -> dict[str, Callable]:
    """Return the figures that these results allow; not all need a compared model."""
    possible = MAIN | SUPPLEMENT
    optional = {
        **{name: audit.has_rows(results, table) for name, table in OF_AUDIT.items()},
        **{
            name: all((truth.FOLDER / f"{table}.json").is_file() for table in tables)
            for name, tables in OF_TRUTH.items()
        },
        "explain": explain.is_drawable(results),
        "timing": timing.is_drawable(results),
    }
    compared = results.roles()["first"] is not None
    needed = {
        "candidates": compared and candidates.is_drawable(results),
        "validation": compared and results.source == "simulated",
    }
    return {name: draw for name, draw in possible.items() if (optional | needed).get(name, compared)}
