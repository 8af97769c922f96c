"""The tables that the stage ``compare`` writes for each model, and their reader."""

from collections.abc import Iterable

import pandas as pd

from analysis.core import paths
from analysis.core.areas import AREAS, IT
from analysis.core.reading import TEXT, damaged, read_csv
from analysis.neural import readout

WHO = ["model", "protocol"]
WHERE = ["layer", "recording", "subject", "region"]
CHOSEN = "best"
"""Entry in the column ``layer`` for the layer chosen within the training images of each fold."""
SCORES = ["r_corrected", "r", "r2", "r_pls_yamins", "r_pls_report"]
"""Pearson's r over that of a noise-free model; r; r2; r of PLS with the components of Yamins et al. and the report."""
UNITS = [*WHO, *WHERE, "unit", "neuroid_id", "n_images", *SCORES, "p_chance", "ceiling"]
LAYERS = [
    *[*WHO, "layer", "region", "reduction", "n_units", "r_corrected", "r_corrected_low", "r_corrected_high"],
    *["r", "r2", "r2_low", "r2_high", "r_pls_yamins", "r_pls_report", "above_chance", "ceiling"],
]
"""Medians over units (without outliers under the report's protocol); ``above_chance`` is a fraction of the units."""
BEST = [*WHO, *readout.WHERE, "n_images", "n_units", "layers", "r_corrected", "r", "r2"]
RSA = [*WHO, *WHERE, "n_images", "n_units", "rho", "ci_low", "ci_high", "ceiling_lower", "ceiling_upper"]
FIXATIONS = [
    *[*WHO, *WHERE, "unit", "neuroid_id", "part", "n_fixations"],
    *["r2", "pearson_r", "rsc", "explained", "published"],
]
SHARED = ["measure", "value", "error", "ci_low", "ci_high", "p"]
TABLES = {
    "units": UNITS,
    "layers": LAYERS,
    "rsa": RSA,
    "best": BEST,
    "decoding": [*WHO, *readout.DECODING],
    "kernel": [*WHO, *readout.KERNEL],
    "fixations": FIXATIONS,
    "beyond_label": [*WHO, *WHERE, "n_images", "n_units", *SHARED],
    "learning": [*WHO, *readout.LEARNING],
}
"""Columns of each table."""
RDMS = {
    **dict.fromkeys(("stem", "category"), (("image",), "OU")),
    **dict.fromkeys(("model_rdm", "neural_rdm"), (("image", "other"), "f")),
}
"""Variables of rdms.nc, their dimensions and the kinds of their dtype."""


def scored_areas(regions: Iterable[str]) -> tuple[str, ...]:
    """Return the areas along the last axis of null.npy: `AREAS`, plus IT if a population has no known part of IT."""
    return (*AREAS, IT) if IT in set(regions) else AREAS


def read_scores(model: str, name: str) -> pd.DataFrame:
    """Read a table of `TABLES` that the stage ``compare`` wrote for a model.

    Raises
    ------
    DataError
        If the file is missing, damaged or belongs to another model, or has other columns.
    """
    path, again = paths.RESULTS / "compare" / model / f"{name}.csv", f"run the stage compare for {model}"
    table = read_csv(path, again, TABLES[name], TEXT)
    if list(table.columns) != TABLES[name]:
        raise damaged(path, f"columns other than {', '.join(TABLES[name])}", again)
    if foreign := set(table["model"]) - {model}:
        raise damaged(path, f"it belongs to model {min(map(str, foreign))}", again)
    return table
