"""A few key numbers for comparing runs, in a file tracked by git, so that ``dvc metrics diff`` works in any clone."""

from analysis.core import paths
from analysis.core.areas import AREAS
from analysis.core.files import write_json

FILE = paths.RESULTS / "headline.json"
DIGITS = 4
"""Decimal places; numbers in full precision are in ``summary.json``."""


def write(models: dict[str, dict]) -> None:
    """Write ``results/headline.json`` from the models of ``summary.json``."""
    write_json(FILE, {name: select_metrics(model) for name, model in models.items()})


def select_metrics(model: dict) -> dict[str, float]:
    """Return a model's accuracy on test images, and the noise-corrected r of its top layer in the last area compared.

    The key of the latter names the area, e.g. ``r_AIT``. The report's protocol has no noise correction, hence no r.
    """
    metrics = {"accuracy": model["accuracy"]}
    if model["areas"]:
        area = max(model["areas"], key=AREAS.index)
        metrics[f"r_{area}"] = model["areas"][area][model["top_layer"]]["r_corrected"]
    return {name: round(value, DIGITS) for name, value in metrics.items() if value is not None}
