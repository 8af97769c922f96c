"""Whether units respond more where a map has more mass, within an image.

For each fixation the map's mass in the patch at gaze + receptive field stands beside the unit's response. Both are
taken less their means over the fixations of their stratum (same image, same place in the sequence), so that neither
differences between images nor adaptation over a presentation can relate them; responses are permuted within strata.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.explain.places import Frame, patch_mass

ORDINALS = 2
"""Fixations of the same image with the ordinal 0, 1, and this or more are three strata."""
LEAST_FIXATIONS = 20
"""A unit with fewer in strata of two or more is not tested."""


@dataclass(frozen=True)
class Relation:
    """Of each map and unit, (n_maps, n_units): Pearson's r within strata and its two-sided p-value; NaN: not tested.

    `n` is the number of fixations compared.
    """

    r: np.ndarray
    p: np.ndarray
    n: np.ndarray


def strata(images: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
    """Return the stratum of each fixation, (n_fixations,) int, from image and ordinal."""
    return np.unique(
        [f"{image} {min(int(k), ORDINALS)}" for image, k in zip(images, ordinal, strict=True)], return_inverse=True
    )[1]


def centred(values: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Return values (n_fixations, ...) less the mean of their stratum."""
    n = np.bincount(stratum)
    sums = np.zeros((len(n), *values.shape[1:]))
    np.add.at(sums, stratum, values)
    return values - (sums / n.reshape(-1, *[1] * (values.ndim - 1)))[stratum]


def orders(stratum: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return `n` random orders of the fixations within their strata, (n, n_fixations) int."""
    rng = np.random.default_rng(seed)
    home = np.argsort(stratum, kind="stable")
    found = np.empty((n, len(stratum)), np.int32)
    for one in found:
        one[home] = np.lexsort((rng.random(len(stratum)), stratum))
    return found


def relate(mass: np.ndarray, rate: np.ndarray, stratum: np.ndarray, permutations: int, seed: int) -> Relation:
    """Relate maps to units.

    Parameters
    ----------
    mass : (n_maps, n_fixations, n_units)
        Share of each map in the patch of each unit in each fixation; NaN where the map has no mass.
    rate : (n_fixations, n_units)
    stratum : (n_fixations,) int
    permutations, seed : int

    Returns
    -------
    Relation
    """
    n_maps, _, n_units = mass.shape
    r, p, n = np.full((n_maps, n_units), np.nan), np.full((n_maps, n_units), np.nan), np.zeros((n_maps, n_units), int)
    # A map has mass in an image or not, for all units: units share their fixations wherever no unit lacks a field.
    known = np.isfinite(mass)
    patterns, which = np.unique(known.transpose(0, 2, 1).reshape(-1, mass.shape[1]), axis=0, return_inverse=True)
    for index, pattern in enumerate(patterns):
        rows = _repeated(np.flatnonzero(pattern), stratum)
        if len(rows) < LEAST_FIXATIONS:
            continue
        groups = np.unique(stratum[rows], return_inverse=True)[1]
        shuffled = orders(groups, permutations, seed)
        y = centred(rate[rows].astype(np.float64), groups)
        here = np.flatnonzero(which.ravel() == index)
        for unit in np.unique(here % n_units):
            maps = here[here % n_units == unit] // n_units
            z = centred(mass[maps, :, unit][:, rows].T, groups)
            observed, null = _correlations(z, y[:, unit], shuffled)
            r[maps, unit], n[maps, unit] = observed, len(rows)
            more = (np.abs(null) >= np.abs(observed) - 1e-12).sum(axis=0)
            p[maps, unit] = np.where(np.isfinite(observed), (more + 1) / (permutations + 1), np.nan)
    return Relation(r, p, n)


def _repeated(rows: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Return the rows whose stratum occurs more than once among them: others say nothing within a stratum."""
    return rows[np.bincount(stratum[rows], minlength=stratum.max() + 1)[stratum[rows]] > 1]


def _correlations(z: np.ndarray, y: np.ndarray, shuffled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return r of each column of z (n, n_maps) with y (n,), and with y in each order, (n_orders, n_maps)."""
    size = np.linalg.norm(z, axis=0) * np.linalg.norm(y)
    size = np.where(size > 1e-9, size, np.nan)
    return y @ z / size, y[shuffled] @ z / size


def masses(maps: list[dict[str, np.ndarray]], frames: dict[str, Frame], recording: xr.Dataset) -> np.ndarray:
    """Return the mass of every map under every unit's field in every fixation, (n_maps, n_fixations, n_units).

    Parameters
    ----------
    maps : list of dict from stem to (size, size)
        Only positive values count: evidence for a face.
    frames : dict from stem to Frame
    recording : xarray.Dataset
        A map that an image lacks has no mass in it (NaN).
    """
    stimulus = recording["stimulus_id"].values.astype(str)
    gaze = np.column_stack([recording["x_dva"], recording["y_dva"]])
    field = np.column_stack([recording["rf_x_dva"], recording["rf_y_dva"]])
    centre = gaze[:, None] + field  # (n_fixations, n_units, 2); NaN for a unit without a field
    out = np.full((len(maps), len(stimulus), len(field)), np.nan)
    known = np.flatnonzero(np.isfinite(field).all(axis=1))
    for stem in np.unique(stimulus):
        rows = np.flatnonzero(stimulus == stem)
        there = [k for k, one in enumerate(maps) if stem in one]
        for size in {len(maps[k][stem]) for k in there}:
            same = [k for k in there if len(maps[k][stem]) == size]
            positive = np.maximum(np.stack([maps[k][stem] for k in same]), 0)
            share = patch_mass(positive, centre[np.ix_(rows, known)], recording, frames[stem])
            out[np.ix_(same, rows, known)] = share
    return out
