"""Noise ceilings: the reliability of mean responses, from the variance between presentations."""

from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.keys import as_array, numbers, numbers_alone, one_per_row, same_rows
from analysis.statistics.variances import explained, sum_by, surplus

LEAST_IMAGES = 7
"""Minimum number of images: with one left out, the variance of the means has 5 degrees of freedom, the fewest at which
a ratio to it has finite variance over samples of noise."""
CERTAIN_IMAGES = 11
"""With fewer images all units are flagged: the standard error has finite variance over samples of noise only if the
ratio has a finite fourth moment, that is, from 9 degrees of freedom of the variance of the means without an image."""
LEAST_REPEATED = 3
"""Minimum number of images shown twice or more: two remain when the jackknife leaves one out."""
LEAST_RATIO = 2.0
"""A reliability below this many standard errors is flagged: its square root has a relative error above a quarter."""


@dataclass(frozen=True)
class Reliability:
    """Reliability of the mean responses of units (`reliability`).

    `value` and `ceiling` estimate the same quantity. On average `value` is right; but where it is low it is skewed, and
    most units lie above the average. A noise-corrected r, which is compared with 1 unit by unit and summarised by the
    median, needs the estimate that is too high as often as too low.

    Attributes
    ----------
    value : (n_units,) array of float
        Expected squared correlation of a noise-free model with the mean responses, over all images. Linear in the
        variances, so that it may be below 0 or above 1 by chance; NaN for units that do not vary.
    ceiling : (n_units,) array of float
        Median-unbiased: the squared correlation of a noise-free model exceeds it as often as not. Divide r by its
        square root (`noise_corrected`). NaN where `value` is.
    standard_error : (n_units,) array of float
        Jackknife standard error of `value`, over images.
    low : (n_units,) array of bool
        Units whose value is undefined or below twice its standard error, and all units with fewer than 11 images, where
        the standard error is unreliable: their noise-corrected scores are uncertain. Report how many, but keep them:
        dropping them biases the median of the corrected scores down, since a unit is more likely to stay if its
        reliability is overestimated.
    n_images, n_repeated : int
        Number of images, and of images with two or more presentations.

    Examples
    --------
    >>> import numpy as np
    >>> value, ceiling, error = np.array([[0.6, 0.1], [0.6, 0.11], [0.05, 0.08]])
    >>> found = Reliability(value, ceiling, error, np.array([False, True]), 60, 40)
    >>> found.value[~found.low]
    array([0.6])
    """

    value: np.ndarray
    ceiling: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    n_images: int
    n_repeated: int


