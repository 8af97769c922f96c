"""Features of early and intermediate areas: Gabor energy, conjunctions of orientations, and second-order texture.

V1: energy of quadrature Gabor pairs (Adelson & Bergen 1985). V2: conjunctions of two orientations at one position, as
in corners and curves. V4: energy of Gabor filters applied to maps of V1 energy (second order), which marks texture
borders.
"""

from functools import lru_cache

import numpy as np
from scipy import fft

ORIENTATIONS = 4
WAVELENGTHS = (4.0, 8.0)
"""In pixels of the image at half resolution."""
SECOND_WAVELENGTH = 5.5
"""In cells."""
CELL = 3
"""Maps are averaged over square cells; side in pixels of the image at half resolution."""
CELL_PIXELS = 2 * CELL
STAGES = {"V1": slice(0, 8), "V2": slice(8, 20), "V4": slice(20, 36)}
"""Channels of `feature_maps` by stage."""
N_CHANNELS = 36


PAD = 16
"""Width of the reflected border added before filtering, in pixels."""


@lru_cache(maxsize=64)
def _filter(shape: tuple[int, int], wavelength: float, orientation: float) -> np.ndarray:
    """Return a Gabor filter in the frequency domain, one-sided so that the magnitude of the response is the energy."""
    fy, fx = fft.fftfreq(shape[0])[:, None], fft.fftfreq(shape[1])[None]
    carrier = 1 / wavelength
    along = fx * np.cos(orientation) + fy * np.sin(orientation) - carrier
    across = -fx * np.sin(orientation) + fy * np.cos(orientation)
    return np.exp(-0.5 * ((along / (0.28 * carrier)) ** 2 + (across / (0.3 * carrier)) ** 2)).astype(np.float32)


def _energies(picture: np.ndarray, wavelengths: tuple[float, ...], turns: np.ndarray) -> list[list[np.ndarray]]:
    """Return the energy of every Gabor pair for a picture, one list per wavelength."""
    padded = np.pad((picture - picture.mean()).astype(np.float32), PAD, mode="reflect")
    shape = tuple(fft.next_fast_len(n) for n in padded.shape)
    spectrum = fft.fft2(padded, shape)
    rows, columns = (slice(PAD, PAD + n) for n in picture.shape)
    return [[np.abs(fft.ifft2(spectrum * _filter(shape, w, t)))[rows, columns] for t in turns] for w in wavelengths]


def _cells(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    return picture.reshape(height // CELL, CELL, width // CELL, CELL).mean(axis=(1, 3))


def _halved(pixels: np.ndarray) -> np.ndarray:
    """Return the luminance from 0 to 1 at half resolution."""
    grey = pixels.mean(axis=2) / 255
    height, width = grey.shape
    return grey.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def luminance_map(pixels: np.ndarray) -> np.ndarray:
    """Return the luminance minus its mean, (1, height / CELL_PIXELS, width / CELL_PIXELS), float32."""
    grey = _halved(pixels)
    return _cells(grey - grey.mean())[None].astype(np.float32)


def feature_maps(pixels: np.ndarray) -> np.ndarray:
    """Return feature maps (N_CHANNELS, height / CELL_PIXELS, width / CELL_PIXELS), float32 >= 0, of one image.

    `pixels` are uint8 (height, width, 3), both sides multiples of `CELL_PIXELS`. A uniform image gives zeros.
    """
    grey = _halved(pixels)
    turns = np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
    first = _energies(grey, WAVELENGTHS, turns)
    simple = [_cells(energy) for scale in first for energy in scale]
    pairs = [(i, j) for i in range(ORIENTATIONS) for j in range(i)]
    joint = [_cells(np.sqrt(scale[i] * scale[j])) for scale in first for i, j in pairs]
    texture = [e for energy in simple for e in _energies(energy, (SECOND_WAVELENGTH,), turns[::2])[0]]
    return np.stack(simple + joint + texture).astype(np.float32)
