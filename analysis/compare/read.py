"""The tables that the stage ``compare`` writes for each model, and their reader."""

from collections.abc import Iterable

import pandas as pd

from analysis.core import paths
from analysis.core.areas import AREAS, IT
from analysis.core.errors import DataError
from analysis.neural import readout

WHO = ["model", "protocol"]
WHERE = ["layer", "recording", "subject", "region"]
CHOSEN = "best"
"""Name, in the column ``layer``, of the layer chosen anew within the training images of each fold."""
SCORES = ["r_corrected", "r", "r2", "r_pls_yamins", "r_pls_report"]
"""Pearson's r over that of a noise-free model; r; r2; r by PLS with the components of Yamins et al. and the report."""
UNITS = [*WHO, *WHERE, "unit", "neuroid_id", "n_images", *SCORES, "p_chance", "ceiling"]
LAYERS = [
    *[*WHO, "layer", "region", "reduction", "n_units", "r_corrected", "r_corrected_low", "r_corrected_high"],
    *["r", "r2", "r2_low", "r2_high", "r_pls_yamins", "r_pls_report", "above_chance", "ceiling"],
]
"""Medians over units (without outliers under the report's protocol); ``above_chance`` is a share of the units."""
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


def scored_areas(regions: Iterable[str]) -> tuple[str, ...]:
    """Return the areas of the last axis of null.npy: all of `AREAS`, and IT where a population is of no part of it."""
    return (*AREAS, IT) if IT in set(regions) else AREAS


def read_scores(model: str, name: str) -> pd.DataFrame:
    """Read a table of `TABLES` that the stage ``compare`` wrote for a model.

    Raises
    ------
    DataError
        If the file is missing, is not a table, or has other columns.
    """
    columns, path = TABLES[name], paths.RESULTS / "compare" / model / f"{name}.csv"
    try:
        # Only empty cells are undefined: a unit or category may be called "NA".
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage compare for {model}") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a table ({' '.join(str(error).split())}); run compare for {model}") from error
    if list(table.columns) != columns:
        raise DataError(f"{path}: columns differ from {', '.join(columns)}; run the stage compare for {model} again")
    return table
