"""The trial join: how often each rule assigns a fixation to the image that was on the screen.

Fixations are joined to presentations by trial. The report used the trial number of a fixation as the row of a
presentation, which fails after the first trial without a presentation; the corrected join compares ``trial_id``.
"""

import pandas as pd

from analysis.recordings.fixation_table import JOINS, NONE, count_assignments
from analysis.recordings.main_file import Session

COLUMNS = [
    *["recording", "join", "presentations", "right", "wrong", "none"],
    *["fixations_labelled", "fixations_right", "fixations_no_image"],
]


def count_errors(session: Session, recording: str) -> list[dict]:
    """Count right, wrong and missing images under each trial join.

    Parameters
    ----------
    session : Session
        Main file of the recording.
    recording : str

    Returns
    -------
    list of dict
        One per join (`COLUMNS`): recording, join, presentations, of which right, wrong and none;
        fixations_labelled, of which fixations_right (labelled with the image that was on the screen during the
        fixation) and fixations_no_image (no image was on the screen).
    """
    if not len(session.presentation_trial):
        return []
    shown = JOINS["trial_id"](session, session.fixation_trial)
    image = session.presentation_image
    on_screen = (session.fixation_stop > session.presentation_start[shown]) & (
        session.fixation_start <= session.presentation_stop[shown]
    )
    on_screen &= shown != NONE
    rows = []
    for name, join in JOINS.items():
        joined = join(session, session.fixation_trial)
        labelled = joined != NONE
        during_image = labelled & on_screen
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
                "fixations_right": int((image[joined[during_image]] == image[shown[during_image]]).sum()),
                "fixations_no_image": int((labelled & ~on_screen).sum()),
            }
        )
    return rows


def summarise(table: pd.DataFrame) -> dict:
    """Return the shares of correctly joined presentations and fixations over all recordings, for each join."""
    summary = {}
    for name, rows in table.groupby("join", sort=True):
        n_labelled = max(int(rows["fixations_labelled"].sum()), 1)
        share = rows["right"] / rows["presentations"]
        summary[str(name)] = {
            "presentations": int(rows["presentations"].sum()),
            **{column: int(rows[column].sum()) for column in ("right", "wrong", "none")},
            "fixations_labelled": int(rows["fixations_labelled"].sum()),
            "fixations_right_share": float(rows["fixations_right"].sum() / n_labelled),
            "fixations_no_image_share": float(rows["fixations_no_image"].sum() / n_labelled),
            "recordings_right_share": [float(share.min()), float(share.max())],
        }
    return summary
