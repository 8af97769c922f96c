"""Permutation test of whether a layer's geometry resembles an area's at all, corrected for all models and areas.

Under the null hypothesis, the images of a model's RDM are exchangeable: image identity says nothing about the
responses. The statistic of a layer and area is the mean rank correlation (rho-a) with the RDMs of the area's
recordings. All layers and models share the same permutations, so that the maximum over all tests has a null
distribution too.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.parallel import one_thread
from analysis.statistics.inference import fdr, max_t
from analysis.statistics.midranks import midranks
from analysis.statistics.rsa.rdm import RDM

COLUMNS = ["model", "protocol", "layer", "region", "recordings", "rho", "p", "p_bh", "p_tsbh", "p_max"]
PERMUTATIONS_AT_ONCE = 16
"""Permutations in one matrix product, which bounds the memory."""


def null_correlations(models: Sequence[RDM], neural: RDM, n_permutations: int, seed: int) -> np.ndarray:
    """Correlate the RDMs of layers with that of a population under permutations of its images.

    Parameters
    ----------
    models : sequence of RDM, n_layers
        Of the images of `neural`, in its order. Images with an undefined distance in the layer or in `neural` are left
        out.
    neural : RDM
    n_permutations, seed : int
        An image's random key does not depend on which others are left out.

    Returns
    -------
    (1 + n_permutations, n_layers)
        The observed values first; NaN where fewer than 4 images are left or an RDM is constant.

    Raises
    ------
    DataError
        If a model's images are not those of `neural`, in its order.
    """
    if any(model.images != neural.images for model in models):
        raise DataError("the model RDMs and the neural RDM differ in their images or their order; align them first")
    n = neural.n_images
    keys = np.random.default_rng(seed).random((n_permutations, n))
    keys = np.concatenate([np.linspace(0, 1, n)[None], keys])  # the first order is the identity
    out = np.full((len(keys), len(models)), np.nan)
    target = neural.square()
    squares = [model.square() for model in models]
    undefined = [_undefined_images(target + square) for square in squares]
    for left_out in np.unique(undefined, axis=0):
        layers = [k for k, images in enumerate(undefined) if (images == left_out).all()]
        rows = np.flatnonzero(~left_out)
        if len(rows) < 4:
            continue
        ranks = np.stack([_ranks(squares[k][np.ix_(rows, rows)]).ravel() for k in layers])  # (n_layers, n^2)
        target_ranks = _ranks(target[np.ix_(rows, rows)])
        if not target_ranks.any():
            continue
        n_pairs = len(rows) * (len(rows) - 1) / 2
        scale = (n_pairs**3 - n_pairs) / 6  # of ranks without ties; pairs count twice
        ranks[(ranks == 0).all(axis=1)] = np.nan
        with one_thread():
            for start in range(0, len(keys), PERMUTATIONS_AT_ONCE):
                orders = np.argsort(keys[start : start + PERMUTATIONS_AT_ONCE, rows], axis=1)
                permuted = np.stack([target_ranks[order].take(order, axis=1).ravel() for order in orders])
                out[start : start + PERMUTATIONS_AT_ONCE, layers] = permuted @ ranks.T / scale
    return out


def _undefined_images(square: np.ndarray) -> np.ndarray:
    """Return which images to leave out, (n_images,) bool: the worst in turn, until every distance is defined."""
    undefined, left_out = ~np.isfinite(square), np.zeros(len(square), bool)
    while undefined.any():
        worst = undefined.sum(axis=1).argmax()
        left_out[worst] = True
        undefined[worst] = undefined[:, worst] = False
    return left_out


def _ranks(square: np.ndarray) -> np.ndarray:
    """Return the matrix of centred midranks of the distances, with zeros on the diagonal."""
    pairs = np.triu_indices(len(square), 1)
    ranks = midranks(square[pairs])
    out = np.zeros_like(square)
    out[pairs] = ranks - ranks.mean()
    return out + out.T


def mean_by_area(correlations: Sequence[np.ndarray], regions: Sequence[str], areas: Sequence[str]) -> np.ndarray:
    """Average over the recordings of each area.

    Parameters
    ----------
    correlations : sequence of (1 + n_permutations, n_layers)
        From `null_correlations`, one per population.
    regions : sequence of str
        Area of each population.
    areas : sequence of str, n_areas

    Returns
    -------
    (1 + n_permutations, n_layers, n_areas)
        Means over the recordings in which the observed value is defined; NaN where there is none.
    """
    means = np.full((*correlations[0].shape, len(areas)), np.nan)
    for a, area in enumerate(areas):
        recordings = [table for table, region in zip(correlations, regions, strict=True) if region == area]
        for layer in range(means.shape[1]):
            defined = [table[:, layer] for table in recordings if np.isfinite(table[0, layer])]
            if defined:
                means[:, layer, a] = np.mean(defined, axis=0)
    return means


def add_p_values(rows: pd.DataFrame, null: np.ndarray) -> pd.DataFrame:
    """Add p-values to observed statistics.

    Parameters
    ----------
    rows : DataFrame
        model, protocol, layer, region, recordings, rho: one row per test.
    null : (n_permutations, n_tests)
        The statistics under joint permutations; rows with a NaN statistic do not count as tests.

    Returns
    -------
    DataFrame of `COLUMNS`
        ``p``: (k + 1) / (N + 1), one-sided; ``p_bh``, ``p_tsbh``: adjusted for the false discovery rate over all
        tests; ``p_max``: adjusted for the family-wise error rate by the maximum standardised statistic. A statistic is
        standardised by the mean and standard deviation of its own permutations, since areas with few recordings vary
        more.
    """
    observed = rows["rho"].to_numpy(float)
    k = (null >= observed - 1e-12).sum(axis=0)
    p = np.where(np.isfinite(observed), (k + 1) / (len(null) + 1), np.nan)
    mean, deviation = null.mean(axis=0), null.std(axis=0)
    deviation = np.where(deviation > 0, deviation, np.nan)
    tested = rows.assign(
        p=p,
        p_bh=fdr(p, method="bh")[1],
        p_tsbh=fdr(p, method="tsbh")[1],
        p_max=max_t((observed - mean) / deviation, (null - mean) / deviation),
    )
    return tested[COLUMNS]
