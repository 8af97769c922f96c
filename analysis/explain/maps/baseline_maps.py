"""Baseline maps that no model takes part in, which an attribution map must beat."""

import numpy as np
from scipy.ndimage import sobel

from analysis.models.baselines.pixels import LUMA

CENTRE_SD = 0.25
"""Standard deviation of the centre-bias map, as a share of the side of the image."""


def centre(size: int) -> np.ndarray:
    """Return the centre bias of gaze and of photographers, a Gaussian about the middle, (size, size)."""
    distance = (np.arange(size) + 0.5) / size - 0.5
    profile = np.exp(-0.5 * (distance / CENTRE_SD) ** 2)
    return np.outer(profile, profile)


def edges(image: np.ndarray) -> np.ndarray:
    """Return the magnitude of the luminance gradient (Sobel), (size, size), of an image (3, size, size)."""
    grey = np.tensordot(LUMA, image, axes=1)
    return np.hypot(sobel(grey, axis=0), sobel(grey, axis=1))


def prior(regions: np.ndarray) -> np.ndarray:
    """Return where faces tend to be, (size, size): the mean of the face regions (n, size, size) of other images."""
    return regions.mean(axis=0)
