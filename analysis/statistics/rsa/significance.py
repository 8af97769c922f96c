"""Is a layer's geometry that of an area at all? Permutations of images, corrected for all models, layers and areas.

Under the null hypothesis the images of a model's RDM are exchangeable: their order says nothing about the responses.
The statistic of a layer and area is the mean rank correlation (rho-a) with the RDMs of the area's recordings. The same
permutations serve every layer and every model, so that the largest statistic of all has a null distribution too.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.parallel import one_thread
from analysis.statistics.inference import fdr, max_t
from analysis.statistics.rsa.rdm import RDM
from analysis.statistics.rsa.similarity import midranks

COLUMNS = ["model", "protocol", "layer", "region", "recordings", "rho", "p", "p_bh", "p_tsbh", "p_max"]
BLOCK = 16
"""Permutations in one product: bounds the memory."""


def null_correlations(models: Sequence[RDM], neural: RDM, n_permutations: int, seed: int) -> np.ndarray:
    """Correlate the RDMs of layers with a population's whose images are permuted.

    Parameters
    ----------
    models : sequence of RDM, n_layers
        Of the same images, in the same order, as `neural`. Images with an undefined distance in the layer or in
        `neural` are left out.
    neural : RDM
    n_permutations, seed : int
        An image keeps its random key whatever other images are left out.

    Returns
    -------
    (1 + n_permutations, n_layers)
        The observed values first; NaN where fewer than 4 images are left or there is no spread.

    Raises
    ------
    DataError
        If a model's images are not those of `neural`, in its order.
    """
    if any(one.images != neural.images for one in models):
        raise DataError("models are RDMs of other images than neural, or in another order: align them first")
    n = neural.n_images
    keys = np.random.default_rng(seed).random((n_permutations, n))
    keys = np.concatenate([np.linspace(0, 1, n)[None], keys])  # the first order is the images' own
    out = np.full((len(keys), len(models)), np.nan)
    target = neural.square()
    squares = [one.square() for one in models]
    holes = [_undefined(target + square) for square in squares]
    for hole in np.unique(holes, axis=0):
        layers = [k for k, one in enumerate(holes) if (one == hole).all()]
        rows = np.flatnonzero(~hole)
        if len(rows) < 4:
            continue
        ranks = np.stack([_ranks(squares[k][np.ix_(rows, rows)]).ravel() for k in layers])  # (n_layers, n^2)
        mine = _ranks(target[np.ix_(rows, rows)])
        if not mine.any():
            continue
        n_pairs = len(rows) * (len(rows) - 1) / 2
        size = (n_pairs**3 - n_pairs) / 6  # of ranks without ties; pairs count twice
        ranks[(ranks == 0).all(axis=1)] = np.nan
        with one_thread():
            for start in range(0, len(keys), BLOCK):
                orders = np.argsort(keys[start : start + BLOCK, rows], axis=1)
                moved = np.stack([mine[order].take(order, axis=1).ravel() for order in orders])
                out[start : start + BLOCK, layers] = moved @ ranks.T / size
    return out


def _undefined(square: np.ndarray) -> np.ndarray:
    """Return the images to leave out, the worst first, until every distance is defined."""
    bad, gone = ~np.isfinite(square), np.zeros(len(square), bool)
    while bad.any():
        worst = bad.sum(axis=1).argmax()
        gone[worst] = True
        bad[worst] = bad[:, worst] = False
    return gone


def _ranks(square: np.ndarray) -> np.ndarray:
    """Return the matrix of centred midranks of the distances, with zeros on the diagonal."""
    pairs = np.triu_indices(len(square), 1)
    values = midranks(square[pairs])
    out = np.zeros_like(square)
    out[pairs] = values - values.mean()
    return out + out.T


def by_area(found: Sequence[np.ndarray], regions: Sequence[str], areas: Sequence[str]) -> np.ndarray:
    """Average over the recordings of each area.

    Parameters
    ----------
    found : sequence of (1 + n_permutations, n_layers)
        From `null_correlations`, one per population.
    regions : sequence of str
        Area of each population.
    areas : sequence of str, n_areas

    Returns
    -------
    (1 + n_permutations, n_layers, n_areas)
        Means over the recordings in which the observed value is defined; NaN where there is none.
    """
    means = np.full((*found[0].shape, len(areas)), np.nan)
    for a, area in enumerate(areas):
        here = [one for one, region in zip(found, regions, strict=True) if region == area]
        for layer in range(means.shape[1]):
            defined = [one[:, layer] for one in here if np.isfinite(one[0, layer])]
            if defined:
                means[:, layer, a] = np.mean(defined, axis=0)
    return means


def table_of(rows: pd.DataFrame, null: np.ndarray) -> pd.DataFrame:
    """Add p-values to observed statistics.

    Parameters
    ----------
    rows : DataFrame
        model, protocol, layer, region, recordings, rho: one row per test.
    null : (n_permutations, n_tests)
        The statistics under joint permutations; rows of a NaN statistic are no tests.

    Returns
    -------
    DataFrame of `COLUMNS`
        ``p``: (k + 1) / (N + 1), one-sided; ``p_bh``, ``p_tsbh``: adjusted for the false discovery rate over all
        tests; ``p_max``: by the largest standardised statistic of all tests (family-wise). A statistic is standardised
        by the mean and spread of its own permutations, since areas with few recordings vary more.
    """
    observed = rows["rho"].to_numpy(float)
    k = (null >= observed - 1e-12).sum(axis=0)
    p = np.where(np.isfinite(observed), (k + 1) / (len(null) + 1), np.nan)
    mean, spread = null.mean(axis=0), null.std(axis=0)
    spread = np.where(spread > 0, spread, np.nan)
    found = rows.assign(
        p=p,
        p_bh=fdr(p, method="bh")[1],
        p_tsbh=fdr(p, method="tsbh")[1],
        p_max=max_t((observed - mean) / spread, (null - mean) / spread),
    )
    return found[COLUMNS]
