"""How certain a result is: confidence intervals, permutation tests and corrections for many tests."""

from analysis.statistics.inference.intervals import (
    ANY,
    Interval,
    bca_interval,
    bootstrap_interval,
    cluster_draws,
    medians,
    percentile_interval,
    stretch,
    student_interval,
)
from analysis.statistics.inference.multiple import fdr, max_t
from analysis.statistics.inference.permutation import p_value, paired_test, permutation_test
from analysis.statistics.inference.two_way import two_way_interval

__all__ = [
    "ANY",
    "Interval",
    "bca_interval",
    "bootstrap_interval",
    "cluster_draws",
    "fdr",
    "max_t",
    "medians",
    "p_value",
    "paired_test",
    "percentile_interval",
    "permutation_test",
    "stretch",
    "student_interval",
    "two_way_interval",
]
