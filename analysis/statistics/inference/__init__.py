"""Statistical inference: intervals and contrasts, permutation tests and corrections for multiple tests."""

from analysis.statistics.inference.intervals import (
    ANY,
    LEAST_CLUSTERS,
    Interval,
    bootstrap_interval,
    cluster_draws,
    percentile_interval,
    stretch,
    student_interval,
)
from analysis.statistics.inference.multiple import fdr, holm, max_t
from analysis.statistics.inference.permutation import p_value, paired_test, permutation_test
from analysis.statistics.inference.predictions import Predictions, predictivity_draws
from analysis.statistics.inference.two_factor import Contrast, Factor, ScoreDraws, contrast, two_factor_variance
from analysis.statistics.inference.two_way import two_way_interval

__all__ = [
    "ANY",
    "LEAST_CLUSTERS",
    "Contrast",
    "Factor",
    "Interval",
    "Predictions",
    "ScoreDraws",
    "bootstrap_interval",
    "cluster_draws",
    "contrast",
    "fdr",
    "holm",
    "max_t",
    "p_value",
    "paired_test",
    "percentile_interval",
    "permutation_test",
    "predictivity_draws",
    "stretch",
    "student_interval",
    "two_factor_variance",
    "two_way_interval",
]
