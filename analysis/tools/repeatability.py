"""Repeatability of the units of one recording by area, compared with the authors' list of selective units."""

from pathlib import Path
from tempfile import TemporaryDirectory

import xarray as xr

from analysis.core import environment
from analysis.core.files import as_json, sha256, write_json
from analysis.core.store import code_digest
from analysis.neural import repeatability
from analysis.recordings.read import open_recording, selected
from analysis.recordings.stage import one_recording


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
    found = describe(recording, repeatability.listed_units(annotations, str(recording.attrs["recording"])))
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
        ``median_reliability`` (of the mean responses to images), ``models`` (empty), and ``repeatability`` by area
        (`repeatability.by_area`).
    """
    chosen = selected(recording)
    stems, units = chosen["stimulus_id"].values.astype(str), repeatability.of_units(recording, listed, "value")
    return {
        "dataset": str(recording.attrs["recording"]),
        "units": len(units),
        "images": len(set(stems)),
        "presentations": len(set(chosen["trial"].values)),
        "fixations": len(stems),
        "median_reliability": repeatability.median(units["reliability"]),
        "models": {},
        "repeatability": repeatability.by_area(units),
    }
