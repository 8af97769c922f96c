"""The main NWB file of a recording: trials, presentations, images and fixations, validated on reading."""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from analysis.core.errors import DataError
from analysis.core.files import hdf5

TEMPLATES = "stimulus/templates/stimuli"
PIXELS_PER_DEGREE = re.compile(r"\[\s*([\d.]+)\s*,\s*([\d.]+)\s*\]\s*pix per degree")
MAX_SECONDS = 24 * 3600
"""Times beyond a day count as damage: the longest published recording lasts some hours."""


@dataclass(frozen=True)
class Session:
    """Trials, presentations and fixations as stored, in file order; times in seconds on one clock."""

    path: Path
    trial_id: np.ndarray  # (n_trials,) int64
    trial_stop: np.ndarray  # (n_trials,) s
    presentation_trial: np.ndarray  # (n_presentations,) int64: value of trial_id
    presentation_start: np.ndarray  # (n_presentations,) s
    presentation_stop: np.ndarray  # (n_presentations,) s
    presentation_position: np.ndarray  # (n_presentations, 2) dva, image centre on the screen
    presentation_image: np.ndarray  # (n_presentations,) int64: index into images
    images: np.ndarray  # (n_images,) str: stems of the image files
    image_paths: np.ndarray  # (n_images,) str: paths as stored
    image_size_px: np.ndarray  # (2,) width and height on the screen
    pixels_per_degree: np.ndarray  # (2,) by axis
    fixation_trial: np.ndarray  # (n_fixations,) int64: value of trial_id
    fixation_start: np.ndarray  # (n_fixations,) s, eye-tracker time
    fixation_stop: np.ndarray  # (n_fixations,) s, eye-tracker time
    fixation_xy: np.ndarray  # (n_fixations, 2) dva from the screen centre, y up
    fixation_order: np.ndarray  # (n_fixations,) ordinal in the trial as stored
    start_time: str
    """Start time of the session as stored, to check that two files belong together."""

    @property
    def image_size_dva(self) -> np.ndarray:
        """Width and height of the images in dva, rounded to 0.1 as in Xiao et al. 2024, script 0a."""
        return np.round(self.image_size_px / self.pixels_per_degree, 1)


def reading(path: Path) -> AbstractContextManager[None]:
    """Turn any HDF5 error into one line that names the file (`hdf5.reading`)."""
    return hdf5.reading(path, "NWB", "fetch it again")


