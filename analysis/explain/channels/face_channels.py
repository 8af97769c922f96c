"""Channels of a network that prefer faces, by the index that the neurons are judged by, and matched controls."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from analysis.explain.maps.attribution import BATCH
from analysis.models.activations.extract import pooled
from analysis.models.network import Network
from analysis.recordings.selectivity import face_selectivity_index

NEAREST = 5
"""A control is drawn among so many channels of the most similar activation."""


@dataclass(frozen=True)
class Layer:
    """What one layer does with the images.

    Attributes
    ----------
    response : (n_images, n_channels)
        Mean over positions of the positive part of each channel: its "rate". Normalisation makes some activations
        negative, which an index of two rates does not allow.
    features : (n_images, n_channels, n_cells)
        What is compared with neurons: maps averaged over a few cells, as in the stage activations.
    """

    response: np.ndarray
    features: np.ndarray


def record(network: Network, x: torch.Tensor, pool: int) -> dict[str, Layer]:
    """Return what each named layer of a network does with images (n, ...); maps are averaged over pool x pool cells."""
    parts: dict[str, list] = {name: [] for name in network.layer_names}
    with torch.no_grad():
        for part in x.split(BATCH):
            maps = network.maps(part)
            for name in network.layer_names:
                channels = maps[name].shape[1]
                response = functional.relu(maps[name]).reshape(len(part), channels, -1).mean(2)
                features = pooled(maps[name], pool).reshape(len(part), channels, -1)
                parts[name].append((response.double().cpu().numpy(), features.double().cpu().numpy()))
    return {name: Layer(*(np.concatenate(one) for one in zip(*found, strict=True))) for name, found in parts.items()}


def selectivity(response: np.ndarray, face: np.ndarray, non_face: np.ndarray) -> np.ndarray:
    """Return the face-selectivity index of each channel, (n_channels,); NaN for one that is silent.

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
    """Return the channels with the highest index, (k,): a share of those that have one, one at least."""
    ranked = np.argsort(-np.where(np.isfinite(index), index, -np.inf), kind="stable")
    return ranked[: max(1, round(share * np.isfinite(index).sum()))]


def controls(chosen: np.ndarray, response: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Draw sets of other channels whose mean activation is that of the chosen ones, (draws, k).

    Each chosen channel, in random order, gets one of the `NEAREST` channels most like it that are neither chosen nor
    drawn. Silent channels take no part.

    Parameters
    ----------
    chosen : (k,) int
    response : (n_images, n_channels)
    """
    level = response.mean(axis=0)
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.flatnonzero(level > 0), chosen)
    found = np.empty((draws, len(chosen)), int)
    for one in found:
        left = others
        for place in rng.permutation(len(chosen)):
            near = np.argsort(np.abs(level[left] - level[chosen[place]]), kind="stable")[:NEAREST]
            pick = rng.choice(near)
            one[place] = left[pick]
            left = np.delete(left, pick)
    return found


def kept(sets: np.ndarray, n_channels: int) -> np.ndarray:
    """Return one row of 1 and 0 per set of channels (n_sets, k): 0 for those of the set, (n_sets, n_channels)."""
    mask = np.ones((len(sets), n_channels))
    np.put_along_axis(mask, sets, 0.0, axis=1)
    return mask
