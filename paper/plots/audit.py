"""What the figures of the audit share: its tables, and how rungs and words are written."""

import pandas as pd

from paper import style
from paper.results import Results

FIELDS = {
    "": "start",
    "join": "image of a fixation",
    "fixations": "fixations",
    "response": "rate or count",
    "latency": "latency",
    "stability": "unit drift",
    "region": "area",
    "labels": "labels",
    "unit_identity": "units",
    "filling": "empty cells",
    "selection": "selection",
    "splits": "images and splits",
    "components": "components",
    "aggregation": "summary",
}
"""The fields of a protocol as the figures write them."""

SMALL, TRAINED, PLANTED = "small networks", "trained models", "planted truth"
COLOUR = {SMALL: style.COLOURS[0], TRAINED: style.COLOURS[1], PLANTED: style.COLOURS[2]}
MARK = {SMALL: "o", TRAINED: "D", PLANTED: "^"}


def is_there(results: Results) -> bool:
    """Say whether the audit ran on these results."""
    return (results.folder / "audit" / "summary.json").is_file()


def drawable(results: Results, figure: str) -> bool:
    """Say whether the audit left what a figure shows: without images there are no networks, and no ladder."""
    if not is_there(results):
        return False
    return not table(results, {"audit_table": "table_blocks"}.get(figure, "ladder")).empty


def table(results: Results, name: str) -> pd.DataFrame:
    """Read one table of the audit."""
    return results.table("audit", name, "block", "field")
