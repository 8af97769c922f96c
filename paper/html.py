"""The page: one HTML file that works offline, for readers who would rather look and try (stage ``report``)."""

import ast
import base64
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.paths import FIGURES
from analysis.core.reading import read_json
from paper import explore, style
from paper.draw import plots_for
from paper.results import Results, path_of

TEMPLATES = Path("paper/page")
OUTPUT = Path("paper/report.html")
TITLE = "Does a network trained on faces represent images as macaque visual cortex does?"

MOST_MISSING = 7
"""Missing files and models named; of more, only the first are."""

COLUMNS = {
    "model": "model",
    "protocol": "protocol",
    "layer": "layer",
    "recording": "recording",
    "region": "area",
    "split": "split",
    "n": "images",
    "n_images": "images",
    "n_units": "units",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "r_corrected": "noise-corrected r",
    "r_corrected_low": "CI, lower",
    "r_corrected_high": "CI, upper",
    "r2": "r²",
    "r2_low": "r², CI, lower",
    "r2_high": "r², CI, upper",
    "above_chance": "share above chance",
    "rho": "ρ",
    "ci_low": "CI, lower",
    "ci_high": "CI, upper",
    "ceiling_lower": "ceiling, lower",
    "ceiling_upper": "ceiling, upper",
    "ceiling": "ceiling",
    "reduction": "features",
    "recordings": "recordings",
    "p_max": "p, FWE-corrected",
    "p_bh": "p, FDR-adjusted",
}
"""Headings of the columns; a table of scores shows those it has, in this order."""


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
        If a figure, a template or a file of the results is missing.
    """
    first = results.roles()["first"]
    sections = ["scores", "figures"]
    data: dict = {}
    content: dict = {"first": first and style.name(first), "figures": _figures(results)}
    if first is not None:
        rdms, example = results.rdms(first), results.example()
        sections = ["scores", "figures", "rdm", "recording", "tables"]
        data["rdm"] = explore.describe_rdms(rdms, example["thumbnails"])
        content |= {
            "answer": _answer(results, first),
            "tables": _tables(results),
            "rdm": rdms.attrs,
            "example": example,
        }
        if example["recording"]:
            data["example"] = explore.describe_recording(example["recording"], example["screen_grey"])
    return _render(
        "page.html",
        title=TITLE,
        css=Markup(_source("page.css")),
        script=Markup(_source("page.js")),
        sections=sections,
        data=data,
        ramp=explore.ramp(),
        simulated=results.source == "simulated",
        missing=results.summary["missing"],
        most_missing=MOST_MISSING,
        code_and_data=code_and_data,
        **content,
    )


def _answer(results: Results, first: str) -> dict:
    """Return the scores of the first network and of the pixels in the latest area."""
    area = max(results.layers.region[results.layers.model == first].unique(), key=AREAS.index)
    baseline = results.roles()["baseline"]
    pixels = results.scores(baseline, area) if baseline else None
    return {
        "area": area,
        "network": results.scores(first, area)._asdict(),
        "baseline": baseline and style.name(baseline),
        "pixels": pixels and pixels._asdict(),
    }


# --- tables --------------------------------------------------------------------------------------


def _tables(results: Results) -> list[dict]:
    layers, tests, rsa = (
        (table, _top_layers(results, table)) for table in (results.layers, results.tests, results.rsa)
    )
    return [
        _table("predictivity", "Single units", "Median scores of single units, top layer of each model.", layers[1]),
        _table("geometry", "Population geometry", "Spearman’s ρ of the RDMs of model and recording.", rsa[1]),
        _table("chance", "Permutation tests", "Mean ρ over recordings, against permutations of the images.", tests[1]),
        _table("task", "The task", "Classification of faces and other images; Wilson’s intervals.", results.accuracy),
        _table("layers", "All layers", "Median scores of single units, every layer of each model.", layers[0]),
    ]


def _top_layers(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    return table[[results.top(row.model) == row.layer for row in table.itertuples()]]


def _table(key: str, heading: str, caption: str, table: pd.DataFrame) -> dict:
    columns = [name for name in COLUMNS if name in table]
    text = [not pd.api.types.is_numeric_dtype(table[name]) for name in columns]
    region = columns.index("region") if "region" in columns else None
    return {
        "key": key,
        "heading": heading,
        "caption": caption,
        "columns": [{"heading": COLUMNS[name], "text": is_text} for name, is_text in zip(columns, text, strict=True)],
        "rows": [[_cell(name, value) for name, value in row.items()] for row in table[columns].to_dict("records")],
        "area_column": region,
        "areas": [area for area in AREAS if region is not None and area in set(table["region"])],
    }


def _cell(column: str, value) -> dict:
    """Return the text of a cell and the value by which it is sorted; text is sorted as it stands."""
    if isinstance(value, str):
        return {"text": style.name(value) if column == "model" else value, "value": None}
    if pd.isna(value):
        return {"text": "–", "value": ""}
    if column.startswith("p_"):
        text = format_p(value)
    else:
        text = format_number(value, 0 if column.startswith("n") or column == "recordings" else 3)
    return {"text": text, "value": f"{float(value):.6g}"}


def format_number(value: float, digits: int = 3) -> str:
    """Return a number with a true minus sign, a dash if it is undefined; what rounds to zero has no sign."""
    if pd.isna(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def format_p(p: float) -> str:
    """Return a p-value; resampling bounds those of 0.001 or less but does not measure them (as in `typst/lib.typ`)."""
    if pd.isna(p):
        return "–"
    return "≤ 0.001" if p < 0.00105 else format_number(p)


# --- figures -------------------------------------------------------------------------------------


def _figures(results: Results) -> list[dict]:
    again = "run the stage figures"
    texts = read_json(FIGURES / "alt.json", again, dict[str, str])
    sources = read_json(FIGURES / "sources.json", again, dict[str, list[str]])
    return [_figure(name, draw, texts[name], sources[name]) for name, draw in plots_for(results).items()]


def _figure(name: str, draw, alt: str, sources: list[str]) -> dict:
    svg = (FIGURES / f"{name}.svg").read_bytes()
    width = float(svg.split(b'width="', 1)[1].split(b"pt", 1)[0]) * 25.4 / 72
    return {
        "name": name,
        "shape": "page" if width > style.COLUMN + 5 else "column",
        "alt": alt,
        "svg": base64.b64encode(svg).decode(),
        "caption": _first_line(importlib.import_module(draw.__module__)),
        "module": draw.__module__.replace(".", "/") + ".py",
        "sources": [str(path_of(source)) for source in sources],
    }


def _first_line(module: ModuleType) -> str:
    """Return the first line of a module's docstring, from its source: ``python -OO`` drops docstrings."""
    return ast.get_docstring(ast.parse(inspect.getsource(module))).splitlines()[0]


# --- templates -----------------------------------------------------------------------------------


def _render(template: str, **values) -> str:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["number"] = format_number
    templates.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    try:
        return templates.get_template(template).render(values)
    except jinja2.TemplateNotFound as error:
        raise DataError(f"{TEMPLATES / str(error)} not found; git restores it") from error


def _source(name: str) -> str:
    try:
        return (TEMPLATES / name).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{TEMPLATES / name} cannot be read ({error.strerror}); git restores it") from error
