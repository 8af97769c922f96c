"""The stage ``report`` of a recorded data set: a short paper on it alone, compiled like the paper."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.core.files import atomic
from analysis.core.paths import RAW, RESULTS
from analysis.core.reading import TEXT, read_csv, read_json
from analysis.params import Params
from paper import style
from paper.claims.audit import audit
from paper.pdf import compile_pdf
from paper.recorded import claims, figures
from paper.recorded.tables import COMPUTED, CORRECTED, Recorded, read
from paper.results import Results

ROOT = Path(__file__).parents[2]
SOURCE, OUTPUT = ROOT / "paper/recorded/report.typ", Path("paper/report.pdf")
PUBLISHED = ROOT / "paper/published.json"
SHARED = {"rho": "rho", "rho_given_both": "partial"}
"""Measures of the table of what is shared beyond the label, and what the report calls them."""


def run(params: Params) -> None:
    """Write ``paper/report.pdf`` in the folder of the data set, which is the working folder.

    Raises
    ------
    DataError
        If a file of the data set is missing, or the compiler reports an error or a warning.
    """
    found = read(COMPUTED)
    pdf = compile_pdf(SOURCE, str(ROOT), json.dumps(context(found), sort_keys=True))
    with atomic(OUTPUT) as part:
        part.write_bytes(pdf)


def context(found: Recorded) -> dict:
    """Return what the report says and shows, as JSON values."""
    said = claims.of_set(found)
    for area in said["areas"] if "units" in found.table else ():  # of published dissimilarities there is no such table
        _add_shared(area)
    return said | {
        "manifest": _manifest(),
        "categories": figures.read_examples(found).categories,
        "published": read_json(PUBLISHED, "restore it (git checkout)")["xiao2024"],
        "corrected": any(area["measure"] == CORRECTED for area in said["areas"]),
        "compared": found.table.get("compared"),
        "yardsticks": yardsticks(found),
        "audit": audit(Results(RESULTS, {}, {})) if "units" in found.table else None,
        "systems": found.systems,
        "figures": dict(_drawn(found)),
    }


def yardsticks(found: Recorded) -> list[dict]:
    """Return what models are held against where dissimilarities were published: a name, and a value by system."""
    reference = found.table.get("reference") or {}
    rows = [{"name": f"labels: {name}", "values": values} for name, values in reference.get("labels", {}).items()]
    if "image_pixels" in reference:
        rows.append({"name": "pixels of the images", "values": reference["image_pixels"]})
    for pair, value in reference.get("systems", {}).items():
        one, other = pair.split(", ")
        rows.append({"name": f"{one} and {other}", "values": {one: value, other: value}})
    for system, bounds in reference.get("ceilings", {}).items():
        for end in ("lower", "upper"):
            rows.append({"name": f"noise ceiling over subjects, {end}", "values": {system: bounds[end]}})
    return rows


def _add_shared(area: dict) -> None:
    """Add to each model its rho with and without the labels held constant, where computed, and what is left of rho."""
    columns = ["recording", "region", "model", "measure", "value", "ci_low", "ci_high"]
    table = read_csv(RESULTS / "beyond_label.csv", figures.SUMMARY_AGAIN, columns, TEXT)
    table = table[(table["recording"] == "all") & (table["region"] == area["region"])]
    for model in area["models"]:
        rows = table[table["model"] == model["name"]].set_index("measure")
        for measure, name in SHARED.items():
            if measure in rows.index:
                row = rows.loc[measure, ["value", "ci_low", "ci_high"]].astype(float)
                ends = [None if pd.isna(value) else float(value) for value in row]
                model |= dict(zip((f"{name}_value", f"{name}_low", f"{name}_high"), ends, strict=True))
    area["beyond_labels"] = claims.beyond_labels(area["models"])


def _manifest() -> dict:
    manifest = read_json(RAW / "manifest.json", figures.ACQUIRE_AGAIN)
    return {key: manifest.get(key) or "" for key in ("citation", "url", "licence")}


def _drawn(found: Recorded) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name of each figure, and its SVG and alternative text."""
    with style.applied():
        for name, figure, text in figures.all_figures(found):
            style.stamp(figure, "real")
            yield name, {"svg": style.as_svg(figure).decode(), "alt": text}
