"""Gaze-contingent predictivity: single fixations, from the image patch in the receptive field.

In an image-level comparison, the model sees the whole image but the unit only what falls in its receptive field. Here
each fixation has its own features, from the patch at gaze plus receptive field. Responses to single fixations are
noisy, so scores are judged against the self-consistency RSC across trials: a noise-free model reaches r = sqrt(RSC).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.statistics.crossval import group_folds, mean_pearson, r2_score, training_means
from analysis.statistics.keys import as_array, check_varies, numbers, one_per_row, same_rows
from analysis.statistics.predictivity.ridge import fit_predict

PARTS: dict[str, Callable] = {"zeroth": lambda ordinal: ordinal == 0, "later": lambda ordinal: ordinal > 0}
"""Zeroth fixations (under way when the image appears) and later ones, which follow a saccade."""
MIN_RSC = 0.02
"""Units with a lower RSC are hardly reliable: their normalised scores are undefined."""


@dataclass(frozen=True)
class FixationScores:
    """Scores of single-fixation predictions (`fixation_predict`).

    Attributes
    ----------
    n : int
        Number of fixations scored.
    r2, pearson_r : (n_units,) array of float
    explained : (n_units,) array of float
        ``r |r| / RSC``: explained fraction of the explainable variance (a noise-free model has r = sqrt(RSC)).
    published : (n_units,) array of float
        ``clip(r / RSC, 0, 1)^2``, the normalisation of Xiao et al. (2024). Use it only for comparison with their
        numbers: r / RSC of a noise-free model is 1 / sqrt(RSC), not 1.

    Examples
    --------
    >>> import numpy as np
    >>> r = np.array([0.3])
    >>> scores = FixationScores(n=500, r2=r**2, pearson_r=r, explained=r**2 / 0.18, published=(r / 0.3) ** 2)
    >>> scores.explained
    array([0.5])
    """

    n: int
    r2: np.ndarray
    pearson_r: np.ndarray
    explained: np.ndarray
    published: np.ndarray


def normalise(pearson_r: np.ndarray, rsc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``r |r| / RSC`` and ``clip(r / RSC, 0, 1)^2`` of each unit; NaN where RSC is below `MIN_RSC`."""
    usable = np.where(np.asarray(rsc) >= MIN_RSC, rsc, np.nan)
    return pearson_r * np.abs(pearson_r) / usable, np.clip(pearson_r / usable, 0, 1) ** 2


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
    """Predict responses to single fixations by ridge regression, separately for zeroth and later fixations.

    Parameters
    ----------
    features : (n_fixations, n_features) array of float, or callable
        Features of the patch at each fixation; if receptive fields differ, a function of the unit's index.
    rates : (n_fixations, n_units) array of float
        Response to each fixation, spikes/s.
    images : (n_fixations,) sequence
        Image on the screen.
    ordinal : (n_fixations,) array of int
        Number of the fixation within its presentation; 0 for one under way when the image appeared.
    rsc : (n_units,) array of float
        Self-consistency across trials (Xiao et al. 2024): correlation of responses to fixations of the same location.
    groups : dict, optional
        Near-duplicate group of each image, never split across folds; default: each image is its own group.
    alphas : sequence of float, optional
        Penalties, one chosen per unit within the training folds; default: 1e-2 to 1e3, one per decade, times the mean
        squared length of the centred rows.
    folds, seed : int
        Number of folds and their seed.

    Returns
    -------
    dict from ``zeroth`` and ``later`` to FixationScores
        An entry with fewer than two images (groups) per fold is omitted.

    Raises
    ------
    DataError
        If rates or features are not finite, shapes disagree, or an image has no group.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> patches = rng.normal(size=(300, 5))
    >>> rates = 10 + patches @ rng.normal(size=(5, 2)) + rng.normal(size=(300, 2))
    >>> images, ordinal = np.repeat(np.arange(100), 3), np.tile([0, 1, 2], 100)
    >>> scores = fixation_predict(patches, rates, images, ordinal, rsc=[0.8, 0.8])
    >>> scores["zeroth"].n, scores["later"].n, bool((scores["later"].r2 > 0.5).all())
    (100, 200, True)
    """
    rates, images, ordinal = same_rows(rates=rates, images=images, ordinal=ordinal)
    rates = as_array("rates", rates, 2)
    images, ordinal, rsc = one_per_row("images", images), as_array("ordinal", ordinal, 1), numbers("rsc", rsc, 1)
    if not (len(images) == len(ordinal) == len(rates)) or len(rsc) != rates.shape[1]:
        raise DataError(
            f"rates has shape {rates.shape}, images {images.shape}, ordinal {ordinal.shape}, rsc {rsc.shape}; "
            "give one row per fixation and one RSC per unit"
        )
    if groups is not None and (missing := set(images.tolist()) - set(groups)):
        raise DataError(f"groups has no entry for image {min(missing)!r} ({len(missing)} missing)")
    labels = np.array([image if groups is None else groups[image] for image in images])
    scores = {}
    for name, is_part in PARTS.items():
        rows = np.flatnonzero(is_part(ordinal))
        if len(np.unique(labels[rows])) < 2 * folds:
            continue
        assigned = group_folds(labels[rows], folds, seed_of(seed, "fixations", name))
        predicted = _predict(features, rates, labels, rows, assigned, alphas, seed)
        r = mean_pearson(rates[rows], predicted, assigned)
        r2 = r2_score(rates[rows], predicted, training_means(rates[rows], assigned))
        scores[name] = FixationScores(len(rows), r2, r, *normalise(r, rsc))
    return scores


def _predict(features, rates, labels, rows, assigned, alphas, seed) -> np.ndarray:
    """Return out-of-fold predictions of the fixations at `rows`, (n_rows, n_units)."""
    out = np.empty((len(rows), rates.shape[1]))
    # Units that share their patches are predicted together.
    shared = not callable(features)
    for units in [np.arange(rates.shape[1])] if shared else np.arange(rates.shape[1])[:, None]:
        X = as_array("features", features if shared else features(int(units[0])), 2)
        if len(X) != len(rates):
            raise DataError(f"features has {len(X)} rows for {len(rates)} fixations; give one row per fixation")
        X, Y = X[rows], rates[np.ix_(rows, units)]
        check_varies("features", X)
        scale = np.mean(np.sum((X - X.mean(axis=0)) ** 2, axis=1))
        penalties = scale * 10.0 ** np.arange(-2, 4) if alphas is None else np.asarray(alphas, dtype=np.float64)
        for fold in np.unique(assigned):
            train, rest = np.flatnonzero(assigned != fold), np.flatnonzero(assigned == fold)
            inner = group_folds(labels[rows][train], 4, seed_of(seed, "inner", int(fold)))
            out[np.ix_(rest, units)] = fit_predict(X, Y, train, rest, penalties, inner)[0]
    return out
