"""Whether units respond more where a map has more mass, within an image.

For each fixation the map's mass in the patch at gaze + receptive field stands beside the unit's response. Both are
taken less their means over the fixations of their stratum (same image, same place in the sequence), so that neither
differences between images nor adaptation over a presentation can relate them.

What must not count either is that responses and masses are both smooth in place: two unrelated smooth functions
correlate within any one image, and shuffled fixations would call that a relation. So the maps are permuted, image by
image: the null is the same responses and gaze with the maps of other images (as in the shuffled scores of saliency,
Zhang et al. 2008). It holds the smoothness, and whatever bias to the centre all maps share.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.explain.gaze.image_square import Frame, patch_mass

ORDINALS = 2
"""Fixations of the same image with the ordinal 0, 1, and this or more are three strata."""
LEAST_IMAGES = 5
"""With fewer there are too few other maps to tell anything."""


@dataclass(frozen=True)
class Moments:
    """Sums over the fixations of each image, within strata.

    Attributes
    ----------
    both, mass : (n_maps, n_images, n_images, n_units)
        Products of mass and response, and squares of mass: fixations on the first image, map of the second.
    response : (n_images, n_units)
        Squares of response.
    n : int
        Fixations in strata of two or more.
    """

    both: np.ndarray
    mass: np.ndarray
    response: np.ndarray
    n: int


@dataclass(frozen=True)
class Relation:
    """Of each map and unit, (n_maps, n_units); NaN: not tested.

    Attributes
    ----------
    r : Pearson's r within strata
    shuffled : mean r with the maps of other images
    p : two-sided p-value of r against those
    """

    r: np.ndarray
    shuffled: np.ndarray
    p: np.ndarray


def strata(ordinal: np.ndarray) -> np.ndarray:
    """Return the stratum of each fixation on one image, (n_fixations,) int from 0."""
    return np.minimum(np.asarray(ordinal, int), ORDINALS)


def centred(values: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Return values (..., n_fixations, n_units) less the mean of their stratum."""
    out = np.array(values, np.float64)
    for one in np.unique(stratum):
        rows = stratum == one
        out[..., rows, :] -= out[..., rows, :].mean(axis=-2, keepdims=True)
    return out


def of_image(mass: np.ndarray, rate: np.ndarray, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sums over the fixations on one image.

    Parameters
    ----------
    mass : (n_maps, n_images, n_fixations, n_units)
        Share of each map of each image in the patch of each unit; NaN where a map has no mass.
    rate : (n_fixations, n_units)
    stratum : (n_fixations,) int

    Returns
    -------
    both, mass : (n_maps, n_images, n_units)
    response : (n_units,)
    """
    y, z = centred(rate, stratum), centred(np.nan_to_num(mass), stratum)
    return np.einsum("mjfu,fu->mju", z, y), np.einsum("mjfu,mjfu->mju", z, z), (y**2).sum(axis=0)


def measure(
    maps: list[dict[str, np.ndarray]], frames: dict[str, Frame], recording: xr.Dataset, images: list[str]
) -> Moments:
    """Return the sums of one recording.

    Parameters
    ----------
    maps : list of dict from stem to (size, size)
        Each holds all of `images`, all have the same size. Only positive values count: evidence for a face.
    frames : dict from stem to Frame
    recording : xarray.Dataset
    images : list of str
        Images whose fixations and maps are used.
    """
    stimulus = recording["stimulus_id"].values.astype(str)
    gaze = np.column_stack([recording["x_dva"], recording["y_dva"]])
    field = np.column_stack([recording["rf_x_dva"], recording["rf_y_dva"]])
    known = np.isfinite(field).all(axis=1)
    positive = np.maximum(np.stack([[one[stem] for stem in images] for one in maps]), 0)
    flat, shape = positive.reshape(-1, *positive.shape[2:]), (len(maps), len(images))
    both, mass = (np.zeros((len(maps), len(images), len(images), len(field))) for _ in range(2))
    response, n = np.zeros((len(images), len(field))), 0
    for k, stem in enumerate(images):
        rows = np.flatnonzero(stimulus == stem)
        stratum = strata(recording["ordinal"].values[rows])
        centre = gaze[rows, None] + field[known]
        share = patch_mass(flat, centre, recording, frames[stem]).reshape(*shape, len(rows), -1)
        rate = recording["rate"].values[np.ix_(rows, known)]
        both[:, k, :, known], mass[:, k, :, known], response[k, known] = _turned(of_image(share, rate, stratum))
        n += int((np.bincount(stratum)[stratum] > 1).sum())
    return Moments(both, mass, response, n)


def _turned(found: tuple) -> tuple:
    """Return the sums with units first, as assignment to chosen units wants them."""
    both, mass, response = found
    return both.transpose(2, 0, 1), mass.transpose(2, 0, 1), response


def relate(moments: Moments, permutations: int, seed: int) -> Relation:
    """Test every map and unit against the maps of other images.

    Parameters
    ----------
    moments : Moments
    permutations : int
        Of the maps over the images.
    seed : int
    """
    n_maps, n_images, _, n_units = moments.both.shape
    nothing = np.full((n_maps, n_units), np.nan)
    if n_images < LEAST_IMAGES:
        return Relation(nothing, nothing, nothing)
    rng = np.random.default_rng(seed)
    orders = np.stack([np.arange(n_images), *(rng.permutation(n_images) for _ in range(permutations))])
    r = np.empty((len(orders), n_maps, n_units))
    images, spread = np.arange(n_images), moments.response.sum(axis=0)
    for number, order in enumerate(orders):
        both = moments.both[:, images, order].sum(axis=1)
        size = np.sqrt(moments.mass[:, images, order].sum(axis=1) * spread)
        r[number] = np.divide(both, size, out=np.full(both.shape, np.nan), where=size > 1e-9)
    # The observed order is one of all: distances are from the mean of all of them.
    middle = r.mean(axis=0)
    extreme = (np.abs(r - middle) >= np.abs(r[0] - middle) - 1e-12).sum(axis=0)  # the observed one included
    known = np.isfinite(r).all(axis=0)
    return Relation(r[0], r[1:].mean(axis=0), np.where(known, extreme / len(orders), np.nan))
