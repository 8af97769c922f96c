"""Repeatability of the units of one recording by area, compared with the authors' list of selective units."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import xarray as xr

from analysis.core import environment
from analysis.core.areas import AREAS
from analysis.core.errors import DataError, unreadable
from analysis.core.files import as_json, sha256, write_json
from analysis.core.store import code_digest
from analysis.recordings.annotations import Annotations
from analysis.recordings.read import open_recording, selected
from analysis.recordings.stage import one_recording
from analysis.statistics import reliability

LISTED = Path("unit_sel/visually_selective.csv.gz")
"""List of the units that Xiao et al. (2024) found visually selective, within the annotations folder."""


def write_repeatability(main_file: Path, rasters: Path, annotations: Path, out: Path) -> dict:
    """Process one recording under the corrected protocol and write the repeatability of its units as JSON.

    Parameters
    ----------
    main_file, rasters : Path
        The two NWB files of the recording.
    annotations : Path
        Folder of the authors' tables, or its parent if the folder is named ``db``.
    out : Path
        File to write.

    Returns
    -------
    dict
        Content of the file: the result of `describe`, the environment, and hashes of the files and the code.

    Raises
    ------
    DataError
        Like `one_recording`, or if the list of selective units cannot be read.
    """
    with TemporaryDirectory() as folder:
        table = Path(folder, "recording.nc")
        one_recording(main_file, rasters, annotations, table, "corrected")
        recording = open_recording(table, stable_only=True)
    found = describe(recording, listed_units(annotations, str(recording.attrs["recording"])))
    hashes = {"data": {path.name: sha256(path) for path in (Path(main_file), Path(rasters))}, "code": code_digest()}
    found = as_json(found | {"environment": environment.decisive(environment.stamp()), "hashes": hashes})
    write_json(out, found)
    return found


def describe(recording: xr.Dataset, listed: set[str]) -> dict:
    """Return counts and medians over the stable units of a recording, and the same for each of its areas.

    Parameters
    ----------
    recording : Dataset
        Output of the stage ``recordings``, with stable units only.
    listed : set of str
        Names of the units that the authors list as visually selective.

    Returns
    -------
    dict
        ``dataset`` (its name), ``units``, ``images``, ``presentations``, ``fixations`` (selected ones),
        ``median_reliability`` (of the mean responses to images), ``models`` (empty), and ``repeatability`` by area:
        number of ``units``, of those ``visually_selective`` here, ``listed`` by the authors, and in ``both``; medians
        of ``reliability``, ``rsc`` and ``rsc_across_trials`` over units, and of ``rsc_selective`` over selective units.
    """
    chosen = selected(recording)
    stems, trials = chosen["stimulus_id"].values.astype(str), chosen["trial"].values
    means = reliability(chosen["rate"].values, stems, trials).value
    names, regions = recording["unit"].values.astype(str), recording["region"].values.astype(str)
    selective = recording["visually_selective"].values.astype(bool)
    known, rsc = np.isin(names, sorted(listed)), recording["rsc"].values

    def of_area(here: np.ndarray) -> dict:
        return {
            "units": here.sum(),
            "visually_selective": (here & selective).sum(),
            "listed": (here & known).sum(),
            "both": (here & known & selective).sum(),
            "reliability": _median(means[here]),
            "rsc": _median(rsc[here]),
            "rsc_selective": _median(rsc[here & selective]),
            "rsc_across_trials": _median(recording["rsc_across_trials"].values[here]),
        }

    return {
        "dataset": str(recording.attrs["recording"]),
        "units": len(names),
        "images": len(set(stems)),
        "presentations": len(set(trials)),
        "fixations": len(stems),
        "median_reliability": _median(means),
        "models": {},
        "repeatability": {area: of_area(regions == area) for area in AREAS if area in regions},
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


def _median(values: np.ndarray) -> float:
    defined = values[np.isfinite(values)]
    return float(np.median(defined)) if len(defined) else float("nan")
