"""The report's HMO: random CNNs, the best ten frozen as the first stage, two stages of random CNNs on top.

First stage: `candidates` CNNs with random values are each trained to tell faces; the `kept` best on the selection
split are frozen. Their maps, resized to ``grid x grid`` and stacked by channel, feed `modules` further random CNNs,
and theirs `modules` more; the last stack is averaged over space and read by a dense layer of `top` ReLU outputs and
a two-class layer. The upper stages and the read-out are trained together.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from analysis.errors import DataError
from analysis.models import data
from analysis.models.augment import augmenter
from analysis.models.kinds import HMOReport
from analysis.models.network import Network, Standardise, glorot_, unit_range
from analysis.models.registry import Fitted, Job
from analysis.models.search import Candidate, search
from analysis.models.training import Plan, Split, TrainingFailed, split_of
from analysis.models.training import fit as fit_network
from analysis.runtime import seed_of

STAGES = ("N1", "N2", "N3")


def random_module(entry: HMOReport, seed: int, *names) -> dict:
    """Draw the values of one random CNN. "soft" pooling of the published code is average pooling."""
    draw = np.random.default_rng(seed_of(seed, "hmo_report", *names))
    return {
        "layers": int(draw.choice(entry.layers)),
        "filters": int(draw.choice(entry.filters)),
        "kernel": int(draw.choice(entry.kernels)),
        "pool": str(draw.choice(["max", "avg", "soft"])),
        "normalise": bool(draw.choice([True, False])),
    }


class RandomCNN(nn.Module):
    """``layers`` times: convolution (same padding) - ReLU - 2 x 2 pool - normalisation over channels, if any.

    Normalisation is Keras's LayerNormalization: over the channels at each position, epsilon 0.001.
    """

    def __init__(self, channels: int, values: dict):
        super().__init__()
        filters = values["filters"]
        self.pool = functional.max_pool2d if values["pool"] == "max" else functional.avg_pool2d
        self.convolutions = nn.ModuleList(
            nn.Conv2d(filters if number else channels, filters, values["kernel"], padding="same")
            for number in range(values["layers"])
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(filters, eps=1e-3) for _ in range(values["layers"] if values["normalise"] else 0)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, filters, height / 2^layers, width / 2^layers) of inputs (n, channels, height, width)."""
        for number, convolution in enumerate(self.convolutions):
            x = self.pool(functional.relu(convolution(x)), 2)
            if self.norms:
                x = self.norms[number](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x


class CandidateCNN(nn.Module):
    """A random CNN with the head on which it is judged: global average, 64 ReLU units, two logits."""

    def __init__(self, values: dict, standardise: Standardise):
        super().__init__()
        self.standardise = standardise
        self.module = RandomCNN(3, values)
        self.dense = nn.Linear(values["filters"], 64)
        self.classify = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2) of images (n, 3, height, width)."""
        return self.classify(functional.relu(self.dense(self.module(self.standardise(x)).mean((2, 3)))))


class Stage(nn.Module):
    """CNNs side by side: their maps, resized to grid x grid (bilinear, half-pixel centres) and stacked by channel."""

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


class HMO(Network):
    """Three stages, a dense layer ``top`` and two logits."""

    layer_names = (*STAGES, "top")

    def __init__(self, stages: dict[str, list[dict]], grid: int, top: int):
        super().__init__()
        self.standardise = Standardise()
        self.N1 = Stage(3, stages["N1"], grid)
        self.N2 = Stage(self.N1.channels, stages["N2"], grid)
        self.N3 = Stage(self.N2.channels, stages["N3"], grid)
        self.dense = nn.Linear(self.N3.channels, top)
        self.head = nn.Linear(top, 2)

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return N1, N2, N3 (n, channels, grid, grid) and top (n, 1250)."""
        n1 = self.first(x)
        return {"N1": n1} | self.upper(n1)

    def first(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps of the first stage."""
        return self.N1(self.standardise(x))

    def upper(self, n1: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the layers above the first stage, given its maps."""
        n2 = self.N2(n1)
        n3 = self.N3(n2)
        return {"N2": n2, "N3": n3, "top": functional.relu(self.dense(n3.mean((2, 3))))}


class _Upper(nn.Module):
    """The trained part of an HMO, on first-stage maps computed once."""

    def __init__(self, hmo: HMO):
        super().__init__()
        self.hmo = [hmo]  # in a list: its parameters are not this module's
        self.trained = nn.ModuleList([hmo.N2, hmo.N3, hmo.dense, hmo.head])

    def forward(self, n1: torch.Tensor) -> torch.Tensor:
        return self.hmo[0].head(self.hmo[0].upper(n1)["top"])


def build(architecture: dict) -> Network:
    """Return the untrained network."""
    return HMO(architecture["stages"], architecture["grid"], architecture["top"])


def fit_candidate(
    values: dict,
    splits: tuple[Split, Split],
    standardise: Standardise,
    entry: HMOReport,
    seed: int,
    epochs: int,
    checkpoint: Path | None = None,
) -> Candidate:
    """Train one candidate up to an epoch, from its checkpoint if there is one, and judge it on the selection split."""
    network = CandidateCNN(values, standardise)
    glorot_(network, torch.Generator().manual_seed(seed))
    network.to(splits[0].y.device, memory_format=torch.channels_last)
    plan = Plan(epochs, entry.batch, entry.learning_rate, augment=augmenter(entry.augment))
    try:
        last = fit_network(network, *splits, plan, seed, checkpoint)[-1]
    except TrainingFailed as error:
        return Candidate({"failed": str(error)}, {})
    return Candidate(last, network.module.state_dict())


def successive_halving(job: Job, fit_to: Callable[[int, int], Candidate]) -> tuple[dict[int, Candidate], list[int]]:
    """Train all candidates to the first rung, the better half of them to the next, and so on (Jamieson & Talwalkar).

    Parameters
    ----------
    fit_to : function (number, epochs) -> Candidate

    Returns
    -------
    candidates : last result of every candidate by number
    chosen : numbers of the kept ones among those that reached the last rung, best first
    """
    entry = job.entry
    numbers, last = list(range(entry.candidates)), {}
    for rung, epochs in enumerate(entry.epochs):
        found = search(
            lambda number, epochs=epochs: fit_to(number, epochs),
            numbers,
            job.folder / f"rung{rung}",
            f"candidates of {job.name}, rung {rung + 1} of {len(entry.epochs)}",
            lambda *step, rung=rung: job.log(f"rung{rung + 1}", *step),
        )
        last |= found
        goes_on = entry.kept if epochs == entry.epochs[-1] else max(entry.kept, math.ceil(len(numbers) / 2))
        numbers = best(found, goes_on, job.name)
    return last, numbers


def best(candidates: dict[int, Candidate], kept: int, name: str) -> list[int]:
    """Return the numbers of the kept candidates: highest accuracy first, ties to the lower loss, then the number.

    Raises
    ------
    DataError
        If fewer than `kept` could be trained.
    """
    trained = [number for number, candidate in candidates.items() if "failed" not in candidate.metrics]
    if len(trained) < kept:
        reason = next(item.metrics["failed"] for item in candidates.values() if "failed" in item.metrics)
        raise DataError(
            f"model {name}: only {len(trained)} of {len(candidates)} candidates could be trained ({reason}); "
            f"raise models.{name}.candidates or lower its learning_rate"
        )
    rank = {number: candidates[number].metrics for number in trained}
    return sorted(trained, key=lambda number: (-rank[number]["accuracy"], rank[number]["loss"], number))[:kept]


@torch.no_grad()
def first_stage(hmo: HMO, split: Split, copies: int, augment, seed: int, batch: int = 128) -> Split:
    """Return the maps of the frozen first stage for a split, computed once: of the images, or of changed copies."""
    hmo.eval()
    generator, maps = torch.Generator().manual_seed(seed), []
    for _ in range(copies):
        for part in split.x.split(batch):
            part = unit_range(part)
            maps.append(hmo.first(augment(part, generator) if augment and copies > 1 else part))
    return Split(torch.cat(maps), split.y.repeat(copies))


def fit_upper(hmo: HMO, job: Job, train: Split, selection: Split) -> None:
    """Train the upper stages and the read-out of `hmo` in place; the first stage stays as it is."""
    entry = job.entry
    seed = seed_of(job.seed, entry.kind, "upper")
    splits = (
        first_stage(hmo, train, entry.copies, augmenter(entry.augment), seed),
        first_stage(hmo, selection, 1, None, seed),
    )
    plan = Plan(epochs=entry.final_epochs, batch=entry.batch, learning_rate=entry.learning_rate)
    checkpoint = job.folder / "upper.safetensors"
    try:
        fit_network(_Upper(hmo), *splits, plan, seed, checkpoint, lambda *step: job.log("final", *step))
    except TrainingFailed as error:
        raise DataError(f"model {job.name}: {error}; lower models.{job.name}.learning_rate or batch") from error


def fit(job: Job) -> Fitted:
    """Search the first stage, stack it, and train the upper stages."""
    entry, examples = job.entry, job.examples
    x = data.resized(examples.images, entry.size)
    splits = tuple(
        split_of(x, examples.label, examples.rows(name), job.device) for name in ("train", examples.selection)
    )
    standardise = Standardise()
    if entry.inputs == "standardised":
        standardise.measure(splits[0].x)
    drawn = [random_module(entry, job.seed, "candidate", number) for number in range(entry.candidates)]

    def fit_to(number: int, epochs: int) -> Candidate:
        seed = seed_of(job.seed, entry.kind, "candidate", number)
        checkpoint = job.folder / f"training-{number:04d}.safetensors"
        return fit_candidate(drawn[number], splits, standardise, entry, seed, epochs, checkpoint)

    candidates, chosen = successive_halving(job, fit_to)
    stages = {"N1": [drawn[number] for number in chosen]} | {
        stage: [random_module(entry, job.seed, stage, number) for number in range(entry.modules)]
        for stage in STAGES[1:]
    }
    architecture = {"size": entry.size, "grid": entry.grid, "top": entry.top, "stages": stages}
    hmo = build(architecture)
    glorot_(hmo, torch.Generator().manual_seed(seed_of(job.seed, entry.kind, "upper")))
    for module, number in zip(hmo.N1.modules_, chosen, strict=True):
        module.load_state_dict(candidates[number].tensors)
    hmo.standardise.load_state_dict(standardise.state_dict())
    hmo.N1.requires_grad_(False)
    hmo.to(job.device, memory_format=torch.channels_last)
    fit_upper(hmo, job, *splits)
    notes = {
        "kept_candidates": chosen,
        "candidates": [drawn[number] | candidates[number].metrics for number in range(entry.candidates)],
    }
    return Fitted(hmo, architecture, notes)
