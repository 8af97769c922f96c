"""What is said of recordings of free viewing beside what is said of every recorded data set."""

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.neural import repeatability
from analysis.params import Params
from analysis.recordings.read import all_recordings, selected
from analysis.summary.stage import list_missing

PROTOCOL = "corrected"


def describe(params: Params) -> dict:
    """Return the numbers of fixations and presentations, and how repeatable the units are over return fixations.

    Returns
    -------
    dict
        ``recordings``: their names; ``presentations`` and ``fixations``: selected fixations, and the presentations that
        have any; ``repeatability``: by area (`repeatability.by_area`), over all images that the recordings show;
        ``missing``: a phrase for each input that was not available.

    Raises
    ------
    DataError
        If a recording or the authors' list of selective units is missing or damaged.
    """
    names, presentations, fixations, units = [], 0, 0, []
    for recording in all_recordings(PROTOCOL, stable_only=True):
        names.append(str(recording.attrs["recording"]))
        trials = selected(recording)["trial"].values
        presentations, fixations = presentations + len(np.unique(trials)), fixations + len(trials)
        listed = repeatability.listed_units(paths.ANNOTATIONS, names[-1])
        units.append(repeatability.of_units(recording, listed))
    return {
        "recordings": names,
        "presentations": presentations,
        "fixations": fixations,
        "repeatability": repeatability.by_area(pd.concat(units)),
        "missing": list_missing(params),
    }
