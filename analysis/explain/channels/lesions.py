"""What is lost with the face channels of a layer: accuracy, predictivity of neurons, geometry of the images.

Channels are chosen on one half of the images, effects measured on the other. The loss is that of the face channels less
the mean loss of the control sets.
"""

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from analysis.core.errors import DataError
from analysis.explain.maps.attribution import BATCH
from analysis.explain.opened_networks import Opened
from analysis.models.network import Network
from analysis.neural.populations import Population
from analysis.statistics.crossval import pearson
from analysis.statistics.predictivity import pls
from analysis.statistics.rsa.rdm import rdm

ROWS = 2048
"""Rows of one pass through the layers above a lesion."""


class Lesion(nn.Module):
    """Repeat activations (n, n_channels, ...) for every mask (n_masks, n_channels), masked: (n_masks * n, ...)."""

    def __init__(self, masks: torch.Tensor):
        super().__init__()
        self.masks = masks

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        """Return the masked copies, mask by mask."""
        masks = self.masks.to(activations).reshape(*self.masks.shape[:1], 1, -1, *[1] * (activations.ndim - 2))
        return (activations * masks).flatten(0, 1)


def predicted(network: Network, layer: str, x: torch.Tensor, masks: np.ndarray) -> np.ndarray:
    """Return the class each image is given under each mask of a layer's channels, (n_masks, n_images).

    Parameters
    ----------
    network : Network
    layer : str
    x : float tensor (n_images, 3, size, size)
    masks : (n_masks, n_channels)
        0 for channels that are silenced.

    Raises
    ------
    DataError
        If the layer cannot be opened (`networks.Opened`).
    """
    opened = Opened(network, layer, x[:1])
    try:
        # The layers below the lesion are computed once for all masks.
        return _answers(opened, x, masks, max(1, min(BATCH, ROWS // len(masks))))
    except (DataError, RuntimeError):
        # The layers above also read something else, of as many rows as there are images: one mask at a time.
        return np.concatenate([_answers(opened, x, mask[None], BATCH) for mask in masks])


def _answers(opened: Opened, x: torch.Tensor, masks: np.ndarray, batch: int) -> np.ndarray:
    opened.tap = Lesion(torch.from_numpy(masks))
    with torch.no_grad():
        parts = [opened(part).argmax(1).reshape(len(masks), len(part)) for part in x.split(batch)]
    return torch.cat(parts, dim=1).cpu().numpy()


def predictivity(
    population: Population,
    features: np.ndarray,
    masks: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    n_components: int,
) -> np.ndarray:
    """Return Pearson's r of each unit on the test images under each mask, (n_masks, n_units).

    The mapping is fitted once, to the whole layer on the training images: the neuron still asks for the channels that
    are gone.

    Parameters
    ----------
    population : Population
    features : (n_images, n_channels, n_cells)
        Of the population's images, in its order.
    masks : (n_masks, n_channels)
    train, test : (m,), (k,) int
        Rows of the images.
    n_components : int
        Of PLS, for each unit.
    """
    X, Y = features[train].reshape(len(train), -1), population.responses[train]
    rows, mean = np.arange(len(train)), X.mean(axis=0)
    fitted = pls.fit_predict(X, Y, rows, rows, n_components) - Y.mean(axis=0)
    # The weights of PLS lie in the span of the training rows, so the fit to these rows determines them. There are far
    # fewer rows than features: the pseudo-inverse is that of a small triangle.
    span, triangle = np.linalg.qr((X - mean).T)
    weights = span @ (np.linalg.pinv(triangle.T, rcond=1e-8) @ fitted)
    channels = features.shape[1:]
    each = np.einsum("kcs,csu->cku", features[test], weights.reshape(*channels, -1), optimize=True)
    out = np.tensordot(masks, each, axes=1)  # predictions but for a constant: the sum over the channels left
    return np.stack([pearson(population.responses[test], one) for one in out])


def similarity(
    population: Population, features: np.ndarray, masks: np.ndarray, test: np.ndarray, n_draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return Spearman's rho of the layer's RDM with the neural RDM under each mask, and bootstrap draws of it.

    Parameters
    ----------
    population, features, masks, test
        As in `predictivity`; at least three units.
    n_draws, seed : int
        Test images are drawn with replacement, pairs of an image with itself left out. The ranks of the distances stay
        those of all pairs, so that the draws are sums of products.

    Returns
    -------
    rho : (n_masks,)
        NaN where an RDM has no spread or holds an undefined pair.
    draws : (n_draws, n_masks)
    """
    neural = rdm(population.responses[test], "correlation").distances
    models = [rdm((features[test] * mask[:, None]).reshape(len(test), -1), "correlation").distances for mask in masks]
    there = np.isfinite(neural)
    if there.sum() < 3:
        return np.full(len(masks), np.nan), np.full((n_draws, len(masks)), np.nan)
    y = rankdata(neural[there])
    x = np.stack([rankdata(one[there], nan_policy="propagate") for one in models])
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(test), np.full(len(test), 1 / len(test)), size=n_draws)
    first, second = (side[there] for side in np.triu_indices(len(test), 1))
    weights = np.concatenate([np.ones((1, len(y))), counts[:, first] * counts[:, second]])
    rho = _weighted_correlation(x - x.mean(axis=1, keepdims=True), y - y.mean(), weights)
    return rho[0], rho[1:]


def _weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each row of x (m, n) with y (n,) under each row of weights (w, n), (w, m)."""
    total = weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = weights @ x.T / total, weights @ y[:, None] / total
    covariance = weights @ (x * y).T / total - mean_x * mean_y
    spread = (weights @ (x**2).T / total - mean_x**2) * (weights @ (y**2)[:, None] / total - mean_y**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / np.sqrt(np.where(spread > 1e-9, spread, np.nan))
