"""RDMs of tables with missing cells, and of categories."""

import numpy as np

from analysis.statistics.rsa.rdm import RDM, upper

LEAST_COMMON_UNITS = 3


def category_rdm(categories: np.ndarray, images=None) -> RDM:
    """Return the RDM of category membership: 0 within, 1 between; `images`, if given, are its keys."""
    categories = np.asarray(categories)
    matrix = (categories[:, None] != categories[None, :]).astype(np.float64)
    return RDM(upper(matrix), "category", None if images is None else tuple(map(str, images)))


def row_rdm(values: np.ndarray) -> RDM:
    """Return the RDM (1 - Pearson) of the rows of a table, each distance over the units measured in both rows.

    Parameters
    ----------
    values : (n_images, n_units)
        NaN where a unit is missing. The distance of two rows with fewer than 3 common units, or without variance over
        them, is undefined.
    """
    known = np.isfinite(values).astype(np.float64)
    centre = np.where(known > 0, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    X = np.where(known > 0, values - centre[:, None], 0.0)  # keeps correlations, reduces cancellation
    n = known @ known.T
    sums, squares = X @ known.T, (X**2) @ known.T
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = X @ X.T - sums * sums.T / n
        variance = squares - sums**2 / n
        variance = np.where(variance > 1e-12 * squares, variance, np.nan)
        r = covariance / np.sqrt(variance * variance.T)
    return RDM(upper(np.where(n >= LEAST_COMMON_UNITS, 1 - np.clip(r, -1, 1), np.nan)), "correlation")


def drop_undefined_images(*rdms: RDM) -> tuple[list[RDM], np.ndarray]:
    """Drop images, those with most undefined distances first, until every distance of all RDMs is defined.

    Parameters
    ----------
    *rdms : RDM
        Over the same images in the same order.

    Returns
    -------
    rdms : list of RDM
    keep : (n_kept,) int
        Rows of the images that are kept.
    """
    keep = np.arange(rdms[0].n_images)
    if all(np.isfinite(rdm.distances).all() for rdm in rdms):
        return list(rdms), keep
    undefined = ~np.all([np.isfinite(rdm.square()) for rdm in rdms], axis=0)
    while undefined[np.ix_(keep, keep)].any():
        keep = np.delete(keep, undefined[np.ix_(keep, keep)].sum(axis=1).argmax())
    return [rdm.take(keep) for rdm in rdms], keep
