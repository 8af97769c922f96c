"""Variances of the noise in mean responses: nested analysis of variance for unequal numbers.

The noise of a fixation is that of its presentation (variance a) plus its own (variance b). A design, (n_images, 5) or
summed over images (5,), holds the coefficients of both in each image's sums of squares and noise: degrees of freedom of
fixations and of presentations; factor of a in the sum of squares between presentations; sum of squared weights of the
presentations in the mean; 1 / number of fixations.
"""

import numpy as np


def sum_by(codes, rows, n):
    """Sum `rows` by code, (n, n_columns)."""
    out = np.zeros((n, rows.shape[1]))
    np.add.at(out, codes, rows)
    return out


def components(between, within, design):
    """Return the variances of presentations and of fixations, (..., n_units), from sums over images."""
    fixation_df, presentation_df, factor = np.moveaxis(design, -1, 0)[:3, ..., None]
    of_fixations = within / np.where(fixation_df > 0, fixation_df, np.inf)
    return (between - of_fixations * presentation_df) / factor, of_fixations


def explained(squares, between, within, design, n):
    """Return 1 - mean noise variance / variance of the means, from sums over `n` images, (..., n_units)."""
    of_presentations, of_fixations = components(between, within, design)
    weight, share = np.moveaxis(design, -1, 0)[3:, ..., None]
    noise = (of_presentations * weight + of_fixations * share) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - noise / (squares / (n - 1))


def surplus(squares, between, within, design):
    """Return the median by which a noise-free model's sum of squares exceeds the estimate of the signal's, (n_units,).

    A noise-free model explains the sum of squares of the means less a residual sum of squares R; the estimated signal
    is the former less N, the estimated noise of all images but one. The surplus N - R does not contain the signal. Its
    expectation is the noise that correlates with the signal by chance, sum h v over images, where h is the image's
    share of the signal's sum of squares and v its noise variance. N and R are sums of squares of normal variables, with
    cumulants k2 = 2 sum v^2 / df and k3 = 8 sum v^3 / df^2 (k3 of R is subtracted), and the median is
    expectation - k3 / (6 k2) (Cornish & Fisher 1938). For equal numbers and noise, N / R is an F ratio and this is the
    approximation k - 2/3 to the median of chi-squared with k degrees of freedom (Wilson & Hilferty 1931).

    v may differ from image to image, and grow with the response. The ratio of v to what the numbers of presentations
    and fixations imply has its second and third moment estimated from the sums of squares between presentations, and
    its mean along the signal with squared deviations of the responses as weights.

    Parameters
    ----------
    squares, between, within : (n_images, n_units)
        Squared deviation of the image's mean from the mean over images; sums of squares between the presentations of an
        image, and between the fixations within them.
    design : (n_images, 5)
    """
    _, presentation_df, factor, weight, share = design.T[..., None]
    totals = (rows.sum(axis=0) for rows in (between, within, design))
    of_presentations, of_fixations = (np.maximum(variance, 0.0) for variance in components(*totals))
    noise = of_presentations * weight + of_fixations * share
    level = noise.mean(axis=0)
    unit = np.where(level > 0, level, np.nan)
    noise, between = noise / unit, between / unit
    expected = (of_presentations * factor + of_fixations * presentation_df) / unit
    estimated = expected * weight.sum() / factor.sum()
    df = np.maximum(presentation_df, 1)  # nothing is expected between presentations of images shown once
    second = _ratio(between**2, expected**2 * (1 + 2 / df))
    third = _ratio(_cube(between), _cube(expected) * (1 + 2 / df) * (1 + 4 / df))
    along = _ratio(squares * between, squares * expected)
    skewness = _ratio(_cube(noise) - _cube(estimated) / df**2, noise**2 + estimated**2 / df)
    return np.where(level > 0, level * (along + 2 / 3 * skewness * third / np.where(second > 0, second, 1.0)), 0.0)


def _cube(x):
    return x * x**2  # the rounding of x**3 differs between processors


def _ratio(x, y):
    """Return the sum of `x` over images by that of `y`, 1 where the latter is 0."""
    x, y = x.sum(axis=0), y.sum(axis=0)
    return np.divide(x, y, out=np.ones_like(x), where=y > 0)
