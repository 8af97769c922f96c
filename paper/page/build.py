"""Build the page from its templates: all of it in one file that loads nothing (stage ``report``)."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis.core.errors import DataError
from paper import style, vega
from paper.claims import build as claims
from paper.page import audit_walk, explorer, scores, tables
from paper.results import Results

TEMPLATES, SCRIPTS = Path("paper/page/templates"), Path("paper/page/scripts")
OUTPUT = Path("paper/report.html")
TITLE = "Does a network trained on faces represent images as macaque visual cortex does?"
PAPERS = ("report.pdf", "supplement.pdf")
"""Files beside the page that it links to."""
ORDER = ("common", "charts", "scores", "layers", "audit", "rdm", "gaze", "tables")
"""Scripts, in the order in which they run."""

MOST_MISSING = 7
"""Missing files and models named; of more, only the first are."""


def build(results: Results, code_and_data: dict) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    results : Results
    code_and_data : dict
        State of code and data (`paper.provenance.describe`).

    Raises
    ------
    DataError
        If a template, the claims or a file of the results is missing.
    """
    first, example = results.roles()["first"], results.example()
    data: dict = {"sets": scores.data_sets(results), "measures": list(scores.MEASURES.items())}
    data["sets"] = [one | {"areas": scores.areas_in_order(one["scores"])} for one in data["sets"]]
    walk = audit_walk.steps(results)
    sections = ["scores", "layers"] if data["sets"] else []
    content: dict = {"first": first and style.name(first), "example": example}
    if walk:
        sections.append("audit")
        data["audit"] = walk
    if first is not None:
        opened = {model: results.rdms(model) for model in _with_first(results, first)}
        data["rdm"] = explorer.describe_rdms(opened, example["thumbnails"])
        if example["recording"]:
            data["example"] = explorer.describe_recording(example["recording"], example["screen_grey"])
        sections = [*sections, "rdm", "recording", "tables"]
        content |= {"rdm": opened[first].attrs, "tables": tables.describe(results)}
    return _render(
        "page.html",
        title=TITLE,
        finding=claims.read()["headline"],
        papers=PAPERS,
        css=Markup(_source(TEMPLATES / "page.css")),
        vega=Markup(vega.script()),
        script=Markup("\n".join(_source(SCRIPTS / f"{name}.js") for name in ORDER)),
        sections=sections,
        data=data,
        ramp=explorer.ramp(),
        simulated=results.source == "simulated",
        missing=results.summary["missing"],
        most_missing=MOST_MISSING,
        code_and_data=code_and_data,
        **content,
    )


def _with_first(results: Results, first: str) -> list[str]:
    """Return the models of the corrected protocol, the first network first."""
    others = [model for model in results.models if results.summary["models"][model]["protocol"] == "corrected"]
    return [first, *(model for model in others if model != first)]


def _render(template: str, **values) -> str:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["number"] = tables.format_number
    templates.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    try:
        return templates.get_template(template).render(values)
    except jinja2.TemplateNotFound as error:
        raise DataError(f"{TEMPLATES / str(error)} not found; git restores it") from error


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); git restores it") from error
