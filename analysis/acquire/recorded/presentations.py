"""Convert a source's table to responses: units of measurement, incomplete presentations, repetitions."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.acquire.recorded.layout import Responses
from analysis.core.errors import DataError


@dataclass(frozen=True)
class Table:
    """Responses as published by a source.

    Attributes
    ----------
    values : (n_presentations, n_units) float
        NaN where a unit was not recorded.
    shown : DataFrame, n_presentations
        ``image_id``, ``repetition`` (increases with time; -1 throughout if unknown).
    units : DataFrame, n_units
        ``unit_id``, ``subject``, ``region``, ``recording``.
    window_ms : float
        Length of the spike-count window.
    """

    values: np.ndarray
    shown: pd.DataFrame
    units: pd.DataFrame
    window_ms: float


def responses(table: Table, measure: str, where: str) -> Responses:
    """Return the responses in a table.

    Presentations in which any unit was not recorded are left out, and repetitions are numbered from 0 for each image.

    Parameters
    ----------
    table : Table
    measure : {"rate", "count", "normalised"}
        Spikes/s; spikes in the window, converted to spikes/s; or the source's own scale, including negative values.
    where : str
        The source's file, for messages.

    Raises
    ------
    DataError
        If counts are not whole numbers, or no presentation of some image has a response of every unit.
    """
    values = np.asarray(table.values, float)
    recorded = ~np.isnan(values)
    complete = recorded.all(axis=1)
    shown = table.shown.reset_index(drop=True)
    kept = set(shown["image_id"][complete])
    if lost := [name for name in shown["image_id"].unique() if name not in kept]:
        row = int((shown["image_id"] == lost[0]).argmax())
        unit = table.units["unit_id"].iloc[int((~recorded[row]).argmax())]
        raise DataError(
            f"{where}: no presentation of image {lost[0]!r} has a response of every unit (unit {unit} is NaN): "
            "remove the unit or the image, or split units not recorded together into separate data sets"
        )
    if not complete.all():
        print(
            f"acquire: {(~complete).sum()} of {len(shown)} presentations lack responses of some units and are left out"
        )
    if measure == "count":
        _check_whole(values[complete], where)
        values = values / table.window_ms * 1000
    shown = shown[complete].reset_index(drop=True)
    return Responses(
        values[complete].astype(np.float32),
        shown["image_id"].to_numpy(str),
        _numbered(shown, where),
        *(table.units[name].to_numpy(str) for name in ("unit_id", "subject", "region", "recording")),
        window_ms=float(table.window_ms),
        normalised=measure == "normalised",
    )


def _check_whole(values: np.ndarray, where: str) -> None:
    broken = values[np.isfinite(values) & (values != np.round(values))]
    if broken.size:
        raise DataError(f"{where}: {broken[0]} is not a spike count: give counts, or set response: rate")


def _numbered(shown: pd.DataFrame, where: str) -> np.ndarray:
    """Return the index of each presentation among those of its image, from 0."""
    by_image = shown.groupby("image_id", sort=False)["repetition"]
    if (shown["repetition"] == -1).all():
        return by_image.cumcount().to_numpy()
    if shown.duplicated(["image_id", "repetition"]).any():
        image, repetition = shown.loc[shown.duplicated(["image_id", "repetition"]), ["image_id", "repetition"]].iloc[0]
        raise DataError(
            f"{where}: repetition {repetition} of image {image!r} occurs twice: number the repetitions "
            "uniquely (average fixations of one presentation first)"
        )
    return by_image.rank(method="dense").to_numpy(int) - 1
