"""Stage ``figures``: every figure of the paper, drawn from ``results/`` alone."""

from collections.abc import Callable

from analysis.core.errors import DataError
from analysis.core.files import write_json
from analysis.core.parallel import map_processes
from analysis.core.paths import FIGURES
from analysis.params import Params
from paper import results, style
from paper.plots import (
    ablation,
    accuracy,
    areas,
    audit,
    audit_controls,
    audit_ladder,
    audit_table,
    candidates,
    explain,
    explain_gallery,
    explain_lesions,
    explain_neurons,
    explain_pointing,
    layers,
    predictivity,
    rdms,
    similarity,
    validation,
)

PLOTS = {
    "accuracy": accuracy.draw,
    "rdms": rdms.draw,
    "predictivity": predictivity.draw,
    "areas": areas.draw,
    "layers": layers.draw,
    "similarity": similarity.draw,
    "validation": validation.draw,
}
"""File name of each figure, without extension, and what draws it."""

AUDIT_PLOTS = {
    "audit_ladder": audit_ladder.draw,
    "audit_controls": audit_controls.draw,
    "audit_table": audit_table.draw,
}
"""Figures of the audit; each needs rows in its table (``audit.drawable``)."""

CANDIDATE_PLOTS = {"candidates": candidates.draw, "ablation": ablation.draw}
"""Figures of the stage candidates."""


EXPLAIN_PLOTS = {
    "explain_gallery": explain_gallery.draw,
    "explain_pointing": explain_pointing.draw,
    "explain_neurons": explain_neurons.draw,
    "explain_lesions": explain_lesions.draw,
}
"""Figures of the explanations; each needs rows in its table (``explain.drawable``)."""


def run(params: Params) -> None:
    """Draw all figures to ``paper/figures`` as SVG.

    Beside them lie their alternative texts (``alt.json``) and the results each was drawn from (``sources.json``).

    The validation figure needs the planted truth, so it is drawn for simulated data only.

    Raises
    ------
    DataError
        If a result is missing, or is of another data source than the parameters say.
    """
    found = results.read()
    if found.source != params.acquire.source:
        raise DataError(
            f"results/summary.json is of {found.source} data, but acquire.source in params.yaml is "
            f"{params.acquire.source}: run dvc repro"
        )
    plots = plots_for(found)
    drawn = dict(zip(plots, map_processes(lambda plot: one(found, *plot), plots.items(), "figures"), strict=True))
    write_json(FIGURES / "alt.json", {name: text for name, (text, _) in drawn.items()})
    write_json(FIGURES / "sources.json", {name: sources for name, (_, sources) in drawn.items()})


def one(found: results.Results, name: str, draw: Callable) -> tuple[str, list[str]]:
    """Draw ``paper/figures/<name>.svg``; return its alternative text and the results it was drawn from."""
    found.used.clear()
    with style.applied():
        figure, text = draw(found)
        style.stamp(figure, found.source)
        style.save(figure, FIGURES / f"{name}.svg")
    return text, sorted(found.used)


def plots_for(found: results.Results) -> dict:
    """Return the figures that these results have: the audit's alone where no model was compared as corrected."""
    audited = {name: draw for name, draw in AUDIT_PLOTS.items() if audit.drawable(found, name)}
    audited |= {name: draw for name, draw in EXPLAIN_PLOTS.items() if explain.drawable(found, name)}
    if found.roles()["first"] is None:
        return audited
    if candidates.drawable(found):
        audited |= CANDIDATE_PLOTS
    return {name: draw for name, draw in PLOTS.items() if name != "validation" or found.source == "simulated"} | audited
