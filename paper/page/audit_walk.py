"""The way from the report's protocol to the corrected one, a choice at a time."""

import math

from paper.plots.audit import read
from paper.results import Results

CHOICES = {
    "join": ("image of the row given by the trial number", "image of the presentation with the same trial number"),
    "fixations": ("all that received an image", "those on the image and long enough"),
    "response": ("spike count over the whole fixation", "firing rate in a fixed window"),
    "latency": ("ignored", "corrected for the eye tracker and for each unit"),
    "stability": ("unit drift judged against the first half", "unit drift judged against the overall rate"),
    "region": ("area of the recording’s first row for all units", "area of each unit’s electrode bank"),
    "labels": ("face labels by file name", "face labels by outlined region"),
    "unit_identity": ("units merged across recordings by column number", "units kept apart by recording"),
    "filling": ("empty cells filled with the column mean", "empty cells left out"),
    "selection": ("networks selected on the test images", "networks selected on validation images"),
    "images": ("the test images of one split", "all images that were shown"),
    "splits": ("one random split", "cross-validation"),
    "duplicates": ("near-duplicates divided at random", "near-duplicates in the same fold"),
    "features": ("features as the report scales them", "features as the correction scales them"),
    "regression": ("PLS with a fixed number of components", "ridge with a penalty chosen in the training images"),
    "baseline": ("r² against the mean of the test images", "r² against the mean of the training images"),
    "rdm": ("RDM from responses as recorded", "RDM from responses standardised unit by unit"),
    "aggregation": ("median without outliers", "median of all units"),
}
"""What the report does, and what the correction does."""

SCORES = {"r2": "median r²", "rho": "ρ of the RDMs"}
NETWORKS = "small networks"


def steps(results: Results) -> dict | None:
    """Return the steps of the walk for each score; None without an audit of networks.

    A step adds the choice's Shapley value: the values of all choices add up to the difference of the two protocols.
    """
    if not read.has_rows(results, "shapley"):
        return None
    values, single = read.read_table(results, "shapley"), read.read_table(results, "single_choices")
    start = single[(single.network == NETWORKS) & (single.start == "report") & single.field.fillna("").eq("")]
    walks = {}
    for score in SCORES:
        at = float(start[score].iloc[0]) if len(start) and score in start else math.nan
        rows = values[(values.score == score) & values.value.notna()]
        if not math.isfinite(at) or rows.empty:
            continue
        walk = []
        for row in rows.itertuples():
            decisive = bool(row.low > 0 or row.high < 0)
            walk.append(_step(row, at, decisive))
            at += row.value
        walks[score] = walk
    return {"labels": {score: SCORES[score] for score in walks}, "walks": walks} if walks else None


def _step(row, before: float, decisive: bool) -> dict:
    report, corrected = CHOICES.get(row.field, ("the report’s choice", "the correction"))
    numbers = {"before": before, "after": before + row.value, "change": row.value, "low": row.low, "high": row.high}
    return {
        "choice": read.FIELDS.get(row.field, row.field),
        "report": report,
        "corrected": corrected,
        "decisive": decisive,
        **{name: round(float(number), 4) if math.isfinite(number) else None for name, number in numbers.items()},
    }
