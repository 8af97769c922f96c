"""A protocol: one value per choice in which the report and its correction differ."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Protocol:
    """How images, gaze and spikes are turned into a comparison.

    Every field is one choice; the audit walks from `REPORT` to `CORRECTED` one field at a time. Code asks a protocol
    for a field, never for its name.
    """

    join: Literal["trial_id", "row"]
    """Presentation of a fixation: the one whose ``trial_id`` it carries, or the row of that number."""
    fixations: Literal["selected", "all"]
    """Fixations used: on the image and long enough (Xiao et al.), or all that received an image."""
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
    """Empty cells of a merged table left out, or filled with the column mean over all data."""
    selection: Literal["validation", "test"]
    """Images on which candidates are selected."""
    splits: Literal["grouped", "single"]
    """Cross-validation by near-duplicate group, or one random split."""
    components: Literal["chosen", "fixed"]
    """Components of partial least squares: chosen for each unit inside the training images, or one number for all."""
    aggregation: Literal["median", "median_without_outliers"]
    """Median over all units, or after dropping interquartile outliers."""


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
    splits="grouped",
    components="chosen",
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
    splits="single",
    components="fixed",
    aggregation="median_without_outliers",
)

PROTOCOLS = {"corrected": CORRECTED, "report": REPORT}
