"""Build the table of responses of one recording: fixations x units, with coordinates for both."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.params.protocol import Protocol
from analysis.recordings import face_selectivity, rates, repeatability
from analysis.recordings.annotations import RecordingTables
from analysis.recordings.fixation_table import Fixations, build_fixation_table, count_assignments
from analysis.recordings.main_file import Session, read_session
from analysis.recordings.naming import Files
from analysis.recordings.rasters import Rasters, open_rasters
from analysis.recordings.rois import Rois, categorise

SHORTER_S = 60
LONGER_S = 3600
"""Rasters that end a minute before the last image or an hour after the last trial belong to another recording."""


@dataclass(frozen=True)
class Processing:
    """How to process a recording: the protocol, the response window, and the permutations of the repeatability test.

    With 0 permutations every p is 1.
    """

    protocol: Protocol
    window_ms: int = 200
    permutations: int = 10_000
    seed: int = 0


@dataclass
class Measured:
    """Measurements from one pass over the rasters."""

    rate: np.ndarray  # (n_fixations, n_units) spikes/s
    count: np.ndarray | None  # (n_fixations, n_units) spikes in the whole fixation, if the protocol uses counts
    zeroth: np.ndarray  # (n_zeroth,) indices of the selected zeroth fixations
    zeroth_rate: np.ndarray  # (n_zeroth, n_units) spikes/s in the window of the face-selectivity index
    stable: np.ndarray  # (n_units,) bool
    overall: np.ndarray  # (n_units,) spikes/s over the recording


def build_recording(files: Files, tables: RecordingTables, rois: Rois | None, processing: Processing) -> xr.Dataset:
    """Build the table of responses of one recording.

    Parameters
    ----------
    files : Files
        Main file and rasters.
    tables : RecordingTables
        Areas, latencies and receptive fields of the recording.
    rois : Rois or None
        Regions of the images; without them the face-selectivity index is NaN.
    processing : Processing

    Returns
    -------
    xarray.Dataset
        ``rate`` (fixation, unit) in spikes/s, with coordinates. If the protocol's response is the count, ``rate`` is
        over the whole fixation, and ``count`` (fixation, unit) and ``image_count`` (image, unit) hold the spike counts.

    Raises
    ------
    DataError
        If a file is damaged or the two do not belong together.
    """
    protocol, window_ms = processing.protocol, processing.window_ms
    session = read_session(files.main)
    with open_rasters(files.rasters) as rasters:
        _check_match(session, rasters)
        kept = build_fixation_table(session, protocol, tables.tracker_latency_ms, rasters.n_bins)
        areas = rates.regions(tables, rasters.names, protocol.region)
        latency = rates.latencies(tables, rasters.names, areas, protocol.latency)
        measured = _measure(rasters, kept, latency, protocol, window_ms)
        names, n_bins = rasters.names, rasters.n_bins
    stimulus = session.images[session.presentation_image[kept.presentation]]
    rf = np.array([tables.rf.get(str(name), (np.nan,) * 3) for name in names], float).reshape(-1, 3)
    out = xr.Dataset({"rate": (("fixation", "unit"), measured.rate, {"units": "spikes/s"})})
    out = out.assign_coords(_fixation_coords(session, kept, stimulus))
    out = out.assign_coords(_unit_coords(files, names, areas, latency, rf, measured))
    seed = seed_of(processing.seed, "repeatability", files.name)
    pairs = _repeatability_coords(measured, kept, stimulus, out["trial"].values, processing.permutations, seed)
    out = out.assign_coords(pairs)
    out = out.assign_coords(_face_coords(measured, kept, stimulus, session, rois, rf))
    if measured.count is not None:
        out["count"] = (("fixation", "unit"), measured.count, {"units": "spikes in the whole fixation"})
        images, counts = _image_counts(stimulus, kept, measured.count)
        out["image_count"] = (("image", "unit"), counts, {"units": "spikes in all fixations of the image"})
        out = out.assign_coords(image=("image", images))
    out.attrs = _attrs(files, session, protocol, kept, n_bins, window_ms)
    return out


def _check_match(session: Session, rasters: Rasters) -> None:
    """Check that the two files belong to the same recording."""
    if session.start_time != rasters.start_time:
        raise DataError(
            f"{rasters.path} starts at {rasters.start_time} but {session.path.name} at {session.start_time}:"
            " the two files belong to different recordings"
        )
    seconds = rasters.n_bins / 1e3
    last_image = session.presentation_stop.max(initial=0)
    last_trial = session.trial_stop.max(initial=0)
    if seconds < last_image - SHORTER_S or seconds > max(last_image, last_trial) + LONGER_S:
        raise DataError(
            f"{rasters.path}: rasters of {seconds:.0f} s are inconsistent with trials that end at {last_trial:.0f} s;"
            " the two files belong to different recordings"
        )


def _measure(rasters: Rasters, kept: Fixations, latency: np.ndarray, protocol: Protocol, window_ms: int) -> Measured:
    """Measure rates, counts and stability in one pass over the columns of the rasters."""
    n, n_units, n_bins = len(kept.row), rasters.n_units, rasters.n_bins
    # Zeroth fixations are known only if the protocol matches fixations to the presentation times of the images.
    zeroth = (
        np.flatnonzero((kept.ordinal == 0) & kept.selected) if protocol.fixations == "selected" else np.zeros(0, int)
    )
    out = Measured(
        rate=np.empty((n, n_units), np.float32),
        count=np.empty((n, n_units), np.int32) if protocol.response == "count" else None,
        zeroth=zeroth,
        zeroth_rate=np.empty((len(zeroth), n_units)),
        stable=np.zeros(n_units, bool),
        overall=np.zeros(n_units),
    )
    duration_s = kept.stop_s - kept.start_s
    for unit in range(n_units):
        spikes = rasters.spikes(unit)
        out.stable[unit] = rates.is_stable(spikes, n_bins, protocol.stability)
        out.overall[unit] = spikes.total / n_bins * 1e3 if n_bins else np.nan
        out.zeroth_rate[:, unit] = rates.window_rates(
            spikes, kept.onset_us[zeroth], latency[unit], face_selectivity.FACE_WINDOW_MS, n_bins
        )
        if out.count is None:
            out.rate[:, unit] = rates.window_rates(spikes, kept.onset_us, latency[unit], window_ms, n_bins)
        else:
            out.count[:, unit] = count = rates.whole_fixation_counts(spikes, kept)
            out.rate[:, unit] = np.divide(count, duration_s, out=np.full(n, np.nan), where=duration_s > 0)
    return out


def _fixation_coords(session: Session, kept: Fixations, stimulus: np.ndarray) -> dict:
    on = "fixation"
    return {
        "row": (on, kept.row.astype(np.int32), {"long_name": "row in the file's fixation table"}),
        "trial": (on, session.fixation_trial[kept.row].astype(np.int32)),
        "ordinal": (on, kept.ordinal.astype(np.int16), {"long_name": "ordinal in the trial; 0 = under way at onset"}),
        "onset_ms": (on, kept.onset_us / 1e3, {"units": "ms"}),
        "offset_ms": (on, kept.offset_us / 1e3, {"units": "ms"}),
        "x_dva": (on, kept.xy[:, 0], {"units": "dva", "long_name": "gaze right of the image centre"}),
        "y_dva": (on, kept.xy[:, 1], {"units": "dva", "long_name": "gaze above the image centre"}),
        "stimulus_id": (on, stimulus),
        "selected": (on, kept.selected),
    }


def _unit_coords(files: Files, names, areas, latency, rf: np.ndarray, measured: Measured) -> dict:
    on = "unit"
    return {
        "unit": (on, names),
        "neuroid_id": (on, np.array([f"{files.name}-{name}" for name in names], str)),
        "subject": (on, np.full(len(names), files.subject)),
        "region": (on, np.array(areas, str)),
        "stable": (on, measured.stable),
        "latency_ms": (on, latency, {"units": "ms"}),
        "overall_rate": (on, measured.overall, {"units": "spikes/s", "long_name": "mean over the whole recording"}),
        "rf_x_dva": (on, rf[:, 0], {"units": "dva", "long_name": "field right of the gaze"}),
        "rf_y_dva": (on, rf[:, 1], {"units": "dva", "long_name": "field above the gaze"}),
        "rf_r_dva": (on, rf[:, 2], {"units": "dva", "long_name": "radius of the field"}),
    }


def _repeatability_coords(
    measured: Measured, kept: Fixations, stimulus: np.ndarray, trial: np.ndarray, permutations: int, seed: int
) -> dict:
    """Return each unit's self-consistency over all pairs (as published) and over pairs across trials (the ceiling)."""
    on = "unit"
    rows = np.flatnonzero(kept.selected & np.isfinite(measured.rate).all(axis=1))
    rate = measured.rate[rows]
    pairs = repeatability.return_pairs(stimulus[rows], kept.xy[rows])
    across = repeatability.across_trials(pairs, trial[rows])
    rsc = repeatability.self_consistency(rate, pairs)
    p = repeatability.permutation_p(rate, pairs, permutations, seed)
    return {
        "rsc": (on, rsc, {"long_name": "return-fixation self-consistency, all pairs", "pairs": len(pairs)}),
        "rsc_p": (on, p, {"long_name": "p of rsc against random re-pairings", "permutations": permutations}),
        "rsc_across_trials": (
            on,
            repeatability.self_consistency(rate, across),
            {"long_name": "return-fixation self-consistency, pairs of different trials", "pairs": len(across)},
        ),
        "visually_selective": (on, face_selectivity.visually_selective(rsc, p)),
    }


