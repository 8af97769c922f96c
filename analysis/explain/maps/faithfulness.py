"""Whether maps are faithful to the network: deletion and insertion curves, comparison with an untrained network."""

import numpy as np
import torch
from scipy.stats import spearmanr

from analysis.explain.maps.attribution import ABSENT, IMAGES_PER_PASS
from analysis.explain.opened_networks import Evidence
from analysis.models.network import Network

CURVES = ("deletion", "insertion")
SAME_MAP_RHO = 0.5
"""Maps of a trained and an untrained network with at least this rank correlation count as the same: they share a
quarter of their variance, so they do not explain what was learned (Adebayo et al. 2018 judge by eye)."""


def pixel_order(map_: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the pixels of a map (size, size) from highest to lowest, ties in random order, (size * size,) int."""
    return np.lexsort((rng.random(map_.size), -map_.ravel()))


def curves(network: Network, x: torch.Tensor, maps: np.ndarray, steps: int, seed: int) -> np.ndarray:
    """Return P(face) as pixels are removed from the image, and as they are added to grey (Petsiuk et al. 2018).

    Parameters
    ----------
    network : Network
    x : float tensor (n, 3, size, size), 0 to 1
    maps : (n, size, size)
        Pixels are removed or added from the highest value to the lowest.
    steps : int
        At step k, the share ``k / steps`` of the pixels is removed or added.
    seed : int
        Of the order of pixels with equal values.

    Returns
    -------
    (n, 2, steps + 1)
        Deletion and insertion curve of each image.
    """
    n, size = len(x), x.shape[2]
    rng = np.random.default_rng(seed)
    rank = np.empty((n, size * size))
    for k, map_ in enumerate(maps):
        rank[k, pixel_order(map_, rng)] = np.arange(size * size)
    share = np.linspace(0, 1, steps + 1) * size * size
    first = torch.from_numpy(rank[:, None] < share[:, None]).reshape(n, steps + 1, 1, size, size).to(x.device)
    grey = torch.full_like(x[:1], ABSENT)
    # The ends of both curves are the same two images: no pixel removed, and all removed.
    deleted = torch.where(first, grey, x[:, None])
    inserted = torch.where(first[:, 1:-1], x[:, None], grey)
    with torch.no_grad():
        rows = torch.cat([deleted, inserted], 1).flatten(0, 1)
        scores = torch.cat([Evidence(network)(part) for part in rows.split(IMAGES_PER_PASS)]).sigmoid()
    scores = scores.double().cpu().numpy().reshape(n, 2 * steps)
    deletion = scores[:, : steps + 1]
    insertion = np.concatenate([deletion[:, -1:], scores[:, steps + 1 :], deletion[:, :1]], axis=1)
    return np.stack([deletion, insertion], axis=1)


def area_under(curve: np.ndarray) -> np.ndarray:
    """Return the area under curves (..., steps + 1) over shares 0 to 1: low for deletion if the map is faithful."""
    return np.trapezoid(curve, dx=1 / (curve.shape[-1] - 1), axis=-1)


def map_correlation(trained: np.ndarray, untrained: np.ndarray) -> np.ndarray:
    """Return Spearman's rho between the maps of two networks for each image, (n,); NaN where a map is constant.

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
