"""Read the table that the stage ``seeds`` writes for each model."""

import pandas as pd

from analysis.core import paths
from analysis.core.reading import TEXT, damaged, read_csv

COLUMNS = ["model", "seed", "region", "measure", "value", "layer"]
"""``seed``: 0 is the model of the stage ``train``; ``region``: empty for the accuracy."""
FOLDER = paths.RESULTS / "seeds"


def read_seeds(model: str) -> pd.DataFrame:
    """Read the scores of a model by seed, a row for each area and measure.

    Raises
    ------
    DataError
        If the file is missing, damaged or belongs to another model.
    """
    path, again = FOLDER / f"{model}.csv", f"run the stage seeds for {model}"
    table = read_csv(path, again, COLUMNS, TEXT)[COLUMNS]
    if foreign := set(table["model"]) - {model}:
        raise damaged(path, f"it belongs to model {min(map(str, foreign))}", again)
    return table
