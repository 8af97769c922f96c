"""How well any model could do: the reliability of responses, from split halves of presentations."""

from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.crossval import mean_of_defined, pearson
from analysis.statistics.keys import as_array

MIN_CEILING = 0.1
"""A unit with a ceiling below this hardly responds to the images: its scores are not normalised."""


@dataclass(frozen=True)
class Ceiling:
    """Split-half reliability of units (`reliability`).

    Attributes
    ----------
    value : (n_units,) array of float
        Explainable variance of the mean responses: the squared correlation that a noise-free model is expected to have
        with them. May be slightly negative by chance; NaN for units that do not vary.
    halves : (n_units,) array of float
        Mean correlation of the halves, before the Spearman-Brown correction.
    n_images : int
        Number of images with two presentations or more: the others cannot be split.

    Examples
    --------
    >>> import numpy as np
    >>> Ceiling(value=np.array([0.8]), halves=np.array([0.67]), n_images=60).value
    array([0.8])
    """

    value: np.ndarray
    halves: np.ndarray
    n_images: int


def spearman_brown(r):
    """Return the reliability of a measurement of twice the length, 2 r / (1 + r) (Spearman 1910; Brown 1910).

    Parameters
    ----------
    r : (...) array of float
        Correlation of the halves; NaN stays NaN.

    Returns
    -------
    (...) array of float
        NaN where r = -1.

    Examples
    --------
    >>> spearman_brown([0.0, 0.5, 1.0]).round(2)
    array([0.  , 0.67, 1.  ])
    """
    r = np.asarray(r, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(r > -1, 2 * r / (1 + r), np.nan)


class Halves:
    """Random halves of the presentations of each image.

    Presentations (an image shown in one trial) are split, not fixations: fixations of one presentation share the
    animal's state and slow drifts, so halves that share a presentation would agree for other reasons than the image.
    Each half gets half of an image's presentations; an odd one goes to either half at random.

    Parameters
    ----------
    rates : (n_fixations, n_units) array of float
        Response to each fixation, spikes/s; finite.
    images, presentations : (n_fixations,) sequence
        Image on the screen and presentation (trial) of each fixation.

    Attributes
    ----------
    images : (n_images,) array
        Images, sorted: the rows of all means.
    n_presentations : (n_images,) array of int
        Number of presentations of each image.

    Raises
    ------
    DataError
        If the arrays differ in length, or a rate is not finite.
    """

    def __init__(self, rates: np.ndarray, images: np.ndarray, presentations: np.ndarray):
        rates = as_array("rates", rates, 2)
        images, presentations = np.asarray(images), np.asarray(presentations)
        if not len(rates) == len(images) == len(presentations):
            raise DataError(
                f"rates has shape {rates.shape}, images {images.shape}, presentations {presentations.shape}; "
                "give one row per fixation in each"
            )
        self.images, image = np.unique(images, return_inverse=True)
        _, trial = np.unique(presentations, return_inverse=True)
        n_trials = trial.max(initial=0) + 1
        codes, presentation = np.unique(image * n_trials + trial, return_inverse=True)
        self._image = codes // n_trials  # image of each presentation, in rising order
        self._sums = _sum_by(presentation, rates, len(codes))
        self._counts = np.bincount(presentation, minlength=len(codes)).astype(np.float64)
        self.n_presentations = np.bincount(self._image, minlength=len(self.images))

    def means(self) -> np.ndarray:
        """Return the mean response over all fixations on each image, (n_images, n_units)."""
        return self._mean(np.ones(len(self._image), dtype=bool))

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean responses of two random halves, each (n_images, n_units); NaN where a half is empty."""
        order = np.lexsort((rng.random(len(self._image)), self._image))
        start = np.concatenate([[0], np.cumsum(self.n_presentations)])
        rank = np.arange(len(order)) - np.repeat(start[:-1], self.n_presentations)  # within its image, at random
        odd_to_first = rng.random(len(self.images)) < 0.5
        half = (self.n_presentations + odd_to_first) // 2
        first = np.zeros(len(order), dtype=bool)
        first[order] = rank < np.repeat(half, self.n_presentations)
        return self._mean(first), self._mean(~first)

    def partitions(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the mean responses of `n` random partitions, (n, n_images, n_units); NaN where one is empty."""
        order = np.lexsort((rng.random(len(self._image)), self._image))
        start = np.concatenate([[0], np.cumsum(self.n_presentations)])
        partition = np.empty(len(order), dtype=np.intp)
        partition[order] = (np.arange(len(order)) - np.repeat(start[:-1], self.n_presentations)) % n
        return np.stack([self._mean(partition == k) for k in range(n)])

    def _mean(self, chosen: np.ndarray) -> np.ndarray:
        """Return the mean over the fixations of the chosen presentations, (n_images, n_units)."""
        n = len(self.images)
        sums = _sum_by(self._image[chosen], self._sums[chosen], n)
        counts = np.bincount(self._image[chosen], weights=self._counts[chosen], minlength=n)
        return sums / np.where(counts > 0, counts, np.nan)[:, None]


def _sum_by(codes, rows, n):
    """Sum `rows` by code, (n, n_columns)."""
    out = np.zeros((n, rows.shape[1]))
    np.add.at(out, codes, rows)
    return out


def reliability(rates, images, presentations, n_splits: int = 20, seed: int = 0) -> Ceiling:
    """Return the split-half reliability of each unit: its ceiling, Spearman-Brown corrected.

    The correlations of the halves are averaged over splits before the correction, which is not linear.

    Parameters
    ----------
    rates : (n_fixations, n_units) array of float
        Response to each fixation, spikes/s.
    images, presentations : (n_fixations,) sequence
        Image on the screen and presentation (trial) of each fixation. Presentations are split, not fixations, since
        fixations of one presentation share noise.
    n_splits, seed : int
        Number of random splits and their seed.

    Returns
    -------
    Ceiling

    Raises
    ------
    DataError
        If the arrays differ in length, a rate is not finite, fewer than 3 images were shown twice, or `n_splits` is
        below 1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> image = np.repeat(np.arange(200), 4)  # 200 images in 4 presentations each, a fixation in each
    >>> signal, noise = rng.normal(size=(200, 1)), rng.normal(size=(800, 1))
    >>> ceiling = reliability(signal[image] + noise, image, np.arange(800))
    >>> ceiling.value.round(1)  # signal variance 1, noise variance 1 / 4: 1 / (1 + 1 / 4)
    array([0.8])
    """
    return reliability_of(Halves(rates, images, presentations), n_splits, seed)


def reliability_of(halves: Halves, n_splits: int, seed: int) -> Ceiling:
    """Return the ceiling of responses that are already gathered by presentation; `reliability` with the same errors."""
    if n_splits < 1:
        raise DataError(f"n_splits={n_splits}; give 1 or more")
    n_images = int((halves.n_presentations >= 2).sum())
    if n_images < 3:
        raise DataError(f"{n_images} images were shown twice or more; split halves need 3: give more presentations")
    rng = np.random.default_rng(seed)
    r = np.stack([pearson(*halves.draw(rng)) for _ in range(n_splits)])
    mean = mean_of_defined(r)
    return Ceiling(spearman_brown(mean), mean, n_images)


def normalised(pearson_r: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Return the explained share of the explainable variance, ``r |r| / ceiling``.

    r squared over the ceiling (Yamins et al. 2014), with the sign of r kept, so that a wrong prediction scores below 0.

    Parameters
    ----------
    pearson_r, ceiling : (n_units,) array of float
        Correlation of predicted and mean response; explainable variance (`Ceiling.value`).

    Returns
    -------
    (n_units,) array of float
        NaN where the ceiling is below 0.1: such a unit hardly responds to the images.

    Examples
    --------
    >>> normalised([0.5, -0.5, 0.5], [0.5, 0.5, 0.05])
    array([ 0.5, -0.5,  nan])
    """
    pearson_r, ceiling = np.asarray(pearson_r), np.asarray(ceiling)
    usable = np.where(ceiling >= MIN_CEILING, ceiling, np.nan)
    return pearson_r * np.abs(pearson_r) / usable
