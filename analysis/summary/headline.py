"""The few numbers by which runs are compared: one file per model, so that ``dvc metrics show`` prints a row each."""

import shutil

from analysis.core import paths
from analysis.core.areas import AREAS
from analysis.core.files import write_json

FOLDER = paths.RESULTS / "metrics"


def write(models: dict[str, dict]) -> None:
    """Write ``results/metrics/<model>.json`` from the models of ``summary.json``; remove those of other models."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, model in models.items():
        write_json(FOLDER / f"{name}.json", select_metrics(model))


def select_metrics(model: dict) -> dict:
    """Return a model's accuracy on test images and the scores of its top layer in the last area compared."""
    metrics = {"accuracy": model["accuracy"], "balanced_accuracy": model["balanced_accuracy"]}
    if model["areas"]:
        area = max(model["areas"], key=AREAS.index)
        scores = model["areas"][area][model["top_layer"]]
        metrics |= {"area": area, "r_corrected": scores["r_corrected"]}
        metrics |= {"low": scores["r_corrected_low"], "high": scores["r_corrected_high"]}
        metrics |= {"r2": scores["r2"], "ceiling": scores["ceiling"], "rho": scores["median_rho"]}
    return metrics
