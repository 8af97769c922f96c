"""What is said of recordings of free viewing beside what is said of every recorded data set."""

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.neural import repeatability
from analysis.params import Params
from analysis.recordings.read import all_recordings, selected
from analysis.stimuli.read import read_table
from analysis.summary.stage import TRAINING, list_missing

PROTOCOL = "corrected"


def describe(params: Params) -> dict:
    """Return the numbers of fixations and presentations, and how repeatable the units are over return fixations.

    Returns
    -------
    dict
        ``recordings``: their names; ``images``: the number that they show, at hand or not; ``fixations``: of selected
        ones; ``presentations``: of those that have any; ``repeatability``: by area (`repeatability.by_area`), over all
        images shown; ``missing``: a phrase for each input that was not available.

    Raises
    ------
    DataError
        If a recording or the authors' list of selective units is missing or damaged.
    """
    names, images, presentations, fixations, units = [], set(), 0, 0, []
    for recording in all_recordings(PROTOCOL, stable_only=True):
        names.append(str(recording.attrs["recording"]))
        shown = selected(recording)
        images, trials = images | set(shown["stimulus_id"].values.astype(str)), shown["trial"].values
        presentations, fixations = presentations + len(np.unique(trials)), fixations + len(trials)
        listed = repeatability.listed_units(paths.ANNOTATIONS, names[-1])
        units.append(repeatability.of_units(recording, listed, "ceiling"))
    return {
        "recordings": names,
        "images": len(images),
        "presentations": presentations,
        "fixations": fixations,
        "repeatability": repeatability.by_area(pd.concat(units)),
        "missing": missing(params),
    }


def missing(params: Params) -> list[str]:
    """Return a phrase for each input that was not available, annotations among them, and for what depended on it."""
    table, phrases = read_table(), list_missing(params)
    trainings = [phrase for phrase in phrases if phrase.startswith(TRAINING)]
    if len(trainings) == len(params.models.run) > 1:
        phrases = [*(phrase for phrase in phrases if phrase not in trainings), f"{TRAINING} all models"]
    if not table["annotated"].any():
        phrases.insert(0, f"annotations of the {len(table)} images")
    return phrases
