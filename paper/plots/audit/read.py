"""Read the tables of the audit, and label the choices of a protocol as its figures do."""

import pandas as pd

from paper.results import Results

FIELDS = {
    "": "start",
    "join": "match to images",
    "fixations": "fixations",
    "response": "response",
    "latency": "latency",
    "stability": "unit drift",
    "region": "area",
    "labels": "face labels",
    "unit_identity": "units",
    "filling": "empty cells",
    "selection": "selection",
    "images": "images",
    "splits": "splits",
    "duplicates": "near-duplicates",
    "features": "features",
    "regression": "regression",
    "baseline": "reference of r²",
    "rdm": "neural RDM",
    "aggregation": "summary statistic",
}
"""Labels of the fields of a protocol."""


def is_available(results: Results) -> bool:
    """Say whether the audit ran on these results."""
    return results.ran("audit")


def has_rows(results: Results, table: str) -> bool:
    """Say whether a table of the audit has rows: without images there are no networks to score."""
    return is_available(results) and not read_table(results, table).empty


def read_table(results: Results, name: str) -> pd.DataFrame:
    """Read one table of the audit."""
    return results.table("audit", name)
