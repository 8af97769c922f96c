"""Example data for the page: gaze and spikes of one recording, and thumbnails of its images."""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

from analysis.compare.read import RDMS
from analysis.core import paths
from analysis.core.areas import AREAS
from analysis.core.files import write_json
from analysis.core.images import GREY
from analysis.recordings import netcdf
from analysis.recordings.naming import rasters_of
from analysis.recordings.rasters import open_rasters
from analysis.recordings.read import find_recording, open_recording
from analysis.stimuli.read import read_images, read_table

FILE = "example.json"

IMAGES, PRESENTATIONS, UNITS = 6, 4, 48
"""Maximum numbers of images, presentations of each, and units that are shown."""

LEAD_MS = 100
"""Time shown before the first and after the last fixation."""

MOST_THUMBNAILS = 240
"""Maximum number of thumbnails; with more images, every k-th in order of category gets one."""

THUMBNAIL_PX = 72
JPEG_QUALITY = 80


class Pictures:
    """The images of the stage ``stimuli``, without their padding."""

    def __init__(self):
        self.category = read_table().set_index("stem")["category"]
        self._sizes = read_table().set_index("stem")[["width", "height"]]
        self._images = read_images()
        self._row = {stem: row for row, stem in enumerate(self.category.index)}

    def picture(self, stem: str) -> Image.Image | None:
        """Return an image, or None if it is not available."""
        if stem not in self._row:
            return None
        pixels = self._images[self._row[stem]].transpose(1, 2, 0)
        size = self._sizes.loc[stem].to_numpy(float)
        width, height = np.maximum(np.rint(pixels.shape[0] * size / size.max()), 1).astype(int)
        left, top = (pixels.shape[1] - width) // 2, (pixels.shape[0] - height) // 2
        return Image.fromarray(np.ascontiguousarray(pixels[top : top + height, left : left + width]))

    def jpeg(self, stem: str, most_px: int | None = None) -> str | None:
        """Return an image as a base64 JPEG with sides of at most `most_px`, or None if it is not available."""
        if (picture := self.picture(stem)) is None:
            return None
        if most_px is not None:
            picture.thumbnail((most_px, most_px), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
        return base64.b64encode(buffer.getvalue()).decode()


def write(rdms: Path | None) -> None:
    """Write ``results/example.json``.

    It holds ``recording`` (its ``name`` and what `describe_recording` returns; None if its rasters are not available,
    in which case ``missing`` names the file) and ``thumbnails`` (for each image stem, a base64 JPEG, or None if the
    image is not available). ``screen_grey`` is the grey level of the screen around an image, 0 to 255.

    Parameters
    ----------
    rdms : Path or None
        An ``rdms.nc`` of the stage ``compare``, whose recording and images are shown. None if no model was compared, in
        which case nothing is shown.

    Raises
    ------
    DataError
        If the RDMs or the recording are missing, or the rasters are damaged.
    """
    example = {"recording": None, "missing": None, "thumbnails": {}, "screen_grey": GREY}
    if rdms is not None:
        compared, pictures = _read_rdms(rdms), Pictures()
        stems = _spread_over_categories(compared["stem"].values.astype(str), compared["category"].values.astype(str))
        example["thumbnails"] = {stem: pictures.jpeg(stem, THUMBNAIL_PX) for stem in stems}
        name = compared.attrs["recording"]
        recording, rasters = _open(name)
        if rasters.is_file():
            example["recording"] = {"name": name, **describe_recording(recording, rasters, pictures)}
        else:
            example["missing"] = str(rasters)
    write_json(paths.RESULTS / FILE, example)


def check_rasters(rdms: Path) -> None:
    """Raise `DataError` if the rasters of the recording that an ``rdms.nc`` shows are there, but damaged."""
    _, rasters = _open(_read_rdms(rdms).attrs["recording"])
    if rasters.is_file():
        with open_rasters(rasters):
            pass


def describe_recording(recording: xr.Dataset, rasters: Path, pictures: Pictures) -> dict:
    """Return gaze and spikes of a recording under the corrected protocol, as JSON values.

    Parameters
    ----------
    recording : Dataset
        As written by the stage ``recordings``, with only stable units.
    rasters : Path
        NWB file with its spikes.
    pictures : Pictures

    Returns
    -------
    dict
        ``size_dva`` (width, height), ``units`` (name and area, in order of area) and ``images``: for each its
        ``stem``, ``category``, ``jpeg`` (base64 or None) and ``presentations`` with ``fixations`` (x and y in dva,
        onset and offset in ms, whether selected), ``window`` (ms) and ``spikes`` (ms, for each unit). Times are
        relative to the first fixation of the presentation.
    """
    attrs, regions = recording.attrs, recording["region"].values.astype(str)
    units = sorted(range(len(regions)), key=lambda unit: AREAS.index(regions[unit]))[:UNITS]
    names = recording["unit"].values.astype(str)[units]
    size = [
        attrs[f"image_{side}_px"] / attrs[f"pixels_per_degree_{a}"] for side, a in (("width", "x"), ("height", "y"))
    ]
    columns = ("trial", "onset_ms", "offset_ms", "x_dva", "y_dva", "selected", "stimulus_id")
    fixations = pd.DataFrame({name: recording[name].values for name in columns}).astype({"stimulus_id": str})
    spikes = _spike_times(rasters, names)
    return {
        "size_dva": [round(float(side), 3) for side in size],
        "units": [{"name": str(name), "area": regions[unit]} for name, unit in zip(names, units, strict=True)],
        "images": [
            {
                "stem": stem,
                "category": pictures.category.get(stem, "none"),
                "jpeg": pictures.jpeg(stem),
                "presentations": [
                    _describe_presentation(rows, spikes)
                    for rows in _longest_presentations(fixations[fixations.stimulus_id == stem])
                ],
            }
            for stem in _most_fixated(fixations, pictures.category)
        ],
    }


def _spread_over_categories(stems: np.ndarray, category: np.ndarray) -> list[str]:
    """Return at most `MOST_THUMBNAILS` of the images, evenly spread over the categories."""
    ordered = stems[np.argsort(category, kind="stable")]
    return ordered[:: -(-len(ordered) // MOST_THUMBNAILS)].tolist()


def _most_fixated(fixations: pd.DataFrame, category: pd.Series) -> list[str]:
    """Return the most fixated images, taken from each category in turn, so that the few images shown vary."""
    counts = fixations.groupby("stimulus_id").size().sort_values(ascending=False, kind="stable")
    table = pd.DataFrame({"n": counts, "category": [category.get(stem, "none") for stem in counts.index]})
    table["turn"] = table.groupby("category").cumcount()
    # Images without a category come last: the reader sees a face or an object first.
    table["uncategorised"] = table["category"] == "none"
    ascending = [True, True, False]
    return table.sort_values(["turn", "uncategorised", "n"], ascending=ascending, kind="stable").index[:IMAGES].tolist()


def _longest_presentations(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the presentations with the most fixations, in chronological order."""
    trials = rows.groupby("trial").size().sort_values(ascending=False, kind="stable").index[:PRESENTATIONS]
    return [rows[rows.trial == trial].sort_values("onset_ms") for trial in sorted(trials)]


def _describe_presentation(rows: pd.DataFrame, spikes: list[np.ndarray]) -> dict:
    start = float(rows.onset_ms.iloc[0])
    fixations = [
        [round(float(x), 2), round(float(y), 2), round(onset - start), round(offset - start), bool(selected)]
        for x, y, onset, offset, selected in rows[["x_dva", "y_dva", "onset_ms", "offset_ms", "selected"]].itertuples(
            index=False
        )
    ]
    low, high = -LEAD_MS, fixations[-1][3] + LEAD_MS
    shown = [times[np.searchsorted(times, start + low) : np.searchsorted(times, start + high)] for times in spikes]
    return {
        "window": [low, high],
        "fixations": fixations,
        "spikes": [np.rint(times - start).astype(int).tolist() for times in shown],
    }


def _read_rdms(path: Path) -> xr.Dataset:
    return netcdf.read(path, f"run the stage compare for {path.parent.name}", RDMS, {"recording": str})


def _open(name: str) -> tuple[xr.Dataset, Path]:
    """Return a recording under the corrected protocol, and the path of its rasters."""
    recording = open_recording(find_recording(name, "corrected"), stable_only=True)
    return recording, rasters_of(recording.attrs["session"])


def _spike_times(path: Path, units: np.ndarray) -> list[np.ndarray]:
    """Return the spike times of each unit in ms from the start of the recording."""
    with open_rasters(path) as rasters:
        names = [str(name) for name in rasters.names]
        return [rasters.spikes(names.index(unit)).bins for unit in units]
