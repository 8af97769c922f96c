"""The network that HMO builds: the modules of two stages and a linear read-out."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from analysis.models.network import Network, n_classes, unit_range
from analysis.models.read_out import LinearReadOut
from analysis.models.yamins_hmo.layers import Module

MAP_VALUES = {"cpu": 2**21, "cuda": 2**25}
"""Number of first-layer map values computed at once: as many as fit a CPU's caches, or keep a CUDA device busy while
leaving memory for a batch of candidates."""


class HierarchicalModularOptimisation(Network):
    """The modules of both stages, the top-level outputs and logits.

    Layers by depth: ``L1`` to ``L3`` stack the maps of that depth of all first-stage modules, ``L4`` those of the
    second stage; ``top`` is their average over space.
    """

    def __init__(self, first: list[dict], second: list[dict], grid: int, classes: int = 2):
        deepest = max(len(values["layers"]) for values in first)
        super().__init__((*(f"L{depth + 1}" for depth in range(deepest)), "L4", "top"))
        self.grid = grid
        self.first = nn.ModuleList(Module(3, values) for values in first)
        channels = sum(values["layers"][-1]["n_filt"] for values in first)
        self.second = nn.ModuleList(Module(channels, values) for values in second)
        top = sum(values["layers"][-1]["n_filt"] for values in second)
        self.read_out = LinearReadOut(top, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes): decisions of support vector machines (`LinearReadOut`)."""
        outputs = [module.outputs(unit_range(x)) for module in self.first]
        for depth, name in enumerate(self.layer_names[:-2]):  # (n, channels, size / 2^depth, size / 2^depth)
            self.layers[name](torch.cat([maps[depth] for maps in outputs if len(maps) > depth], 1))
        stack = torch.cat([functional.adaptive_avg_pool2d(maps[-1], self.grid) for maps in outputs], 1)
        top = self.layers["L4"](torch.cat([module(stack) for module in self.second], 1))  # (n, top, grid / 2, grid / 2)
        return self.read_out(self.layers["top"](top.mean((2, 3))))


def build(architecture: dict) -> Network:
    """Return the network with unset filters and read-out."""
    values = (architecture[name] for name in ("first", "second", "grid"))
    return HierarchicalModularOptimisation(*values, n_classes(architecture))


@torch.no_grad()
def maps_of(module: Callable, x: torch.Tensor, grid: int | None) -> torch.Tensor:
    """Return the maps of a module, averaged to grid x grid cells (None: over space), computed in batches."""
    n_images = max(1, MAP_VALUES[x.device.type] // (32 * x.shape[2] * x.shape[3]))
    done = []
    for images in x.split(n_images):
        maps = module(unit_range(images))
        done.append(maps.mean((2, 3)) if grid is None else functional.adaptive_avg_pool2d(maps, grid))
    return torch.cat(done)