class Presentations:
    """Responses grouped by presentation (an image shown in one trial).

    Fixations of one presentation share the animal's state and slow drifts. They are kept together whenever responses
    are split, and their shared noise is estimated between presentations.

    Parameters
    ----------
    rates : (n_fixations, n_units) array of float
        Response to each fixation, spikes/s; finite.
    images, presentations : (n_fixations,) sequence
        Image on the screen and presentation (trial) of each fixation.

    Attributes
    ----------
    images : (n_images,) array
        Sorted images, the rows of all means.
    n_presentations : (n_images,) array of int
        Number of presentations of each image.

    Raises
    ------
    DataError
        If the arrays differ in length, or a rate is not finite.
    """

    def __init__(self, rates: np.ndarray, images: np.ndarray, presentations: np.ndarray):
        rates, images, presentations = same_rows(rates=rates, images=images, presentations=presentations)
        rates = as_array("rates", rates, 2)
        images, presentations = one_per_row("images", images), one_per_row("presentations", presentations)
        if not len(rates) == len(images) == len(presentations):
            raise DataError(
                f"rates has shape {rates.shape}, images {images.shape}, presentations {presentations.shape}; "
                "give one row per fixation in each"
            )
        self.images, image = np.unique(images, return_inverse=True)
        _, trial = np.unique(presentations, return_inverse=True)
        n_trials = trial.max(initial=0) + 1
        codes, presentation = np.unique(image * n_trials + trial, return_inverse=True)
        self._image = codes // n_trials  # image of each presentation, ascending
        self._sums = sum_by(presentation, rates, len(codes))
        self._counts = np.bincount(presentation, minlength=len(codes)).astype(np.float64)
        deviation = rates - (self._sums / self._counts[:, None])[presentation]
        self._within = sum_by(image, deviation**2, len(self.images))
        self.n_presentations = np.bincount(self._image, minlength=len(self.images))

    def means(self) -> np.ndarray:
        """Return the mean response over all fixations on each image, (n_images, n_units)."""
        return self._mean(np.ones(len(self._image), dtype=bool))

    def partitions(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the mean responses of `n` random partitions of equal size, (n, n_images, n_units).

        If the presentations of an image do not divide evenly, the larger partitions are chosen at random. NaN where an
        image has no presentation in a partition.
        """
        order = np.lexsort((rng.random(len(self._image)), self._image))
        start = np.cumsum(self.n_presentations) - self.n_presentations
        first = rng.integers(n, size=len(self.images))
        partition = np.empty(len(order), dtype=np.intp)
        partition[order] = (np.arange(len(order)) + np.repeat(first - start, self.n_presentations)) % n
        return np.stack([self._mean(partition == k) for k in range(n)])

    def length_ratio(self) -> float:
        """Return the noise variance of the means relative to that of halves (two `partitions`): 1/2 for even splits.

        For noise that is independent between presentations: the mean of 1 / n over all images, divided by that over
        both halves of the images that can be split. NaN if none can.
        """
        split = self.n_presentations[self.n_presentations >= 2]
        if not len(split):
            return np.nan
        halves = (1 / (split // 2) + 1 / (split - split // 2)) / 2
        return float(np.mean(1 / self.n_presentations) / np.mean(halves))

    def reliability(self) -> Reliability:
        """Return the reliability of `means`, for every unit; see the function `reliability`."""
        n, n_repeated = len(self.images), int((self.n_presentations >= 2).sum())
        if n < LEAST_IMAGES:
            raise DataError(
                f"{n} images; a reliability needs {LEAST_IMAGES}: with fewer, noise alone gives any value; "
                "give more images"
            )
        if n_repeated < LEAST_REPEATED:
            raise DataError(
                f"{n_repeated} images were shown twice or more; a reliability needs {LEAST_REPEATED}: give more "
                "presentations"
            )
        means = self.means()
        signal = means - means.mean(axis=0)
        squares = signal**2
        between = self._counts[:, None] * (self._sums / self._counts[:, None] - means[self._image]) ** 2
        between, design = sum_by(self._image, between, n), self._design()
        terms = (squares.sum(axis=0), between, self._within, design)
        whole = explained(terms[0], *(term.sum(axis=0) for term in terms[1:]), n)
        # Leaving out image i lowers the sum of squares about the mean by n / (n - 1) times the square of image i.
        rest = terms[0] - squares * n / (n - 1)
        rest = np.where(rest > 1e-12 * terms[0], rest, np.nan)  # a unit that responds only to image i
        parts = explained(rest, *(term.sum(axis=0) - term for term in terms[1:]), n - 1)
        value = n * whole - (n - 1) * parts.mean(axis=0)
        error = np.sqrt((n - 1) / n * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0))
        varies = terms[0] > 1e-24 * np.maximum((means**2).sum(axis=0), 1e-300)
        ceiling = whole + surplus(squares, between, self._within, design) / np.where(varies, terms[0], np.nan)
        value, ceiling, error = (np.where(varies & np.isfinite(value), x, np.nan) for x in (value, ceiling, error))
        low = ~(value >= LEAST_RATIO * error) | (n < CERTAIN_IMAGES)
        return Reliability(value, ceiling, error, low, n, n_repeated)

    def _design(self) -> np.ndarray:
        """Return the coefficients of the variances in each image's sums of squares and noise, (n_images, 5).

        Degrees of freedom of fixations and of presentations; the factor of the variance of presentations in the sum of
        squares between them; sum of squared weights of presentations; 1 / number of fixations.
        """
        n = len(self.images)
        fixations = np.bincount(self._image, weights=self._counts, minlength=n)
        weights = np.bincount(self._image, weights=self._counts**2, minlength=n) / fixations**2
        p = self.n_presentations
        return np.stack([fixations - p, p - 1.0, fixations * (1 - weights), weights, 1 / fixations], axis=1)

    def _mean(self, chosen: np.ndarray) -> np.ndarray:
        """Return the mean over the fixations of the chosen presentations, (n_images, n_units)."""
        n = len(self.images)
        sums = sum_by(self._image[chosen], self._sums[chosen], n)
        counts = np.bincount(self._image[chosen], weights=self._counts[chosen], minlength=n)
        return sums / np.where(counts > 0, counts, np.nan)[:, None]


def reliability(rates, images, presentations, seed: int = 0) -> Reliability:
    """Return the reliability of each unit's mean response to each image, over all fixations on the image.

    The response to a fixation is the response to the image plus noise of the presentation (variance a) and of the
    fixation (b). The mean over n fixations, a fraction w of them in each presentation, has noise variance
    v = a sum w^2 + b / n, so that the expected squared correlation of a noise-free model is
    c = 1 - mean(v) / Var(means). This holds for any number of presentations and of fixations within them, including
    one. a and b come from the sums of squares of presentations within images and of fixations within presentations
    (nested analysis of variance for unequal numbers: Henderson 1953, method 1; Searle, Casella & McCulloch 1992),
    pooled over images. A jackknife over images (Quenouille 1956) removes the bias of the ratio, which is of order
    1 / n_images, and gives its standard error. c is the ratio of signal power (Sahani & Linden 2003) to the power of
    the mean, for any number of repeats, and its square root is the maximum correlation CC_max of Schoppe et al. (2016).

    `ceiling` is the c that the squared correlation r^2 of a noise-free model exceeds as often as not. Of the means' sum
    of squares S about their mean, such a model explains r^2 S; the signal's estimate is S - (n_images - 1) mean(v).
    Their difference does not depend on the signal. Its median m is about the noise variance of one image
    (`variances.surplus`), so that ceiling = 1 - ((n_images - 1) mean(v) - m) / S. For equal numbers and noise, and but
    for skewness, m = mean(v): then the ceiling is where the estimate r^2_ER of Pospisil & Bair (2021) is 1.

    Parameters
    ----------
    rates : (n_fixations, n_units) array of float
        Response to each fixation, spikes/s.
    images, presentations : (n_fixations,) sequence
        Image on the screen and presentation (trial) of each fixation. Fixations of one presentation share noise.
    seed : int
        Not used: the estimate has a closed form. All statistics here take a seed.

    Returns
    -------
    Reliability

    Raises
    ------
    DataError
        If the arrays differ in length, a rate is not finite, there are fewer than 7 images, or fewer than 3 were shown
        twice.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> image = np.repeat(np.arange(200), np.tile([1, 7], 100))  # half of 200 images once, half 7 times
    >>> signal, noise = rng.normal(size=(200, 3)), rng.normal(size=(800, 3))
    >>> found = reliability(signal[image] + noise, image, np.arange(800))
    >>> round(float(found.value.mean()), 1)  # signal variance 1, noise variance (1 + 1 / 7) / 2: 1 / (1 + 0.57)
    0.6
    """
    return Presentations(rates, images, presentations).reliability()


def step_up(r, length_ratio: float = 0.5):
    """Return the reliability of the full data from the split-half correlation r, ``r / (|r| + (1 - |r|) k)``.

    k is the noise variance of the full data relative to that of a half. With k = 1/2 and r above 0, this is the formula
    of Spearman (1910) and Brown (1910), 2 r / (1 + r); below 0, where that formula diverges to minus infinity, it is
    the mirror image, so that values lie between -1 and 1 and pure noise averages 0.

    Parameters
    ----------
    r : (...) array of float
        Correlation of the halves; NaN stays NaN.
    length_ratio : float
        k; `Presentations.length_ratio` where images have unequal numbers of presentations.

    Returns
    -------
    (...) array of float

    Raises
    ------
    DataError
        If a correlation is beyond -1 to 1, or the ratio is not positive.

    Examples
    --------
    >>> step_up([-0.5, 0.0, 0.5, 1.0]).round(2)
    array([-0.67,  0.  ,  0.67,  1.  ])
    """
    r = numbers_alone("r", r)
    if (np.abs(r) > 1 + 1e-9).any():
        raise DataError(f"r holds {r[np.abs(r) > 1 + 1e-9].flat[0]:g}; give correlations, from -1 to 1")
    if length_ratio <= 0 or np.isinf(length_ratio):
        raise DataError(f"length_ratio={length_ratio!r}; give the ratio of two variances, such as 0.5")
    return r / (np.abs(r) + (1 - np.abs(r)) * length_ratio)


def noise_corrected(pearson_r: np.ndarray, reliability: np.ndarray) -> np.ndarray:
    """Return the correlation of a prediction with the noise-free responses, ``r / sqrt(reliability)`` (Spearman 1904).

    Parameters
    ----------
    pearson_r, reliability : (n_units,) array of float
        Correlation of predicted and mean response; `Reliability.ceiling`, with which the median over units of a
        noise-free model is 1.

    Returns
    -------
    (n_units,) array of float
        May exceed 1 by chance. Infinite, with the sign of r, where the reliability is 0 or less: such a unit is known
        to lie above or below the median over units, and leaving it out would bias the median down.

    Examples
    --------
    >>> noise_corrected([0.5, -0.5, 0.2], [0.25, 0.25, -0.05])
    array([ 1., -1., inf])
    """
    tables = same_rows(pearson_r=pearson_r, reliability=reliability)
    r, reliability = numbers("pearson_r", tables[0]), numbers("reliability", tables[1])
    if r.shape != reliability.shape:
        raise DataError(f"pearson_r has shape {r.shape}, reliability {reliability.shape}; give the same units in both")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(r == 0, 0 * reliability, r / np.sqrt(np.maximum(reliability, 0.0)))


def normalised(pearson_r: np.ndarray, reliability: np.ndarray) -> np.ndarray:
    """Return the explained fraction of the explainable variance, ``r |r| / reliability``: `noise_corrected`, squared.

    r squared over the reliability (Yamins et al. 2014), with the sign of r kept, so that anticorrelated predictions
    score below 0.

    Parameters
    ----------
    pearson_r, reliability : (n_units,) array of float
        As in `noise_corrected`.

    Returns
    -------
    (n_units,) array of float
        Infinite where `noise_corrected` is.

    Examples
    --------
    >>> normalised([0.5, -0.5], [0.5, 0.5]).round(2)
    array([ 0.5, -0.5])
    """
    corrected = noise_corrected(pearson_r, reliability)
    return corrected * np.abs(corrected)
