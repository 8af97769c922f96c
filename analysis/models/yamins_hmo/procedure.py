"""HMO (Yamins et al. 2014): hierarchical modular optimisation, a search of modules interleaved with boosting.

Stage 1: modules of one to three layers with random filters are found one after another, each by a search of its own
for what the modules before it get wrong. Stage 2: modules of one layer on the maps of all first-stage modules, pooled
to a common grid and stacked by channel. Their averages over space are the top-level outputs, read by a linear support
vector machine. Nothing but training images is seen until then; the penalty of the final read-out is chosen on the
selection images, and test images play no part.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn
from torch.nn import functional

from analysis.core import settings
from analysis.core.errors import DataError
from analysis.core.parallel import map_threads, one_thread
from analysis.core.seeds import seed_of
from analysis.models import data
from analysis.models.network import Network, glorot_, unit_range
from analysis.models.registry import Fitted, Job
from analysis.models.train.training import Plan, Split, TrainingFailed, is_memory
from analysis.models.train.training import fit as fit_network
from analysis.models.yamins_hmo import boosting, svm
from analysis.models.yamins_hmo import space as hmo_space
from analysis.models.yamins_hmo.ask_tell import Told, Tried, minimise
from analysis.models.yamins_hmo.layers import Module

PART = {"cpu": 2**21, "cuda": 2**25}
"""Values of the first layer's maps that are computed at once: what stays in a processor's caches, or what keeps a CUDA
device busy and leaves room in its memory for a batch of candidates."""


class HierarchicalModularOptimisation(Network):
    """The modules of both stages, the top-level outputs and two logits.

    Layers by depth: ``L1`` to ``L3`` stack the maps of that depth of all first-stage modules, ``L4`` those of the
    second stage; ``top`` is their average over space.
    """

    def __init__(self, first: list[dict], second: list[dict], grid: int):
        super().__init__()
        self.grid = grid
        self.first = nn.ModuleList(Module(3, values) for values in first)
        channels = sum(values["layers"][-1]["n_filt"] for values in first)
        self.second = nn.ModuleList(Module(channels, values) for values in second)
        top = sum(values["layers"][-1]["n_filt"] for values in second)
        self.register_buffer("mean", torch.zeros(top))
        self.register_buffer("spread", torch.ones(top))
        self.read_out = nn.Linear(top, 2)
        deepest = max(len(values["layers"]) for values in first)
        self.layer_names = (*(f"L{depth + 1}" for depth in range(deepest)), "L4", "top")

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return L1 (n, channels, size / 2, size / 2), ..., L4 (n, top, grid / 2, grid / 2) and top (n, top)."""
        outputs = [module.outputs(unit_range(x)) for module in self.first]
        result = {}
        for depth, name in enumerate(self.layer_names[:-2]):
            result[name] = torch.cat([maps[depth] for maps in outputs if len(maps) > depth], 1)
        stack = torch.cat([functional.adaptive_avg_pool2d(maps[-1], self.grid) for maps in outputs], 1)
        result["L4"] = torch.cat([module(stack) for module in self.second], 1)
        result["top"] = result["L4"].mean((2, 3))
        return result

    def head(self, top: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2): 0, and the decision of the support vector machine."""
        return self.read_out((top - self.mean) / self.spread)

    @torch.no_grad()
    def set_read_out(self, read_out: svm.ReadOut) -> None:
        """Take over a fitted read-out."""
        self.mean.copy_(torch.from_numpy(read_out.mean))
        self.spread.copy_(torch.from_numpy(read_out.spread))
        self.read_out.weight.zero_()
        self.read_out.bias.zero_()
        self.read_out.weight[1] = torch.from_numpy(read_out.weight)
        self.read_out.bias[1] = read_out.bias


def build(architecture: dict) -> Network:
    """Return the network without its filters and read-out."""
    return HierarchicalModularOptimisation(architecture["first"], architecture["second"], architecture["grid"])


@torch.no_grad()
def maps_of(module: Callable, x: torch.Tensor, grid: int | None) -> torch.Tensor:
    """Return the maps of a module, averaged to grid x grid cells (None: to one number per channel), a part at a time.

    Parameters
    ----------
    x : (n, channels, height, width)
    """
    part = max(1, PART[x.device.type] // (32 * x.shape[2] * x.shape[3]))
    done = []
    for images in x.split(part):
        maps = module(unit_range(images))
        done.append(maps.mean((2, 3)) if grid is None else functional.adaptive_avg_pool2d(maps, grid))
    return torch.cat(done)


@dataclass(frozen=True)
class Screening:
    """The images on which modules are searched, and how they are judged.

    Attributes
    ----------
    y : (n,)
        -1 or 1.
    folds : (n,) int
        Near-duplicates are in one fold.
    """

    y: np.ndarray
    folds: np.ndarray
    penalty: float

    @classmethod
    def of(cls, label: np.ndarray, groups: np.ndarray, folds: int, penalty: float, seed: int) -> "Screening":
        """Assign folds to images of label 0 or 1.

        Raises
        ------
        DataError
            If a class has fewer groups of near-duplicates than there are folds.
        """
        for number, name in enumerate(data.CLASSES):
            if (n := len(np.unique(groups[label == number]))) < folds:
                raise DataError(
                    f"{n} groups of near-duplicate training images labelled {name}; {folds} folds need more"
                )
        assigned = np.empty(len(label), dtype=int)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        for fold, (_, rest) in enumerate(splitter.split(label, label, groups)):
            assigned[rest] = fold
        return cls(np.where(label == 1, 1.0, -1.0), assigned, penalty)

    def decisions(self, features: torch.Tensor, weights: np.ndarray, margin: np.ndarray | None = None) -> np.ndarray:
        """Return the out-of-fold decisions of the linear read-out of features (n, ...)."""
        return svm.out_of_fold(features.flatten(1), self.y, weights, self.folds, self.penalty, margin)


@dataclass(frozen=True)
class Stage:
    """One stage of the search: what its modules see, and how many are found from how many candidates.

    Attributes
    ----------
    name : str
        ``first`` or ``second``.
    x : (n, channels, height, width)
    space : function of an optuna trial -> values of a module
    grid : int or None
        Cells to which maps are averaged before they are read out; None: over all space.
    """

    name: str
    x: torch.Tensor
    space: Callable
    grid: int | None
    modules: int
    candidates: int


@dataclass
class Found:
    """The modules that a stage has found, with their maps of the screening images."""

    modules: list[Module]
    values: list[dict]
    maps: list[torch.Tensor]
    rounds: list[dict]


def search(job: Job, stage: Stage, screening: Screening) -> Found:
    """Find the modules of a stage, one after another, by the variant that ``job.entry`` names.

    Boosting: each round weights the images that all modules so far get wrong, and its search begins anew. Margin: the
    decision of the modules so far is one more feature of every candidate, and weights stay. None: one search, of which
    the best candidates are the modules.
    """
    entry, found = job.entry, Found([], [], [], [])
    weights, margin = boosting.balanced(screening.y), None
    if entry.weights == "none":
        tried = _round(job, stage, screening, "all", weights, None, stage.modules * stage.candidates)
        for number, one in enumerate(_best(tried, stage.modules, job.name)):
            _add(job, stage, found, one, "all", number)
        return found
    for number in range(stage.modules):
        tried = _round(job, stage, screening, number, weights, margin, stage.candidates)
        [one] = _best(tried, 1, job.name)
        _add(job, stage, found, one, number, number)
        decision = screening.decisions(torch.cat([maps.flatten(1) for maps in found.maps], 1), weights)
        error = boosting.weighted_error(boosting.balanced(screening.y), screening.y, decision)
        found.rounds.append({"candidate": one.number, "loss": one.told.loss, "error_of_all": error})
        print(
            f"{job.name}: {stage.name} stage, module {number + 1} of {stage.modules}: loss {one.told.loss:.3f}, "
            f"balanced error of all modules {error:.3f}",
            flush=True,
        )
        if entry.weights == "margin":
            margin = decision
        else:
            weights = boosting.reweighted(weights, screening.y, decision)
    return found


def _round(job: Job, stage: Stage, screening: Screening, name, weights, margin, candidates: int) -> list[Tried]:
    """Run one search; failed candidates are marked and the search goes on."""

    def evaluate(questions):
        return map_threads(lambda question: judge(*question), questions, settings.workers())

    def judge(number: int, values: dict) -> Told:
        try:
            module = Module(stage.x.shape[1], values).draw(_seed(job, stage, name, number)).to(job.device)
            maps = maps_of(module, stage.x, stage.grid)
            if not bool(torch.isfinite(maps).all()):
                return Told(None, "its maps are not finite")
            decision = screening.decisions(maps, weights, margin)
        except (MemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            return Told(None, "out of memory")
        return Told(boosting.weighted_error(weights, screening.y, decision))

    tried = minimise(
        stage.space,
        evaluate,
        candidates=candidates,
        batch=job.entry.batch,
        sampler=job.entry.search,
        seed=seed_of(job.seed, job.entry.kind, stage.name, name),
        journal=job.folder / f"{stage.name}-{name}.journal",
    )
    for one in tried:
        if one.told.failed is None:
            job.log(f"{stage.name}-{name}", one.number, {"loss": one.told.loss})
    return tried


def _seed(job: Job, stage: Stage, *names) -> int:
    return seed_of(job.seed, job.entry.kind, "filters", stage.name, *names)


def _best(tried: list[Tried], kept: int, name: str) -> list[Tried]:
    """Return the candidates of least loss, ties by number."""
    good = [one for one in tried if one.told.failed is None]
    if len(good) < kept:
        reason = next(one.told.failed for one in tried if one.told.failed is not None)
        raise DataError(
            f"model {name}: only {len(good)} of {len(tried)} candidates could be computed ({reason}); "
            f"raise models.{name}.first.candidates and second.candidates, or lower its size"
        )
    return sorted(good, key=lambda one: (one.told.loss, one.number))[:kept]


def _add(job: Job, stage: Stage, found: Found, one: Tried, name, place: int) -> None:
    """Make a chosen candidate again, train its filters if the variant says so, and keep it with its maps."""
    module = Module(stage.x.shape[1], one.values).draw(_seed(job, stage, name, one.number)).to(job.device)
    if job.entry.filters == "trained":
        _train(job, stage, module, place)
    found.modules.append(module)
    found.values.append(one.values)
    with one_thread():
        found.maps.append(maps_of(module, stage.x, stage.grid))


def _train(job: Job, stage: Stage, module: Module, place: int) -> None:
    """Train the filters of a module with a linear head on its maps, on the class-weighted cross-entropy."""
    values, rows = job.entry.training, job.examples.rows("train")
    y = torch.from_numpy(job.examples.label[rows].astype(np.int64)).to(job.device)
    cells = (stage.grid or 1) ** 2
    pooled = nn.AdaptiveAvgPool2d(stage.grid or 1)
    head = nn.Linear(cells * module.layers[-1].weight.shape[0], 2)
    seed = seed_of(job.seed, job.entry.kind, "training", stage.name, place)
    glorot_(head, torch.Generator().manual_seed(seed))
    module.requires_grad_(True)
    network = nn.Sequential(module, pooled, nn.Flatten(), head).to(job.device)
    plan = Plan(epochs=values.epochs, batch=values.batch, learning_rate=values.learning_rate)
    checkpoint = job.folder / f"{stage.name}-{place}.safetensors"
    try:
        fit_network(network, Split(stage.x, y), None, plan, seed, checkpoint)
    except TrainingFailed as error:
        raise DataError(f"model {job.name}: {error}; lower models.{job.name}.training.learning_rate") from error
    module.requires_grad_(False)


def fit(job: Job) -> Fitted:
    """Search both stages and fit the read-out."""
    entry, examples = job.entry, job.examples
    rows = examples.rows("train")
    x = data.resized(examples.images, entry.size)
    label = examples.label[rows]
    groups = examples.table["group"].to_numpy()[rows]
    screening = Screening.of(label, groups, entry.folds, entry.penalty, seed_of(job.seed, entry.kind, "folds"))
    first = search(
        job,
        Stage(
            name="first",
            x=x[torch.from_numpy(rows)].to(job.device),
            space=lambda trial: hmo_space.module(trial, entry.n_filt, entry.k_filt),
            grid=entry.grid,
            modules=entry.first.modules,
            candidates=entry.first.candidates,
        ),
        screening,
    )
    n_filt = entry.top // entry.second.modules
    second = search(
        job,
        Stage(
            name="second",
            x=torch.cat(first.maps, 1),
            space=lambda trial: hmo_space.module(trial, [n_filt], entry.second_k_filt),
            grid=None,
            modules=entry.second.modules,
            candidates=entry.second.candidates,
        ),
        screening,
    )
    architecture = {"size": entry.size, "grid": entry.grid, "first": first.values, "second": second.values}
    network = build(architecture)
    for modules, chosen in ((network.first, first.modules), (network.second, second.modules)):
        for module, one in zip(modules, chosen, strict=True):
            module.load_state_dict(one.state_dict())
    network.to(job.device)
    penalty, errors = read_out(network, job, x, torch.cat(second.maps, 1), screening.y)
    notes = {"rounds": {"first": first.rounds, "second": second.rounds}, "penalty": penalty, "selection_error": errors}
    return Fitted(network, architecture, notes)


def read_out(network, job: Job, x: torch.Tensor, top: torch.Tensor, y: np.ndarray) -> tuple[float, dict[str, float]]:
    """Fit the read-out of `network` on the top-level outputs of the screening images.

    Returns
    -------
    penalty : float
        That of least balanced error on the selection images, the smallest of equals.
    errors : dict
        Balanced error on the selection images by penalty.
    """
    rows = job.examples.rows(job.examples.selection)
    y_selection = np.where(job.examples.label[rows] == 1, 1.0, -1.0)
    weights, weights_selection = boosting.balanced(y), boosting.balanced(y_selection)
    images = x[torch.from_numpy(rows)].to(job.device)
    with one_thread():
        seen = maps_of(lambda batch: network.maps(batch)["L4"], images, None)
    errors = {}
    for penalty in job.entry.penalties:
        network.set_read_out(svm.fit(top, y, weights, penalty))
        with torch.no_grad():
            logits = network.head(seen).cpu().numpy()
        errors[penalty] = boosting.weighted_error(weights_selection, y_selection, logits[:, 1] - logits[:, 0])
    best = min(errors, key=lambda penalty: (errors[penalty], penalty))
    network.set_read_out(svm.fit(top, y, weights, best))
    return best, {str(penalty): error for penalty, error in errors.items()}
