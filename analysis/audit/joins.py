"""Which image each fixation is said to have received, under the report's join and under the right one."""

import pandas as pd

from analysis.recordings.fixation_table import JOINS, NONE, count_assignments
from analysis.recordings.main_file import Session

COLUMNS = [
    *["recording", "join", "presentations", "right", "wrong", "none"],
    *["fixations_labelled", "fixations_right", "fixations_no_image"],
]


def errors(session: Session, recording: str) -> list[dict]:
    """Count right, wrong and missing images under each join.

    Parameters
    ----------
    session : Session
        Main file of the recording.
    recording : str

    Returns
    -------
    list of dict
        One per join: recording, join, presentations, right, wrong, none (of presentations); fixations_labelled,
        fixations_right (labelled with the image that was on the screen during the fixation), fixations_no_image
        (labelled, but no image was on the screen).
    """
    if not len(session.presentation_trial):
        return []
    shown = JOINS["trial_id"](session, session.fixation_trial)
    image = session.presentation_image
    on = (session.fixation_stop > session.presentation_start[shown]) & (
        session.fixation_start <= session.presentation_stop[shown]
    )
    on &= shown != NONE
    rows = []
    for name, join in JOINS.items():
        found = join(session, session.fixation_trial)
        labelled = found != NONE
        seen = labelled & on
        right, wrong, none = count_assignments(session, name)
        rows.append(
            {
                "recording": recording,
                "join": name,
                "presentations": len(session.presentation_trial),
                "right": right,
                "wrong": wrong,
                "none": none,
                "fixations_labelled": int(labelled.sum()),
                "fixations_right": int((image[found[seen]] == image[shown[seen]]).sum()),
                "fixations_no_image": int((labelled & ~on).sum()),
            }
        )
    return rows


def summary(table: pd.DataFrame) -> dict:
    """Return, for each join, the shares of right presentations and fixations over all recordings."""
    out = {}
    for name, rows in table.groupby("join", sort=True):
        labelled = max(int(rows["fixations_labelled"].sum()), 1)
        share = rows["right"] / rows["presentations"]
        out[str(name)] = {
            "presentations": int(rows["presentations"].sum()),
            **{what: int(rows[what].sum()) for what in ("right", "wrong", "none")},
            "fixations_labelled": int(rows["fixations_labelled"].sum()),
            "fixations_right_share": float(rows["fixations_right"].sum() / labelled),
            "fixations_no_image_share": float(rows["fixations_no_image"].sum() / labelled),
            "recordings_right_share": [float(share.min()), float(share.max())],
        }
    return out
