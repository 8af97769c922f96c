"""What the page shows of the data themselves: thumbnails of images, and gaze and spikes of one recording."""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from analysis.core import paths
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.recordings.naming import STEM
from analysis.recordings.rasters import open_rasters
from analysis.recordings.read import open_recording
from analysis.stimuli.read import read_images, read_table

IMAGES, PRESENTATIONS, UNITS = 6, 4, 48
"""At most so many of the recording are shown."""

LEAD_MS = 100
"""Shown before the first and after the last fixation."""

THUMB, ACROSS = 72, 16
"""Side of a thumbnail in pixels, and thumbnails in a row of the sprite."""


class Pictures:
    """The images of the stage ``stimuli``, without their padding."""

    def __init__(self, folder: Path = paths.STIMULI):
        self.table = read_table(folder).set_index("stem")
        self._images = read_images(folder)
        self._row = {stem: row for row, stem in enumerate(self.table.index)}

    def of(self, stem: str) -> Image.Image | None:
        """Return an image, or None if it is not at hand."""
        if stem not in self._row:
            return None
        pixels = self._images[self._row[stem]].transpose(1, 2, 0)
        size = self.table.loc[stem, ["width", "height"]].to_numpy(float)
        width, height = np.maximum(np.rint(pixels.shape[0] * size / size.max()), 1).astype(int)
        left, top = (pixels.shape[1] - width) // 2, (pixels.shape[0] - height) // 2
        return Image.fromarray(np.ascontiguousarray(pixels[top : top + height, left : left + width]))


def jpeg(picture: Image.Image) -> str:
    """Return a picture as a data URI."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def sprite(stems: list[str], pictures: Pictures) -> str:
    """Return the thumbnails of `stems` in one picture, `ACROSS` in a row, as a data URI; grey where one is missing."""
    sheet = Image.new("RGB", (ACROSS * THUMB, -(-len(stems) // ACROSS) * THUMB), (200, 200, 200))
    for place, stem in enumerate(stems):
        if picture := pictures.of(stem):
            picture.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
            corner = ((THUMB - picture.width) // 2, (THUMB - picture.height) // 2)
            row, column = divmod(place, ACROSS)
            sheet.paste(picture, (column * THUMB + corner[0], row * THUMB + corner[1]))
    return jpeg(sheet)


def example(recording: str, pictures: Pictures) -> dict:
    """Return gaze and spikes of a recording under the corrected protocol, as JSON values.

    Parameters
    ----------
    recording : str
        Its name.
    pictures : Pictures

    Returns
    -------
    dict
        ``recording``, ``size_dva`` (width, height), ``units`` (name and area, by area) and ``images``: for each its
        ``presentations`` with ``fixations`` (x and y in dva, onset and offset in ms, selected), ``window`` (ms) and
        ``spikes`` (ms, for each unit). Times are from the first fixation of the presentation.

    Raises
    ------
    DataError
        If the recording or its rasters are not at hand.
    """
    dataset = open_recording(paths.RECORDINGS / "corrected" / f"{recording}.nc", stable_only=True)
    attrs = dataset.attrs
    order = sorted(range(dataset.sizes["unit"]), key=lambda k: AREAS.index(str(dataset["region"].values[k])))[:UNITS]
    size = [
        attrs[f"image_{side}_px"] / attrs[f"pixels_per_degree_{a}"] for side, a in (("width", "x"), ("height", "y"))
    ]
    columns = ("trial", "onset_ms", "offset_ms", "x_dva", "y_dva", "selected", "stimulus_id")
    fixations = pd.DataFrame({name: dataset[name].values for name in columns})
    fixations["stimulus_id"] = fixations["stimulus_id"].astype(str)
    shown = [
        {
            "stem": stem,
            "category": category_name(pictures.table["category"].get(stem, "none")),
            "picture": jpeg(picture) if (picture := pictures.of(stem)) else None,
            "presentations": [_gaze(rows) for _, rows in _longest(fixations[fixations.stimulus_id == stem])],
        }
        for stem in _varied(fixations, pictures.table["category"])
    ]
    _add_spikes(_rasters_of(attrs["session"]), dataset["unit"].values[order], shown)
    return {
        "recording": recording,
        "size_dva": [round(float(side), 3) for side in size],
        "units": [{"name": str(dataset["unit"].values[k]), "area": str(dataset["region"].values[k])} for k in order],
        "images": shown,
    }


def category_name(category: str) -> str:
    """Return a category as the paper writes it."""
    return "no category" if category == "none" else category.replace("_", " ")


def _varied(fixations: pd.DataFrame, category: pd.Series) -> list[str]:
    """Return the most fixated images: of each category in turn, so that the few that are shown differ."""
    counts = fixations.groupby("stimulus_id").size().sort_values(ascending=False, kind="stable")
    table = pd.DataFrame({"n": counts, "category": [category.get(stem, "none") for stem in counts.index]})
    table["turn"] = table.groupby("category").cumcount()
    return table.sort_values(["turn", "n"], ascending=[True, False], kind="stable").index[:IMAGES].tolist()


def _longest(rows: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    """Return the presentations with most fixations, in the order in which they were shown."""
    trials = rows.groupby("trial").size().sort_values(ascending=False, kind="stable").index[:PRESENTATIONS]
    return [(trial, rows[rows.trial == trial].sort_values("onset_ms")) for trial in sorted(trials)]


def _gaze(rows: pd.DataFrame) -> dict:
    start = float(rows.onset_ms.iloc[0])
    fixations = [
        [round(float(x), 2), round(float(y), 2), round(on - start), round(off - start), bool(used)]
        for x, y, on, off, used in rows[["x_dva", "y_dva", "onset_ms", "offset_ms", "selected"]].itertuples(index=False)
    ]
    return {"start": start, "window": [-LEAD_MS, fixations[-1][3] + LEAD_MS], "fixations": fixations}


def _rasters_of(session: str) -> Path:
    match = STEM.fullmatch(session)
    path = paths.DANDISET / f"sub-{match['subject']}" / f"{session}.nwb" if match else Path(session)
    if not path.is_file():
        raise DataError(f"{path} not found: run the stage acquire")
    return path


def _add_spikes(path: Path, units: np.ndarray, shown: list[dict]) -> None:
    """Put the spike times (ms from the first fixation) of each unit into each presentation of `shown`."""
    with open_rasters(path) as rasters:
        names = [str(name) for name in rasters.names]
        times = [rasters.spikes(names.index(str(unit))).bins for unit in units]
    for image in shown:
        for one in image["presentations"]:
            start = one.pop("start")
            low, high = (start + edge for edge in one["window"])
            inside = [at[np.searchsorted(at, low) : np.searchsorted(at, high)] for at in times]
            one["spikes"] = [np.rint(at - start).astype(int).tolist() for at in inside]
