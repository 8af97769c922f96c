"""Intervals and contrasts over two random factors: images, and units within recordings (or whole recordings).

A model's score varies with the images shown and the units recorded. The bootstrap draws each factor alone, then both;
the three variances yield that of the score or, for two models scored on the same draws, that of their difference.
Models are compared by that difference, never by whether their intervals overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from analysis.core.errors import DataError
from analysis.statistics.inference.intervals import Interval
from analysis.statistics.keys import check_level


@dataclass(frozen=True)
class Factor:
    """A random factor of a bootstrap.

    Attributes
    ----------
    growth : float
        Correction factor of the variance of the draws, which vary about the sample mean.
    freedom : float
        Degrees of freedom of that variance.

    Examples
    --------
    >>> Factor.units(12, strata=2).growth  # units vary about the means of 2 recordings
    1.2
    >>> round(Factor.clusters([1] * 5).growth, 2)
    1.25
    >>> found = Factor.clusters([8, 12, 16, 20, 30, 40])  # of other sizes: as few as are the large ones
    >>> round(found.growth, 2), round(found.freedom, 1)
    (1.4, 2.8)
    """

    growth: float
    freedom: float

    @classmethod
    def units(cls, n: int, strata: int) -> "Factor":
        """Return the factor for n units drawn within their recordings (`strata` of them)."""
        return cls(n / (n - strata) if n > strata else np.inf, float(n - strata))

    @classmethod
    def clusters(cls, sizes: Sequence[int]) -> "Factor":
        """Return the factor for clusters drawn whole, weighted in the score by their sizes.

        With weights h, the draws have variance sum h^2 (x - sum h x)^2, a quadratic form x' A x. For clusters x of
        equal variance, growth is sum h^2 / tr A, and the degrees of freedom are tr(A)^2 / tr(A^2) (Bell & McCaffrey
        2002, Survey Methodology 28:169-181); n / (n - 1) and n - 1 for n clusters of equal size.
        """
        h = np.asarray(sizes, dtype=np.float64) / np.sum(sizes)
        of_2, of_3, of_4, of_5 = (float(np.sum(h**k)) for k in (2, 3, 4, 5))
        trace = of_2 - 2 * of_3 + of_2**2
        if len(h) < 2:
            return cls(np.inf, 0.0)
        outer = np.array([[of_2, -1.0], [-1.0, 0.0]]) @ [
            [of_2, of_3],
            [of_3, of_4],
        ]  # A is diag(h^2) + U C U', of rank 2
        squares = of_4 + 2 * (of_2 * of_4 - 2 * of_5) + float(np.trace(outer @ outer))
        return cls(of_2 / trace, trace**2 / squares)


FIXED = Factor(1.0, np.inf)
"""A fixed factor, which is not drawn."""


@dataclass(frozen=True)
class Contrast:
    """The difference of two scores on the same images and units (`contrast`).

    Attributes
    ----------
    difference, low, high : float
        First minus second, with its confidence interval; NaN where undefined.
    p : float
        Two-sided, for no difference; never below 1 / (n_draws + 1).
    n_units, n_images : int
        Number of units (or RDMs) and of distinct images (near-duplicates counted once) behind both scores.

    Examples
    --------
    >>> Contrast(difference=0.1, low=0.02, high=0.18, p=0.01, n_units=40, n_images=120).p
    0.01
    """

    difference: float
    low: float
    high: float
    p: float
    n_units: int
    n_images: int


@dataclass(frozen=True)
class ScoreDraws:
    """A score and its bootstrap draws over units, over images and over both (`predictivity_draws`, `rsa_draws`).

    Attributes
    ----------
    estimate : float
        The score of the data.
    units, images, both : (n_draws,) array of float
        The score with units (or recordings) drawn, with images drawn, and with the same draws of both at once. If only
        images are random, `units` is constant and `both` equals `images`.
    n_units, n_images : int
        Number of units (or RDMs) and of distinct images behind the score.
    factors : (Factor, Factor)
        What was drawn: units (or recordings), and images.
    design : str
        What was drawn, and with which seed: scores of the same design are paired.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import Predictions, predictivity_draws
    >>> rng = np.random.default_rng(0)
    >>> observed = rng.normal(size=(60, 12))
    >>> draws = predictivity_draws([Predictions(observed, observed + rng.normal(size=observed.shape))])
    >>> interval = draws.interval()
    >>> 0.6 < interval.low < interval.estimate < interval.high < 0.8
    True
    """

    estimate: float
    units: np.ndarray
    images: np.ndarray
    both: np.ndarray
    n_units: int
    n_images: int
    factors: tuple[Factor, Factor]
    design: str

    def interval(self, level: float = 0.95) -> Interval:
        """Return the score with its confidence interval, ``estimate +- t sqrt(V)``; see `two_factor_variance`."""
        check_level(level)
        variance, df = two_factor_variance(self.units, self.images, self.both, self.factors)
        reach = float(stdtrit(df, (1 + level) / 2) * np.sqrt(variance))
        return Interval(self.estimate, self.estimate - reach, self.estimate + reach)


def two_factor_variance(
    units: np.ndarray, images: np.ndarray, both: np.ndarray, factors: tuple[Factor, Factor]
) -> tuple[float, float]:
    """Return the variance of a score over two random factors, and its degrees of freedom.

    The bootstrap variances V contain the components of the two-way layout as follows: drawing n units shrinks their
    variance by (n - 1) / n (by (n - k) / n within k recordings), and drawing both factors counts the interaction I
    three times. Hence (Schuett et al. 2023, eLife 12:e82566; in small samples, as in rsatoolbox)

        V = V_u n / (n - 1) + V_i m / (m - 1) - I,   I = n m / ((n - 1) (m - 1)) (V_both - V_u - V_i)

    with I clipped between 0 and the smaller of the first two terms, as no variance component is negative. (rsatoolbox
    caps V at V_both, which is too small by up to (n - 1) / n if units or recordings are few.) The degrees of freedom
    are those of a sum of mean squares (Satterthwaite 1946): V^2 over the sum of squared terms, each divided by its own
    degrees of freedom. For clusters of unequal sizes, `Factor.growth` replaces n / (n - 1) (`Factor.clusters`).

    Parameters
    ----------
    units, images, both : (n_draws,) array of float
        The score under each kind of draw; draws undefined in any (NaN) are left out.
    factors : (Factor, Factor)
        Factors of units and of images.

    Returns
    -------
    variance, degrees of freedom : float
        NaN if fewer than two draws are defined, or a random factor has no degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rows, columns = rng.normal(size=(2, 100_000))
    >>> factors = Factor.units(5, 1), Factor.units(10, 1)
    >>> variance, df = two_factor_variance(rows, 2 * columns, rows + 2 * columns, factors)
    >>> round(variance, 1), round(df, 1)  # 5 / 4 * 1 + 10 / 9 * 4 without an interaction
    (5.7, 12.5)
    """
    defined = np.isfinite(units) & np.isfinite(images) & np.isfinite(both)
    of_units, of_images = factors
    if np.count_nonzero(defined) < 2 or min(of_units.freedom, of_images.freedom) <= 0:
        return np.nan, np.nan
    v_units, v_images, v_both = (float(np.var(draws[defined], ddof=1)) for draws in (units, images, both))
    interaction = of_units.growth * of_images.growth * (v_both - v_units - v_images)
    v_units, v_images = of_units.growth * v_units, of_images.growth * v_images
    interaction = min(max(interaction, 0.0), v_units, v_images)
    variance = v_units + v_images - interaction
    a, b = of_units.freedom, of_images.freedom
    uncertain = v_units**2 / a + v_images**2 / b + interaction**2 / (a * b)
    return variance, variance**2 / uncertain if uncertain > 0 else np.inf


def contrast(first: ScoreDraws, second: ScoreDraws, level: float = 0.95) -> Contrast:
    """Compare two scores on the same images and units: two models, layers or protocols.

    Both are scored on the same draws, so shared variation cancels in the difference. For several contrasts, correct the
    p-values as a family (`holm`, `fdr`).

    Parameters
    ----------
    first, second : ScoreDraws
        With the same seed and number of draws, over the same images and units.
    level : float
        Confidence level, 0 to 1.

    Returns
    -------
    Contrast
        The interval excludes 0 exactly when p is below 1 - `level`, down to the floor of p.

    Raises
    ------
    DataError
        If the scores rest on different draws, images or units.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import Predictions, predictivity_draws
    >>> rng = np.random.default_rng(0)
    >>> observed = rng.normal(size=(80, 20))
    >>> good, bad = (Predictions(observed, observed + sd * rng.normal(size=observed.shape)) for sd in (0.5, 2.0))
    >>> found = contrast(predictivity_draws([good]), predictivity_draws([bad]))
    >>> 0.3 < found.low < found.difference < found.high < 0.6, found.p < 0.002
    (True, True)
    """
    if first.design != second.design:
        raise DataError(
            f"scores are not paired: one rests on {first.design}, the other on {second.design}; "
            "give both the same images, units, number of draws and seed"
        )
    check_level(level)
    difference = first.estimate - second.estimate
    draws = (getattr(first, kind) - getattr(second, kind) for kind in ("units", "images", "both"))
    variance, df = two_factor_variance(*draws, first.factors)
    error = np.sqrt(variance)
    reach = float(stdtrit(df, (1 + level) / 2) * error)
    if error > 0:
        p = max(2 * float(stdtr(df, -abs(difference) / error)), 1 / (len(first.images) + 1))
    else:
        p = np.nan if np.isnan(variance) else 1.0  # identical scores
    return Contrast(difference, difference - reach, difference + reach, p, first.n_units, first.n_images)
