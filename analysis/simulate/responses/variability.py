"""Response variability beyond Poisson (gains, slow drift), and how often images are shown."""

import numpy as np

from analysis.core.seeds import seed_of
from analysis.params import Simulate
from analysis.params.schema import Noise

DRIFT_PRESENTATIONS = 150
"""Time constant of the drift, in presentations."""


def showings(params: Simulate, n_images: int, seed: int, recording: str) -> np.ndarray:
    """Return how often each image of a recording is shown, (n_images,).

    ``equal``: ``presentations_per_image`` times. ``geometric``: at least once, with this mean, as unequally as if
    images were drawn at random until the session ends.
    """
    mean = params.presentations_per_image
    if params.showings == "equal":
        return np.full(n_images, mean)
    rng = np.random.default_rng(seed_of(seed, "showings", recording))
    return rng.geometric(1 / mean, n_images)


def draw_gains(noise: Noise, n: int, units: list[str], seed: int) -> np.ndarray | None:
    """Return the gain of each unit in each of `n` presentations, (n, n_units); None if there is no noise.

    A gain is the product of three factors of mean 1: one private to the unit, one shared by all units (both gamma,
    drawn for each presentation: Goris et al. 2014, doi:10.1038/nn.3711), and a shared slow drift, whose logarithm is an
    Ornstein-Uhlenbeck process.
    """
    if noise.private == noise.shared == noise.drift == 0:
        return None
    shared = _gamma(noise.shared, n, np.random.default_rng(seed_of(seed, "shared")))
    shared = shared * _drift(noise.drift, n, np.random.default_rng(seed_of(seed, "drift")))
    private = [_gamma(noise.private, n, np.random.default_rng(seed_of(seed, "private", unit))) for unit in units]
    return np.stack(private, axis=1) * shared[:, None]


def _gamma(cv: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` gamma variates of mean 1 and coefficient of variation `cv`."""
    return rng.gamma(1 / cv**2, cv**2, n) if cv else np.ones(n)


def _drift(sd: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a drift over `n` presentations: exp of an Ornstein-Uhlenbeck process of this SD, with mean 1."""
    steps, kept = rng.standard_normal(n), np.exp(-1 / DRIFT_PRESENTATIONS)
    log = np.empty(n)
    log[:1] = steps[:1]
    for i in range(1, n):
        log[i] = kept * log[i - 1] + np.sqrt(1 - kept**2) * steps[i]
    return np.exp(sd * log - sd**2 / 2)
