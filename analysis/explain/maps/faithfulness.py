"""Whether maps say what the network does: deletion and insertion curves, and maps of a network without training."""

import numpy as np
import torch
from scipy.stats import spearmanr

from analysis.explain.maps.attribution import ABSENT, BATCH
from analysis.explain.opened_networks import Evidence
from analysis.models.network import Network

CURVES = ("deletion", "insertion")
ALIKE = 0.5
"""Rank correlation from which maps of a trained and an untrained network count as the same: they share a quarter of
their variance, and so do not explain what was learned (Adebayo et al. 2018 judge by eye)."""


def order(map_: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the pixels of a map (size, size) from the highest to the lowest, equal ones in random order."""
    return np.lexsort((rng.random(map_.size), -map_.ravel()))


def curves(network: Network, x: torch.Tensor, maps: np.ndarray, steps: int, seed: int) -> np.ndarray:
    """Return the probability of a face as pixels are taken away, and as they are put on grey (Petsiuk et al. 2018).

    Parameters
    ----------
    network : Network
    x : float tensor (n, 3, size, size), 0 to 1
    maps : (n, size, size)
        Pixels with the highest values come first.
    steps : int
        The k-th of them has the share ``k / steps`` of the pixels.
    seed : int
        For the order of equal pixels.

    Returns
    -------
    (n, 2, steps + 1)
        Deletion, insertion.
    """
    n, size = len(x), x.shape[2]
    rng = np.random.default_rng(seed)
    rank = np.empty((n, size * size))
    for k, map_ in enumerate(maps):
        rank[k, order(map_, rng)] = np.arange(size * size)
    share = np.linspace(0, 1, steps + 1) * size * size
    first = torch.from_numpy(rank[:, None] < share[:, None]).reshape(n, steps + 1, 1, size, size).to(x.device)
    grey = torch.full_like(x[:1], ABSENT)
    # Without any pixel and with all of them, both curves show the same two images.
    deleted = torch.where(first, grey, x[:, None])
    inserted = torch.where(first[:, 1:-1], x[:, None], grey)
    with torch.no_grad():
        rows = torch.cat([deleted, inserted], 1).flatten(0, 1)
        scores = torch.cat([Evidence(network)(part) for part in rows.split(BATCH)]).sigmoid()
    scores = scores.double().cpu().numpy().reshape(n, 2 * steps)
    deletion = scores[:, : steps + 1]
    insertion = np.concatenate([deletion[:, -1:], scores[:, steps + 1 :], deletion[:, :1]], axis=1)
    return np.stack([deletion, insertion], axis=1)


def area(curve: np.ndarray) -> np.ndarray:
    """Return the area under curves (..., steps + 1) over shares from 0 to 1: low for deletion, high for insertion."""
    return np.trapezoid(curve, dx=1 / (curve.shape[-1] - 1), axis=-1)


def likeness(trained: np.ndarray, untrained: np.ndarray) -> np.ndarray:
    """Return Spearman's rho of the maps of two networks, image by image, (n,); NaN where a map is constant.

    Parameters
    ----------
    trained, untrained : (n, size, size)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.array(
            [
                spearmanr(one.ravel(), other.ravel()).statistic if np.ptp(one) and np.ptp(other) else np.nan
                for one, other in zip(trained, untrained, strict=True)
            ]
        )
