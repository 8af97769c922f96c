"""Statistics for comparing a model with neurons.

Arrays in, dataclasses out: nothing here knows about files, parameters or the pipeline. The names in ``__all__`` are the
public interface; the modules behind it are private and may change.

Tables given as ``xarray.DataArray`` with first dimension ``image`` are joined by image; plain arrays are matched row by
row. Undefined scores (e.g. of a unit that never varies) are NaN, never 0.

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

from analysis.statistics.ceilings import Reliability, noise_corrected, normalised, reliability, step_up
from analysis.statistics.crossval import TooFewImages, group_folds, pearson, r2_score
from analysis.statistics.inference import (
    Contrast,
    Interval,
    Predictions,
    ScoreDraws,
    bootstrap_interval,
    contrast,
    fdr,
    holm,
    max_t,
    p_value,
    paired_test,
    percentile_interval,
    permutation_test,
    predictivity_draws,
    student_interval,
    two_way_interval,
)
from analysis.statistics.predictivity.banded import banded_predict
from analysis.statistics.predictivity.decoding import (
    Decoding,
    LearningCurve,
    decode,
    decode_classes,
    learning_curve,
    match_noise,
)
from analysis.statistics.predictivity.fixations import FixationScores, fixation_predict
from analysis.statistics.predictivity.kernel_analysis import Curve, kernel_analysis
from analysis.statistics.predictivity.layer_choice import Choice, best_layer
from analysis.statistics.predictivity.partition import Partition, partition_variance
from analysis.statistics.predictivity.pls import Prediction, pls_predict
from analysis.statistics.predictivity.ridge import RidgePrediction, ridge_predict
from analysis.statistics.predictivity.subsets import HeldOut, predict_unseen, predict_within
from analysis.statistics.rsa.bootstrap import Bootstrap, bootstrap_rsa
from analysis.statistics.rsa.intervals import rsa_draws
from analysis.statistics.rsa.partial import PartialRho, label_rdms, partial_rho
from analysis.statistics.rsa.rdm import RDM, crossnobis, rdm
from analysis.statistics.rsa.reweighted import Reweighted, category_rdm, reweighted_rho
from analysis.statistics.rsa.similarity import cka, compare_rdms, noise_ceiling, upper_bound

__all__ = [
    "RDM",
    "Bootstrap",
    "Choice",
    "Contrast",
    "Curve",
    "Decoding",
    "FixationScores",
    "HeldOut",
    "Interval",
    "LearningCurve",
    "PartialRho",
    "Partition",
    "Prediction",
    "Predictions",
    "Reliability",
    "Reweighted",
    "RidgePrediction",
    "ScoreDraws",
    "TooFewImages",
    "banded_predict",
    "best_layer",
    "bootstrap_interval",
    "bootstrap_rsa",
    "category_rdm",
    "cka",
    "compare_rdms",
    "contrast",
    "crossnobis",
    "decode",
    "decode_classes",
    "fdr",
    "fixation_predict",
    "group_folds",
    "holm",
    "kernel_analysis",
    "label_rdms",
    "learning_curve",
    "match_noise",
    "max_t",
    "noise_ceiling",
    "noise_corrected",
    "normalised",
    "p_value",
    "paired_test",
    "partial_rho",
    "partition_variance",
    "pearson",
    "percentile_interval",
    "permutation_test",
    "pls_predict",
    "predict_unseen",
    "predict_within",
    "predictivity_draws",
    "r2_score",
    "rdm",
    "reliability",
    "reweighted_rho",
    "ridge_predict",
    "rsa_draws",
    "step_up",
    "student_interval",
    "two_way_interval",
    "upper_bound",
]
