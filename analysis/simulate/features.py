"""What early and intermediate areas see: maps of Gabor energy, of its conjunctions, and of its own texture.

V1: energy of quadrature Gabor pairs (Adelson & Bergen 1985). V2: conjunctions of two orientations at one place, as at
corners and curves. V4: energy of Gabor filters over the maps of V1 energy (second order), which marks texture borders.
"""

import numpy as np
from scipy import fft

ORIENTATIONS = 4
WAVELENGTHS = (4.0, 8.0)
"""In pixels of the halved image."""
SECOND_WAVELENGTH = 16.0
CELL = 3
"""Maps are averaged over cells of this many pixels of the halved image."""
CELL_PIXELS = 2 * CELL
STAGES = {"V1": slice(0, 8), "V2": slice(8, 20), "V4": slice(20, 36)}
"""Channels of `feature_maps` by stage."""
N_CHANNELS = 36


def _energy(picture: np.ndarray, wavelength: float, orientation: float) -> np.ndarray:
    """Return the magnitude of a Gabor pair's response, filtered with reflected borders."""
    pad = int(2 * wavelength)
    padded = np.pad(picture, pad, mode="reflect")
    shape = [fft.next_fast_len(n, real=False) for n in padded.shape]
    # A Gaussian in frequency around the carrier: one octave wide, 30 degrees at half height.
    fy, fx = fft.fftfreq(shape[0])[:, None], fft.fftfreq(shape[1])[None]
    carrier = 1 / wavelength
    along = fx * np.cos(orientation) + fy * np.sin(orientation) - carrier
    across = -fx * np.sin(orientation) + fy * np.cos(orientation)
    filter_ = np.exp(-0.5 * ((along / (0.28 * carrier)) ** 2 + (across / (0.3 * carrier)) ** 2))
    response = fft.ifft2(fft.fft2(padded, shape) * filter_)
    height, width = picture.shape
    return np.abs(response[pad : pad + height, pad : pad + width])


def _cells(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    return picture.reshape(height // CELL, CELL, width // CELL, CELL).mean(axis=(1, 3))


def feature_maps(pixels: np.ndarray) -> np.ndarray:
    """Compute the maps of one image.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, 3), uint8
        Height and width are multiples of `CELL_PIXELS`.

    Returns
    -------
    ndarray, shape (N_CHANNELS, height / CELL_PIXELS, width / CELL_PIXELS), float32
        Not negative; zero for a uniform image.
    """
    grey = pixels.mean(axis=2) / 255
    height, width = grey.shape
    grey = grey.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    turns = np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
    first = [[_energy(grey - grey.mean(), w, t) for t in turns] for w in WAVELENGTHS]
    maps = [_cells(e) for scale in first for e in scale]
    for scale in first:
        pairs = [(i, j) for i in range(ORIENTATIONS) for j in range(i)]
        maps += [_cells(np.sqrt(scale[i] * scale[j])) for i, j in pairs]
    for scale in first:
        for energy in scale:
            maps += [_cells(_energy(energy - energy.mean(), SECOND_WAVELENGTH, t)) for t in (0.0, np.pi / 2)]
    return np.stack(maps).astype(np.float32)
