"""Train a network by gradient descent: seeded, class-balanced, and resumable to the same bytes."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from analysis.core.seeds import seed_of
from analysis.models.data import Examples, resized
from analysis.models.network import unit_range
from analysis.models.train.adam import Adam
from analysis.models.train.augment import draw
from analysis.models.train.checkpoint import Progress
from analysis.models.train.cuda import Replayed, on_own_stream

OUT_OF_MEMORY = "out of memory"
"""Start of the message of `TrainingFailed` if memory ran out."""


class TrainingFailed(Exception):
    """The loss is NaN or infinite, or memory ran out. A search leaves this network out."""


@dataclass(frozen=True)
class Plan:
    """How a network is trained: Adam with decoupled weight decay on the class-weighted cross-entropy."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    patience: int = 0
    """Epochs without a lower selection loss after which training stops and the best epoch is kept; 0 keeps the last."""
    augment: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    precision: str = "float32"
    """bfloat16 runs the forward pass under autocast. benchmarks/models.py shows why torch.compile is not used."""


@dataclass(frozen=True)
class Split:
    """Inputs (n, ...) and class numbers (n,) on the device."""

    x: torch.Tensor
    y: torch.Tensor

    @property
    def classes(self) -> int:
        """Number of classes of training images, all of which occur among them."""
        return int(self.y.max()) + 1


def train_network(
    network: nn.Module,
    train: Split,
    selection: Split | None,
    plan: Plan,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] = lambda _epoch, _metrics: None,
) -> list[dict[str, float]]:
    """Train `network`, which returns logits (n, classes), in place; return a dict of metrics per epoch.

    The order of the images and their augmentation depend only on `seed` and the epoch number, so an interrupted run
    ends with the same weights.

    Parameters
    ----------
    selection : Split or None
        None: no selection loss, no early stopping.
    checkpoint : path, optional
        Keeps the state after each epoch; a later call with the same arguments resumes from it.
    on_epoch : function of (epoch, metrics), optional
        Also called for the epochs that the checkpoint already holds.

    Raises
    ------
    TrainingFailed
        If the loss is NaN or infinite, or memory runs out.
    """
    device, n = train.y.device, len(train.y)
    with on_own_stream(device), _failing_without_memory():
        optimiser = Adam(network.parameters(), plan.learning_rate, plan.weight_decay)
        progress = Progress(network, optimiser, checkpoint)
        weights = class_weights(train.y)
        total = torch.zeros((), dtype=torch.float64, device=device)  # of the losses of all images in an epoch

        def step(rows: torch.Tensor, draws: torch.Tensor | None) -> None:
            x = unit_range(train.x[rows])
            if draws is not None:
                x = plan.augment(x, draws)
            # Augmentation stays outside autocast: image positions need more than the eight bits of a bfloat16.
            with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
                logits = network(x)
            loss = functional.cross_entropy(logits.float(), train.y[rows], weight=weights)
            loss.backward()
            optimiser.step()
            total.add_(loss.detach() * len(rows))

        step = Replayed(step)
        for epoch, metrics in enumerate(progress.history):
            on_epoch(epoch, metrics)
        for epoch in range(len(progress.history), plan.epochs):
            if plan.patience and progress.epochs_since_best() >= plan.patience:
                break
            network.train()
            total.zero_()
            for rows, draws in batches(n, plan, seed_of(seed, "epoch", epoch), device):
                step(rows, draws)
            metrics = {"train_loss": float(total / n)}
            if not math.isfinite(metrics["train_loss"]):
                raise TrainingFailed(f"the loss is NaN or infinite in epoch {epoch + 1}; lower learning_rate")
            if selection is not None:
                metrics |= evaluate(network, selection, weights)
            progress.add(metrics, keep_best=plan.patience > 0)
            on_epoch(epoch, metrics)
        progress.restore_best()
        return progress.history


def class_weights(y: torch.Tensor) -> torch.Tensor:
    """Return weights that balance the classes: n / (classes * n_class)."""
    counts = torch.bincount(y, minlength=2).to(torch.float32)
    return counts.sum() / (len(counts) * counts)


def batches(n: int, plan: Plan, seed: int, device: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    """Return the batches of an epoch: all `n` rows in random order, and the random numbers that augment them."""
    torch.manual_seed(seed)  # for layers that draw random numbers themselves, such as dropout
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(n, generator=generator).to(device).split(plan.batch)
    draws = [None] * len(rows)
    if plan.augment is not None:
        draws = torch.cat([draw(len(batch), generator) for batch in rows], 1).to(device).split(plan.batch, 1)
    return zip(rows, draws, strict=True)


@contextmanager
def _failing_without_memory() -> Iterator[None]:
    """Turn out-of-memory errors into `TrainingFailed`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_memory(error):
            raise
        raise TrainingFailed(f"{OUT_OF_MEMORY}; lower batch or size") from error


def is_memory(error: MemoryError | RuntimeError) -> bool:
    """Return whether memory ran out. On the CPU, torch has no exception class for this, only a message."""
    message = str(error)
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or "can't allocate memory" in message or "not enough memory" in message


@torch.no_grad()
def scores(network: nn.Module, x: torch.Tensor, batch: int = 128) -> torch.Tensor:
    """Return the logits (n, classes) of inputs (n, ...), computed in batches."""
    network.eval()
    return torch.cat([network(unit_range(part)).float() for part in x.split(batch)])


def evaluate(network: nn.Module, split: Split, weights: torch.Tensor) -> dict[str, float]:
    """Return the class-weighted loss and the accuracies on a split."""
    logits = scores(network, split.x)
    hit = logits.argmax(1) == split.y
    balanced = torch.stack([hit[split.y == number].double().mean() for number in range(len(weights))]).mean()
    return {
        "loss": float(functional.cross_entropy(logits, split.y, weight=weights)),
        "accuracy": float(hit.double().mean()),
        "balanced_accuracy": float(balanced),
    }


def read_splits(examples: Examples, size: int, device: str) -> tuple[Split, Split]:
    """Return the training and selection images, uint8 (n, 3, size, size)."""
    x = resized(examples.images, size)
    return tuple(split_of(x, examples.label, examples.rows(name), device) for name in ("train", examples.selection))


def split_of(x: torch.Tensor, label: np.ndarray, rows: np.ndarray, device: str) -> Split:
    """Return the rows of one split on the device."""
    index = torch.from_numpy(rows)
    return Split(x[index].to(device), torch.from_numpy(label[rows].astype(np.int64)).to(device))