def _face_coords(
    measured: Measured, kept: Fixations, stimulus: np.ndarray, session: Session, rois: Rois | None, rf: np.ndarray
) -> dict:
    """Return the face-selectivity index of each unit, and the numbers of zeroth fixations that it is based on."""
    on, rows = "unit", measured.zeroth
    face = non_face = np.zeros((len(rows), len(rf)), bool)
    if rois is not None:
        face, non_face = categorise(
            rois, session.images, stimulus[rows], kept.xy[rows], rf, session.image_size_px, session.pixels_per_degree
        )
    index = face_selectivity.face_selectivity_index(measured.zeroth_rate, face, non_face)
    return {
        "fsi": (on, index, {"long_name": "face-selectivity index, zeroth fixations"}),
        "n_face": (on, face.sum(axis=0), {"long_name": "zeroth fixations with the field on a face"}),
        "n_non_face": (on, non_face.sum(axis=0), {"long_name": "zeroth fixations with the field on no region"}),
    }


def _image_counts(stimulus: np.ndarray, kept: Fixations, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return stems and summed counts (n_images, n_units) of the images with a fixation of at least 1 ms."""
    counted = np.trunc(kept.stop_s * 1000) > np.trunc(kept.start_s * 1000)
    images, index = np.unique(stimulus[counted], return_inverse=True)
    sums = np.zeros((len(images), count.shape[1]), np.int64)
    np.add.at(sums, index, count[counted])
    return images, sums


def _attrs(files: Files, session: Session, protocol: Protocol, kept: Fixations, n_bins: int, window_ms: int) -> dict:
    right, wrong, none = count_assignments(session, protocol.join)
    return {
        "recording": files.name,
        "subject": files.subject,
        "session": files.main.name.removesuffix("_image.nwb"),
        **{field: getattr(protocol, field) for field in ("join", "fixations", "response", "latency", "stability")},
        "region_rule": protocol.region,
        "window_ms": np.int64(window_ms),
        "duration_ms": np.int64(n_bins),
        "image_width_px": float(session.image_size_px[0]),
        "image_height_px": float(session.image_size_px[1]),
        "pixels_per_degree_x": float(session.pixels_per_degree[0]),
        "pixels_per_degree_y": float(session.pixels_per_degree[1]),
        "n_presentations": np.int64(len(session.presentation_trial)),
        "n_images": np.int64(len(session.images)),
        "presentations_right": np.int64(right),
        "presentations_wrong": np.int64(wrong),
        "presentations_none": np.int64(none),
        **{f"fixations_{step}": np.int64(count) for step, count in kept.counts.items()},
    }
