"""The tables of the page: sorted and filtered by the reader, and saved as CSV."""

import pandas as pd

from analysis.core.areas import AREAS
from paper import style
from paper.results import Results

COLUMNS = {
    "model": "model",
    "region": "area",
    "layer": "layer",
    "split": "split",
    "r_corrected": "noise-corrected r",
    "r_corrected_low": "CI, lower",
    "r_corrected_high": "CI, upper",
    "r2": "r²",
    "r2_low": "r², CI, lower",
    "r2_high": "r², CI, upper",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "rho": "ρ",
    "ci_low": "CI, lower",
    "ci_high": "CI, upper",
    "ceiling_lower": "ceiling, lower",
    "ceiling_upper": "ceiling, upper",
    "p_max": "p, FWE-corrected",
    "p_bh": "p, FDR-adjusted",
    "n": "images",
    "n_images": "images",
    "n_units": "units",
    "above_chance": "share above chance",
    "ceiling": "ceiling",
    "recording": "recording",
    "recordings": "recordings",
}
"""Headings of the columns; a table of scores shows those it has, in this order: on a phone, the first are in view."""


def describe(results: Results) -> list[dict]:
    """Return the tables for the template."""
    layers, tests, rsa = (
        (table, _top_layers(results, table)) for table in (results.layers, results.tests, results.rsa)
    )
    return [
        _table("predictivity", "Single units", "Median scores of single units, top layer of each model.", layers[1]),
        _table("geometry", "Population geometry", "Spearman’s ρ of the RDMs of model and recording.", rsa[1]),
        _table("chance", "Permutation tests", "Mean ρ over recordings, against permutations of the images.", tests[1]),
        _table("task", "The task", "Classification of faces and other images; Wilson’s intervals.", results.accuracy),
        _table("layers-table", "All layers", "Median scores of single units, every layer of each model.", layers[0]),
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
        text = format_number(value, 0 if column in ("n", "n_images", "n_units", "recordings") else 3)
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
