"""Which units respond to images at all, and which prefer faces."""

import numpy as np
from scipy.stats import false_discovery_control

MIN_RSC = 0.1
"""Least self-consistency of a visually selective unit (Xiao et al. 2024, all pairs)."""
MAX_Q = 0.01
"""Largest false-discovery rate of a visually selective unit (Xiao et al. 2024)."""
FACE_SELECTIVE = 0.2
"""Least face-selectivity index of a face-selective unit (Xiao et al. 2024)."""
FACE_WINDOW_MS = 150
"""Response window of the face-selectivity index (Xiao et al. 2024, script 1a)."""


def visually_selective(rsc: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return which units are visually selective, shape (n_units,): RSC >= 0.1 and false-discovery rate < 0.01.

    The rate is controlled (Benjamini and Hochberg) over the units given; units without a p-value are not selective.

    Parameters
    ----------
    rsc, p : ndarray, shape (n_units,)
        Self-consistency over all pairs, and its p-value against random re-pairings.
    """
    tested = np.isfinite(p) & np.isfinite(rsc)
    q = np.ones(len(p))
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return tested & (q < MAX_Q) & np.where(tested, rsc >= MIN_RSC, False)


def face_selectivity_index(rate: np.ndarray, face: np.ndarray, non_face: np.ndarray) -> np.ndarray:
    """Return (F - N) / (F + N) of the mean rates on face and non-face fixations, shape (n_units,).

    Not a number for a unit without fixations of either kind, or without spikes in both.

    Parameters
    ----------
    rate : ndarray, shape (n_fixations, n_units)
        Zeroth fixations, spikes/s in 150 ms.
    face, non_face : ndarray of bool, shape (n_fixations, n_units)
        Whether the unit's receptive field fell on a face, or on no face-like region, in a fixation.
    """
    means = []
    for chosen in (face, non_face):
        n = chosen.sum(axis=0)
        sums = np.where(chosen, rate, 0.0).sum(axis=0)
        means.append(np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0))
    total = means[0] + means[1]
    return np.divide(means[0] - means[1], total, out=np.full(len(total), np.nan), where=total > 0)
