"""Silence channels of a layer: predicted classes, neural predictivity and RDM correlation without them.

Channels are chosen on one half of the images and their effects measured on the other (`channel_tables`).
"""

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from analysis.core.errors import DataError
from analysis.explain.maps.attribution import IMAGES_PER_PASS
from analysis.explain.opened_networks import Opened
from analysis.models.network import Network
from analysis.neural.populations import Population
from analysis.statistics.crossval import pearson
from analysis.statistics.predictivity import pls
from analysis.statistics.rsa.rdm import rdm

COPIES_PER_PASS = 2048
"""Masked copies of images in one pass through the layers above a lesion."""


class Lesion(nn.Module):
    """Multiply activations (n, n_channels, ...) by each mask (n_masks, n_channels), (n_masks * n, ...)."""

    def __init__(self, masks: torch.Tensor):
        super().__init__()
        self.masks = masks

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        """Return the masked copies, mask by mask."""
        masks = self.masks.to(activations).reshape(*self.masks.shape[:1], 1, -1, *[1] * (activations.ndim - 2))
        return (activations * masks).flatten(0, 1)


def predict_classes(network: Network, layer: str, x: torch.Tensor, masks: np.ndarray) -> np.ndarray:
    """Return the predicted class of each image under each mask of a layer's channels, (n_masks, n_images) int.

    Parameters
    ----------
    network : Network
    layer : str
    x : float tensor (n_images, 3, size, size)
    masks : (n_masks, n_channels)
        0 for silenced channels.

    Raises
    ------
    LayerNotOpened
        If the layer cannot be opened (`opened_networks.Opened`).
    """
    opened = Opened(network, layer, x[:1])
    try:
        # Compute the layers below the lesion once for all masks.
        return _classes(opened, x, masks, max(1, min(IMAGES_PER_PASS, COPIES_PER_PASS // len(masks))))
    except (DataError, RuntimeError):
        # The layers above also use something that is not repeated for each mask, so pass one mask at a time.
        return np.concatenate([_classes(opened, x, mask[None], IMAGES_PER_PASS) for mask in masks])


def _classes(opened: Opened, x: torch.Tensor, masks: np.ndarray, images_per_pass: int) -> np.ndarray:
    opened.tap = Lesion(torch.from_numpy(masks))
    with torch.no_grad():
        batches = [opened(part).argmax(1).reshape(len(masks), len(part)) for part in x.split(images_per_pass)]
    return torch.cat(batches, dim=1).cpu().numpy()


def predictivity(
    population: Population,
    features: np.ndarray,
    masks: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    n_components: int,
) -> np.ndarray:
    """Return Pearson's r of each unit on the test images under each mask, (n_masks, n_units).

    The mapping is fitted once, to the intact layer on the training images, so a unit still depends on the silenced
    channels.

    Parameters
    ----------
    population : Population
    features : (n_images, n_channels, n_cells)
        For the population's images, in its order.
    masks : (n_masks, n_channels)
    train, test : (m,), (k,) int
        Rows of images.
    n_components : int
        PLS components for each unit.
    """
    X, Y = features[train].reshape(len(train), -1), population.responses[train]
    rows, mean = np.arange(len(train)), X.mean(axis=0)
    fitted = pls.fit_predict(X, Y, rows, rows, n_components) - Y.mean(axis=0)
    # PLS weights are in the span of the training rows, so the fit to these rows determines them. With far fewer rows
    # than features, only a small triangular matrix needs a pseudo-inverse.
    span, triangle = np.linalg.qr((X - mean).T)
    weights = span @ (np.linalg.pinv(triangle.T, rcond=1e-8) @ fitted)
    channels = features.shape[1:]
    by_channel = np.einsum("kcs,csu->cku", features[test], weights.reshape(*channels, -1), optimize=True)
    predicted = np.tensordot(masks, by_channel, axes=1)  # sums over the channels left: predictions up to a constant
    return np.stack([pearson(population.responses[test], under_mask) for under_mask in predicted])


def similarity(
    population: Population, features: np.ndarray, masks: np.ndarray, test: np.ndarray, n_draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return Spearman's rho of the layer's RDM with the neural RDM under each mask, and bootstrap draws of it.

    Parameters
    ----------
    population, features, masks, test
        As in `predictivity`; the population has at least three units.
    n_draws, seed : int
        Test images are drawn with replacement; pairs of an image with itself are left out. Distances keep their ranks
        among all pairs, so that draws are weighted sums.

    Returns
    -------
    rho : (n_masks,)
        NaN if the distances of an RDM are all equal or one is undefined.
    draws : (n_draws, n_masks)
    """
    neural = rdm(population.responses[test], "correlation").distances
    models = [rdm((features[test] * mask[:, None]).reshape(len(test), -1), "correlation").distances for mask in masks]
    defined = np.isfinite(neural)
    if defined.sum() < 3:
        return np.full(len(masks), np.nan), np.full((n_draws, len(masks)), np.nan)
    y = rankdata(neural[defined])
    x = np.stack([rankdata(model[defined], nan_policy="propagate") for model in models])
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(test), np.full(len(test), 1 / len(test)), size=n_draws)
    first, second = (side[defined] for side in np.triu_indices(len(test), 1))
    weights = np.concatenate([np.ones((1, len(y))), counts[:, first] * counts[:, second]])
    rho = _weighted_correlation(x - x.mean(axis=1, keepdims=True), y - y.mean(), weights)
    return rho[0], rho[1:]


def _weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each row of x (m, n) with y (n,) under each row of weights (w, n), (w, m)."""
    total = weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = weights @ x.T / total, weights @ y[:, None] / total
    covariance = weights @ (x * y).T / total - mean_x * mean_y
    variance = (weights @ (x**2).T / total - mean_x**2) * (weights @ (y**2)[:, None] / total - mean_y**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / np.sqrt(np.where(variance > 1e-9, variance, np.nan))
