"""Assign fixations to images, locate them, and select those used in the analyses.

Rules of Xiao et al. 2024, scripts 0a (on-image fixations) and 0c (selected fixations), and those of the report.
"""

from dataclasses import dataclass

import numpy as np

from analysis.params.protocol import Protocol
from analysis.recordings.main_file import Session

MIN_DURATION_US = 100_000
"""Minimum duration of a selected fixation (script 0c)."""
MARGIN_US = 500_000
"""Selected fixations stay this far from both ends of the rasters (script 0c)."""
NONE = -1


@dataclass(frozen=True)
class Fixations:
    """The fixations of a recording that a protocol keeps, in the order of the file."""

    row: np.ndarray  # (n,) row in the file's fixation table
    presentation: np.ndarray  # (n,) presentation to whose image the fixation is assigned
    start_s: np.ndarray  # (n,) s, on the clock of the rasters
    stop_s: np.ndarray  # (n,) s
    onset_us: np.ndarray  # (n,) whole microseconds
    offset_us: np.ndarray  # (n,) whole microseconds
    ordinal: np.ndarray  # (n,) in the trial; 0 = under way when the image appeared
    xy: np.ndarray  # (n, 2) dva from the image centre, y up
    selected: np.ndarray  # (n,) bool: enters the analyses
    counts: dict[str, int]
    """Fixations left after each step of the selection."""


def microseconds(seconds: np.ndarray) -> np.ndarray:
    """Return times as whole microseconds, so that comparisons with limits such as 100 ms are exact."""
    return np.rint(np.asarray(seconds) * 1e6).astype(np.int64)


def presentation_by_trial(session: Session, trial: np.ndarray) -> np.ndarray:
    """Return the presentation of each trial id, `NONE` if there is none."""
    order = np.argsort(session.presentation_trial, kind="stable")
    ids = session.presentation_trial[order]
    if not len(ids):
        return np.full(len(trial), NONE)
    place = np.minimum(np.searchsorted(ids, trial), len(ids) - 1)
    return np.where(ids[place] == trial, order[place], NONE)


def presentation_by_row(session: Session, trial: np.ndarray) -> np.ndarray:
    """Return the presentation whose row number is the trial id, as the report does; `NONE` beyond the last row.

    Wrong after the first aborted trial, since aborted trials have no presentation.
    """
    return np.where((trial >= 0) & (trial < len(session.presentation_trial)), trial, NONE)


JOINS = {"trial_id": presentation_by_trial, "row": presentation_by_row}


def build_fixation_table(session: Session, protocol: Protocol, tracker_latency_ms: float, n_bins: int) -> Fixations:
    """Return the fixations that a protocol keeps, according to its fields `join`, `fixations` and `latency`.

    If the protocol corrects latencies, the lag of the eye tracker is subtracted from the stored times. `n_bins` is the
    length of the rasters in ms.
    """
    lag_s = tracker_latency_ms / 1e3 if protocol.latency == "corrected" else 0.0
    start_s, stop_s = session.fixation_start - lag_s, session.fixation_stop - lag_s
    labelled = JOINS[protocol.join](session, session.fixation_trial)
    shown = presentation_by_trial(session, session.fixation_trial)
    start_us, stop_us = microseconds(start_s), microseconds(stop_s)
    on_image, zeroth, onset_us = _on_image(session, shown, start_us, stop_us)
    xy = session.fixation_xy
    if len(session.presentation_trial):
        xy = xy - session.presentation_position[labelled]
    good = (labelled != NONE) & on_image & _selected(onset_us, stop_us, xy, session.image_size_dva, n_bins)
    counts = {
        "in_file": len(start_s),
        "labelled": int((labelled != NONE).sum()),
        "on_image": int(((labelled != NONE) & on_image).sum()),
        "selected": int(good.sum()),
    }
    if protocol.fixations == "all":
        rows = np.flatnonzero(labelled != NONE)
        onset_us, selected = start_us, np.ones(len(start_us), bool)
        ordinal = session.fixation_order
    else:
        rows = np.flatnonzero((labelled != NONE) & on_image)
        selected = good
        start_s = np.where(zeroth, session.presentation_start[shown], start_s) if len(rows) else start_s
        ordinal = _ordinal(session.fixation_trial, onset_us, on_image, zeroth)
    return Fixations(
        row=rows,
        presentation=labelled[rows],
        start_s=start_s[rows],
        stop_s=stop_s[rows],
        onset_us=onset_us[rows],
        offset_us=stop_us[rows],
        ordinal=ordinal[rows],
        xy=xy[rows],
        selected=selected[rows],
        counts=counts,
    )


def _on_image(session: Session, shown: np.ndarray, start_us: np.ndarray, stop_us: np.ndarray):
    """Return which fixations overlap their trial's presentation, which of them began before it, and clipped onsets."""
    there = shown != NONE
    if not there.any():
        return there, np.zeros(len(there), bool), start_us
    on_us = microseconds(session.presentation_start)[shown]
    off_us = microseconds(session.presentation_stop)[shown]
    on_image = there & (stop_us > on_us) & (start_us <= off_us)
    zeroth = on_image & (start_us <= on_us)
    return on_image, zeroth, np.where(zeroth, on_us, start_us)


def _selected(onset_us, offset_us, xy, image_size_dva, n_bins) -> np.ndarray:
    """Return which fixations are long enough, inside the rasters and strictly inside the image (script 0c)."""
    return (
        (offset_us - onset_us >= MIN_DURATION_US)
        & (onset_us >= MARGIN_US)
        & (offset_us <= n_bins * 1000 - MARGIN_US)
        & (np.abs(xy) < image_size_dva / 2).all(axis=1)
    )


def _ordinal(trial: np.ndarray, onset_us: np.ndarray, on_image: np.ndarray, zeroth: np.ndarray) -> np.ndarray:
    """Return the ordinals of each trial's on-image fixations in time, from 0 if it has a zeroth one, else from 1."""
    ordinal = np.full(len(trial), NONE, np.int64)
    rows = np.flatnonzero(on_image)
    # If another fixation starts at the same time as the zeroth (at image onset), the zeroth comes first.
    order = rows[np.lexsort((~zeroth[rows], onset_us[rows], trial[rows]))]
    first = np.r_[True, trial[order][1:] != trial[order][:-1]] if len(order) else np.zeros(0, bool)
    group = np.cumsum(first) - 1
    place = np.arange(len(order)) - np.flatnonzero(first)[group]
    has_zeroth = np.isin(trial[order], trial[zeroth])
    ordinal[order] = place + np.where(has_zeroth, 0, 1)
    return ordinal


def count_assignments(session: Session, join: str) -> tuple[int, int, int]:
    """Count the presentations to which a join assigns the right image, a wrong image, and none.

    Each presentation is looked up by its trial, as its fixations are.
    """
    found = JOINS[join](session, session.presentation_trial)
    none = found == NONE
    if none.all():
        return 0, 0, int(none.sum())
    right = ~none & (session.presentation_image[found] == session.presentation_image)
    return int(right.sum()), int((~right & ~none).sum()), int(none.sum())
