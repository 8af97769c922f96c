"""Choices inside the training images of a cross-validation: the number of components of each unit, and the layer.

The inner folds of a test fold k are the other folds. A fit without folds j and k predicts j for the choice made for k,
and k for the choice made for j, so that all choices of K folds together need K (K - 1) / 2 fits.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.core.parallel import one_thread
from analysis.statistics.crossval import TooFewImages, mean_pearson
from analysis.statistics.predictivity.krylov import as_numpy, fit_predict, gram_of


@dataclass(frozen=True)
class Nested:
    """Out-of-fold predictions with numbers of components that were chosen without the test fold.

    Attributes
    ----------
    predicted : (n_images, n_units)
        NaN for images that are not tested or were not shown to the unit.
    components : (n_tested, n_units) int
        Number chosen for each test fold; -1 where a unit has no images in it.
    inner_r : (n_tested, n_units)
        Pearson's r within the training images with that number, mean over the inner folds; NaN where undefined or not
        asked for, and where the training images are too few to be split again.
    """

    predicted: np.ndarray
    components: np.ndarray
    inner_r: np.ndarray


def nested(
    X, Y, folds, numbers, *, tested=None, scale: bool = False, per_unit: bool = True, inner: bool = True
) -> Nested:
    """Predict every test fold by PLS with a number of components that was chosen, for each unit, in the other folds.

    Parameters
    ----------
    X : (n_images, n_features)
        numpy array or torch tensor.
    Y : (n_images, n_units)
        NaN where a unit was not shown an image.
    folds : (n_images,) int
        Fold of every image, all at least 0; 3 or more folds unless one number is given.
    numbers : sequence of int
        Rising numbers of components among which the squared errors in the inner folds choose (`chosen`); 0 is the
        training mean. Numbers too large for the inner training images are left out.
    tested : sequence of int, optional
        Folds to predict; the others only train. Default: all.
    scale, per_unit
        As in `krylov.fit_predict`.
    inner : bool
        False: leave `inner_r` undefined; a single number then needs no inner fits.

    Returns
    -------
    Nested

    Raises
    ------
    TooFewImages
        If images or features allow none of the numbers but 0 (a `DataError`).
    """
    observed = as_numpy(Y)
    tested = np.unique(folds) if tested is None else np.asarray(tested)
    shape = len(tested), observed.shape[1]
    predicted = np.full(observed.shape, np.nan)
    components, inner_r = np.full(shape, -1), np.full(shape, np.nan)
    patterns, which = shown_together(observed)
    with one_thread():
        gram = gram_of(X, scale)
        for index in range(patterns.shape[1]):
            shown, units = np.flatnonzero(patterns[:, index]), np.flatnonzero(which == index)
            fits = _Fits(X, Y, observed, shown, units, folds[shown], gram, scale, per_unit)
            for t, (rows, outcome, best, number, r) in fits.choose(list(numbers), tested, inner):
                each = np.arange(len(units))
                predicted[np.ix_(shown[rows], units)] = outcome[best, :, each].T
                components[t, units], inner_r[t, units] = number, r
    return Nested(predicted, components, inner_r)


def shown_together(observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which images were shown, (n_images, n_patterns), and the pattern of each unit, (n_units,)."""
    finite = np.isfinite(observed)
    if finite.all():
        return finite[:, :1], np.zeros(observed.shape[1], int)
    return np.unique(finite, axis=1, return_inverse=True)


