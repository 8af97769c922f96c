"""Train one network from end to end: seeded, class-balanced, resumed after a kill to the same bytes."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from analysis.core.seeds import seed_of
from analysis.models.network import read_tensors, unit_range, write_tensors
from analysis.models.train.adam import Adam
from analysis.models.train.augment import draw
from analysis.models.train.steps import Steps, on_own_stream

OUT_OF_MEMORY = "out of memory"
"""How the reason of a failure begins where memory ran out."""


class TrainingFailed(Exception):
    """A network that cannot be trained: its loss is not a number, or memory ran out. A search goes on without it."""


@dataclass(frozen=True)
class Plan:
    """How a network is trained: Adam with decoupled weight decay on the class-weighted cross-entropy."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    patience: int = 0
    """Epochs without a better selection loss before training stops and the best epoch is kept; 0 keeps the last."""
    augment: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    precision: str = "float32"
    """bfloat16: the forward pass under autocast. torch.compile is left out: see benchmarks/models.py."""


@dataclass(frozen=True)
class Split:
    """Inputs (n, ...) and class numbers (n,) on the device."""

    x: torch.Tensor
    y: torch.Tensor


def class_weights(y: torch.Tensor) -> torch.Tensor:
    """Return weights under which both classes count the same: n / (2 n_class)."""
    counts = torch.bincount(y, minlength=2).to(torch.float32)
    return counts.sum() / (2 * counts)


def fit(
    network: nn.Module,
    train: Split,
    selection: Split | None,
    plan: Plan,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train `network` in place and return its history, one dict of metrics per epoch.

    Each epoch draws its order and its augmentation from `seed` and its own number, so that an epoch is the same
    whether or not the run was cut before it. With `checkpoint`, the state after each epoch is kept there and a later
    call with the same arguments goes on from it.

    Parameters
    ----------
    network : torch module giving logits (n, 2)
    train, selection : Split
        `selection` None: train loss only, and no early stopping.
    on_epoch : function of (epoch, metrics), called also for the epochs a checkpoint already holds

    Raises
    ------
    TrainingFailed
        If the loss is not a number, or memory runs out.
    """
    with on_own_stream(train.y.device):
        return _fit(network, train, selection, plan, seed, checkpoint, on_epoch)


def _fit(network, train, selection, plan, seed, checkpoint, on_epoch) -> list[dict[str, float]]:
    optimiser = Adam(network.parameters(), plan.learning_rate, plan.weight_decay)
    state = _State(network, optimiser, checkpoint)
    weights = class_weights(train.y)
    steps = Steps(network, train, optimiser, plan, weights)
    for epoch, metrics in enumerate(state.history):
        if on_epoch:
            on_epoch(epoch, metrics)
    try:
        for epoch in range(len(state.history), plan.epochs):
            if plan.patience and state.epochs_since_best() >= plan.patience:
                break
            metrics = {"train_loss": _epoch(steps, seed_of(seed, "epoch", epoch))}
            if not math.isfinite(metrics["train_loss"]):
                raise TrainingFailed(f"the loss is not a number in epoch {epoch + 1}")
            if selection is not None:
                metrics |= evaluate(network, selection, weights)
            state.add(metrics, keep_best=plan.patience > 0)
            if on_epoch:
                on_epoch(epoch, metrics)
    except (MemoryError, RuntimeError) as error:
        if not is_memory(error):
            raise
        raise TrainingFailed(f"{OUT_OF_MEMORY}; a smaller batch or size needs less") from error
    state.restore_best()
    return state.history


def is_memory(error: MemoryError | RuntimeError) -> bool:
    """Say whether memory ran out. On the CPU torch has no class for that error, only words."""
    said = str(error)
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or "can't allocate memory" in said or "not enough memory" in said


def _epoch(steps: Steps, seed: int) -> float:
    """Pass once over the training images in random order and return the mean loss."""
    steps.network.train()
    torch.manual_seed(seed)  # for layers that draw numbers themselves, such as dropout
    generator, y, plan = torch.Generator().manual_seed(seed), steps.train.y, steps.plan
    batches = torch.randperm(len(y), generator=generator).to(y.device).split(plan.batch)
    draws: Iterable = repeat(None)
    if plan.augment is not None:
        draws = torch.cat([draw(len(rows), generator) for rows in batches], 1).to(y.device).split(plan.batch, 1)
    steps.total.zero_()
    for rows, own in zip(batches, draws, strict=False):
        steps.take(rows, own)
    return float(steps.total / len(y))


@torch.no_grad()
def scores(network: nn.Module, x: torch.Tensor, batch: int = 128) -> torch.Tensor:
    """Return the logits (n, 2) of inputs (n, ...), a batch at a time."""
    network.eval()
    return torch.cat([network(unit_range(part)).float() for part in x.split(batch)])


def evaluate(network: nn.Module, split: Split, weights: torch.Tensor) -> dict[str, float]:
    """Return the class-weighted loss and the accuracies on a split."""
    logits = scores(network, split.x)
    hit = logits.argmax(1) == split.y
    balanced = torch.stack([hit[split.y == number].double().mean() for number in (0, 1)]).mean()
    return {
        "loss": float(functional.cross_entropy(logits, split.y, weight=weights)),
        "accuracy": float(hit.double().mean()),
        "balanced_accuracy": float(balanced),
    }


class _State:
    """Weights, optimiser, history and best epoch: what a checkpoint holds."""

    def __init__(self, network, optimiser, path: Path | None):
        self.network, self.optimiser, self.path = network, optimiser, path
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] | None = None
        self.best_epoch = -1
        if path is not None and path.exists():
            self._read()

    def epochs_since_best(self) -> int:
        return len(self.history) - 1 - self.best_epoch

    def add(self, metrics: dict[str, float], keep_best: bool) -> None:
        losses = [item["loss"] for item in self.history if "loss" in item]
        self.history.append(metrics)
        if keep_best and "loss" in metrics and (not losses or metrics["loss"] < min(losses)):
            self.best_epoch = len(self.history) - 1
            self.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        if self.path is not None:
            self._write()

    def restore_best(self) -> None:
        if self.best is not None:
            self.network.load_state_dict(self.best)

    def _write(self) -> None:
        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in (self.best or {}).items()}
        tensors |= {f"optimiser/{name}": value for name, value in self.optimiser.state().items()}
        write_tensors(self.path, tensors, {"history": self.history, "best_epoch": self.best_epoch})

    def _read(self) -> None:
        tensors, note = read_tensors(self.path)
        groups: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
        for name, value in tensors.items():
            group, rest = name.split("/", 1)
            # A copy: tensors of a file may start anywhere in memory, and some kernels sum by alignment.
            groups[group][rest] = value.clone()
        self.network.load_state_dict(groups["network"])
        self.optimiser.restore(groups["optimiser"])
        device = next(self.network.parameters()).device
        self.best = {name: value.to(device) for name, value in groups["best"].items()} or None
        self.history, self.best_epoch = note["history"], note["best_epoch"]


def split_of(x: torch.Tensor, label: np.ndarray, rows: np.ndarray, device: str) -> Split:
    """Return the rows of one split on the device."""
    index = torch.from_numpy(rows)
    return Split(x[index].to(device), torch.from_numpy(label[rows].astype(np.int64)).to(device))
