"""Small networks with random filters; the candidate that does best on the selection images is kept.

A candidate is a bank of random convolution filters (uniform weights with their mean subtracted, as in HMO), pooled to a
grid, with a dense ReLU layer and two logits trained on top. They stand in for the report's candidates because the audit
needs many: with other labels, selection images and seeds.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from analysis.core.exact import sqrt
from analysis.core.seeds import seed_of
from analysis.models.data import Examples, resized
from analysis.models.train.adam import Adam
from analysis.params import Group

SCALE = 0.1
"""Added to the divisor of the normalisation over channels; the responses are of order one."""
IMAGES_PER_BATCH = 128


@dataclass(frozen=True)
class Candidate:
    """One trained candidate's output for every image: top layer (n_images, top) and predicted class (n_images,)."""

    top: np.ndarray
    predicted: np.ndarray


def filter_outputs(x: torch.Tensor, values: Group, seed: int) -> torch.Tensor:
    """Return pooled outputs (n_images, filters * grid * grid) of one bank of random filters.

    Parameters
    ----------
    x : uint8 tensor (n_images, 3, size, size)
    values : audit.network of params.yaml
    seed : int
        Determines the kernel size and the weights.
    """
    generator = torch.Generator().manual_seed(seed)
    kernel = values.kernels[int(torch.randint(len(values.kernels), (1,), generator=generator))]
    weight = torch.rand(values.filters, 3, kernel, kernel, generator=generator)
    weight = weight - weight.mean((1, 2, 3), keepdim=True)
    weight = weight / weight.flatten(1).norm(dim=1)[:, None, None, None]
    pooled = []
    with torch.no_grad():
        for batch in x.split(IMAGES_PER_BATCH):
            maps = functional.relu(functional.conv2d(batch.float() / 255, weight, stride=2))  # (n, filters, h, w)
            maps = maps / (sqrt(maps.pow(2).mean(1, keepdim=True)) + SCALE)
            pooled.append(functional.adaptive_avg_pool2d(maps, values.grid).flatten(1))
    return torch.cat(pooled)


class _Products(torch.autograd.Function):
    """``x @ weight.T`` with numpy's BLAS, several times as fast as torch's with fixed numerics; x has no gradient."""

    @staticmethod
    def forward(context, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x)
        return torch.from_numpy(x.numpy() @ weight.numpy().T)

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:
        (x,) = context.saved_tensors
        return None, torch.from_numpy(gradient.numpy().T @ x.numpy())


def train(outputs: torch.Tensor, label: np.ndarray, rows: np.ndarray, values: Group, seed: int) -> Candidate:
    """Train the dense layer of one candidate on the images `rows`, full batch.

    Parameters
    ----------
    outputs : (n_images, n_features)
    label : (n_images,) int
        1 face, 0 non-face; only the labels of `rows` are used.
    rows : (n_training_images,) int
    values : audit.network of params.yaml
    seed : int
        Seed of the initial weights.
    """
    y = torch.from_numpy(label[rows].astype(np.int64))
    z = (outputs - outputs[rows].mean(0)) / (outputs[rows].std(0) + 1e-6)
    generator = torch.Generator().manual_seed(seed)
    dense, head = nn.Linear(z.shape[1], values.top), nn.Linear(values.top, 2)
    for layer in (dense, head):
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
    weights = len(y) / (2 * torch.bincount(y, minlength=2).clamp(min=1).float())
    optimiser = Adam([*dense.parameters(), *head.parameters()], values.learning_rate)
    x = z[rows]
    for _ in range(values.steps):
        loss = functional.cross_entropy(
            head(functional.relu(_Products.apply(x, dense.weight) + dense.bias)), y, weight=weights
        )
        loss = loss + values.weight_decay / 2 * dense.weight.pow(2).sum()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        top = functional.relu(dense(z))
        predicted = head(top).argmax(1)
    return Candidate(top.double().numpy(), predicted.numpy())


class Pool:
    """The filter outputs of all candidates, computed once and used for all labels, splits and selections.

    Parameters
    ----------
    images : (n_images, 3, height, width) uint8
    values : audit.network of params.yaml
    seed : int
    """

    def __init__(self, images: np.ndarray, values: Group, seed: int):
        x = resized(images, values.size)
        self.values, self.seed = values, seed
        self.outputs = [
            filter_outputs(x, values, seed_of(seed, "filters", number)) for number in range(values.candidates)
        ]

    def trained(self, label: np.ndarray, rows: np.ndarray, *names) -> list[Candidate]:
        """Return all candidates with their dense layers trained on the images `rows`; `names` are part of the seed."""
        return [
            train(outputs, label, rows, self.values, seed_of(self.seed, "dense", number, *names))
            for number, outputs in enumerate(self.outputs)
        ]


def accuracy(candidate: Candidate, label: np.ndarray, rows: np.ndarray) -> float:
    """Return the share of the images `rows` that are classified correctly."""
    return float((candidate.predicted[rows] == label[rows]).mean())


def best(candidates: list[Candidate], label: np.ndarray, rows: np.ndarray) -> Candidate:
    """Return the candidate with the highest accuracy on the images `rows`; the first one if several tie."""
    return candidates[int(np.argmax([accuracy(candidate, label, rows) for candidate in candidates]))]


def select(candidates: list[Candidate], examples: Examples) -> Candidate:
    """Return the candidate that does best on the protocol's selection images."""
    return best(candidates, examples.label, examples.rows(examples.selection))
