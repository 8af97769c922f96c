"""The progress of a training run, written after every epoch so that an interrupted run can resume."""

from pathlib import Path

import torch
from torch import nn

from analysis.models.network import read_tensors, write_tensors
from analysis.models.train.adam import Adam


class Progress:
    """Weights, optimiser state, history and best epoch of a training, read from the checkpoint `path` if there is one.

    ``history`` holds the metrics of each finished epoch. Without a path, nothing is written.
    """

    def __init__(self, network: nn.Module, optimiser: Adam, path: Path | None):
        self.network, self.optimiser, self.path = network, optimiser, path
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] | None = None
        self.best_epoch = -1
        if path is not None and path.exists():
            self._read(path)

    def epochs_since_best(self) -> int:
        """Return how many epochs have passed since the best one."""
        return len(self.history) - 1 - self.best_epoch

    def add(self, metrics: dict[str, float], keep_best: bool) -> None:
        """Add a finished epoch; with `keep_best`, remember the weights of the epoch of lowest selection loss."""
        losses = [epoch["loss"] for epoch in self.history if "loss" in epoch]
        self.history.append(metrics)
        if keep_best and "loss" in metrics and (not losses or metrics["loss"] < min(losses)):
            self.best_epoch = len(self.history) - 1
            self.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        if self.path is not None:
            self._write(self.path)

    def restore_best(self) -> None:
        """Restore the weights of the best epoch, if they were kept."""
        if self.best is not None:
            self.network.load_state_dict(self.best)

    def _write(self, path: Path) -> None:
        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in (self.best or {}).items()}
        tensors |= {f"optimiser/{name}": value for name, value in self.optimiser.state().items()}
        write_tensors(path, tensors, {"history": self.history, "best_epoch": self.best_epoch})

    def _read(self, path: Path) -> None:
        tensors, note = read_tensors(path)
        groups: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
        for name, value in tensors.items():
            group, rest = name.split("/", 1)
            # Copied, since tensors read from a file may be unaligned, and some kernels sum in an order set by
            # alignment.
            groups[group][rest] = value.clone()
        self.network.load_state_dict(groups["network"])
        self.optimiser.restore(groups["optimiser"])
        device = next(self.network.parameters()).device
        self.best = {name: value.to(device) for name, value in groups["best"].items()} or None
        self.history, self.best_epoch = note["history"], note["best_epoch"]
