"""How much the scores of trained models vary between seeds, and how that affects contrasts of models."""

import numpy as np
import pandas as pd

from analysis.compare.read import CHOSEN

KEY = ["model", "region", "measure", "layer"]
SUMMARY = [*KEY, "seeds", "mean", "sd", "low", "high"]
CONTRASTS = [
    *["model", "other", "layer", "region", "difference", "low", "high"],
    *["seeds", "other_seeds", "mean", "sd", "lowest", "highest"],
]


def summarise(values: pd.DataFrame) -> pd.DataFrame:
    """Return mean, SD (n - 1) and range over the seeds of each model, area and measure (`SUMMARY`).

    Parameters
    ----------
    values : DataFrame
        Tables of the stage ``seeds``.
    """
    rows = []
    for key, found in values.dropna(subset=["value"]).groupby(KEY, sort=False, dropna=False):
        score = found["value"]
        rows.append((*key, len(score), score.mean(), score.std(), score.min(), score.max()))
    return pd.DataFrame(rows, columns=SUMMARY)


def contrasts_over_seeds(contrasts: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Return the contrasts of models together with their variation between seeds (`CONTRASTS`).

    ``difference``, ``low`` and ``high`` are those of `contrasts`: the models themselves, with the interval over images
    and units. ``mean``, ``sd``, ``lowest`` and ``highest`` describe the difference over all pairs of seeds; as seeds
    are independent, the variance of a difference is the sum of both variances. A model with a single seed, such as one
    without random weights, does not vary.

    Parameters
    ----------
    contrasts : DataFrame
        Table ``contrasts``; only rows of the chosen layer are used.
    values : DataFrame
        As in `summarise`.
    """
    scores = values[(values["measure"] == "r_corrected") & values["value"].notna()]
    by_area = {key: found["value"].to_numpy(float) for key, found in scores.groupby(["model", "region"])}
    rows = []
    for row in contrasts[contrasts["layer"] == CHOSEN].to_dict("records"):
        one, other = (by_area.get((row[name], row["region"]), np.array([])) for name in ("model", "other"))
        if not (len(one) and len(other)):  # the median unit has no positive reliability
            continue
        differences = np.subtract.outer(one, other)
        variance = sum(np.var(found, ddof=1) if len(found) > 1 else 0.0 for found in (one, other))
        over = (differences.mean(), np.sqrt(variance), differences.min(), differences.max())
        numbers = dict(zip(CONTRASTS[7:], (len(one), len(other), *over), strict=True))
        rows.append({name: row[name] for name in CONTRASTS[:7]} | numbers)
    return pd.DataFrame(rows, columns=CONTRASTS)
