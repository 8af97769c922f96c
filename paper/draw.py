"""Stage ``figures``: every figure of the paper, drawn from ``results/`` alone."""

from collections.abc import Callable

from analysis.core.errors import DataError
from analysis.core.files import write_json, write_text
from analysis.core.parallel import map_processes
from analysis.core.paths import FIGURES
from analysis.params import Params
from paper import style, vega
from paper.plots import (
    accuracy,
    areas,
    beyond_label,
    explain,
    layers,
    predictivity,
    rdms,
    read_out,
    recorded,
    similarity,
    validation,
)
from paper.plots.audit import choices, controls, merged_table
from paper.plots.audit import read as audit
from paper.plots.candidates import ablation, scatter
from paper.plots.candidates import read as candidates
from paper.recorded import tables
from paper.results import Results
from paper.results import read as read_results

PLOTS = {
    "accuracy": accuracy.draw,
    "rdms": rdms.draw,
    "predictivity": predictivity.draw,
    "areas": areas.draw,
    "layers": layers.draw,
    "similarity": similarity.draw,
    "beyond_label": beyond_label.draw,
    "read_out": read_out.draw,
    "validation": validation.draw,
}
"""File name of each figure, without extension, and the function that draws it."""

AUDIT_PLOTS = {
    "audit_choices": choices.draw,
    "audit_controls": controls.draw,
    "audit_table": merged_table.draw,
}
"""Figures of the audit; each needs rows in its table (``audit.is_drawable``)."""

CANDIDATE_PLOTS = {"candidates": scatter.draw, "ablation": ablation.draw}
"""Figures of the stage candidates."""

EXPLAIN_PLOTS = {"explain": explain.draw}
"""The figure of the explanations, which needs an explained model (``explain.is_drawable``)."""


RECORDED_PLOTS = {"recorded": recorded.draw}
"""The figure of recorded data sets, which needs a committed table of one with which models were compared."""


def run(params: Params) -> None:
    """Draw all figures to ``paper/figures`` as SVG, and write the page in which ``dvc plots show`` draws its charts.

    Their alternative texts are written to ``alt.json`` there, and the results each was drawn from to ``sources.json``.
    The validation figure needs the planted truth, so it is drawn for simulated data only.

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
    plots = plots_for(results)
    drawn = map_processes(lambda plot: draw_figure(results, *plot), plots.items(), "figures")
    write_json(FIGURES / "alt.json", {name: text for name, (text, _) in zip(plots, drawn, strict=True)})
    write_json(FIGURES / "sources.json", {name: files for name, (_, files) in zip(plots, drawn, strict=True)})
    write_text(FIGURES / "plots.html", vega.dvc_page())


def draw_figure(results: Results, name: str, draw: Callable) -> tuple[str, list[str]]:
    """Draw ``paper/figures/<name>.svg``; return its alternative text and the results it was drawn from."""
    results.used.clear()
    with style.applied():
        figure, text = draw(results)
        style.stamp(figure, style.BOTH if name in RECORDED_PLOTS and results.source == "simulated" else results.source)
        style.save(figure, FIGURES / f"{name}.svg")
    return text, sorted(results.used)


def plots_for(results: Results) -> dict[str, Callable]:
    """Return the figures that these results allow; those of the audit and explanations need no compared model."""
    plots = {name: draw for name, draw in AUDIT_PLOTS.items() if audit.is_drawable(results, name)}
    if explain.is_drawable(results):
        plots |= EXPLAIN_PLOTS
    if results.roles()["first"] is None:
        return plots
    if candidates.is_drawable(results):
        plots |= CANDIDATE_PLOTS
    if tables.compared():
        plots |= RECORDED_PLOTS
    return {name: draw for name, draw in PLOTS.items() if name != "validation" or results.source == "simulated"} | plots
