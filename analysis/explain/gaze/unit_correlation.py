"""Correlate the responses of units with the mass of maps in their receptive fields, fixation by fixation.

For each fixation, the unit's response is paired with the map's mass in the patch at gaze + receptive field. From both,
the mean over the fixations of the same stratum (same image, same position in the sequence) is subtracted, so that
neither differences between images nor adaptation during a presentation can correlate them.

Responses and masses are both smooth functions of gaze, and two unrelated smooth functions correlate within any image. A
null distribution from shuffled fixations would take this for a relation. Maps are therefore permuted between images:
under the null, responses and gaze are unchanged and the maps are those of other images (as in the shuffled saliency
scores of Zhang et al. 2008). This preserves the smoothness, and any centre bias that all maps share.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.explain.gaze.image_square import Frame, patch_mass

ORDINALS = 2
"""Three strata per image: fixations with ordinal 0, with ordinal 1, and with this ordinal or a higher one."""
LEAST_IMAGES = 5
"""With fewer images there are too few other maps for a test."""


@dataclass(frozen=True)
class Moments:
    """Sums over the fixations on each image, after subtracting the means of the strata.

    Attributes
    ----------
    both, mass : (n_maps, n_images, n_images, n_units)
        Sums of mass * response and of mass squared, for fixations on the first image and the map of the second.
    response : (n_images, n_units)
        Sums of squared responses.
    n : int
        Fixations in strata of at least two fixations.
    """

    both: np.ndarray
    mass: np.ndarray
    response: np.ndarray
    n: int


@dataclass(frozen=True)
class Correlation:
    """Correlation of each map and unit, (n_maps, n_units) each; NaN if not tested.

    Attributes
    ----------
    r : Pearson's r within strata
    shuffled : mean r with the maps of other images
    p : two-sided p-value of r against r with the maps of other images
    """

    r: np.ndarray
    shuffled: np.ndarray
    p: np.ndarray


def strata(ordinal: np.ndarray) -> np.ndarray:
    """Return the stratum of each fixation on one image, (n_fixations,) int from 0."""
    return np.minimum(np.asarray(ordinal, int), ORDINALS)


def centred(values: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Subtract the mean of the stratum from values (..., n_fixations, n_units)."""
    out = np.array(values, np.float64)
    for one in np.unique(stratum):
        rows = stratum == one
        out[..., rows, :] -= out[..., rows, :].mean(axis=-2, keepdims=True)
    return out


def image_sums(mass: np.ndarray, rate: np.ndarray, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sums over the fixations on one image.

    Parameters
    ----------
    mass : (n_maps, n_images, n_fixations, n_units)
        Share of the mass of each image's map in the patch of each unit; NaN where a map has no mass.
    rate : (n_fixations, n_units)
    stratum : (n_fixations,) int

    Returns
    -------
    both, mass : (n_maps, n_images, n_units)
    response : (n_units,)
    """
    y, z = centred(rate, stratum), centred(np.nan_to_num(mass), stratum)
    return np.einsum("mjfu,fu->mju", z, y), np.einsum("mjfu,mjfu->mju", z, z), (y**2).sum(axis=0)


def measure_moments(
    maps: list[dict[str, np.ndarray]], frames: dict[str, Frame], recording: xr.Dataset, images: list[str]
) -> Moments:
    """Return the sums over the fixations of one recording.

    Parameters
    ----------
    maps : list of dict from stem to (size, size)
        All have all `images` and the same size. Only positive values (evidence for a face) count as mass.
    frames : dict from stem to Frame
    recording : xarray.Dataset
    images : list of str
        Images whose fixations and maps are used.
    """
    stimulus = recording["stimulus_id"].values.astype(str)
    gaze = np.column_stack([recording["x_dva"], recording["y_dva"]])
    field = np.column_stack([recording["rf_x_dva"], recording["rf_y_dva"]])
    known = np.isfinite(field).all(axis=1)
    positive = np.maximum(np.stack([[by_stem[stem] for stem in images] for by_stem in maps]), 0)
    flat, shape = positive.reshape(-1, *positive.shape[2:]), (len(maps), len(images))
    both, mass = (np.zeros((len(maps), len(images), len(images), len(field))) for _ in range(2))
    response, n = np.zeros((len(images), len(field))), 0
    for k, stem in enumerate(images):
        rows = np.flatnonzero(stimulus == stem)
        stratum = strata(recording["ordinal"].values[rows])
        centre = gaze[rows, None] + field[known]
        share = patch_mass(flat, centre, recording, frames[stem]).reshape(*shape, len(rows), -1)
        rate = recording["rate"].values[np.ix_(rows, known)]
        both[:, k, :, known], mass[:, k, :, known], response[k, known] = _units_first(image_sums(share, rate, stratum))
        n += int((np.bincount(stratum)[stratum] > 1).sum())
    return Moments(both, mass, response, n)


def _units_first(sums: tuple) -> tuple:
    """Move units to the first axis, as assignment to selected units requires."""
    both, mass, response = sums
    return both.transpose(2, 0, 1), mass.transpose(2, 0, 1), response


def correlate(moments: Moments, permutations: int, seed: int) -> Correlation:
    """Correlate every map with every unit, and test the correlation against the maps of other images.

    Parameters
    ----------
    moments : Moments
    permutations : int
        Random permutations of the maps over images.
    seed : int
    """
    n_maps, n_images, _, n_units = moments.both.shape
    untested = np.full((n_maps, n_units), np.nan)
    if n_images < LEAST_IMAGES:
        return Correlation(untested, untested, untested)
    rng = np.random.default_rng(seed)
    orders = np.stack([np.arange(n_images), *(rng.permutation(n_images) for _ in range(permutations))])
    r = np.empty((len(orders), n_maps, n_units))
    images, response = np.arange(n_images), moments.response.sum(axis=0)
    for number, order in enumerate(orders):
        both = moments.both[:, images, order].sum(axis=1)
        size = np.sqrt(moments.mass[:, images, order].sum(axis=1) * response)
        r[number] = np.divide(both, size, out=np.full(both.shape, np.nan), where=size > 1e-9)
    # Two-sided: distances from the mean over all orders, the observed one included.
    centre = r.mean(axis=0)
    extreme = (np.abs(r - centre) >= np.abs(r[0] - centre) - 1e-12).sum(axis=0)
    known = np.isfinite(r).all(axis=0)
    return Correlation(r[0], r[1:].mean(axis=0), np.where(known, extreme / len(orders), np.nan))
