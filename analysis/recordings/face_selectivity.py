"""Which units are visually selective, and how face-selective each is."""

import numpy as np
from scipy.stats import false_discovery_control

MIN_RSC = 0.1
"""Minimum self-consistency of a visually selective unit (Xiao et al. 2024, all pairs)."""
MAX_Q = 0.01
"""False-discovery rate below which a unit counts as visually selective (Xiao et al. 2024)."""
FACE_SELECTIVE = 0.2
"""Minimum face-selectivity index of a face-selective unit (Xiao et al. 2024)."""
FACE_WINDOW_MS = 150
"""Response window of the face-selectivity index (Xiao et al. 2024, script 1a)."""


def visually_selective(rsc: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return which units are visually selective, shape (n_units,): RSC >= 0.1 and false-discovery rate < 0.01.

    The false-discovery rate is controlled (Benjamini-Hochberg) across these units; those without a p-value are not
    selective.

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

    NaN for a unit that lacks fixations of one kind, or has no spikes in either.

    Parameters
    ----------
    rate : ndarray, shape (n_fixations, n_units)
        Zeroth fixations, spikes/s in 150 ms.
    face, non_face : ndarray of bool, shape (n_fixations, n_units)
        Whether the unit's receptive field fell on a face, or on no annotated region, during the fixation.
    """
    means = []
    for chosen in (face, non_face):
        n = chosen.sum(axis=0)
        sums = np.where(chosen, rate, 0.0).sum(axis=0)
        means.append(np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0))
    total = means[0] + means[1]
    return np.divide(means[0] - means[1], total, out=np.full(len(total), np.nan), where=total > 0)
