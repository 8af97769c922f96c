"""The report's HMO: random CNNs, the best ten frozen as the first stage, two stages of random CNNs on top.

First stage: `candidates` CNNs with random values are each trained to tell faces; the `kept` best on the selection
split are frozen. Their maps, resized to ``grid x grid`` and stacked by channel, feed `modules` further random CNNs,
and theirs `modules` more; the last stack is averaged over space and read by a dense layer of `top` ReLU outputs and
a two-class layer. The upper stages and the read-out are trained together.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from analysis.errors import DataError
from analysis.models import data
from analysis.models.kinds import HMOReport
from analysis.models.network import Network, glorot_, unit_range
from analysis.models.registry import Fitted, Job
from analysis.models.search import Candidate, search
from analysis.models.training import Plan, Split, TrainingFailed, split_of
from analysis.models.training import fit as train
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

    def __init__(self, values: dict):
        super().__init__()
        self.module = RandomCNN(3, values)
        self.dense = nn.Linear(values["filters"], 64)
        self.classify = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2) of images (n, 3, height, width)."""
        return self.classify(functional.relu(self.dense(self.module(x).mean((2, 3)))))


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
        self.N1 = Stage(3, stages["N1"], grid)
        self.N2 = Stage(self.N1.channels, stages["N2"], grid)
        self.N3 = Stage(self.N2.channels, stages["N3"], grid)
        self.dense = nn.Linear(self.N3.channels, top)
        self.head = nn.Linear(top, 2)

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return N1, N2, N3 (n, channels, grid, grid) and top (n, 1250)."""
        n1 = self.N1(unit_range(x))
        return {"N1": n1} | self.upper(n1)

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


def fit_candidate(values: dict, splits: tuple[Split, Split], entry: HMOReport, seed: int, device: str) -> Candidate:
    """Train one candidate and judge it on the selection split.

    A candidate is small, so it is kept whole when finished and trained anew when cut.
    """
    network = CandidateCNN(values)
    glorot_(network, torch.Generator().manual_seed(seed))
    network.to(device, memory_format=torch.channels_last)
    plan = Plan(epochs=entry.epochs, batch=entry.batch, learning_rate=entry.learning_rate)
    try:
        last = train(network, *splits, plan, seed)[-1]
    except TrainingFailed as error:
        return Candidate({"failed": str(error)}, {})
    return Candidate(last, network.module.state_dict())


def best(candidates: list[Candidate], kept: int, name: str) -> list[int]:
    """Return the numbers of the kept candidates: highest accuracy first, ties to the lower loss, then the number.

    Raises
    ------
    DataError
        If fewer than `kept` could be trained.
    """
    trained = [number for number, candidate in enumerate(candidates) if "failed" not in candidate.metrics]
    if len(trained) < kept:
        reason = next(item.metrics["failed"] for item in candidates if "failed" in item.metrics)
        raise DataError(
            f"model {name}: only {len(trained)} of {len(candidates)} candidates could be trained ({reason}); "
            f"raise models.{name}.candidates or lower its learning_rate"
        )
    rank = {number: candidates[number].metrics for number in trained}
    return sorted(trained, key=lambda number: (-rank[number]["accuracy"], rank[number]["loss"], number))[:kept]


def fit_upper(hmo: HMO, job: Job, x: torch.Tensor) -> None:
    """Train the upper stages and the read-out of `hmo` in place; the first stage stays as it is."""
    entry, examples = job.entry, job.examples
    with torch.no_grad():
        hmo.N1.eval()
        n1 = {
            split: torch.cat([hmo.N1(unit_range(part.to(job.device))) for part in x[examples.rows(split)].split(128)])
            for split in {"train", examples.selection}
        }
    splits = (
        Split(n1[split], split_of(x, examples.label, examples.rows(split), job.device).y)
        for split in ("train", examples.selection)
    )
    plan = Plan(epochs=entry.final_epochs, batch=entry.batch, learning_rate=entry.learning_rate)
    checkpoint = job.folder / "upper.safetensors"
    seed = seed_of(job.seed, entry.kind, "upper")
    try:
        train(_Upper(hmo), *splits, plan, seed, checkpoint, lambda *step: job.log("final", *step))
    except TrainingFailed as error:
        raise DataError(f"model {job.name}: {error}; lower models.{job.name}.learning_rate or batch") from error


def fit(job: Job) -> Fitted:
    """Search the first stage, stack it, and train the upper stages."""
    entry, examples = job.entry, job.examples
    x = data.resized(examples.images, entry.size)
    splits = tuple(
        split_of(x, examples.label, examples.rows(name), job.device) for name in ("train", examples.selection)
    )
    drawn = [random_module(entry, job.seed, "candidate", number) for number in range(entry.candidates)]

    def task(number: int) -> Candidate:
        seed = seed_of(job.seed, entry.kind, "candidate", number)
        return fit_candidate(drawn[number], splits, entry, seed, job.device)

    candidates = search(
        task, entry.candidates, job.folder, f"candidates of {job.name}", lambda *step: job.log("candidates", *step)
    )
    chosen = best(candidates, entry.kept, job.name)
    stages = {"N1": [drawn[number] for number in chosen]} | {
        stage: [random_module(entry, job.seed, stage, number) for number in range(entry.modules)]
        for stage in STAGES[1:]
    }
    architecture = {"size": entry.size, "grid": entry.grid, "top": entry.top, "stages": stages}
    hmo = build(architecture)
    glorot_(hmo, torch.Generator().manual_seed(seed_of(job.seed, entry.kind, "upper")))
    for module, number in zip(hmo.N1.modules_, chosen, strict=True):
        module.load_state_dict(candidates[number].tensors)
    hmo.N1.requires_grad_(False)
    hmo.to(job.device, memory_format=torch.channels_last)
    fit_upper(hmo, job, x)
    notes = {
        "kept_candidates": chosen,
        "candidates": [drawn[number] | candidates[number].metrics for number in range(entry.candidates)],
    }
    return Fitted(hmo, architecture, notes)
