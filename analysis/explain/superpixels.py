"""Superpixels: small patches of similar colour, by k-means on colour and position as in SLIC (Achanta et al. 2012)."""

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

COMPACTNESS = 1.0
"""Weight of position relative to colour: a grid cell is 0.2 times this wide in units of colour (0 to 1)."""
ITERATIONS = 5


def superpixels(image: np.ndarray, n_wanted: int) -> np.ndarray:
    """Divide an image into at most `n_wanted` superpixels.

    The clusters start from the cells of a square grid, so the result is deterministic.

    Parameters
    ----------
    image : (3, size, size), 0 to 1
    n_wanted : int

    Returns
    -------
    (size, size) int
        Superpixel of each pixel, numbered from 0 without gaps.
    """
    size, side = image.shape[1], max(1, int(np.sqrt(n_wanted)))
    y, x = np.mgrid[:size, :size] / size * side * 0.2 * COMPACTNESS
    points = np.column_stack([*image.reshape(3, -1), y.ravel(), x.ravel()])
    cells = np.minimum(np.arange(size) * side // size, side - 1)
    grid = (cells[:, None] * side + cells[None, :]).ravel()
    n = np.bincount(grid, minlength=side**2)
    start = np.column_stack([np.bincount(grid, weights=column) / np.maximum(n, 1) for column in points.T])
    # One thread: the last bits of sums over several threads differ from run to run.
    with threadpool_limits(limits=1):
        label = KMeans(side**2, init=start, n_init=1, max_iter=ITERATIONS).fit_predict(points)
    return np.unique(label, return_inverse=True)[1].reshape(size, size)
