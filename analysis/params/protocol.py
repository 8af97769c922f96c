"""A protocol: one value for each analysis choice of the report and of its correction."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Protocol:
    """How images, gaze and spikes are turned into a comparison of models with neurons.

    Each field is one choice; the audit attributes the difference between `REPORT` and `CORRECTED` to the fields in
    which they differ. Code depends on the fields of a protocol, never on its name.
    """

    join: Literal["trial_id", "row"]
    """How a fixation finds its presentation: by ``trial_id``, or by using that id as a row number."""
    fixations: Literal["selected", "all"]
    """Fixations used: on the image and long enough (Xiao et al.), or all that were assigned an image."""
    response: Literal["rate", "count"]
    """Spikes per second in a 200 ms window, or spikes summed over the whole fixation."""
    latency: Literal["corrected", "none"]
    """Eye-tracker lag and per-unit response latency corrected, or ignored."""
    stability: Literal["overall", "first_half"]
    """Unit drift judged against the overall rate (Xiao et al.), or against the first half."""
    region: Literal["unit", "first_row"]
    """Area of each unit by its electrode bank, or of the recording's first row in the area table for all units."""
    labels: Literal["roi", "filename"]
    """Face label by stem and annotated region, or by file name in the report's list."""
    unit_identity: Literal["recording", "column"]
    """Units kept apart by recording, or merged across recordings by column number."""
    filling: Literal["none", "column_mean"]
    """Empty cells of a merged table omitted, or filled with the column mean over all data."""
    selection: Literal["validation", "test"]
    """Images on which candidates are selected."""
    images: Literal["all", "test"]
    """Images compared: all (or those no model was trained on), or the test images of the report's split."""
    splits: Literal["folds", "single"]
    """Cross-validation, or one random split."""
    duplicates: Literal["together", "apart"]
    """Near-duplicate images always in the same fold, or assigned at random like all others."""
    features: Literal["standardised", "centred"]
    """Features divided by their standard deviation in the training images (as ``sklearn``'s ``PLSRegression`` does by
    default), or only centred (Yamins et al. 2014)."""
    regression: Literal["ridge", "pls"]
    """Ridge regression with a penalty chosen within the training images, or partial least squares with a fixed number
    of components."""
    baseline: Literal["training_mean", "test_mean"]
    """Prediction that scores an r2 of 0: the mean of the training images, or of the test images as in ``sklearn``."""
    rdm: Literal["standardised", "raw"]
    """Neural RDM from responses z-scored across images for each unit, or from raw responses."""
    aggregation: Literal["median", "median_without_outliers"]
    """Median over all units, or after dropping outliers by the interquartile range."""


CORRECTED = Protocol(
    join="trial_id",
    fixations="selected",
    response="rate",
    latency="corrected",
    stability="overall",
    region="unit",
    labels="roi",
    unit_identity="recording",
    filling="none",
    selection="validation",
    images="all",
    splits="folds",
    duplicates="together",
    features="standardised",
    regression="ridge",
    baseline="training_mean",
    rdm="standardised",
    aggregation="median",
)

REPORT = Protocol(
    join="row",
    fixations="all",
    response="count",
    latency="none",
    stability="first_half",
    region="first_row",
    labels="filename",
    unit_identity="column",
    filling="column_mean",
    selection="test",
    images="test",
    splits="single",
    duplicates="apart",
    features="standardised",
    regression="pls",
    baseline="test_mean",
    rdm="raw",
    aggregation="median_without_outliers",
)

PROTOCOLS = {"corrected": CORRECTED, "report": REPORT}
