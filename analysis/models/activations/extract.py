"""Write the activations of named layers, batch by batch, to memory-mapped files; an interrupted run resumes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from analysis.core.files import create_memmap, write_text, writing
from analysis.core.progress import track
from analysis.core.reading import read_json
from analysis.core.seeds import seed_of
from analysis.models.network import Network
from analysis.params import Model

if TYPE_CHECKING:
    from sklearn.random_projection import SparseRandomProjection

BATCH = 64
"""Batch size for networks that do not set `Network.at_once`."""


@dataclass(frozen=True)
class Reduction:
    """How maps become features: averaged to pool x pool cells (0: not pooled), projected if wider than `features`.

    A model's output is never projected, however wide.
    """

    pool: int
    features: int | None
    seed: int

    @classmethod
    def of(cls, entry: Model, seed: int) -> "Reduction":
        """Return the reduction of an entry; without the group ``activations`` nothing is reduced."""
        values = getattr(entry, "activations", None)
        return cls(values.pool, values.features, seed) if values else cls(0, None, seed)


def pooled(maps: torch.Tensor, pool: int) -> torch.Tensor:
    """Return features (n, f) of maps (n, channels, height, width) or (n, f).

    Maps larger than pool x pool are averaged over cells (`adaptive_avg_pool2d`), channel by channel.
    """
    if maps.ndim == 4 and pool and max(maps.shape[2:]) > pool:
        maps = functional.adaptive_avg_pool2d(maps, pool)
    return maps.flatten(1)


def projection(n_from: int, n_to: int, seed: int) -> "SparseRandomProjection":
    """Return a sparse random projection (Li et al. 2006: density 1/sqrt(n_from)), fixed by seed and sizes."""
    from sklearn.random_projection import SparseRandomProjection  # imported here: few layers need it

    rule = SparseRandomProjection(n_components=n_to, random_state=seed_of(seed, "projection", n_from, n_to))
    return rule.fit(np.zeros((1, n_from), dtype=np.float32))


@dataclass(frozen=True)
class Reducer:
    """Turns the maps of one layer into features: a `Reduction` applied to a known shape."""

    shape: tuple[int, ...]
    pool: int
    features: int
    projection: "SparseRandomProjection | None"

    @classmethod
    def of(cls, rule: Reduction, maps: torch.Tensor, output: bool = False) -> "Reducer":
        """Return the reducer for maps (n, ...) of this shape; `output`: whether they are the model's output."""
        width, shape = pooled(maps, rule.pool).shape[1], tuple(maps.shape[1:])
        if output or rule.features is None or width <= rule.features:
            return cls(shape, rule.pool, width, None)
        return cls(shape, rule.pool, rule.features, projection(width, rule.features, rule.seed))

    @property
    def reduction(self) -> str:
        """Description of the reduction, for tables: ``none``, ``2x2 average pool``, ``random projection to 1024``."""
        is_pooled = len(self.shape) == 3 and self.pool and max(self.shape[1:]) > self.pool
        done = [f"{self.pool}x{self.pool} average pool"] if is_pooled else []
        done += [f"random projection to {self.features}"] if self.projection is not None else []
        return ", ".join(done) or "none"

    def __call__(self, maps: torch.Tensor) -> np.ndarray:
        """Return features (n, features), float32."""
        values = pooled(maps, self.pool).float().cpu().numpy()
        return values if self.projection is None else self.projection.transform(values)


def reducers_of(network: Network, x: torch.Tensor, rule: Reduction, device: str) -> dict[str, Reducer]:
    """Return the reducer of every layer for inputs such as `x`; leaves the network in evaluation mode."""
    network.eval()
    with torch.no_grad():
        first = network.maps(x[:1].to(device))
    names = network.layer_names
    return {name: Reducer.of(rule, first[name], output=name == names[-1]) for name in names}


@torch.no_grad()
def features_of(network: Network, x: torch.Tensor, reducers: dict[str, Reducer], device: str) -> dict[str, np.ndarray]:
    """Return the features, (n, features), of the layers in `reducers` for inputs (n, ...)."""
    maps = network.maps(x.to(device))
    return {name: reduce(maps[name]) for name, reduce in reducers.items()}


def extract(network: Network, x: torch.Tensor, rule: Reduction, folder: Path, batch: int, device: str) -> list[dict]:
    """Fill ``folder/<layer>.npy`` (float32, n x features) for every layer and return their descriptions.

    Parameters
    ----------
    x : inputs (n, ...), in the order of the rows to write
    folder : keeps the work of an interrupted run; ``done.json`` counts the finished rows

    Returns
    -------
    list of dict, in order of depth
        name, shape of the layer before pooling (without n), features written, reduction (`Reducer.reduction`)
    """
    reducers = reducers_of(network, x, rule, device)
    described = [
        {"name": name, "shape": list(one.shape), "features": one.features, "reduction": one.reduction}
        for name, one in reducers.items()
    ]
    done_path = folder / "done.json"
    done = read_json(done_path, f"remove {folder}, and run again", int) if done_path.exists() else 0
    files = {}
    for item in described:
        path = folder / f"{item['name']}.npy"
        with writing(path):
            files[item["name"]] = (
                np.lib.format.open_memmap(path, "r+")
                if done
                else create_memmap(path, np.float32, (len(x), item["features"]))
            )
    for start in track(range(done, len(x), batch), "activations"):
        for name, features in features_of(network, x[start : start + batch], reducers, device).items():
            files[name][start : start + batch] = features
            files[name].flush()
        write_text(done_path, json.dumps(min(start + batch, len(x))))
    return described
