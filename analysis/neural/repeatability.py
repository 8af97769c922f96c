"""Repeatability of the units of free-viewing recordings, beside the authors' list of visually selective units."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from analysis.core.areas import in_order
from analysis.core.errors import DataError, unreadable
from analysis.recordings.annotations import Annotations
from analysis.recordings.read import selected
from analysis.statistics import reliability

LISTED = Path("unit_sel/visually_selective.csv.gz")
"""List of the units that Xiao et al. (2024) found visually selective, within the annotations folder."""


def of_units(recording: xr.Dataset, listed: set[str], estimate: Literal["value", "ceiling"]) -> pd.DataFrame:
    """Return the repeatability of each unit.

    Parameters
    ----------
    recording : Dataset
        Output of the stage ``recordings``, with stable units only.
    listed : set of str
        Names of the units that the authors list as visually selective.
    estimate : {"value", "ceiling"}
        Which of the estimates of the reliability (`Reliability`).

    Returns
    -------
    DataFrame
        ``region``; ``selective`` and ``listed`` (bool); ``reliability`` of the mean responses to images, ``rsc`` and
        ``rsc_across_trials``, NaN where undefined.
    """
    chosen, n_units = selected(recording), recording.sizes["unit"]
    stems, trials = chosen["stimulus_id"].values.astype(str), chosen["trial"].values
    try:
        means = getattr(reliability(chosen["rate"].values, stems, trials), estimate)
    except DataError:  # too few images, or too few that were shown twice
        means = np.full(n_units, np.nan)
    return pd.DataFrame(
        {
            "region": recording["region"].values.astype(str),
            "selective": recording["visually_selective"].values.astype(bool),
            "listed": np.isin(recording["unit"].values.astype(str), sorted(listed)),
            "reliability": means,
            "rsc": recording["rsc"].values,
            "rsc_across_trials": recording["rsc_across_trials"].values,
        }
    )


def by_area(units: pd.DataFrame) -> dict[str, dict]:
    """Summarise the rows of `of_units` by area, in the order of the ventral stream.

    Returns
    -------
    dict of dict
        Number of ``units``, of those ``visually_selective`` here, ``listed`` by the authors, and in ``both``; medians
        of ``reliability``, ``rsc`` and ``rsc_across_trials`` over units, and of ``rsc_selective`` over selective units.
    """
    return {area: _summarise(units[units["region"] == area]) for area in in_order(units["region"])}


def _summarise(units: pd.DataFrame) -> dict:
    return {
        "units": len(units),
        "visually_selective": units["selective"].sum(),
        "listed": units["listed"].sum(),
        "both": (units["listed"] & units["selective"]).sum(),
        "reliability": median(units["reliability"]),
        "rsc": median(units["rsc"]),
        "rsc_selective": median(units["rsc"][units["selective"]]),
        "rsc_across_trials": median(units["rsc_across_trials"]),
    }


def listed_units(annotations: Path, name: str) -> set[str]:
    """Return the names of a recording's units that the authors list as visually selective.

    Raises
    ------
    DataError
        If the list is missing or damaged.
    """
    path = Annotations(annotations).folder / LISTED
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return set(table.loc[table["Session"] == name, "Unit"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        known = unreadable(path, error)
        raise known or DataError(
            f"{path}: no table with Session and Unit ({error}); fetch the annotations again"
        ) from error


def median(values: Iterable[float]) -> float:
    """Return the median of the defined values; NaN without any."""
    values = np.asarray(values, float)
    defined = values[np.isfinite(values)]
    return float(np.median(defined)) if len(defined) else float("nan")
