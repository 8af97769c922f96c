"""Uncertainty of a mean over units scored on the same images, with both units and images as random samples."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

from analysis.statistics.inference.intervals import Interval, cluster_draws
from analysis.statistics.inference.two_factor import Factor, two_factor_variance
from analysis.statistics.keys import check_level, one_per_row


def two_way_interval(
    score: Callable[[np.ndarray], np.ndarray],
    images: Sequence,
    *,
    n_draws: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Interval, float]:
    """Return the confidence interval of the units' mean score, generalising to other images and units of the same kind.

    Resampling images and units together counts the noise of single responses twice. The variance and its degrees of
    freedom are therefore those of `two_factor_variance`, and the interval is ``mean +- t sqrt(V)``.

    Parameters
    ----------
    score : callable
        Maps how often each image occurs in each draw, (n_draws, n_images), to scores, (n_draws, n_units). Predictions
        are not refitted.
    images : (n_images,) sequence
        Near-duplicate group of each image, drawn together.
    n_draws, seed : int
        Number of bootstrap draws, and their seed.
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    interval : Interval
        NaN limits for fewer than 2 images or units with a score; units without a score are left out.
    error : float
        Standard error.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> scores = rng.normal(size=(50, 1)) + rng.normal(size=8) + rng.normal(size=(50, 8))  # images + units + noise
    >>> interval, error = two_way_interval(lambda counts: counts @ scores / counts.sum(axis=1)[:, None], range(50))
    >>> interval.low < 0 < interval.high, round(error, 1)
    (True, 0.3)
    """
    check_level(level)
    images = one_per_row("images", images)
    whole = score(np.ones((1, len(images))))[0]
    units = np.flatnonzero(np.isfinite(whole))
    n_images, n_units = len(np.unique(images)), len(units)
    mean = float(whole[units].mean()) if n_units else np.nan
    if n_images < 2 or n_units < 2:
        return Interval(mean, np.nan, np.nan), np.nan
    drawn = score(cluster_draws(images, n_draws, seed))[:, units]
    counts = cluster_draws(np.arange(n_units), n_draws, seed + 1) / n_units
    _, sizes = np.unique(images, return_counts=True)
    variance, freedom = two_factor_variance(
        counts @ whole[units], drawn.mean(axis=1), (counts * drawn).sum(axis=1),
        (Factor.units(n_units, 1), Factor.clusters(sizes)),
    )  # fmt: skip
    error = float(np.sqrt(variance))
    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Interval(mean, mean - reach, mean + reach), error
