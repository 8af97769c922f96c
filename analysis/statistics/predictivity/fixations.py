"""Predictivity of single fixations from what the unit's receptive field saw (gaze-contingent input).

An image-level comparison gives the whole image to the model but only glimpses to the unit. Here every fixation has its
own features: of the patch around gaze + receptive field (`analysis.recordings.gaze_patches`). Responses of single
fixations are noisy, so scores are read against the repeatability RSC across trials: a noise-free model reaches
r = sqrt(RSC).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.crossval import group_folds, mean_pearson, r2_score, training_means
from analysis.statistics.keys import as_array
from analysis.statistics.predictivity.ridge import fit_predict

PARTS: dict[str, Callable] = {"zeroth": lambda ordinal: ordinal == 0, "later": lambda ordinal: ordinal > 0}
"""Zeroth fixations (under way when the image appears) and later ones, which follow a saccade."""
LEAST_RSC = 0.02
"""Units below are hardly repeatable: normalised scores are undefined."""


@dataclass(frozen=True)
class FixationScores:
    """Scores of the units in one part of the fixations.

    Attributes
    ----------
    n : int
        Fixations scored.
    r2, pearson_r : (n_units,)
    explained : (n_units,)
        ``r |r| / RSC``: explained share of the explainable variance (a noise-free model has r = sqrt(RSC)).
    published : (n_units,)
        ``clip(r / RSC, 0, 1)^2``, the normalisation of Xiao et al. (2024): only to compare with their numbers, since
        r / RSC of a noise-free model is 1 / sqrt(RSC), not 1.
    """

    n: int
    r2: np.ndarray
    pearson_r: np.ndarray
    explained: np.ndarray
    published: np.ndarray


def normalise(pearson_r: np.ndarray, rsc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``r |r| / RSC`` and ``clip(r / RSC, 0, 1)^2`` of each unit; NaN where RSC is below `LEAST_RSC`."""
    safe = np.where(np.asarray(rsc) >= LEAST_RSC, rsc, np.nan)
    return pearson_r * np.abs(pearson_r) / safe, np.clip(pearson_r / safe, 0, 1) ** 2


def fixation_predict(
    features: np.ndarray | Callable[[int], np.ndarray],
    rates: np.ndarray,
    images: np.ndarray,
    ordinal: np.ndarray,
    rsc: np.ndarray,
    groups: dict | None = None,
    *,
    alphas=None,
    folds: int = 5,
    seed: int = 0,
) -> dict[str, FixationScores]:
    """Predict single-fixation responses by ridge, zeroth and later fixations apart, folds by near-duplicate image.

    Parameters
    ----------
    features : (n_fixations, n_features), or callable
        Features of the patch of each fixation; as a function of the unit's number where receptive fields differ.
    rates : (n_fixations, n_units)
        spikes/s.
    images : (n_fixations,)
        Stem of the image on the screen.
    ordinal : (n_fixations,) int
        0: zeroth fixation.
    rsc : (n_units,)
        Repeatability across trials (`analysis.recordings.repeatability.self_consistency` of pairs across trials).
    groups : dict, optional
        Near-duplicate group of each image; default: every image its own.
    alphas : sequence of float, optional
        Penalties, one chosen per unit within the training folds; default six steps around the mean squared length of
        the centred rows times the number of features.
    folds, seed : int

    Returns
    -------
    dict with ``zeroth`` and ``later``
        A part with fewer images than two per fold is left out.

    Raises
    ------
    DataError
        If rates or features are not finite, an array has other rows than `rates`, or an image has no group.
    """
    rates = as_array("rates", rates, 2)
    images, ordinal, rsc = np.asarray(images), np.asarray(ordinal), np.asarray(rsc, dtype=np.float64)
    if not (len(images) == len(ordinal) == len(rates)) or len(rsc) != rates.shape[1]:
        raise DataError(
            f"rates has shape {rates.shape}, images {images.shape}, ordinal {ordinal.shape}, rsc {rsc.shape}; "
            "give one row per fixation and one RSC per unit"
        )
    if groups is not None and (missing := set(images.tolist()) - set(groups)):
        raise DataError(f"groups has no entry for image {min(missing)!r} ({len(missing)} missing)")
    labels = np.array([image if groups is None else groups[image] for image in images])
    found = {}
    for name, part in PARTS.items():
        rows = np.flatnonzero(part(ordinal))
        if len(np.unique(labels[rows])) < 2 * folds:
            continue
        assigned = group_folds(labels[rows], folds, seed_of(seed, "fixations", name))
        predicted = _predict(features, rates, labels, rows, assigned, alphas, seed)
        r = mean_pearson(rates[rows], predicted, assigned)
        r2 = r2_score(rates[rows], predicted, training_means(rates[rows], assigned))
        found[name] = FixationScores(len(rows), r2, r, *normalise(r, rsc))
    return found


def _predict(features, rates, labels, rows, assigned, alphas, seed) -> np.ndarray:
    """Return out-of-fold predictions of the fixations at `rows`, (n_rows, n_units)."""
    out = np.empty((len(rows), rates.shape[1]))
    # Units that look at the same patches are predicted together.
    shared = not callable(features)
    for units in [np.arange(rates.shape[1])] if shared else np.arange(rates.shape[1])[:, None]:
        X = as_array("features", features if shared else features(int(units[0])), 2)
        if len(X) != len(rates):
            raise DataError(f"features has {len(X)} rows for {len(rates)} fixations; give one row per fixation")
        X, Y = X[rows], rates[np.ix_(rows, units)]
        scale = np.mean(np.sum((X - X.mean(axis=0)) ** 2, axis=1))
        penalties = scale * 10.0 ** np.arange(-2, 4) if alphas is None else np.asarray(alphas, dtype=np.float64)
        for fold in np.unique(assigned):
            train, rest = np.flatnonzero(assigned != fold), np.flatnonzero(assigned == fold)
            inner = group_folds(labels[rows][train], 4, seed_of(seed, "inner", int(fold)))
            out[np.ix_(rest, units)] = fit_predict(X, Y, train, rest, penalties, inner)[0]
    return out
