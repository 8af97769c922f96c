"""Superpixels: small patches of like colour, as in SLIC (Achanta et al. 2012), by k-means of colour and place."""

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

COMPACTNESS = 1.0
"""Weight of place against colour: how many units of colour (0 to 1) the width of a grid cell counts for, times 5."""
ITERATIONS = 5


def superpixels(image: np.ndarray, wanted: int) -> np.ndarray:
    """Cut an image into at most `wanted` superpixels.

    The clusters start at the cells of a square grid, so that nothing is drawn at random.

    Parameters
    ----------
    image : (3, size, size), 0 to 1

    Returns
    -------
    (size, size) int
        Superpixel of each pixel, from 0 without gaps.
    """
    size, side = image.shape[1], max(1, int(np.sqrt(wanted)))
    y, x = np.mgrid[:size, :size] / size * side * 0.2 * COMPACTNESS
    points = np.column_stack([*image.reshape(3, -1), y.ravel(), x.ravel()])
    cells = np.minimum(np.arange(size) * side // size, side - 1)
    grid = (cells[:, None] * side + cells[None, :]).ravel()
    n = np.bincount(grid, minlength=side**2)
    start = np.column_stack([np.bincount(grid, weights=column) / np.maximum(n, 1) for column in points.T])
    # One thread: sums over threads differ in their last bits from run to run.
    with threadpool_limits(limits=1):
        label = KMeans(side**2, init=start, n_init=1, max_iter=ITERATIONS).fit_predict(points)
    return np.unique(label, return_inverse=True)[1].reshape(size, size)
