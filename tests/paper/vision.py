"""How colours look to viewers who lack one kind of cone, and how far apart they look."""

import numpy as np
from matplotlib.colors import to_rgb

DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""Matrices on linear sRGB at severity 1: Machado, Oliveira & Fernandes 2009, doi 10.1109/TVCG.2009.113."""
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(1)


def seen(colours: np.ndarray, deficiency: str) -> np.ndarray:
    """Return sRGB colours from 0 to 1, shape (..., 3), as a viewer with this deficiency sees them."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    changed = np.clip(linear @ DEFICIENCIES[deficiency].T, 0, 1)
    return np.where(changed <= 0.0031308, changed * 12.92, 1.055 * changed ** (1 / 2.4) - 0.055)


def distance(one: str, other: str, deficiency: str) -> float:
    """Return the CIE 1976 difference (Delta E) of two colours, as a viewer with this deficiency sees them."""
    labs = [_lab(seen(np.array(to_rgb(colour)), deficiency)) for colour in (one, other)]
    return float(np.linalg.norm(labs[0] - labs[1]))


def _lab(colour: np.ndarray) -> np.ndarray:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    x, y, z = _f(linear @ TO_XYZ.T / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _f(t: np.ndarray) -> np.ndarray:
    return np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
