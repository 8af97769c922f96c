"""Read the tables of the stage candidates, and name the variants of HMO as the paper does."""

import pandas as pd
from typing_extensions import TypedDict

from analysis.core.reading import read_json
from paper.results import Results

VARIANTS = {
    "full": "full procedure",
    "no_boosting": "no boosting, one search",
    "random_search": "random search instead of TPE",
    "margin": "margins instead of weights",
    "trained": "trained filters",
    "report": "report HMO",
}
"""Variants of the procedure, in the order of the figure."""


class Searched(TypedDict):
    """What is used of the stage's summary.json: why there was nothing to search, or None."""

    missing: str | None


def is_drawable(results: Results) -> bool:
    """Say whether the stage ran on these results and found images to search on."""
    path = results.folder / "candidates" / "summary.json"
    return results.ran("candidates") and read_json(path, "run the stage candidates", Searched)["missing"] is None


def read_table(results: Results, name: str) -> pd.DataFrame:
    """Read one table of the stage."""
    return results.table("candidates", name)
