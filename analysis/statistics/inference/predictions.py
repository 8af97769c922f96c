"""Bootstrap of predictivity over images and units, with the predictions held fixed."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.core.errors import DataError
from analysis.core.parallel import one_thread
from analysis.statistics.crossval import LEAST_FOLD, training_means
from analysis.statistics.inference.intervals import LEAST_CLUSTERS, mean_rows, median_rows
from analysis.statistics.inference.two_factor import Factor, ScoreDraws
from analysis.statistics.keys import TooFewImages, as_array, check_number, fold_numbers, numbers, one_per_row

AGGREGATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"median": median_rows, "mean": mean_rows}
ENTRIES_AT_ONCE = 2**22
"""Draws times units per block, which bounds the memory."""
CONSTANT = 1e-12
"""A column counts as constant in a draw if its variance falls below this fraction of its variance in the data."""


@dataclass(frozen=True)
class Predictions:
    """Responses of one recording and a model's out-of-fold predictions of them.

    Attributes
    ----------
    observed : (n_images, n_units) array of float
        Mean responses; NaN where unknown.
    predicted : (n_images, n_units) or (n_repeats, n_images, n_units) array of float
        Predictions for held-out images; NaN for images never tested.
    folds : (n_images,) or (n_repeats, n_images) array of int, optional
        Fold in which each image was predicted; -1 if never. If given, r is averaged over folds and r2 is relative to
        the mean of the training images, as in `pls_predict`; otherwise both are computed over all images at once.
    groups : (n_images,) sequence, optional
        Near-duplicate group of each image, drawn together. Groups of the same name in different recordings are the same
        images, and are drawn together too. Default: each image is its own group, with no image shared by recordings.
    scale : (n_units,) array of float, optional
        Divisor of each unit's score: the square root of its reliability for a noise-corrected r, the reliability for
        r2. It is held fixed: its error differs between units, so drawing units accounts for it.

    Examples
    --------
    >>> import numpy as np
    >>> observed = np.arange(12.0).reshape(6, 2)
    >>> Predictions(observed, observed + 1, groups=[0, 0, 1, 2, 3, 4]).predicted.shape
    (6, 2)
    """

    observed: np.ndarray
    predicted: np.ndarray
    folds: np.ndarray | None = None
    groups: Sequence | None = None
    scale: np.ndarray | None = None


def predictivity_draws(
    recordings: Sequence[Predictions],
    score: str = "r",
    aggregate: str | Callable[[np.ndarray], np.ndarray] = "median",
    *,
    clusters: Sequence | None = None,
    n_draws: int = 1000,
    seed: int = 0,
) -> ScoreDraws:
    """Draw images and units of recordings and score fixed predictions in each draw.

    All units of a recording share each draw of images, as they were recorded together. Without `clusters`, inference is
    about *these recordings*: units are drawn within each. With `clusters`, it generalises to other recordings or
    monkeys: clusters are drawn whole.

    Parameters
    ----------
    recordings : sequence of Predictions
    score : {"r", "r2"}
        Pearson's r, or the coefficient of determination.
    aggregate : {"median", "mean"} or callable
        Summarises the units of all recordings; a callable maps (n_draws, n_units) to (n_draws,), ignoring NaN.
    clusters : (n_recordings,) sequence, optional
        Recording or monkey of each entry of `recordings`; at least `LEAST_CLUSTERS` distinct ones.
    n_draws, seed : int
        Models scored on the same images and units with the same seed get the same draws.

    Returns
    -------
    ScoreDraws
        NaN where no unit is defined. Its interval is NaN with a single image or, without `clusters`, with a single
        unit in each recording.

    Raises
    ------
    DataError
        If shapes do not match, a name is unknown, or there are too few clusters.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> observed = [rng.normal(size=(50, 8)) for _ in range(2)]
    >>> recordings = [Predictions(y, y + rng.normal(size=y.shape), groups=np.arange(50) // 2) for y in observed]
    >>> draws = predictivity_draws(recordings, "r", "mean", n_draws=200)
    >>> draws.n_units, draws.n_images, draws.both.shape  # both recordings show the same 25 groups of images
    (16, 25, (200,))
    """
    if score not in SCORES:
        raise DataError(f"score={score!r}; give {' or '.join(SCORES)}")
    if isinstance(aggregate, str) and aggregate not in AGGREGATES:
        raise DataError(f"aggregate={aggregate!r}; give {', '.join(AGGREGATES)} or a function")
    if not recordings:
        raise DataError("no recordings: give at least one")
    check_number("n_draws", n_draws, 0)
    combine = AGGREGATES[aggregate] if isinstance(aggregate, str) else aggregate
    checked = [_Recording.of(one, number) for number, one in enumerate(recordings)]
    labels, places = label_rows([one.labels for one in checked])
    counts = draw_counts(len(labels), n_draws, seed)
    with one_thread():
        observed = np.concatenate([SCORES[score](one, np.ones((1, len(one.labels)))) for one in checked], axis=1)[0]
        defined = np.isfinite(observed)
        sizes = np.array([np.count_nonzero(part) for part in split(defined, [one.n_units for one in checked])])
        index, factor = draw_rows(sizes, clusters, n_draws, seed)
        drawn = {"images": np.empty(n_draws), "both": np.empty(n_draws)}
        step = max(1, ENTRIES_AT_ONCE // max(1, len(observed)))
        for start in range(0, n_draws, step):
            block = slice(start, start + step)
            scores = [SCORES[score](one, counts[block][:, at]) for one, at in zip(checked, places, strict=True)]
            scores = np.concatenate(scores, axis=1)[:, defined]
            drawn["images"][block] = combine(scores)
            drawn["both"][block] = combine(take(scores, index[block]))
    values = observed[defined][None]
    units = combine(take(np.broadcast_to(values, (n_draws, values.shape[1])), index))
    return ScoreDraws(
        estimate=float(combine(values)[0]),
        units=units,
        **drawn,
        n_units=int(defined.sum()),
        n_images=len(labels),
        factors=(factor, Factor.clusters(np.bincount(np.concatenate(places)))),
        design=describe_draws("units", defined, labels, n_draws, seed, clusters),
    )


def describe_draws(
    scored: str, defined: np.ndarray, labels: list[str], n_draws: int, seed: int, clusters: Sequence | None
) -> str:
    """Return the `ScoreDraws.design` for draws of images and of the `defined` entries of `scored` (units or RDMs)."""
    mask = zlib.crc32(np.packbits(defined).tobytes() + "\n".join(labels).encode())
    drawn = "recordings fixed" if clusters is None else "clusters drawn"
    return f"{int(defined.sum())} {scored}, {len(labels)} images ({mask:08x}), {n_draws} draws of seed {seed}, {drawn}"


def label_rows(labels: Sequence[np.ndarray]) -> tuple[list[str], list[np.ndarray]]:
    """Return the sorted distinct labels of all recordings, and the index of each row's label, by recording."""
    names, codes = np.unique(np.concatenate(labels), return_inverse=True)
    return names.tolist(), split(codes, [len(one) for one in labels])


def split(values: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Split an array into pieces of these sizes."""
    return np.split(values, np.cumsum(sizes)[:-1])


def draw_counts(n: int, n_draws: int, seed: int) -> np.ndarray:
    """Draw n of n items with replacement; return how often each was drawn, (n_draws, n)."""
    chosen = np.random.default_rng([zlib.crc32(b"images"), seed]).integers(n, size=(n_draws, n))
    chosen += np.arange(n_draws)[:, None] * n
    return np.bincount(chosen.ravel(), minlength=n_draws * n).reshape(n_draws, n).astype(np.float64)


def draw_rows(sizes: np.ndarray, clusters: Sequence | None, n_draws: int, seed: int) -> tuple[np.ndarray, Factor]:
    """Draw the units of recordings: within each recording, or with whole clusters of recordings.

    Parameters
    ----------
    sizes : (n_recordings,) int
        Number of units of each recording.
    clusters : (n_recordings,) sequence or None
    n_draws, seed : int

    Returns
    -------
    index : (n_draws, n) int
        Units drawn, numbered across recordings; shorter draws are padded with -1.
    factor : Factor

    Raises
    ------
    DataError
        If there are fewer than `LEAST_CLUSTERS` clusters, or not one label per recording.
    """
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng([zlib.crc32(b"units"), seed])
    if clusters is None:
        low, high = np.repeat(starts, sizes), np.repeat(starts + sizes, sizes)
        return rng.integers(low, high, size=(n_draws, len(low))), Factor.units(len(low), np.count_nonzero(sizes))
    codes = np.unique(one_per_row("clusters", clusters, len(sizes)).astype(str), return_inverse=True)[1]
    members = [
        np.concatenate([np.arange(starts[k], starts[k] + sizes[k]) for k in np.flatnonzero(codes == code)])
        for code in range(codes.max() + 1)
    ]
    members = [units for units in members if len(units)]
    if len(members) < LEAST_CLUSTERS:
        raise DataError(
            f"{len(members)} recordings or monkeys with defined units: {LEAST_CLUSTERS} are needed to generalise to "
            "others; leave clusters out for an interval about these, or give the values of each"
        )
    width = max(map(len, members))
    padded = np.stack([np.pad(units, (0, width - len(units)), constant_values=-1) for units in members])
    chosen = rng.integers(len(members), size=(n_draws, len(members)))
    return padded[chosen].reshape(n_draws, -1), Factor.clusters([len(units) for units in members])


def take(scores: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the scores of drawn units, (n_draws, n); NaN where `index` is -1."""
    if not scores.shape[1]:
        return np.full(index.shape, np.nan)
    return np.where(index >= 0, np.take_along_axis(scores, np.maximum(index, 0), axis=1), np.nan)


@dataclass(frozen=True)
class _Recording:
    """The checked arrays of a `Predictions`, without images that were never tested.

    `predicted` and `reference` (the training means; None without folds) are (n_repeats, n_images, n_units).
    """

    observed: np.ndarray
    predicted: np.ndarray
    folds: np.ndarray | None
    reference: np.ndarray | None
    labels: np.ndarray
    scale: np.ndarray

    @property
    def n_units(self) -> int:
        return self.observed.shape[1]

    @classmethod
    def of(cls, given: Predictions, number: int):
        observed = as_array(f"observed of recording {number}", given.observed, 2, allow_nan=True)
        predicted = as_array(f"predicted of recording {number}", given.predicted, None, allow_nan=True)
        predicted = predicted[None] if predicted.ndim == 2 else predicted
        n_images, n_units = observed.shape
        if predicted.shape[1:] != observed.shape:
            raise DataError(
                f"recording {number} has {n_images} images x {n_units} units observed, but predictions of shape "
                f"{np.shape(given.predicted)}; give one per image and unit"
            )
        folds = None
        if given.folds is not None:
            shape = predicted.shape[:2] if np.ndim(given.folds) == 2 or len(predicted) > 1 else (n_images,)
            folds = np.atleast_2d(fold_numbers(f"folds of recording {number}", given.folds, shape))
            if np.bincount(folds[folds >= 0]).max() < LEAST_FOLD:
                raise TooFewImages(f"no fold of recording {number} tests {LEAST_FOLD} images; use fewer folds")
        if given.groups is None:
            labels = np.array([f"{number}/{row}" for row in range(n_images)])
        else:
            labels = one_per_row(f"groups of recording {number}", given.groups, n_images).astype(str)
        scale = np.ones(n_units) if given.scale is None else numbers(f"scale of recording {number}", given.scale)
        if scale.shape != (n_units,):
            raise DataError(f"scale of recording {number} has shape {scale.shape}; give one per unit, ({n_units},)")
        if np.any(scale <= 0):
            raise DataError(f"scale of recording {number} holds {np.nanmin(scale)}; give numbers above 0, or NaN")
        reference = None if folds is None else np.stack([training_means(observed, one) for one in folds])
        tested = (np.isfinite(observed) & np.isfinite(predicted)).any(axis=(0, 2))
        if folds is not None:
            folds, reference = folds[:, tested], reference[:, tested]
        return cls(observed[tested], predicted[:, tested], folds, reference, labels[tested], scale)

    def parts(self, repeat: int):
        """Yield the rows of each fold of a repeat, or all rows at once without folds."""
        if self.folds is None:
            yield slice(None)
        else:
            for fold in np.unique(self.folds[repeat][self.folds[repeat] >= 0]):
                yield np.flatnonzero(self.folds[repeat] == fold)


def _r(recording: _Recording, weights: np.ndarray) -> np.ndarray:
    """Return the scaled r of each unit under weights of images: (n_draws, n_images) to (n_draws, n_units).

    As in `crossval.mean_pearson`, r is 0 for constant predictions and undefined for constant responses.
    """
    total, count = np.zeros((len(weights), recording.n_units)), np.zeros((len(weights), recording.n_units))
    for repeat, predicted in enumerate(recording.predicted):
        for rows in recording.parts(repeat):
            r = weighted_r(recording.observed[rows], predicted[rows], weights[:, rows])
            known = np.isfinite(r)
            total += np.where(known, r, 0.0)
            count += known
    return total / np.where(count > 0, count, np.nan) / recording.scale


def weighted_r(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Pearson's r of responses and predictions, (n_images, n_units) each, under weights of images.

    Returns
    -------
    (n_draws, n_units)
        For weights (n_draws, n_images): NaN for responses that do not vary, 0 for predictions that do not.
    """
    valid = np.isfinite(y) & np.isfinite(p)
    y, p = _centred(y, valid), _centred(p, valid)
    n = weights @ valid if not valid.all() else weights.sum(axis=1, keepdims=True)
    n = np.where(n > 0, n, np.nan)
    mean_y, mean_p, yy, pp, yp = (weights @ part / n for part in (y, p, y * y, p * p, y * p))
    yy, pp, yp = yy - mean_y**2, pp - mean_p**2, yp - mean_y * mean_p
    varies_y, varies_p = (
        v > CONSTANT * (z * z).sum(axis=0) / np.maximum(valid.sum(axis=0), 1) for v, z in ((yy, y), (pp, p))
    )
    r = yp / np.sqrt(np.where(varies_y & varies_p, yy * pp, np.nan))
    return np.where(varies_y & ~varies_p, 0.0, np.clip(r, -1, 1))


def _centred(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Subtract the mean of the valid rows, column by column; 0 in other rows and in constant columns."""
    filled = np.where(valid, values, 0.0)
    centred = np.where(valid, filled - filled.sum(axis=0) / np.maximum(valid.sum(axis=0), 1), 0.0)
    varies = (centred**2).sum(axis=0) > 1e-24 * (filled**2).sum(axis=0)
    return np.where(varies, centred, 0.0)


def _r2(recording: _Recording, weights: np.ndarray) -> np.ndarray:
    """Return the scaled r2 of each unit under weights of images, as `crossval.r2_score`."""
    total = np.zeros((len(weights), recording.n_units))
    for repeat, predicted in enumerate(recording.predicted):
        y = recording.observed
        valid = np.isfinite(y) & np.isfinite(predicted)
        if recording.reference is None:
            about = _centred(y, valid)
            squares = weights @ (about * about) - (weights @ about) ** 2 / np.maximum(weights @ valid, 1)
        else:
            about = np.where(valid, y - recording.reference[repeat], 0.0)
            squares = weights @ (about * about)
        error = weights @ np.where(valid, (y - np.where(valid, predicted, 0.0)) ** 2, 0.0)
        varies = squares > CONSTANT * (about * about).sum(axis=0)
        total += 1 - error / np.where(varies, squares, np.nan)
    return total / len(recording.predicted) / recording.scale


SCORES: dict[str, Callable[[_Recording, np.ndarray], np.ndarray]] = {"r": _r, "r2": _r2}
