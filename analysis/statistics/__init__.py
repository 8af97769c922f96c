"""The statistics of a comparison between a model and neurons.

Arrays in, dataclasses out; nothing here knows of files, parameters or the pipeline. What is imported below is the
public interface; the modules behind it may change.

Give ``xarray.DataArray`` tables whose first dimension is ``image`` and rows are joined by image; plain arrays are taken
row by row.

Examples
--------
>>> import numpy as np
>>> from analysis.statistics import compare_rdms, pls_predict, rdm
>>> rng = np.random.default_rng(0)
>>> features = rng.normal(size=(60, 20))  # (n_images, n_features)
>>> responses = features[:, :3] @ rng.normal(size=(3, 4))  # (n_images, n_units)
>>> pls_predict(features, responses, n_components=10, folds=5).r2.round(2)
array([1., 1., 1., 1.])
>>> round(compare_rdms(rdm(features), rdm(features + 1), "rho-a"), 2)
1.0
"""

from analysis.statistics.ceilings import Ceiling, normalised, spearman_brown, split_half
from analysis.statistics.crossval import group_folds, pearson, r2_score
from analysis.statistics.inference import (
    Interval,
    bca_interval,
    bootstrap_interval,
    fdr,
    max_t,
    p_value,
    paired_test,
    percentile_interval,
    permutation_test,
    student_interval,
)
from analysis.statistics.predictivity.decoding import Decoding, decode, match_noise
from analysis.statistics.predictivity.fixations import FixationScores, fixation_predict
from analysis.statistics.predictivity.kernel_analysis import kernel_analysis
from analysis.statistics.predictivity.layer_choice import best_layer
from analysis.statistics.predictivity.pls import Prediction, pls_predict
from analysis.statistics.predictivity.ridge import RidgePrediction, ridge_predict
from analysis.statistics.rsa.bootstrap import Bootstrap, bootstrap_rsa, both_interval
from analysis.statistics.rsa.rdm import RDM, crossnobis, rdm
from analysis.statistics.rsa.similarity import cka, compare_rdms, noise_ceiling, upper_bound

__all__ = [
    "RDM",
    "Bootstrap",
    "Ceiling",
    "Decoding",
    "FixationScores",
    "Interval",
    "Prediction",
    "RidgePrediction",
    "bca_interval",
    "best_layer",
    "bootstrap_interval",
    "bootstrap_rsa",
    "both_interval",
    "cka",
    "compare_rdms",
    "crossnobis",
    "decode",
    "fdr",
    "fixation_predict",
    "group_folds",
    "kernel_analysis",
    "match_noise",
    "max_t",
    "noise_ceiling",
    "normalised",
    "p_value",
    "paired_test",
    "pearson",
    "percentile_interval",
    "permutation_test",
    "pls_predict",
    "r2_score",
    "rdm",
    "ridge_predict",
    "spearman_brown",
    "split_half",
    "student_interval",
    "upper_bound",
]
