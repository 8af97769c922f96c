"""Face-selective channels of a network, by the face-selectivity index of the neurons, and matched control channels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from analysis.explain.maps.attribution import IMAGES_PER_PASS
from analysis.models.activations.extract import pooled
from analysis.models.network import Network
from analysis.recordings.face_selectivity import face_selectivity_index

N_SIMILAR = 5
"""A control is drawn from this many channels with the most similar activation."""


@dataclass(frozen=True)
class Layer:
    """The activations of one layer for all images.

    Attributes
    ----------
    response : (n_images, n_channels)
        "Rate" of each channel: the mean over positions of its positive part. Normalisation makes some activations
        negative, which the index of two rates does not allow.
    features : (n_images, n_channels, n_cells)
        Maps averaged over a few cells, as in the stage activations; these are compared with neurons.
    """

    response: np.ndarray
    features: np.ndarray


def record_layers(network: Network, x: torch.Tensor, pool: int) -> dict[str, Layer]:
    """Return the activations of each named layer for images (n, ...); maps are averaged over pool x pool cells."""
    batches: dict[str, list] = {name: [] for name in network.layer_names}
    with torch.no_grad():
        for batch in x.split(IMAGES_PER_PASS):
            maps = network.maps(batch)
            for name in network.layer_names:
                n_channels = maps[name].shape[1]
                response = functional.relu(maps[name]).reshape(len(batch), n_channels, -1).mean(2)
                features = pooled(maps[name], pool).reshape(len(batch), n_channels, -1)
                batches[name].append((response.double().cpu().numpy(), features.double().cpu().numpy()))
    return {
        name: Layer(*(np.concatenate(arrays) for arrays in zip(*pairs, strict=True))) for name, pairs in batches.items()
    }


def selectivity(response: np.ndarray, face: np.ndarray, non_face: np.ndarray) -> np.ndarray:
    """Return the face-selectivity index of each channel, (n_channels,); NaN for silent channels.

    Parameters
    ----------
    response : (n_images, n_channels)
    face, non_face : (n_images,) bool
    """
    shape = response.shape
    return face_selectivity_index(
        response, np.broadcast_to(face[:, None], shape), np.broadcast_to(non_face[:, None], shape)
    )


def most_selective(index: np.ndarray, share: float) -> np.ndarray:
    """Return the channels with the highest index, (k,) int: a share of those with a defined index, at least one."""
    ranked = np.argsort(-np.where(np.isfinite(index), index, -np.inf), kind="stable")
    return ranked[: max(1, round(share * np.isfinite(index).sum()))]


def matched_controls(chosen: np.ndarray, response: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Draw sets of other channels with about the same mean activation as the chosen ones, (draws, k) int.

    For each chosen channel, in random order, one of the `N_SIMILAR` channels with the most similar activation is drawn
    that are neither chosen nor already drawn. Silent channels are left out.

    Parameters
    ----------
    chosen : (k,) int
    response : (n_images, n_channels)
    """
    level = response.mean(axis=0)
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.flatnonzero(level > 0), chosen)
    drawn = np.empty((draws, len(chosen)), int)
    for channels in drawn:
        left = others
        for k in rng.permutation(len(chosen)):
            similar = np.argsort(np.abs(level[left] - level[chosen[k]]), kind="stable")[:N_SIMILAR]
            pick = rng.choice(similar)
            channels[k] = left[pick]
            left = np.delete(left, pick)
    return drawn


def lesion_masks(sets: np.ndarray, n_channels: int) -> np.ndarray:
    """Return a mask for each set of channels (n_sets, k): 0 for channels in the set, else 1, (n_sets, n_channels)."""
    mask = np.ones((len(sets), n_channels))
    np.put_along_axis(mask, sets, 0.0, axis=1)
    return mask
