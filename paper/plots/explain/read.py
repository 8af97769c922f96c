"""Read the tables of the explanations, and name methods and controls as the figures do."""

import pandas as pd

from paper.results import Results

METHODS = {
    "gradcam": "Grad-CAM",
    "gradients": "integrated gradients",
    "occlusion": "occlusion",
    "lime": "LIME",
}
CONTROLS = {"centre": "centre bias", "prior": "mean face region", "edges": "edges", "region": "face region"}
TABLE_OF_FIGURE = {
    "explain_gallery": "images",
    "explain_pointing": "attribution",
    "explain_neurons": "areas",
    "explain_lesions": "lesions",
}
"""The table that a figure cannot do without."""


def is_available(results: Results) -> bool:
    """Say whether the explanations were computed for these results."""
    return (results.folder / "explain" / "summary.json").is_file()


def is_drawable(results: Results, figure: str) -> bool:
    """Say whether the table of a figure has rows: without trained models it has none."""
    return is_available(results) and not read_table(results, TABLE_OF_FIGURE[figure]).empty


def read_table(results: Results, name: str) -> pd.DataFrame:
    """Read one table of the explanations."""
    return results.table("explain", name, "weights", "region")


def models_of(table: pd.DataFrame) -> list[str]:
    """Return the models of a table in their order."""
    return list(dict.fromkeys(table["model"]))
