"""The report's HMO: the best of many random CNNs, frozen as layer N1, under two more layers of random CNNs.

N1: `candidates` CNNs with random hyperparameters are each trained to classify faces; the `kept` best on the selection
split are frozen. Their maps, resized to ``grid x grid`` and stacked by channel, feed `modules` more random CNNs (N2),
whose maps feed `modules` more (N3); these are averaged over space and read out by a dense layer of `top` ReLU units and
a layer of logits. N2, N3 and the read-out are trained together.
"""

import torch
from torch import nn
from torch.nn import functional

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.models.network import Network, Standardise, glorot_, n_classes, unit_range
from analysis.models.registry import Fitted, Job, Kind
from analysis.models.report_hmo import first_layer
from analysis.models.report_hmo.random_cnn import SEED_NAME, RandomCNN, random_module
from analysis.models.train.augment import augmenter, draw
from analysis.models.train.training import Plan, Split, TrainingFailed, read_splits, train_network

LAYERS = ("N1", "N2", "N3")


class ParallelCNNs(nn.Module):
    """CNNs in parallel, their maps resized to grid x grid (bilinear, half-pixel centres) and stacked by channel."""

    def __init__(self, channels: int, modules: list[dict], grid: int):
        super().__init__()
        self.grid = grid
        self.modules_ = nn.ModuleList(RandomCNN(channels, values) for values in modules)
        self.channels = sum(values["filters"] for values in modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, channels, grid, grid)."""
        size = (self.grid, self.grid)
        maps = [module(x) for module in self.modules_]
        return torch.cat([functional.interpolate(m, size, mode="bilinear", align_corners=False) for m in maps], dim=1)


class ReportHMO(Network):
    """Three layers of parallel CNNs, a dense layer ``top`` and logits."""

    def __init__(self, cnns: dict[str, list[dict]], grid: int, top: int, classes: int = 2):
        super().__init__((*LAYERS, "top"))
        self.standardise = Standardise()
        self.N1 = ParallelCNNs(3, cnns["N1"], grid)
        self.N2 = ParallelCNNs(self.N1.channels, cnns["N2"], grid)
        self.N3 = ParallelCNNs(self.N2.channels, cnns["N3"], grid)
        self.dense = nn.Linear(self.N3.channels, top)
        self.head = nn.Linear(top, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        return self.upper(self.layers["N1"](self.n1(x)))

    def n1(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps of N1, (n, channels, grid, grid)."""
        return self.N1(self.standardise(x))

    def upper(self, n1: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes), given the maps of N1."""
        n3 = self.layers["N3"](self.N3(self.layers["N2"](self.N2(n1))))
        return self.head(self.layers["top"](functional.relu(self.dense(n3.mean((2, 3))))))


class _Upper(nn.Module):
    """The layers of the report's HMO that are trained together, applied to precomputed maps of N1."""

    def __init__(self, hmo: ReportHMO):
        super().__init__()
        self.hmo = [hmo]  # in a list, so that its parameters are not registered here
        self.trained = nn.ModuleList([hmo.N2, hmo.N3, hmo.dense, hmo.head])

    def forward(self, n1: torch.Tensor) -> torch.Tensor:
        return self.hmo[0].upper(n1)


def build(architecture: dict) -> Network:
    """Return the untrained network."""
    return ReportHMO(architecture["cnns"], architecture["grid"], architecture["top"], n_classes(architecture))


@torch.no_grad()
def frozen_maps(hmo: ReportHMO, split: Split, copies: int, augment, seed: int, batch: int = 128) -> Split:
    """Return the maps of the frozen layer N1 for the images of a split, or for augmented copies of them."""
    hmo.eval()
    generator, maps = torch.Generator().manual_seed(seed), []
    for _ in range(copies):
        for part in split.x.split(batch):
            part = unit_range(part)
            if augment and copies > 1:
                part = augment(part, draw(len(part), generator).to(part.device))
            maps.append(hmo.n1(part))
    return Split(torch.cat(maps), split.y.repeat(copies))


def fit_upper(hmo: ReportHMO, job: Job, train: Split, selection: Split) -> None:
    """Train N2, N3 and the read-out of `hmo` in place; N1 stays frozen."""
    entry = job.entry
    seed = upper_seed(job)
    splits = (
        frozen_maps(hmo, train, entry.copies, augmenter(entry.augment), seed),
        frozen_maps(hmo, selection, 1, None, seed),
    )
    plan = Plan(entry.final_epochs, entry.batch, entry.learning_rate, precision=entry.precision)
    checkpoint = job.folder / "upper.safetensors"
    try:
        train_network(_Upper(hmo), *splits, plan, seed, checkpoint, lambda *step: job.log("final", *step))
    except TrainingFailed as error:
        raise DataError(f"model {job.name}: {error} in models.{job.name}") from error


def images_of(job: Job) -> tuple[tuple[Split, Split], Standardise]:
    """Return the training and selection images of a job, and their standardisation."""
    splits, standardise = read_splits(job.examples, job.entry.size, job.device), Standardise()
    if job.entry.inputs == "standardised":
        standardise.fit(splits[0].x)
    return splits, standardise


def untrained(job: Job, chosen: list[int], standardise: Standardise) -> tuple[ReportHMO, dict]:
    """Return the network built from the chosen candidates, with initial weights, and its architecture."""
    entry = job.entry
    cnns = {"N1": [first_layer.drawn(job, number) for number in chosen]} | {
        layer: [random_module(entry, job.seed, layer, number) for number in range(entry.modules)]
        for layer in LAYERS[1:]
    }
    architecture = {"size": entry.size, "grid": entry.grid, "top": entry.top, "cnns": cnns} | job.classes
    hmo = build(architecture)
    glorot_(hmo, torch.Generator().manual_seed(upper_seed(job)))
    for module, number in zip(hmo.N1.modules_, chosen, strict=True):
        candidate = first_layer.initial(
            first_layer.drawn(job, number), standardise, first_layer.seed_of_candidate(job, number)
        )
        module.load_state_dict(candidate.module.state_dict())
    hmo.standardise.load_state_dict(standardise.state_dict())
    return hmo, architecture


def upper_seed(job: Job) -> int:
    """Return the seed of the layers above N1."""
    return seed_of(job.seed, SEED_NAME, "upper")


def fit(job: Job) -> Fitted:
    """Search for N1, stack the chosen CNNs, and train the layers above."""
    splits, standardise = images_of(job)
    candidates, chosen = first_layer.find(job, splits, standardise)
    hmo, architecture = untrained(job, chosen, standardise)
    for module, number in zip(hmo.N1.modules_, chosen, strict=True):
        module.load_state_dict(candidates[number].tensors)
    hmo.N1.requires_grad_(False)
    hmo.to(job.device, memory_format=torch.channels_last)
    fit_upper(hmo, job, *splits)
    notes = {
        "kept_candidates": chosen,
        "candidates": [first_layer.drawn(job, number) | candidates[number].metrics for number in sorted(candidates)],
    }
    return Fitted(hmo, architecture, notes)


KIND = Kind(fit, build)