def chosen(squares: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the index of each unit's number of components.

    A unit's own smallest error is a poor guide where there is little to predict: one of several numbers beats the mean
    by chance, and units without signal score below 0. Units recorded together therefore share the number under which
    their inner folds are most likely (Gaussian errors, one variance per unit: the smallest sum of log errors). A unit
    departs from it for its own best number where that is better by more than one standard error: the rule of Breiman
    et al. (1984) and Hastie et al. (2009, section 7.10), here for the difference over the same images.

    Parameters
    ----------
    squares : (n_numbers, n_images, n_units)
        Squared errors in the inner folds; 0 where nothing was predicted.
    size : (n_units,)
        Sum of squares of the responses: units whose errors are at the level of its rounding are ignored.

    Returns
    -------
    (n_units,) int
        The smallest number among equals.
    """
    errors, units = squares.sum(axis=1), np.arange(squares.shape[2])
    counts = (errors > 1e-24 * np.maximum(size, 1e-300)).all(axis=0)
    shared = np.log(errors[:, counts]).sum(axis=1).argmin()
    own = errors.argmin(axis=0)
    gain = squares[shared] - squares[own, :, units].T
    return np.where(gain.sum(axis=0) > np.sqrt((gain**2).sum(axis=0)), own, shared)


class _Fits:
    """Fits, without one or two folds, of the units that were shown the same images."""

    def __init__(self, X, Y, observed, shown, units, folds, gram, scale, per_unit):
        self.X, self.Y, self.shown, self.units, self.folds = X, Y[:, units], shown, units, folds
        self.observed = observed[np.ix_(shown, units)]
        self.options = {"scale": scale, "per_unit": per_unit, "gram": gram}

    def allowed(self, numbers: list[int], tested, wanted: bool) -> tuple[list[int], bool]:
        """Return the numbers of components that the data allow, and whether the training images are split again."""
        sizes = np.array([(self.folds == fold).sum() for fold in np.unique(self.folds)])
        test_sizes = np.array([(self.folds == fold).sum() for fold in tested])
        n, p = len(self.folds), self.X.shape[1]
        outer = min(n - test_sizes.max() - 1, p)
        inner = min(n - np.sort(sizes)[-2:].sum() - 1, p) if len(sizes) > 2 else -1
        allowed = [number for number in numbers if number <= inner]
        if any(allowed) and (wanted or len(numbers) > 1):
            return allowed, True
        if len(numbers) == 1 and numbers[0] <= outer:
            return numbers, False
        raise TooFewImages(
            f"components {numbers} with {n} images, {p} features and {len(sizes)} folds: give smaller numbers, or more "
            "images"
        )

    def choose(self, numbers: list[int], tested, wanted: bool):
        """Yield the index of each test fold in `tested`, its rows, predictions and choices, and inner r if `wanted`."""
        allowed, split = self.allowed(numbers, tested, wanted)
        held = self.inner(allowed, tested) if split else None
        each = np.arange(len(self.units))
        for t, fold in enumerate(tested):
            if not (self.folds == fold).any():
                continue
            outcome, rows = self.predict(allowed, [fold])
            best, r = np.zeros(len(each), int), np.nan
            if split:
                squares = (held[t] - self.observed) ** 2
                best = chosen(np.where(np.isfinite(squares), squares, 0.0), (self.observed**2).sum(axis=0))
                if wanted:
                    r = mean_pearson(self.observed, held[t, best, :, each].T, self.folds)
            yield t, (rows, outcome, best, np.array(allowed)[best], r)

    def predict(self, numbers: list[int], out) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions of the folds `out` from the others, (n_numbers, n_rows, n_units), and their rows."""
        left = (self.folds[:, None] == out).any(axis=1)
        rows, train = np.flatnonzero(left), self.shown[~left]
        return as_numpy(fit_predict(self.X, self.Y, train, self.shown[rows], numbers, **self.options)), rows

    def inner(self, numbers: list[int], tested):
        """Return predictions of the inner folds of each test fold, (n_tested, n_numbers, n_images, n_units)."""
        all_folds = np.unique(self.folds)
        index = {fold: t for t, fold in enumerate(tested)}
        held = np.full((len(tested), len(numbers), *self.observed.shape), np.nan)
        for pair in combinations(all_folds, 2):
            if not any(fold in index for fold in pair):
                continue
            outcome, rows = self.predict(numbers, pair)
            for fold, other in (pair, pair[::-1]):
                if fold in index:
                    inside = self.folds[rows] == other
                    held[index[fold], :, rows[inside]] = outcome[:, inside].swapaxes(0, 1)
        return held
