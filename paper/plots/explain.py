"""What the figures of the explanations share: their tables, and how maps and layers are written."""

import pandas as pd

from paper.results import Results

METHODS = {
    "gradcam": "Grad-CAM",
    "gradients": "integrated gradients",
    "occlusion": "occlusion",
    "lime": "LIME",
}
CONTROLS = {"centre": "centre", "prior": "where faces lie", "edges": "edges", "region": "face region"}
NEEDED = {"explain_gallery": "images", "explain_pointing": "attribution", "explain_neurons": "areas"}
NEEDED |= {"explain_lesions": "lesions"}


def is_there(results: Results) -> bool:
    """Say whether the explanations were computed for these results."""
    return (results.folder / "explain" / "summary.json").is_file()


def drawable(results: Results, figure: str) -> bool:
    """Say whether the explanations left what a figure shows: without trained models there are none."""
    return is_there(results) and not table(results, NEEDED[figure]).empty


def table(results: Results, name: str) -> pd.DataFrame:
    """Read one table of the explanations."""
    return results.table("explain", name, "weights", "region")


def models(rows: pd.DataFrame) -> list[str]:
    """Return the models of a table in their order."""
    return list(dict.fromkeys(rows["model"]))
