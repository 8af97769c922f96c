"""How well any model could do: reliability of responses from split halves of presentations."""

from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.statistics.crossval import pearson
from analysis.statistics.keys import as_array

LEAST = 0.1
"""Ceilings below this say that a unit hardly responds to the images: scores are not normalised by them."""


@dataclass(frozen=True)
class Ceiling:
    """Split-half reliability.

    Attributes
    ----------
    value : (n_units,)
        Expected explainable variance of the mean responses: the squared correlation of a noise-free model with them.
        May be slightly negative by chance; NaN for units that do not vary.
    halves : (n_units,)
        Mean correlation of the halves, before the Spearman-Brown correction.
    n_images : int
        Images with two presentations or more, which alone can be split.
    """

    value: np.ndarray
    halves: np.ndarray
    n_images: int


def spearman_brown(r):
    """Reliability of a measurement of twice the length, 2 r / (1 + r) (Spearman 1910; Brown 1910)."""
    r = np.asarray(r, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(r > -1, 2 * r / (1 + r), np.nan)


class Halves:
    """Random halves of the presentations of each image.

    The unit of splitting is the presentation (one showing in one trial), not the fixation: fixations of one showing
    share the animal's state and slow drifts, so halves that both hold some would agree by more than the image.
    Every half gets half of an image's presentations; the odd one goes to either half at random.

    Parameters
    ----------
    rates : (n_fixations, n_units)
        Response to each fixation, spikes/s; finite.
    images, presentations : (n_fixations,)
        Image on the screen and presentation (trial) of each fixation.

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
        codes, self._showing = np.unique(image * (trial.max(initial=0) + 1) + trial, return_inverse=True)
        self._image = codes // (trial.max(initial=0) + 1)  # image of each showing; sorted, as the codes are
        self._sums = _sum_by(self._showing, rates, len(codes))
        self._counts = np.bincount(self._showing, minlength=len(codes)).astype(np.float64)
        self.n_presentations = np.bincount(self._image, minlength=len(self.images))

    def means(self) -> np.ndarray:
        """Return the mean over all fixations on each image, (n_images, n_units)."""
        return self._mean(np.ones(len(self._image), dtype=bool))

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the means of two random halves, each (n_images, n_units); NaN for images shown once."""
        order = np.lexsort((rng.random(len(self._image)), self._image))
        start = np.concatenate([[0], np.cumsum(self.n_presentations)])
        place = np.arange(len(order)) - np.repeat(start[:-1], self.n_presentations)
        odd_up = rng.random(len(self.images)) < 0.5
        half = (self.n_presentations + odd_up) // 2
        first = np.zeros(len(order), dtype=bool)
        first[order] = place < np.repeat(half, self.n_presentations)
        return self._mean(first), self._mean(~first)

    def partitions(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the means of `n` random parts of the presentations, (n, n_images, n_units); NaN where one is empty."""
        order = np.lexsort((rng.random(len(self._image)), self._image))
        start = np.concatenate([[0], np.cumsum(self.n_presentations)])
        part = np.empty(len(order), dtype=np.intp)
        part[order] = (np.arange(len(order)) - np.repeat(start[:-1], self.n_presentations)) % n
        return np.stack([self._mean(part == k) for k in range(n)])

    def _mean(self, chosen):
        n = len(self.images)
        sums = _sum_by(self._image[chosen], self._sums[chosen], n)
        counts = np.bincount(self._image[chosen], weights=self._counts[chosen], minlength=n)
        return sums / np.where(counts > 0, counts, np.nan)[:, None]


def _sum_by(codes, values, n):
    """Sum rows of `values` by code, (n, n_columns)."""
    out = np.zeros((n, values.shape[1]))
    np.add.at(out, codes, values)
    return out


def split_half(rates, images, presentations, n_splits: int = 20, seed: int = 0) -> Ceiling:
    """Ceiling of each unit from random halves of presentations, Spearman-Brown corrected.

    The correlations of the halves are averaged over splits before the correction, which is not linear.

    Parameters
    ----------
    rates : (n_fixations, n_units)
        Response to each fixation, spikes/s.
    images, presentations : (n_fixations,)
        Image and presentation of each fixation.
    n_splits, seed : int
        Number of random splits and their seed.

    Returns
    -------
    Ceiling

    Raises
    ------
    DataError
        If fewer than 3 images were shown twice.
    """
    return split_half_of(Halves(rates, images, presentations), n_splits, seed)


def split_half_of(halves: Halves, n_splits: int, seed: int) -> Ceiling:
    """Return the ceiling from presentations that are already gathered, as `split_half` does, with the same errors."""
    n_images = int((halves.n_presentations >= 2).sum())
    if n_images < 3:
        raise DataError(f"{n_images} images were shown twice or more; split halves need 3: give more repeats")
    rng = np.random.default_rng(seed)
    r = np.stack([pearson(*halves.draw(rng)) for _ in range(n_splits)])
    defined = np.isfinite(r)
    mean = np.where(defined, r, 0.0).sum(axis=0) / np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)
    return Ceiling(spearman_brown(mean), mean, n_images)


def normalised(pearson_r: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Explained share of the explainable variance, ``r |r| / ceiling``.

    The sign of r stays, so that wrong predictions count as such; NaN where the ceiling is below `LEAST`.
    """
    pearson_r, ceiling = np.asarray(pearson_r), np.asarray(ceiling)
    safe = np.where(ceiling >= LEAST, ceiling, np.nan)
    return pearson_r * np.abs(pearson_r) / safe
