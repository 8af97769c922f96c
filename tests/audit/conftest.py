import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def merged() -> pd.DataFrame:
    """A table of counts merged from three recordings with 12, 9 and 12 units; empty cells hold the column's mean.

    The faces are the second recording; within a recording no row carries information.
    """
    rng = np.random.default_rng(3)
    parts = []
    for n_rows, n_units, level in ((60, 12, 8.0), (50, 9, 30.0), (40, 12, 90.0)):
        rates = level * rng.uniform(0.3, 2.0, size=n_units)
        part = np.full((n_rows, 12), np.nan)
        part[:, :n_units] = rng.poisson(rates, size=(n_rows, n_units))
        parts.append(part)
    values = np.concatenate(parts)
    values = np.where(np.isnan(values), np.nanmean(values, axis=0), values)
    table = pd.DataFrame(values, columns=[f"unit_{k}" for k in range(12)])
    stems = [f"Stimuli/{number:032x}.{'jpg' if 60 <= number < 110 else 'png'}" for number in range(150)]
    table.insert(0, "image_path", stems)
    table["kind"] = np.repeat(["other", "face", "other"], [60, 50, 40])
    table["session"] = np.repeat(["a", "b", "c"], [60, 50, 40])
    return table