def open_nwb(path: Path) -> AbstractContextManager[h5py.File]:
    """Open an NWB file for reading. Raises `DataError` if it is missing or cannot be read (`hdf5.opened`)."""
    return hdf5.opened(path, "NWB", "fetch it again")


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset of an open file. Raises `DataError` if it is missing."""
    item = file.get(name)
    if item is None and isinstance(link := file.get(name, getlink=True), h5py.ExternalLink):
        raise DataError(f"{file.filename}: {name} lies in {link.filename}, which is not there: bring that file too")
    if not isinstance(item, h5py.Dataset):
        raise DataError(f"{file.filename}: no {name}; the file is not in the published layout")
    return item


def texts(file: h5py.File, name: str) -> np.ndarray:
    """Return a dataset of strings, shape (n,) str."""
    values = np.atleast_1d(dataset(file, name)[()])
    if values.ndim != 1 or values.dtype.kind not in "OSU":
        raise DataError(f"{file.filename}: {name} does not hold text")
    try:
        return np.array([value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values], str)
    except UnicodeDecodeError as error:
        raise DataError(f"{file.filename}: {name} holds text that is not UTF-8") from error


def text(file: h5py.File, name: str) -> str:
    """Return the string of a dataset that holds one."""
    values = texts(file, name)
    if len(values) != 1:
        raise DataError(f"{file.filename}: {name} holds {len(values)} texts instead of one")
    return str(values[0])


def read_session(path: Path) -> Session:
    """Read the main file of a recording.

    Raises `DataError` if the file is damaged, lacks a table, or holds impossible values: times that are not finite or
    run backwards, two presentations in one trial, a presentation without a trial or an image.
    """
    with open_nwb(path) as file, reading(path):
        trials = _columns(file, "intervals/trials", id="integer", stop_time="time")
        shown = _columns(
            file, "intervals/presentations", trial_id="integer", start_time="time", stop_time="time", position="pair"
        )
        fixations = _columns(
            file,
            "processing/behavior/fixations",
            trial_id="integer",
            ord_in_trial="integer",
            start_time="time",
            stop_time="time",
            x="number",
            y="number",
        )
        index = _column(file, "stimulus/presentation/presentations/data", "integer")
        paths = texts(file, f"{TEMPLATES}/external_file")
        size = _column(file, f"{TEMPLATES}/dimension", "number")
        session = Session(
            path=Path(path),
            trial_id=trials["id"],
            trial_stop=trials["stop_time"],
            presentation_trial=shown["trial_id"],
            presentation_start=shown["start_time"],
            presentation_stop=shown["stop_time"],
            presentation_position=shown["position"],
            presentation_image=index,
            images=np.array([_stem(name) for name in paths], str),
            image_paths=paths,
            image_size_px=size,
            pixels_per_degree=_pixels_per_degree(file),
            fixation_trial=fixations["trial_id"],
            fixation_start=fixations["start_time"],
            fixation_stop=fixations["stop_time"],
            fixation_xy=np.column_stack([fixations["x"], fixations["y"]]),
            fixation_order=fixations["ord_in_trial"],
            start_time=text(file, "session_start_time"),
        )
    _check(session)
    return session


def _columns(file: h5py.File, table: str, **kinds: str) -> dict[str, np.ndarray]:
    """Read columns of a table and check that they have equal lengths."""
    if not isinstance(file.get(table), h5py.Group):
        raise DataError(f"{file.filename}: no table {table}; fetch the file again or leave this recording out")
    columns = {name: _column(file, f"{table}/{name}", kind) for name, kind in kinds.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{file.filename}: columns of {table} differ in length: {lengths}")
    return columns


def _column(file: h5py.File, name: str, kind: str) -> np.ndarray:
    """Read one column: integer (n,), time (n,) finite, number (n,), or pair (n, 2) finite."""
    data = dataset(file, name)
    shape_fits = data.ndim == 2 and data.shape[1] == 2 if kind == "pair" else data.ndim == 1
    if data.dtype.kind not in "iuf" or not shape_fits:
        raise DataError(f"{file.filename}: {name} has shape {data.shape}, type {data.dtype}: not a column of numbers")
    values = data[()]
    if kind == "integer":
        whole = np.rint(values.astype(np.float64))
        if not np.array_equal(whole, values) or (np.abs(whole) > 2**53).any():
            raise DataError(f"{file.filename}: {name} holds values that are not whole numbers")
        return values.astype(np.int64)
    values = values.astype(np.float64)
    if kind == "time" and not (np.abs(values) <= MAX_SECONDS).all():
        raise DataError(f"{file.filename}: {name} holds times that are not numbers or beyond {MAX_SECONDS} s")
    if kind == "pair" and not np.isfinite(values).all():
        raise DataError(f"{file.filename}: {name} holds positions that are not numbers")
    return values


def _pixels_per_degree(file: h5py.File) -> np.ndarray:
    """Return pixels per degree in x and y from the description of the stimuli."""
    described = text(file, "general/stimulus")
    match = PIXELS_PER_DEGREE.search(described)
    try:
        values = np.array([float(value) for value in match.groups()])
    except (AttributeError, ValueError):
        values = np.zeros(2)
    if not (values > 0).all():
        raise DataError(f"{file.filename}: general/stimulus does not give the pixels per degree: {described[:80]!r}")
    return values


def _stem(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).stem


def _check(session: Session) -> None:
    """Raise `DataError` on impossible values, so that no table is silently wrong."""
    path = session.path
    if session.image_size_px.shape != (2,) or not (session.image_size_px > 0).all():
        raise DataError(f"{path}: stimulus/templates/stimuli/dimension is not a width and a height")
    if len(session.presentation_image) != len(session.presentation_trial):
        raise DataError(
            f"{path}: {len(session.presentation_trial)} presentations,"
            f" but {len(session.presentation_image)} images shown"
        )
    for what, values in (("intervals/trials", session.trial_id), ("presentations", session.presentation_trial)):
        unique, counts = np.unique(values, return_counts=True)
        if (counts > 1).any():
            raise DataError(f"{path}: trial id {unique[counts > 1][0]} occurs more than once in {what}")
    unknown = np.setdiff1d(session.presentation_trial, session.trial_id)
    if len(unknown):
        raise DataError(f"{path}: a presentation points to trial {unknown[0]}, which intervals/trials does not have")
    if len(session.presentation_image) and not (
        session.presentation_image.min() >= 0 and session.presentation_image.max() < len(session.images)
    ):
        raise DataError(f"{path}: a presentation shows an image index outside the {len(session.images)} images listed")
    stems, counts = np.unique(session.images, return_counts=True)
    if (counts > 1).any() or (stems == "").any():
        raise DataError(f"{path}: image {str(stems[(counts > 1) | (stems == '')][0])!r} is listed twice or has no name")
    if (session.presentation_stop < session.presentation_start).any():
        raise DataError(f"{path}: a presentation ends before it starts")
    if (session.fixation_stop < session.fixation_start).any():
        row = int(np.flatnonzero(session.fixation_stop < session.fixation_start)[0])
        raise DataError(f"{path}: fixation in row {row} ends before it starts")
